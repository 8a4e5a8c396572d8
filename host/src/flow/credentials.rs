//! The run-time's credential broker over the vault.

use async_trait::async_trait;

use crate::connector::seam::CredentialBroker;
use crate::fault::{Fault, Kind};
use crate::model::name::{AccountId, AccountName};
use crate::secret::Secret;
use crate::store::Store;

/// Signs in for one account with what the operator left in the vault.
pub struct VaultBroker {
    store: Store,
    account: AccountId,
    name: AccountName,
}

impl VaultBroker {
    /// For `account`.
    #[must_use]
    pub fn new(store: Store, account: AccountId, name: AccountName) -> Self {
        Self { store, account, name }
    }

    async fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        Ok(self.store.secret(self.account, name).await?)
    }
}

#[async_trait]
impl CredentialBroker for VaultBroker {
    async fn line_secret(&self, endpoint: &str) -> Result<Option<Secret>, Fault> {
        self.secret(endpoint).await
    }

    async fn http_credential(&self, credential: &str) -> Result<Secret, Fault> {
        self.secret(credential).await?.ok_or_else(|| {
            Fault::new(Kind::Unauthenticated, format!("find the credential `{credential}` of the account `{}`", self.name))
                .because_words("the vault holds none under this name")
                .with_remedy(format!("give it one: `postrider account edit {}`", self.name))
        })
    }
    async fn renew_http_credential(&self, _credential: &str, _refused: &Secret) -> Result<Option<Secret>, Fault> {
        // A password or key stays as it is until the operator gives another one.
        Ok(None)
    }
}
