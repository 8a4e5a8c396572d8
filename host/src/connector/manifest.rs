//! What a connector says of itself: plain data, read without running or compiling anything. JSON in the component's custom
//! section [`SECTION`]; authors write it as `connector.toml`.

use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::settings::{SchemaError, SettingsSchema};
use crate::fault::{Fault, Kind};
use crate::model::endpoint::Protocol;
use crate::model::name::ConnectorId;

mod check;

/// The name of the custom section.
pub const SECTION: &str = "postrider:manifest";

/// The greatest manifest, in octets of JSON.
pub const MANIFEST_OCTETS: usize = 64 << 10;

/// The version of the manifest's format that this host reads. It rises with every field that is added: a wish that a host does
/// not understand is one that its operator was not asked about.
pub const FORMAT: u64 = 1;

/// A connector's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// The version of this format: 1.
    pub format: u64,
    /// What the connector is called in commands and file names.
    pub id: ConnectorId,
    /// The connector's own version (Semantic Versioning 2.0.0).
    #[serde(with = "version_text")]
    pub version: Version,
    /// The minor version of the contract that it is built against: "0.1".
    pub contract: ContractVersion,
    /// For people, 1 to 80 characters: "IMAP".
    pub name: String,
    /// One or two sentences for people, at most 2,000 characters.
    #[serde(default)]
    pub description: String,
    /// Where to read on: an https URL.
    #[serde(default)]
    pub homepage: Option<String>,
    /// What it can do: "receive", "send" and "profile" stand for the interfaces that it exports, any other word is the connector's own
    /// ("push"). At most 32.
    pub abilities: Vec<String>,
    /// The servers that it opens lines to, by name. At most 16.
    #[serde(default)]
    pub endpoints: Vec<DeclaredEndpoint>,
    /// Where HTTP requests may go. At most 64.
    #[serde(default)]
    pub origins: Vec<Origin>,
    /// What it needs the host to sign in with. At most 16.
    #[serde(default)]
    pub credentials: Vec<DeclaredCredential>,
    /// The provider's OAuth 2.0, where a credential is of that kind.
    #[serde(default)]
    pub oauth: Option<OAuth>,
    /// The settings that it takes.
    #[serde(default)]
    pub settings: SettingsSchema,
}

/// A server that the account names and the connector opens under this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeclaredEndpoint {
    /// "receive" and "send" are the ones that `account add` fills in; 1 to 64 characters of a-z, 0-9 and '-'.
    pub name: String,
    /// Decides the preamble that the host speaks. `stream`: none, TLS only, and never a secret.
    pub protocol: Protocol,
    /// The credential that the host signs in with; none: nobody signs in.
    #[serde(default)]
    pub credential: Option<String>,
    /// Whether an account may go without it.
    #[serde(default)]
    pub optional: bool,
}

/// Something that the host signs in with. The connector never sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeclaredCredential {
    /// As named by endpoints and in `http.request`; 1 to 64 characters of a-z, 0-9 and '-'.
    pub name: String,
    /// What the operator has to provide.
    pub kind: CredentialKind,
    /// Where the host puts it.
    pub placement: Placement,
    /// The origins whose requests may carry it; each among the manifest's.
    #[serde(default)]
    pub origins: Vec<Origin>,
}

/// What the operator has to provide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// A password or an app password.
    Password,
    /// A sign-in in the browser; the host keeps and renews the tokens.
    Oauth,
    /// A key from the provider's console.
    ApiKey,
}

/// Where the host puts a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// Into the sign-in of a line protocol.
    Line,
    /// `Authorization: Bearer` (RFC 6750 section 2.1).
    Bearer,
    /// `Authorization: Basic` with the account's user (RFC 7617).
    Basic,
    /// The value of this header.
    Header(String),
}

/// Where requests go: scheme, host and port (RFC 6454), as "https://host" or "https://host:port", or the word "account".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Origin {
    /// The server that the operator names for the account, over https: for providers that people host themselves (JMAP).
    Account,
    /// Exactly this one, in lower case and without the default port.
    Exact(String),
}

/// A provider's OAuth 2.0 (RFC 6749). The operator sees and approves it; the host's presets go first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OAuth {
    /// The authorization endpoint (RFC 6749 section 3.1): an https URL.
    pub authorization: String,
    /// The token endpoint (RFC 6749 section 3.2): an https URL.
    pub token: String,
    /// The device authorization endpoint (RFC 8628 section 3.1): an https URL.
    #[serde(default)]
    pub device: Option<String>,
    /// The most that is ever asked for. At most 64.
    pub scopes: Vec<String>,
}

