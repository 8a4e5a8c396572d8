//! Providers that the host knows, as data: their servers for the line protocols and their OAuth 2.0. Nothing of it comes from a component.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::endpoint::{Protocol, Security};

/// A provider whose addresses the host knows, or one that the operator describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Microsoft 365 for organisations (Exchange Online).
    Office365,
    /// Outlook.com, Hotmail and Live: Microsoft for persons.
    Outlook,
    /// Gmail, and Google Workspace.
    Gmail,
    /// Yahoo Mail.
    Yahoo,
    /// Zoho Mail. Its IMAP, POP3 and SMTP take passwords and app passwords, no tokens.
    Zoho,
    /// What the operator names.
    Custom,
}

/// One server of a provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub host: &'static str,
    /// TCP port.
    pub port: u16,
    /// How the line is protected.
    pub security: Security,
}

/// A provider's OAuth 2.0. In its URLs, `{tenant}` stands for the operator's tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Where people give their consent (RFC 6749 section 3.1).
    pub authorization: &'static str,
    /// Where tokens are had (RFC 6749 section 3.2).
    pub token: &'static str,
    /// Where device codes are had (RFC 8628 section 3.1); none: mail is not to be had by device code.
    pub device: Option<&'static str>,
    /// Who signed in (OpenID Connect Core 1.0 section 5.3), where the token is good for it.
    pub userinfo: Option<&'static str>,
    /// The tenant where the operator names none.
    pub tenant: Option<&'static str>,
    /// What is asked for to sign in to IMAP.
    pub imap: &'static [&'static str],
    /// What is asked for to sign in to POP3.
    pub pop3: &'static [&'static str],
    /// What is asked for to sign in to SMTP submission.
    pub smtp: &'static [&'static str],
    /// Of the scopes of the provider's own interfaces, those that let somebody send and nothing else.
    pub sending: &'static [&'static str],
    /// What is asked for beside, so that tokens can be renewed and say who signed in.
    pub always: &'static [&'static str],
    /// What an application asks for in its own name, without a person, for the line protocols.
    pub application: &'static [&'static str],
    /// Parameters of the consent that the provider needs to give a refresh token.
    pub consent: &'static [(&'static str, &'static str)],
    /// What the host of a redirect to this machine is called: which of the names the provider lets go with any port.
    pub loopback: &'static str,
    /// How the client says who it is.
    pub client_auth: ClientAuth,
    /// How its assertions are signed.
    pub signature: Signature,
}

/// How a client with a secret says who it is (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// In the header `Authorization: Basic`.
    Basic,
    /// In the request's body.
    Post,
}

/// How an assertion is signed (RFC 7518 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signature {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

/// Entra ID. Endpoints: learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow and -device-code; the lines' scopes:
/// learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth;
/// PS256 and x5t#S256: learn.microsoft.com/entra/identity-platform/certificate-credentials.
const MICROSOFT: Preset = Preset {
    authorization: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
    token: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
    device: Some("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode"),
    // Its userinfo takes tokens for Graph alone; the id_token says who it is.
    userinfo: None,
    tenant: Some("common"),
    imap: &["https://outlook.office.com/IMAP.AccessAsUser.All"],
    pop3: &["https://outlook.office.com/POP.AccessAsUser.All"],
    smtp: &["https://outlook.office.com/SMTP.Send"],
    sending: &["https://graph.microsoft.com/Mail.Send", "Mail.Send"],
    always: &["openid", "email", "profile", "offline_access"],
    application: &["https://outlook.office365.com/.default"],
    consent: &[],
    loopback: "localhost",
    client_auth: ClientAuth::Post,
    signature: Signature::Ps256,
};

/// Microsoft for persons.
const MICROSOFT_PERSONAL: Preset = Preset { tenant: Some("consumers"), application: &[], ..MICROSOFT };

/// developers.google.com/identity/protocols/oauth2/native-app; the lines' only scope: developers.google.com/workspace/gmail/imap/xoauth2-protocol.
/// By device code Google gives no scope of Gmail's (developers.google.com/identity/protocols/oauth2/limited-input-device).
const GOOGLE: Preset = Preset {
    authorization: "https://accounts.google.com/o/oauth2/v2/auth",
    token: "https://oauth2.googleapis.com/token",
    device: None,
    userinfo: Some("https://openidconnect.googleapis.com/v1/userinfo"),
    tenant: None,
    imap: &["https://mail.google.com/"],
    pop3: &["https://mail.google.com/"],
    smtp: &["https://mail.google.com/"],
    sending: &["https://www.googleapis.com/auth/gmail.send"],
    always: &["openid", "email"],
    application: &["https://mail.google.com/"],
    consent: &[("access_type", "offline"), ("prompt", "consent")],
    loopback: "127.0.0.1",
    client_auth: ClientAuth::Post,
    signature: Signature::Rs256,
};

