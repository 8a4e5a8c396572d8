//! Whether a manifest's fields can be meant, alone and together.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CredentialKind, DeclaredCredential, DeclaredEndpoint, FORMAT, Manifest, ManifestError, OAuth, Placement};
use crate::model::endpoint::Protocol;

/// Headers that are the host's own, and never a credential's (RFC 9110 sections 7.2, 7.6 and 8.6, RFC 6265).
const HOST_HEADERS: &[&str] =
    &["connection", "content-length", "cookie", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "via"];

impl Manifest {
    /// Every rule that the types do not hold by themselves; the first one broken is the error.
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        if self.format != FORMAT {
            return Err(ManifestError::Format(self.format));
        }
        check_words("name", &self.name, 80)?;
        if self.name.is_empty() || self.name.contains('\n') {
            return wrong("name", "must be one line of text");
        }
        check_words("description", &self.description, 2_000)?;
        if let Some(homepage) = &self.homepage {
            check_url("homepage", homepage)?;
        }
        check_names("abilities", self.abilities.iter().map(String::as_str), 32)?;
        check_names("endpoints", self.endpoints.iter().map(|endpoint| endpoint.name.as_str()), 16)?;
        check_names("credentials", self.credentials.iter().map(|credential| credential.name.as_str()), 16)?;
        at_most("origins", self.origins.len(), 64)?;
        for endpoint in &self.endpoints {
            self.check_endpoint(endpoint)?;
        }
        for credential in &self.credentials {
            self.check_credential(credential)?;
        }
        self.check_oauth()?;
        self.settings.check()?;
        check_texts(self.settings.as_json())
    }

    fn check_endpoint(&self, endpoint: &DeclaredEndpoint) -> Result<(), ManifestError> {
        let at = |field: &str| format!("endpoints.{}.{field}", endpoint.name);
        for role in ["receive", "send"] {
            if endpoint.name == role && !self.has_ability(role) {
                return wrong(&at("name"), &format!("is for connectors whose `abilities` name `{role}`"));
            }
        }
        let Some(name) = &endpoint.credential else { return Ok(()) };
        let Some(credential) = self.credential(name) else {
            return wrong(&at("credential"), &format!("names `{}`, which is not among `credentials`", name.escape_debug()));
        };
        if endpoint.protocol == Protocol::Stream {
            return wrong(&at("credential"), "cannot be: on a `stream` nobody signs in, so that no secret can be drawn out of it");
        }
        if credential.placement != Placement::Line || credential.kind == CredentialKind::ApiKey {
            return wrong(&at("credential"), &format!("names `{name}`, which must be a password or oauth with placement `line`"));
        }
        Ok(())
    }

    fn check_credential(&self, credential: &DeclaredCredential) -> Result<(), ManifestError> {
        let at = |field: &str| format!("credentials.{}.{field}", credential.name);
        at_most(&at("origins"), credential.origins.len(), 64)?;
        if let Some(origin) = credential.origins.iter().find(|origin| !self.origins.contains(origin)) {
            return wrong(&at("origins"), &format!("names `{origin}`, which is not among the manifest's `origins`"));
        }
        let used = self.endpoints.iter().any(|endpoint| endpoint.credential.as_deref() == Some(&credential.name));
        match &credential.placement {
            Placement::Line if !credential.origins.is_empty() => {
                return wrong(&at("origins"), "cannot be with placement `line`: that credential goes to endpoints");
            }
            Placement::Line if !used => return wrong(&at("placement"), "is `line`, but no endpoint names this credential"),
            Placement::Bearer | Placement::Basic | Placement::Header(_) if credential.origins.is_empty() => {
                return wrong(&at("origins"), "is empty: a credential goes only to origins that are named");
            }
            Placement::Basic if credential.kind != CredentialKind::Password => {
                return wrong(&at("placement"), "is `basic`, which takes a credential of kind `password`");
            }
            Placement::Bearer if credential.kind == CredentialKind::Password => {
                return wrong(&at("placement"), "is `bearer`, which takes a credential of kind `oauth` or `api-key`");
            }
            Placement::Header(name) => check_header(&at("placement.header"), name)?,
            Placement::Line | Placement::Bearer | Placement::Basic => {}
        }
        Ok(())
    }

    fn check_oauth(&self) -> Result<(), ManifestError> {
        let user = self.credentials.iter().find(|credential| credential.kind == CredentialKind::Oauth);
        let Some(OAuth { authorization, token, device, scopes }) = &self.oauth else {
            // A password protocol's OAuth comes from the host's presets, so that it may be missing here.
            return Ok(());
        };
        if user.is_none() {
            return wrong("oauth", "is of no use: no credential is of kind `oauth`");
        }
        check_url("oauth.authorization", authorization)?;
        check_url("oauth.token", token)?;
        if let Some(device) = device {
            check_url("oauth.device", device)?;
        }
        at_most("oauth.scopes", scopes.len(), 64)?;
        // RFC 6749 section 3.3: scope-token.
        let is_token = |scope: &String| scope.bytes().all(|c| matches!(c, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        match scopes.iter().find(|scope| scope.is_empty() || scope.len() > 256 || !is_token(scope)) {
            Some(scope) => wrong("oauth.scopes", &format!("holds `{}`, which is no scope (RFC 6749 section 3.3)", scope.escape_debug())),
            None => Ok(()),
        }
    }
}

fn wrong<T>(field: &str, wrong: &str) -> Result<T, ManifestError> {
    Err(ManifestError::Field { field: field.to_owned(), wrong: wrong.to_owned() })
}

fn at_most(field: &str, count: usize, most: usize) -> Result<(), ManifestError> {
    if count > most { wrong(field, &format!("holds {count} entries, and {most} are allowed")) } else { Ok(()) }
}

/// Names that are unique and within their set of characters.
fn check_names<'a>(field: &str, names: impl Iterator<Item = &'a str>, most: usize) -> Result<(), ManifestError> {
    let mut seen = BTreeSet::new();
    for name in names {
        let in_set = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
        if !in_set || name.len() > 64 || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            let name = name.escape_debug();
            return wrong(field, &format!("holds the name `{name}`: names take 1 to 64 characters of a-z, 0-9 and '-', a letter first"));
        }
        if !seen.insert(name) {
            return wrong(field, &format!("holds `{name}` twice"));
        }
        at_most(field, seen.len(), most)?;
    }
    Ok(())
}