/// A minor version of the contract. Within one, components and hosts of different patches go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContractVersion {
    /// Before the dot.
    pub major: u64,
    /// After the dot.
    pub minor: u64,
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Over [`MANIFEST_OCTETS`].
    #[error("the manifest takes {0} octets, and {MANIFEST_OCTETS} are allowed")]
    TooLarge(usize),
    /// Not JSON, or a field that is missing, unknown or of the wrong type.
    #[error("the manifest cannot be understood")]
    Json(#[source] serde_json::Error),
    /// Not TOML, or a field that is missing, unknown or of the wrong type.
    #[error("the manifest cannot be understood")]
    Toml(#[source] Box<toml::de::Error>),
    /// Written for a later host.
    #[error("the manifest is of format {0}, and this host reads format {FORMAT}: update the host or install an older connector")]
    Format(u64),
    /// A field whose value cannot be meant.
    #[error("`{field}` {wrong}")]
    Field {
        /// Its path: "credentials.mail.origins".
        field: String,
        /// What is wrong with it.
        wrong: String,
    },
    /// The settings' schema.
    #[error(transparent)]
    Settings(#[from] SchemaError),
}

impl Manifest {
    /// Read and check the JSON of the custom section.
    ///
    /// # Errors
    /// Too large, not understood, or a field that cannot be meant.
    pub fn from_json(octets: &[u8]) -> Result<Self, ManifestError> {
        if octets.len() > MANIFEST_OCTETS {
            return Err(ManifestError::TooLarge(octets.len()));
        }
        let value: Value = serde_json::from_slice(octets).map_err(ManifestError::Json)?;
        // Asked first: a later format may well have fields that this one calls unknown.
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format != FORMAT => return Err(ManifestError::Format(format)),
            _ => {}
        }
        let manifest: Self = serde_json::from_value(value).map_err(ManifestError::Json)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Read and check a `connector.toml`; also the JSON that goes into the component, with what the author wrote and no more.
    ///
    /// # Errors
    /// As for [`from_json`](Self::from_json); what is not understood is shown with its line.
    pub fn from_toml(text: &str) -> Result<(Self, Vec<u8>), ManifestError> {
        let toml = |error| ManifestError::Toml(Box::new(error));
        let value: Value = toml::from_str(text).map_err(toml)?;
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format != FORMAT => return Err(ManifestError::Format(format)),
            _ => {}
        }
        // Once for errors that show the line, once for the JSON.
        toml::from_str::<Self>(text).map_err(toml)?;
        let json = serde_json::to_vec(&value).map_err(ManifestError::Json)?;
        Ok((Self::from_json(&json)?, json))
    }

    /// "imap 0.1.0".
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.id, self.version)
    }

    /// The endpoint of this name.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Option<&DeclaredEndpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// The credential of this name.
    #[must_use]
    pub fn credential(&self, name: &str) -> Option<&DeclaredCredential> {
        self.credentials.iter().find(|credential| credential.name == name)
    }

    /// Whether it says that it can do this.
    #[must_use]
    pub fn has_ability(&self, word: &str) -> bool {
        self.abilities.iter().any(|ability| ability == word)
    }

    /// Whether an account's settings satisfy the schema.
    ///
    /// # Errors
    /// Kind `misconfigured`, naming every setting that does not fit and what it takes.
    pub fn check_settings(&self, settings: &Value) -> Result<(), Fault> {
        self.settings.check_settings(settings).map_err(|fault| self.settings_remedy(fault))
    }

    /// Settings from the `KEY=VALUE` pairs of `--set`, in the types that the schema names.
    ///
    /// # Errors
    /// Kind `usage`: an unknown setting, one set twice, or text that is not of its type.
    pub fn settings_from_pairs(&self, pairs: &[(String, String)]) -> Result<Value, Fault> {
        self.settings.from_pairs(pairs).map_err(|fault| self.settings_remedy(fault))
    }

    fn settings_remedy(&self, fault: Fault) -> Fault {
        fault.with_remedy(format!("`postrider connector inspect {}` lists the connector's settings", self.id))
    }
}

impl From<ManifestError> for Fault {
    fn from(error: ManifestError) -> Self {
        let kind = match error {
            ManifestError::TooLarge(_) => Kind::TooLarge,
            ManifestError::Format(_) => Kind::Unsupported,
            _ => Kind::ConnectorFailed,
        };
        Self::new(kind, "read the connector's manifest").because(&error)
    }
}

/// What is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin: those are `https://host` or `https://host:port` in lower case without a path, or `account`")]
pub struct OriginError(String);

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(given: &str) -> Result<Self, OriginError> {
        if given == "account" {
            return Ok(Self::Account);
        }
        let refuse = || OriginError(given.escape_debug().to_string());
        let url = url::Url::parse(given).map_err(|_| refuse())?;
        let origin = url.origin().ascii_serialization();
        // What the parser had to tidy up is not taken: the operator must see what will be compared.
        if url.scheme() == "https" && origin == given { Ok(Self::Exact(origin)) } else { Err(refuse()) }
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;

    fn try_from(given: String) -> Result<Self, OriginError> {
        given.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Account => "account".to_owned(),
            Origin::Exact(origin) => origin,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::Exact(origin) => origin,
        })
    }
}

/// What is not a version of the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version of the contract: those are written `0.1`")]
pub struct ContractVersionError(String);

impl FromStr for ContractVersion {
    type Err = ContractVersionError;

    fn from_str(given: &str) -> Result<Self, ContractVersionError> {
        let parsed = given.split_once('.').and_then(|(major, minor)| Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? }));
        parsed.filter(|version| version.to_string() == given).ok_or_else(|| ContractVersionError(given.escape_debug().to_string()))
    }
}

impl TryFrom<String> for ContractVersion {
    type Error = ContractVersionError;

    fn try_from(given: String) -> Result<Self, ContractVersionError> {
        given.parse()
    }
}

impl From<ContractVersion> for String {
    fn from(version: ContractVersion) -> Self {
        version.to_string()
    }
}

impl fmt::Display for ContractVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => "password",
            Self::Oauth => "OAuth sign-in",
            Self::ApiKey => "API key",
        })
    }
}

/// A version as text. The `serde` feature of `semver` would be this, and would have wasmtime compiled again for it.
pub(super) mod version_text {
    use semver::Version;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(version)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
        let text = String::deserialize(deserializer)?;
        Version::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