/// developer.yahoo.com/oauth2/guide; `mail-w` is given to approved partners (senders.yahooinc.com/developer/documentation).
const YAHOO: Preset = Preset {
    authorization: "https://api.login.yahoo.com/oauth2/request_auth",
    token: "https://api.login.yahoo.com/oauth2/get_token",
    device: None,
    userinfo: Some("https://api.login.yahoo.com/openid/v1/userinfo"),
    tenant: None,
    imap: &["mail-w"],
    pop3: &["mail-w"],
    smtp: &["mail-w"],
    sending: &[],
    always: &["openid", "email"],
    application: &[],
    consent: &[],
    loopback: "127.0.0.1",
    client_auth: ClientAuth::Basic,
    signature: Signature::Rs256,
};

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 6] = [Self::Office365, Self::Outlook, Self::Gmail, Self::Yahoo, Self::Zoho, Self::Custom];

    /// As operators write it after `--provider`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Office365 => "office365",
            Self::Outlook => "outlook",
            Self::Gmail => "gmail",
            Self::Yahoo => "yahoo",
            Self::Zoho => "zoho",
            Self::Custom => "custom",
        }
    }

    /// The provider's OAuth 2.0; none: it has none for mail, or the operator describes it.
    #[must_use]
    pub const fn oauth(self) -> Option<&'static Preset> {
        match self {
            Self::Office365 => Some(&MICROSOFT),
            Self::Outlook => Some(&MICROSOFT_PERSONAL),
            Self::Gmail => Some(&GOOGLE),
            Self::Yahoo => Some(&YAHOO),
            Self::Zoho | Self::Custom => None,
        }
    }

    /// The provider's server for `protocol`: support.microsoft.com (POP, IMAP and SMTP settings for Outlook.com),
    /// developers.google.com/workspace/gmail/imap/imap-smtp, help.yahoo.com/kb/SLN4075.html, zoho.com/mail/help/imap-access.html.
    #[must_use]
    pub const fn server(self, protocol: Protocol) -> Option<Server> {
        const fn tls_at(host: &'static str, port: u16) -> Option<Server> {
            Some(Server { host, port, security: Security::Tls })
        }
        const fn starttls_at(host: &'static str) -> Option<Server> {
            Some(Server { host, port: 587, security: Security::Starttls })
        }
        match (self, protocol) {
            (Self::Office365, Protocol::Imap) => tls_at("outlook.office365.com", 993),
            (Self::Office365, Protocol::Pop3) => tls_at("outlook.office365.com", 995),
            (Self::Office365, Protocol::Smtp) => starttls_at("smtp.office365.com"),
            (Self::Outlook, Protocol::Imap) => tls_at("outlook.office365.com", 993),
            (Self::Outlook, Protocol::Pop3) => tls_at("outlook.office365.com", 995),
            (Self::Outlook, Protocol::Smtp) => starttls_at("smtp-mail.outlook.com"),
            (Self::Gmail, Protocol::Imap) => tls_at("imap.gmail.com", 993),
            (Self::Gmail, Protocol::Pop3) => tls_at("pop.gmail.com", 995),
            (Self::Gmail, Protocol::Smtp) => tls_at("smtp.gmail.com", 465),
            (Self::Yahoo, Protocol::Imap) => tls_at("imap.mail.yahoo.com", 993),
            (Self::Yahoo, Protocol::Pop3) => tls_at("pop.mail.yahoo.com", 995),
            (Self::Yahoo, Protocol::Smtp) => tls_at("smtp.mail.yahoo.com", 465),
            (Self::Zoho, Protocol::Imap) => tls_at("imap.zoho.com", 993),
            (Self::Zoho, Protocol::Pop3) => tls_at("pop.zoho.com", 995),
            (Self::Zoho, Protocol::Smtp) => tls_at("smtp.zoho.com", 465),
            _ => None,
        }
    }
}

impl Preset {
    /// What is asked for to sign in to a server of `protocol`.
    #[must_use]
    pub const fn line(&self, protocol: Protocol) -> &'static [&'static str] {
        match protocol {
            Protocol::Imap => self.imap,
            Protocol::Pop3 => self.pop3,
            Protocol::Smtp => self.smtp,
            Protocol::Lmtp | Protocol::Stream => &[],
        }
    }
}

/// What is not a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no provider that this host knows")]
pub struct ProviderError(String);

impl FromStr for Provider {
    type Err = ProviderError;

    fn from_str(given: &str) -> Result<Self, ProviderError> {
        Self::ALL.into_iter().find(|provider| provider.word() == given).ok_or_else(|| ProviderError(given.escape_debug().to_string()))
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_https_and_every_line_has_scopes() {
        for provider in Provider::ALL {
            assert_eq!(provider.word().parse(), Ok(provider));
            assert_eq!(serde_json::to_value(provider).unwrap(), provider.word());
            let Some(preset) = provider.oauth() else { continue };
            for address in [Some(preset.authorization), Some(preset.token), preset.device, preset.userinfo].into_iter().flatten() {
                let url = url::Url::parse(&address.replace("{tenant}", preset.tenant.unwrap_or_default())).unwrap();
                assert_eq!((url.scheme(), url.query()), ("https", None), "{address}");
            }
            for protocol in [Protocol::Imap, Protocol::Pop3, Protocol::Smtp] {
                assert!(!preset.line(protocol).is_empty(), "{provider} {protocol:?}");
            }
        }
        assert!("office-365".parse::<Provider>().is_err());
    }
}
