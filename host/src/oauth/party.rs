//! Whose tokens: one account's settings, with what lies in the vault for them.

use crate::fault::{Fault, Kind};
use crate::model::endpoint::Endpoint;
use crate::model::name::{AccountId, AccountName};
use crate::model::oauth::{Addresses, OAuth};
use crate::secret::Secret;

/// One account, as its authorization server is asked for it.
#[derive(Clone)]
pub struct Party {
    /// Which account.
    pub account: AccountId,
    /// What the operator calls it.
    pub name: AccountName,
    /// How it has its tokens.
    pub oauth: OAuth,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The account's way into the network: its proxy, networks and time-outs hold for the authorization server too.
    pub way: Endpoint,
    /// The client's secret.
    pub client_secret: Option<Secret>,
    /// The key that assertions are signed with.
    pub signing_key: Option<Secret>,
}

impl Party {
    /// Where the authorization server is.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.oauth.resolved()
    }

    /// The token endpoint.
    ///
    /// # Errors
    /// `Misconfigured` where nobody named it.
    pub fn token_endpoint(&self) -> Result<String, Fault> {
        self.addresses().token.ok_or_else(|| self.unnamed("token endpoint", "--token-url URL"))
    }

    /// `url` where it really is, by the operator's `--origin FROM=TO`: what a browser opens knows nothing of that option.
    pub(super) fn rewritten(&self, mut url: url::Url) -> url::Url {
        let origin = url.origin().ascii_serialization();
        let to =
            self.oauth.origins.iter().filter_map(|rewrite| rewrite.split_once('=')).find(|(from, _)| from.trim_end_matches('/') == origin);
        if let Some(Ok(to)) = to.map(|(_, to)| url::Url::parse(to)) {
            // Both are of the schemes that have hosts and ports; where one of these does not hold, the origin was none.
            let _ = url.set_scheme(to.scheme());
            let _ = url.set_host(to.host_str());
            let _ = url.set_port(to.port());
        }
        url
    }

    /// The refusal of an endpoint that nobody named.
    pub(super) fn unnamed(&self, what: &str, option: &str) -> Fault {
        Fault::new(Kind::Misconfigured, format!("find the {what} of `{}`", self.name))
            .because_words("the account's provider has none that this host knows")
            .with_remedy(format!(
                "name it: `postrider account edit {} {option}`, or `--issuer URL` for all that the server tells of itself",
                self.name
            ))
    }

    /// `fault` with the account's name in the commands that it recommends.
    pub(super) fn naming(&self, mut fault: Fault) -> Fault {
        if let Some(remedy) = &mut fault.remedy {
            for command in ["authorize", "edit", "show", "token"] {
                *remedy =
                    remedy.replace(&format!("postrider account {command} NAME"), &format!("postrider account {command} {}", self.name));
            }
        }
        fault
    }

    /// Every secret of the account's that may stand in what its server says.
    pub(super) fn redact(&self, words: &str) -> String {
        let mut words = words.to_owned();
        for secret in [&self.client_secret, &self.signing_key].into_iter().flatten() {
            words = secret.redact(&words);
        }
        words
    }
}
