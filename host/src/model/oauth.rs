//! How an account has its OAuth 2.0 access tokens: all of it but the secrets, which lie in the vault.

use serde::{Deserialize, Serialize};

use super::name::AccountId;
use super::provider::{ClientAuth, Provider, Signature};
use crate::clock::Timestamp;

/// The sealed record of an account's tokens, in the vault. No manifest can declare a name with a slash.
pub const TOKENS: &str = "oauth/tokens";

/// The client's secret, in the vault.
pub const CLIENT_SECRET: &str = "oauth/client-secret";

/// The private key that assertions are signed with, in the vault: RSA, in DER (PKCS #8 or PKCS #1).
pub const SIGNING_KEY: &str = "oauth/signing-key";

/// An account's OAuth 2.0 (RFC 6749).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuth {
    /// Whose addresses and scopes hold where the operator says nothing.
    pub provider: Provider,
    /// How tokens are had.
    pub grant: Grant,
    /// The client's id (RFC 6749 section 2.2); empty where nobody asks for it.
    #[serde(default)]
    pub client_id: String,
    /// Microsoft's tenant: its id, or a domain of it.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Addresses that differ from the provider's.
    #[serde(default)]
    pub addresses: Addresses,
    /// What is asked for instead of what the provider and the account's use say.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Origins that are really elsewhere, each "FROM=TO": national clouds, test servers.
    #[serde(default)]
    pub origins: Vec<String>,
    /// A PEM file of authorities to believe of the authorization server, instead of the system's.
    #[serde(default)]
    pub ca_file: Option<std::path::PathBuf>,
    /// How the client shows its secret, where that differs from the provider's way.
    #[serde(default)]
    pub client_auth: Option<ClientAuth>,
    /// How assertions are signed, where that differs from the provider's way.
    #[serde(default)]
    pub signature: Option<Signature>,
    /// The certificate over the signing key, as PEM; the provider knows it by its hash.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The provider's name of the signing key, where it has no certificate.
    #[serde(default)]
    pub key_id: Option<String>,
    /// When the client's secret expires, by the operator's word.
    #[serde(default)]
    pub secret_expires: Option<Timestamp>,
}

/// How tokens are had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// A person consents, once; a refresh token goes on from there (RFC 6749 sections 4.1 and 6, RFC 8628).
    User,
    /// The application signs in as itself, by its secret or a signed assertion (RFC 6749 section 4.4, RFC 7523 section 2.2).
    ClientCredentials,
    /// An assertion that is a grant (RFC 7523 section 2.1), as Google's service accounts have it.
    ServiceAccount {
        /// The person for whom it acts, where the domain delegates to it; none: itself.
        subject: Option<String>,
    },
    /// A program that prints a token: its path and its arguments; no shell reads them.
    Command(Vec<String>),
    /// Another account's tokens: for shared and delegated mailboxes.
    OfAccount(AccountId),
}

/// The authorization server's endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// RFC 6749 section 3.1.
    #[serde(default)]
    pub authorization: Option<String>,
    /// RFC 6749 section 3.2.
    #[serde(default)]
    pub token: Option<String>,
    /// RFC 8628 section 3.1.
    #[serde(default)]
    pub device: Option<String>,
    /// OpenID Connect Core 1.0 section 5.3.
    #[serde(default)]
    pub userinfo: Option<String>,
    /// Who answers (RFC 8414 section 2, RFC 9207).
    #[serde(default)]
    pub issuer: Option<String>,
}

impl Grant {
    /// As operators write it after `--grant`, and as it is shown.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ClientCredentials => "client-credentials",
            Self::ServiceAccount { .. } => "service-account",
            Self::Command(_) => "command",
            Self::OfAccount(_) => "of-account",
        }
    }
}

impl OAuth {
    /// Where the authorization server is: the operator's word, else the provider's, with the tenant put in.
    #[must_use]
    pub fn resolved(&self) -> Addresses {
        let preset = self.provider.oauth();
        let tenant = self.tenant.as_deref().or_else(|| preset.and_then(|preset| preset.tenant)).unwrap_or_default();
        let known =
            |given: &Option<String>, preset: Option<&str>| given.clone().or_else(|| preset.map(|url| url.replace("{tenant}", tenant)));
        Addresses {
            authorization: known(&self.addresses.authorization, preset.map(|preset| preset.authorization)),
            token: known(&self.addresses.token, preset.map(|preset| preset.token)),
            device: known(&self.addresses.device, preset.and_then(|preset| preset.device)),
            userinfo: known(&self.addresses.userinfo, preset.and_then(|preset| preset.userinfo)),
            issuer: self.addresses.issuer.clone(),
        }
    }

    /// How the client shows its secret. RFC 6749 section 2.3.1 has every server take the header.
    #[must_use]
    pub fn client_auth(&self) -> ClientAuth {
        self.client_auth.or_else(|| self.provider.oauth().map(|preset| preset.client_auth)).unwrap_or(ClientAuth::Basic)
    }

    /// How assertions are signed.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.signature.or_else(|| self.provider.oauth().map(|preset| preset.signature)).unwrap_or(Signature::Rs256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_word_goes_first_and_the_tenant_is_put_in() {
        let json = r#"{"provider":"office365","grant":"user","client_id":"c","tenant":"example.com"}"#;
        let mut oauth: OAuth = serde_json::from_str(json).unwrap();
        assert_eq!(oauth.resolved().token.unwrap(), "https://login.microsoftonline.com/example.com/oauth2/v2.0/token");
        oauth.tenant = None;
        assert_eq!(oauth.resolved().device.unwrap(), "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode");
        oauth.addresses.token = Some("https://id.example/token".to_owned());
        assert_eq!(oauth.resolved().token.unwrap(), "https://id.example/token");
        assert_eq!((oauth.client_auth(), oauth.signature()), (ClientAuth::Post, Signature::Ps256));
        let json = serde_json::to_string(&OAuth { grant: Grant::ServiceAccount { subject: None }, ..oauth.clone() }).unwrap();
        assert!(serde_json::from_str::<OAuth>(&json).is_ok(), "{json}");
    }
}
