//! The run-time's credential broker over the vault.

use async_trait::async_trait;

use crate::connector::seam::CredentialBroker;
use crate::fault::{Fault, Kind};
use crate::model::account::{Account, RoleKind};
use crate::model::name::{AccountId, AccountName};
use crate::secret::Secret;
use crate::store::Store;

/// Signs in for one account with what the operator left in the vault.
pub struct VaultBroker {
    store: Store,
    account: AccountId,
    name: AccountName,
    /// The endpoint of the session, and the name under which its secret lies in the vault.
    endpoint: RoleKind,
    secret: RoleKind,
}

impl VaultBroker {
    /// For a session of `account` in the role `kind`.
    #[must_use]
    pub fn new(store: Store, account: &Account, kind: RoleKind) -> Self {
        Self { store, account: account.id, name: account.name.clone(), endpoint: kind, secret: account.credentials_of(kind) }
    }

    async fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        Ok(self.store.secret(self.account, name).await?)
    }
}

#[async_trait]
impl CredentialBroker for VaultBroker {
    async fn line_secret(&self, endpoint: &str) -> Result<Option<Secret>, Fault> {
        self.secret(if endpoint == self.endpoint.word() { self.secret.word() } else { endpoint }).await
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
