//! What a connector may ask of HTTP: which origins, headers, methods and query parameters. Pure functions, so that the policy can be
//! read and tested in one place.

mod inspect;
mod multipart;
mod origin;
#[cfg(test)]
mod tests;

pub use inspect::{Inspection, WholeForm};
pub use multipart::{Boundary, Multipart};
pub use origin::{Admitted, Origin, Origins, Redirect};

use crate::fault::{Fault, Kind};

/// The longest URL (as in the contract).
const URL_OCTETS: usize = 8_192;

/// The most headers, and octets in them, that a connector may name (as in the contract).
const HEADERS: usize = 64;
const HEADER_OCTETS: usize = 32 << 10;

/// Headers that are the host's: credentials, framing, routing and what goes with the connection, and the coding that it takes off.
const HOSTS_HEADERS: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // Where the request is said to come from and to go to, for whoever forwards it.
    "forwarded",
    "via",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Words of names of headers that carry credentials of one service or another, without what parts their words.
const CREDENTIAL_WORDS: &[&str] = &["authorization", "apikey", "authtoken", "accesstoken", "securitytoken", "authkey"];

/// Methods that have no place here: tunnels, and echoes of the credential.
const REFUSED_METHODS: &[&str] = &["CONNECT", "TRACE", "TRACK"];

/// Why something may not be asked. No value of a header or parameter stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not absolute, too long, or with characters that URLs do not have.
    #[error("the URL is not an absolute https URL of at most {URL_OCTETS} octets")]
    BadUrl,
    /// `user:password@`.
    #[error("the URL holds a user or a password")]
    UserInUrl,
    /// http to somewhere else than loopback, or another scheme.
    #[error("{0} is neither https nor a loopback address that the operator named with `--origin`")]
    NotSecure(String),
    /// Not approved.
    #[error("the origin {0} is not approved for this connector")]
    Origin(Origin),
    /// A credential in the query.
    #[error("the query parameter `{0}` carries a credential; the host puts credentials on by itself")]
    SecretParameter(String),
    /// A header of the host's.
    #[error("the header `{0}` is the host's")]
    Header(String),
    /// Not a header.
    #[error("a header's name or value has characters that headers do not have")]
    BadHeader,
    /// Too many or too long.
    #[error("there are more than {HEADERS} headers or more than {HEADER_OCTETS} octets in them")]
    TooManyHeaders,
    /// A method that has no place here.
    #[error("the method `{0}` is not for connectors")]
    Method(String),
    /// Not "FROM=TO" of two origins.
    #[error("`{0}` is not FROM=TO with two origins such as https://host or https://host:port")]
    BadRewrite(String),
    /// A batch of requests, or what could be one.
    #[error("the batch of requests cannot be let through")]
    Batch(#[from] BatchError),
    /// A credential that is bound to other origins.
    #[error("this credential is not bound to {0}")]
    Unbound(Origin),
}

/// What is wrong with a body that holds requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// More than one Content-Type.
    #[error("there are two content types")]
    TwoTypes,
    /// Neither JSON nor multipart.
    #[error("its content type is neither JSON nor multipart")]
    Type,
    /// Compressed, or encoded.
    #[error("it is encoded, so that nobody could look through it")]
    Coded,
    /// None, or one that can be read in two ways.
    #[error("its boundary is missing or can be read in two ways")]
    Boundary,
    /// A line that is a delimiter to some readers.
    #[error("a line looks like the boundary and is not")]
    Delimiter,
    /// A part of another type than its place allows.
    #[error("a part is of a type that has no place in it")]
    PartType,
    /// No request line, or no end of its headers.
    #[error("a part is not one whole request")]
    Request,
    /// Another length than the part has.
    #[error("a part declares another length than it has")]
    Length,
    /// No closing delimiter.
    #[error("it has no end")]
    Unclosed,
    /// Not the JSON of a batch.
    #[error("it is not the JSON of a batch")]
    Json,
    /// A batch inside of a batch.
    #[error("it has a batch inside")]
    Nested,
    /// Another origin than the batch itself goes to.
    #[error("a request in it is for another origin")]
    Elsewhere,
    /// Over a bound.
    #[error("it is longer, or has more requests or longer lines, than is looked through")]
    TooLong,
}

/// The method, where a connector may use it.
///
/// # Errors
/// CONNECT and TRACE, and what is no token in capitals.
pub fn method(method: &str) -> Result<http::Method, Refusal> {
    let refused = || Refusal::Method(method.chars().filter(|c| !c.is_control()).take(32).collect());
    let in_capitals = !method.is_empty() && method.len() <= 32 && method.bytes().all(|c| c.is_ascii_uppercase() || c == b'-' || c == b'_');
    if !in_capitals || REFUSED_METHODS.contains(&method) {
        return Err(refused());
    }
    http::Method::from_bytes(method.as_bytes()).map_err(|_| refused())
}

/// A connector's headers, where it may name them all.
///
/// # Errors
/// One of the host's, one that is no header, too many.
pub fn headers(given: &[(String, String)]) -> Result<http::HeaderMap, Refusal> {
    let octets: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
    if given.len() > HEADERS || octets > HEADER_OCTETS {
        return Err(Refusal::TooManyHeaders);
    }
    let mut headers = http::HeaderMap::new();
    for (name, value) in given {
        let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| Refusal::BadHeader)?;
        if is_hosts_header(name.as_str()) {
            return Err(Refusal::Header(name.to_string()));
        }
        headers.append(name, http::HeaderValue::from_str(value).map_err(|_| Refusal::BadHeader)?);
    }
    Ok(headers)
}

/// Whether a credential that is bound to these origins may go to `origin`; none goes anywhere.
///
/// # Errors
/// It is not bound to it.
pub fn bound(origins: Option<&[Origin]>, origin: &Origin) -> Result<(), Refusal> {
    match origins {
        Some(origins) if !origins.contains(origin) => Err(Refusal::Unbound(origin.clone())),
        _ => Ok(()),
    }
}

/// Whether a header of this name, in lower case, is the host's: also by names that gateways (CGI, WSGI) make the same of.
fn is_hosts_header(name: &str) -> bool {
    let dashed: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    HOSTS_HEADERS.contains(&dashed.trim_matches('-'))
        || ["proxy-", "sec-", "x-forwarded-", "http-"].iter().any(|prefix| dashed.starts_with(prefix))
        // X-HTTP-Method-Override and its kin would undo what `method` refused.
        || plain.contains("methodoverride")
        || CREDENTIAL_WORDS.iter().any(|word| plain.contains(word))
}

/// Whether a response's header goes on to the connector. Cookies are credentials of the host's.
#[must_use]
pub fn is_passed_on(response_header: &str) -> bool {
    !matches!(response_header, "set-cookie" | "set-cookie2" | "proxy-authenticate" | "authentication-info" | "proxy-authentication-info")
}

impl Refusal {
    /// As the failure of `operation`, with the way out where there is one.
    #[must_use]
    pub fn into_fault(self, operation: impl Into<String>) -> Fault {
        let fault = Fault::new(Kind::RefusedByHost, operation).because(&self);
        match self {
            Self::Origin(_) => fault.with_remedy(
                "the connector's manifest has to list the origin, and the operator to approve it: `postrider connector approve ID`",
            ),
            Self::BadRewrite(_) => Fault { kind: Kind::Misconfigured, ..fault }.with_remedy("`--origin https://FROM=https://TO`"),
            _ => fault,
        }
    }
}
