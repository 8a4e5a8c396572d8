//! What a component may do because the operator said so. Plain data: whoever calls keeps it, sealed.

use semver::Version;
use serde::{Deserialize, Serialize};

use super::manifest::{DeclaredCredential, DeclaredEndpoint, Manifest, OAuth, Origin, Placement};
use crate::clock::Timestamp;
use crate::model::endpoint::Fingerprint;
use crate::model::name::ConnectorId;

/// The operator's word for one component, exactly as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The connector. One approval an id: a later one takes the place of the earlier.
    pub id: ConnectorId,
    /// Its version, for people.
    pub version: Version,
    /// The SHA-256 of the component's file.
    pub sha256: Fingerprint,
    /// What it asked for and may have.
    pub granted: Wishes,
    /// When.
    pub approved: Timestamp,
}

/// What a manifest asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// Lines to the account's servers.
    pub endpoints: Vec<DeclaredEndpoint>,
    /// Where HTTP requests may go.
    pub origins: Vec<Origin>,
    /// What the host signs in with, and where that goes.
    pub credentials: Vec<DeclaredCredential>,
    /// The provider that the operator's users sign in at.
    pub oauth: Option<OAuth>,
}

impl Wishes {
    /// What this manifest asks for.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            endpoints: manifest.endpoints.clone(),
            origins: manifest.origins.clone(),
            credentials: manifest.credentials.clone(),
            oauth: manifest.oauth.clone(),
        }
    }

    /// One wish a line, in words that an operator can say yes or no to. Equal wishes give equal words.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for endpoint in &self.endpoints {
            words.push(self.endpoint_words(endpoint));
        }
        for origin in &self.origins {
            words.push(match origin {
                Origin::Account => "send HTTP requests to the account's own server".to_owned(),
                Origin::Exact(origin) => format!("send HTTP requests to {origin}"),
            });
        }
        for credential in &self.credentials {
            for origin in &credential.origins {
                words.push(self.credential_words(credential, origin));
            }
        }
        if let Some(oauth) = &self.oauth {
            words.push(format!("let users sign in at {}", oauth.authorization));
            words.push(format!("get tokens from {}", oauth.token));
            words.extend(oauth.device.iter().map(|device| format!("let users sign in on another device at {device}")));
            words.extend(oauth.scopes.iter().map(|scope| format!("ask for the scope {scope}")));
        }
        words
    }

    fn endpoint_words(&self, endpoint: &DeclaredEndpoint) -> String {
        let protocol = match serde_json::to_value(endpoint.protocol) {
            Ok(serde_json::Value::String(word)) => word.to_uppercase(),
            _ => String::new(),
        };
        let line = format!("open lines to the account's `{}` server ({protocol})", endpoint.name);
        let credential = endpoint.credential.as_ref().and_then(|name| self.credentials.iter().find(|credential| &credential.name == name));
        match credential {
            Some(credential) => format!("{line}, where the host signs in with the account's {}", credential.kind),
            None => format!("{line}, where nobody signs in"),
        }
    }

    fn credential_words(&self, credential: &DeclaredCredential, origin: &Origin) -> String {
        let placement = match &credential.placement {
            Placement::Line => "in the sign-in".to_owned(),
            Placement::Bearer => "as a bearer token".to_owned(),
            Placement::Basic => "as user and password".to_owned(),
            Placement::Header(name) => format!("in the header {name}"),
        };
        let origin = match origin {
            Origin::Account => "the account's own server",
            Origin::Exact(origin) => origin,
        };
        format!("have the host send the account's {} `{}` to {origin} {placement}", credential.kind, credential.name)
    }
}

impl Approval {
    /// The operator approves the component with this hash and manifest.
    #[must_use]
    pub fn new(manifest: &Manifest, sha256: Fingerprint, now: Timestamp) -> Self {
        Self { id: manifest.id.clone(), version: manifest.version.clone(), sha256, granted: Wishes::of(manifest), approved: now }
    }

    /// Whether it is for exactly this component.
    #[must_use]
    pub fn covers(&self, id: &ConnectorId, sha256: Fingerprint) -> bool {
        self.id == *id && self.sha256 == sha256
    }
}

/// What `new` asks for beyond what `old` granted, in words; empty where it asks for nothing more.
#[must_use]
pub fn widening(old: &Approval, new: &Manifest) -> Vec<String> {
    let granted = old.granted.in_words();
    Wishes::of(new).in_words().into_iter().filter(|wish| !granted.contains(wish)).collect()
}