/// Words that a terminal may show: no control characters, and none that turn the direction of writing, with which a manifest
/// could make the operator read something else than it says.
fn check_words(field: &str, words: &str, most: usize) -> Result<(), ManifestError> {
    let hides =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if words.chars().any(hides) {
        return wrong(field, "holds control characters");
    }
    if words.chars().nth(most).is_some() { wrong(field, &format!("takes at most {most} characters")) } else { Ok(()) }
}

/// Every text of the settings' schema, names included.
fn check_texts(value: &Value) -> Result<(), ManifestError> {
    match value {
        Value::String(text) => check_words("settings", text, 2_000),
        Value::Array(elements) => elements.iter().try_for_each(check_texts),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            check_words("settings", name, 2_000)?;
            check_texts(value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// An https URL that is spelled as it is used, without user, password and fragment.
fn check_url(field: &str, given: &str) -> Result<(), ManifestError> {
    let plain =
        |url: &url::Url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let canonical = |url: &url::Url| url.as_str() == given || url.as_str().strip_suffix('/') == Some(given);
    match url::Url::parse(given) {
        Ok(url) if given.len() <= 1_024 && plain(&url) && canonical(&url) => Ok(()),
        _ => wrong(field, &format!("is `{}`, which is no plain https URL", given.escape_debug())),
    }
}

/// A header's name (RFC 9110 section 5.1) that is not the host's own.
fn check_header(field: &str, name: &str) -> Result<(), ManifestError> {
    let lower = name.to_ascii_lowercase();
    if http::HeaderName::try_from(name).is_err() || name.len() > 64 {
        return wrong(field, &format!("is `{}`, which is no header's name", name.escape_debug()));
    }
    if HOST_HEADERS.contains(&lower.as_str()) || lower.starts_with("proxy-") {
        return wrong(field, &format!("is `{name}`, which is the host's own"));
    }
    Ok(())
}
