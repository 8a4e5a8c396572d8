//! Proxies: SOCKS5 and HTTP CONNECT, as machines without I/O, and their URLs.

pub mod connect;
pub mod socks5;

use std::fmt;
use std::net::SocketAddr;

use bytes::BytesMut;
use percent_encoding::percent_decode_str;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::fault::{Fault, Kind};
use crate::secret::Secret;

/// How to speak to a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// "socks5://": SOCKS5 (RFC 1928), with names resolved here.
    Socks5,
    /// "socks5h://": SOCKS5, with names resolved by the proxy.
    Socks5h,
    /// "http://": CONNECT (RFC 9110 section 9.3.6); the proxy resolves.
    Http,
}

/// A proxy as the operator named it.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// How to speak to it.
    pub scheme: Scheme,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who signs in there.
    pub credentials: Option<Credentials>,
}

/// A user and password for a proxy.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Octets, not characters: neither protocol names a character set.
    pub user: Vec<u8>,
    /// The password, possibly empty.
    pub password: Secret,
}

/// What a proxy is asked to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A name, for the proxy to resolve.
    Name(String, u16),
    /// An address.
    Address(SocketAddr),
}

/// What a proxy's machine wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// More octets.
    Read,
    /// These octets written. They may hold a password, hence the type.
    Write(Zeroizing<Vec<u8>>),
    /// Nothing: the line goes to the destination now, and what is pending came from there.
    Done,
}

/// A machine for one proxy protocol.
pub trait Negotiate: Send {
    /// Go on with the octets in `pending`, of which it takes what it understands.
    ///
    /// # Errors
    /// The proxy refuses, or is none.
    fn step(&mut self, pending: &mut BytesMut) -> Result<Step, ProxyError>;
}

/// Why a proxy does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Not what the URL's scheme says.
    #[error("what answers there is no {0} proxy")]
    NotAProxy(&'static str),
    /// It wants a password, or another one.
    #[error("the proxy wants a user and a password")]
    PasswordWanted,
    /// The password that it got is wrong.
    #[error("the proxy refuses its user or password")]
    PasswordRefused,
    /// User or password are too long for the protocol.
    #[error("the proxy's user or password is longer than the 255 octets that SOCKS5 carries")]
    PasswordTooLong,
    /// Its rules forbid this destination.
    #[error("the proxy's rules forbid this destination ({0})")]
    Forbidden(String),
    /// It cannot get there.
    #[error("the proxy cannot reach the server ({0})")]
    CannotReach(String),
    /// The answer makes no sense.
    #[error("the proxy's answer makes no sense ({0})")]
    Malformed(String),
    /// Closed in the middle.
    #[error("the proxy closed the line")]
    Closed,
}

/// What is wrong with a proxy's URL. The URL itself is not shown: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyUrlError {
    /// No URL at all.
    #[error("it is not a URL")]
    NotAUrl(#[source] url::ParseError),
    /// Another scheme.
    #[error("`{0}` is no kind of proxy that is known here")]
    UnknownScheme(String),
    /// No host.
    #[error("it names no host")]
    NoHost,
    /// Something behind host and port.
    #[error("there is something behind host and port")]
    Trailing,
}

