//! What a connector may ask of HTTP: which origins, headers, methods and query parameters. Pure functions, so that the policy can be
//! read and tested in one place.

mod origin;
#[cfg(test)]
mod tests;

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
];

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
    /// A credential that is bound to other origins.
    #[error("this credential is not bound to {0}")]
    Unbound(Origin),
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
        // X-HTTP-Method-Override and its kin would undo what `method` refused.
        let is_hosts = HOSTS_HEADERS.contains(&name.as_str())
            || name.as_str().starts_with("proxy-")
            || name.as_str().starts_with("sec-")
            || (name.as_str().starts_with("x-") && name.as_str().contains("method-override"));
        if is_hosts {
            return Err(Refusal::Header(name.to_string()));
        }
        headers.append(name, http::HeaderValue::from_str(value).map_err(|_| Refusal::BadHeader)?);
    }
    Ok(headers)
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
