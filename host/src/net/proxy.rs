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
use crate::model::endpoint::Endpoint;
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
    /// Not what the URL's scheme says; and what it seems to be instead.
    #[error("what answers there is no {wanted} proxy{}", .found.map(|found| format!(", but {found}")).unwrap_or_default())]
    NotAProxy {
        /// The kind of proxy that was meant.
        wanted: &'static str,
        /// What speaks like this.
        found: Option<&'static str>,
    },
    /// It wants a password, or another one.
    #[error("the proxy wants a user and a password")]
    PasswordWanted,
    /// It takes passwords in ways only that are not spoken here.
    #[error("the proxy signs in by {0} only, and this host can do Basic")]
    OtherSignIn(String),
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
    /// Read "socks5://[user[:password]@]host[:port]", "socks5h://" or "http://". The port defaults to 1080 and 80.
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

    /// The proxy of `endpoint` with its password from the vault; none: it has no proxy.
    ///
    /// # Errors
    /// `Misconfigured` for a URL that is none of a proxy's.
    pub fn of(endpoint: &Endpoint) -> Result<Option<Self>, Fault> {
        let Some(url) = &endpoint.proxy else { return Ok(None) };
        let mut proxy = Self::parse(url).map_err(|error| unusable(&error, Kind::Misconfigured))?;
        if let Some(password) = &endpoint.held.proxy_password {
            let nobody = || Credentials { user: Vec::new(), password: Secret::new(Vec::new()) };
            proxy.credentials.get_or_insert_with(nobody).password = password.clone();
        }
        Ok(Some(proxy))
    }

    /// A URL as a person writes it, parted into what may be shown and the password; an empty one where there is none, so that a former
    /// one is forgotten.
    ///
    /// # Errors
    /// `Usage` for a URL that is none of a proxy's; it is not repeated.
    pub fn part_password(url: &str) -> Result<(Option<String>, Option<Secret>), Fault> {
        let proxy = Self::parse(url).map_err(|error| unusable(&error, Kind::Usage))?;
        let mut shown = Url::parse(url).map_err(|error| unusable(&ProxyUrlError::NotAUrl(error), Kind::Usage))?;
        // It names a host, and can therefore be without a password.
        let _ = shown.set_password(None);
        let password = proxy.credentials.map_or_else(|| Secret::new(Vec::new()), |credentials| credentials.password);
        Ok((Some(shown.to_string().trim_end_matches('/').to_owned()), Some(password)))
    }

    /// A URL without its password, whatever it holds: one that was written before passwords were parted from it, too.
    #[must_use]
    pub fn without_password(url: &str) -> String {
        match Self::part_password(url) {
            Ok((Some(shown), _)) => shown,
            _ => "a URL that cannot be read".to_owned(),
        }
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
            Self::NotAProxy { .. } => (Kind::Misconfigured, "check scheme, host and port of `--proxy`"),
            Self::PasswordWanted => (
                Kind::Misconfigured,
                "name the user in the URL, `--proxy SCHEME://USER@HOST:PORT`, and give the password: `--proxy-password-stdin`",
            ),
            Self::PasswordRefused | Self::PasswordTooLong => (
                Kind::Misconfigured,
                "check the user in `--proxy` and the password, `--proxy-password-stdin`; in the URL, `@`, `:` and `/` are written as %40, %3A and %2F",
            ),
            Self::OtherSignIn(_) => (Kind::Unsupported, "ask the proxy's operator to allow Basic, or this machine without a password"),
            Self::Forbidden(_) => (Kind::Forbidden, "ask the proxy's operator to allow this server and port"),
            Self::CannotReach(_) => (Kind::Unreachable, "check `--server` and `--port`; with `socks5h://` the proxy resolves the name"),
            Self::Malformed(_) => (Kind::Malformed, "check scheme, host and port of `--proxy`"),
            Self::Closed => (Kind::Unreachable, "check scheme and port of `--proxy`, and whether it lets this machine in"),
        };
        Fault::new(kind, operation).because(&self).with_remedy(remedy)
    }
}

fn unusable(error: &ProxyUrlError, kind: Kind) -> Fault {
    Fault::new(kind, "read the account's proxy").because(error).with_remedy(
        "`--proxy` takes `socks5://[USER[:PASSWORD]@]HOST:PORT`, `socks5h://...` (the proxy resolves names) or `http://...` (CONNECT)",
    )
}

/// What begins to speak like `octets`, for people who gave the wrong port.
fn speaker(octets: &[u8]) -> Option<&'static str> {
    let begins = |sign: &[u8]| octets.starts_with(sign);
    match octets {
        [0, 0x5a..=0x5d, ..] => Some("a SOCKS4 proxy"),
        [5, 0 | 2 | 0xff, ..] => Some("a SOCKS5 proxy"),
        [0x15 | 0x16, 3, ..] => Some("something that speaks TLS"),
        _ if begins(b"HTTP/") => Some("something that speaks HTTP"),
        _ if begins(b"SSH-") => Some("an SSH server"),
        _ if begins(b"* ") || begins(b"+OK") || begins(b"220") => Some("a mail server"),
        _ => None,
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
            let fault = Proxy::part_password(bad).unwrap_err();
            assert_eq!(fault.kind, Kind::Usage, "{bad}");
            assert!(!format!("{fault:?}").contains("x:y"), "{bad}");
            assert_eq!(Proxy::without_password(bad), "a URL that cannot be read", "{bad}");
        }
    }

    #[test]
    fn a_password_is_parted_from_its_url() {
        for (given, shown, password) in [
            ("socks5://me:p%40ss@proxy.example:1081", "socks5://me@proxy.example:1081", "p@ss"),
            ("http://proxy.example:3128/", "http://proxy.example:3128", ""),
            ("socks5h://me@proxy.example", "socks5h://me@proxy.example", ""),
            ("http://:only@[::1]:80", "http://[::1]", "only"),
        ] {
            let (url, secret) = Proxy::part_password(given).unwrap();
            assert_eq!((url.as_deref(), secret.as_ref().map(Secret::expose)), (Some(shown), Some(password.as_bytes())), "{given}");
            assert_eq!(Proxy::without_password(given), shown);
            let mut endpoint = crate::net::testing::endpoint(993, crate::model::endpoint::Security::Tls);
            endpoint.proxy = url;
            endpoint.held.proxy_password = secret.filter(|secret| !secret.is_empty());
            let (whole, parsed) = (Proxy::of(&endpoint).unwrap().unwrap(), Proxy::parse(given).unwrap());
            let password = |proxy: &Proxy| proxy.credentials.as_ref().map(|own| (own.user.clone(), own.password.clone()));
            assert_eq!((password(&whole), whole.port), (password(&parsed), parsed.port), "{given}");
        }
    }

    #[test]
    fn speakers_are_known_by_their_first_octets() {
        for (octets, found) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], Some("something that speaks HTTP")),
            (b"* OK ready\r\n", Some("a mail server")),
            (b"\x15\x03\x01\x00\x02\x02\x46", Some("something that speaks TLS")),
            (b"\x00\x5b\x00\x00\x00\x00\x00\x00", Some("a SOCKS4 proxy")),
            (b"\x05\xff", Some("a SOCKS5 proxy")),
            (b"", None),
            (b"hello", None),
        ] {
            assert_eq!(speaker(octets), found, "{octets:?}");
        }
    }
}