impl Proxy {
    /// Read "socks5://[user:password@]host[:port]", "socks5h://" or "http://". The port defaults to 1080 and 80.
    ///
    /// # Errors
    /// See [`ProxyUrlError`].
    pub fn parse(url: &str) -> Result<Self, ProxyUrlError> {
        let url = Url::parse(url).map_err(ProxyUrlError::NotAUrl)?;
        let (scheme, port) = match url.scheme() {
            "socks5" => (Scheme::Socks5, 1080),
            "socks5h" => (Scheme::Socks5h, 1080),
            "http" => (Scheme::Http, 80),
            other => return Err(ProxyUrlError::UnknownScheme(other.to_owned())),
        };
        let host = match url.host().ok_or(ProxyUrlError::NoHost)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyUrlError::Trailing);
        }
        let credentials = (!url.username().is_empty() || url.password().is_some()).then(|| Credentials {
            user: percent_decode_str(url.username()).collect(),
            password: Secret::new(percent_decode_str(url.password().unwrap_or_default()).collect::<Vec<u8>>()),
        });
        Ok(Self { scheme, host, port: url.port().unwrap_or(port), credentials })
    }

    /// [`parse`](Self::parse) with its error as a fault for people.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn from_setting(url: &str) -> Result<Self, Fault> {
        Self::parse(url).map_err(|error| {
            Fault::new(Kind::Misconfigured, "read the account's proxy").because(&error).with_remedy(
                "`--proxy` takes `socks5://[USER:PASSWORD@]HOST:PORT`, `socks5h://...` (the proxy resolves names) or `http://...` (CONNECT)",
            )
        })
    }

    /// The machine that asks this proxy for `destination`.
    #[must_use]
    pub fn negotiation(&self, destination: Destination) -> Box<dyn Negotiate> {
        match self.scheme {
            Scheme::Socks5 | Scheme::Socks5h => Box::new(socks5::Socks5::new(destination, self.credentials.clone())),
            Scheme::Http => Box::new(connect::Connect::new(&destination, self.credentials.clone())),
        }
    }
}

impl ProxyError {
    /// Whether another address of the server may fare better.
    #[must_use]
    pub fn is_about_the_address(&self) -> bool {
        matches!(self, Self::CannotReach(_))
    }

    /// For people, as the failure of `operation`.
    #[must_use]
    pub fn into_fault(self, operation: String) -> Fault {
        let (kind, remedy) = match &self {
            Self::NotAProxy(_) => (Kind::Misconfigured, "check scheme, host and port of `--proxy`"),
            Self::PasswordWanted => (Kind::Misconfigured, "put user and password into the URL: `--proxy socks5://USER:PASSWORD@HOST:PORT`"),
            Self::PasswordRefused | Self::PasswordTooLong => (
                Kind::Misconfigured,
                "check user and password in `--proxy`; characters such as `@`, `:` and `/` are written as %40, %3A and %2F",
            ),
            Self::Forbidden(_) => (Kind::Forbidden, "ask the proxy's operator to allow this server and port"),
            Self::CannotReach(_) => (Kind::Unreachable, "check `--server` and `--port`; with `socks5h://` the proxy resolves the name"),
            Self::Malformed(_) => (Kind::Malformed, "check scheme, host and port of `--proxy`"),
            Self::Closed => (Kind::Unreachable, "check scheme and port of `--proxy`, and whether it lets this machine in"),
        };
        Fault::new(kind, operation).because(&self).with_remedy(remedy)
    }
}

impl fmt::Display for Proxy {
    /// Host and port, without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name, port) => write!(f, "{name}:{port}"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_proxies() {
        let proxy = Proxy::parse("socks5://me:p%40ss@proxy.example:1081").unwrap();
        assert_eq!((proxy.scheme, proxy.host.as_str(), proxy.port), (Scheme::Socks5, "proxy.example", 1081));
        let credentials = proxy.credentials.unwrap();
        assert_eq!((credentials.user.as_slice(), credentials.password.expose()), (&b"me"[..], &b"p@ss"[..]));
        assert_eq!(Proxy::parse("http://[::1]").unwrap().to_string(), "[::1]:80");
        let proxy = Proxy::parse("socks5h://127.0.0.1").unwrap();
        assert_eq!((proxy.scheme, proxy.port), (Scheme::Socks5h, 1080));
        for bad in ["proxy:1080", "https://proxy", "socks5://", "http://proxy/path", "", "socks4://x:y@z"] {
            let fault = Proxy::from_setting(bad).unwrap_err();
            assert_eq!(fault.kind, Kind::Misconfigured, "{bad}");
            assert!(!format!("{fault:?}").contains("x:y"), "{bad}");
        }
    }
}
