//! What a connector may ask of HTTP: which origins, headers, methods and query parameters. Pure functions, so that the policy can be
//! read and tested in one place.

use std::fmt;

use url::{Host, Url};

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

/// Query parameters that carry credentials, in lower case without `-` and `_`.
const SECRET_PARAMETERS: &[&str] = &[
    "accesstoken",
    "apikey",
    "assertion",
    "auth",
    "authorization",
    "bearertoken",
    "clientassertion",
    "clientsecret",
    "idtoken",
    "key",
    "oauthtoken",
    "passwd",
    "password",
    "refreshtoken",
    "secret",
    "token",
];

/// Scheme, host and port (RFC 6454), in lower case, the port always known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    host: Host<String>,
    port: u16,
}

/// The origins that the operator approved, and where some of them really are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    approved: Vec<Origin>,
    rewrites: Vec<(Origin, Origin)>,
}

/// A request's URL that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The approved origin, which credentials are bound to.
    pub origin: Origin,
    /// Where the request really goes, without a fragment.
    pub url: Url,
}

/// Where a redirect leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirect {
    /// To the same origin: followed.
    Within(Admitted),
    /// To another approved one: the connector decides, and names its credential anew.
    Elsewhere,
}

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

impl Origin {
    /// Read "https://host" or "https://host:port"; "http://" only in front of loopback.
    ///
    /// # Errors
    /// Anything else, a path included.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let url = parse_url(text)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(Refusal::BadUrl);
        }
        Self::of(&url)
    }

    fn of(url: &Url) -> Result<Self, Refusal> {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return Err(Refusal::BadUrl) };
        let secure = match url.scheme() {
            "https" => true,
            "http" if is_loopback(&host) => false,
            scheme => return Err(Refusal::NotSecure(format!("{scheme}://{host}"))),
        };
        Ok(Self { secure, host: host.to_owned(), port })
    }

    /// Whether requests go over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host as one dials it: an IPv6 address without brackets.
    #[must_use]
    pub fn server(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Origins {
    /// The `approved` origins of a connector's manifest, all https, and the operator's rewrites, each "FROM=TO"; only a TO may be
    /// http, and only on loopback.
    ///
    /// # Errors
    /// An origin that is none, and http where https belongs.
    pub fn new<'a>(approved: impl IntoIterator<Item = &'a str>, rewrites: impl IntoIterator<Item = &'a str>) -> Result<Self, Refusal> {
        let secure = |text: &str| {
            let origin = Origin::parse(text)?;
            if origin.secure { Ok(origin) } else { Err(Refusal::NotSecure(origin.to_string())) }
        };
        let approved = approved.into_iter().map(secure).collect::<Result<_, _>>()?;
        let rewrites = rewrites
            .into_iter()
            .map(|rewrite| {
                let (from, to) = rewrite.split_once('=').ok_or_else(|| Refusal::BadRewrite(rewrite.to_owned()))?;
                Ok((secure(from)?, Origin::parse(to)?))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { approved, rewrites })
    }

    /// Whether `url`, as a connector wrote it, may be asked, and where it really is.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn admit(&self, url: &str) -> Result<Admitted, Refusal> {
        let url = parse_url(url)?;
        // A connector names the approved origin, never the place that the operator rewrote it to.
        if url.scheme() != "https" {
            return Err(Refusal::NotSecure(format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())));
        }
        if let Some((name, _)) = url.query_pairs().find(|(name, _)| is_secret_parameter(name)) {
            return Err(Refusal::SecretParameter(name.chars().take(64).collect()));
        }
        self.place(url)
    }

    /// Where the `location` of a redirect from `from` leads. The server wrote it, and may mean itself by either of its origins.
    ///
    /// # Errors
    /// An origin that is not approved, or no URL.
    pub fn redirect(&self, from: &Admitted, location: &str) -> Result<Redirect, Refusal> {
        let url = from.url.join(location).map_err(|_| Refusal::BadUrl)?;
        let url = parse_url(url.as_str())?;
        let origin = Origin::of(&url)?;
        if origin == Origin::of(&from.url)? {
            return Ok(Redirect::Within(Admitted { origin: from.origin.clone(), url: without_fragment(url) }));
        }
        let admitted = self.place(url)?;
        Ok(if admitted.origin == from.origin { Redirect::Within(admitted) } else { Redirect::Elsewhere })
    }

    /// Whether the operator's `--origin` leads to `origin`, so that the operator named it and not the manifest.
    #[must_use]
    pub fn is_rewritten_to(&self, origin: &Origin) -> bool {
        self.rewrites.iter().any(|(_, to)| to == origin)
    }

    fn place(&self, mut url: Url) -> Result<Admitted, Refusal> {
        let origin = Origin::of(&url)?;
        if !self.approved.contains(&origin) {
            return Err(Refusal::Origin(origin));
        }
        if let Some((_, to)) = self.rewrites.iter().find(|(from, _)| *from == origin) {
            let placed = url
                .set_scheme(if to.secure { "https" } else { "http" })
                .and_then(|()| url.set_port(Some(to.port)))
                .map_err(|()| Refusal::BadUrl)
                .and_then(|()| url.set_host(Some(&to.host.to_string())).map_err(|_| Refusal::BadUrl));
            placed?;
        }
        Ok(Admitted { origin, url: without_fragment(url) })
    }
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

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.secure { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

fn parse_url(text: &str) -> Result<Url, Refusal> {
    // The parser drops tabs and line ends, takes `\` for `/` and much else; what needs that is not meant well.
    if text.len() > URL_OCTETS || !text.bytes().all(|c| c.is_ascii_graphic()) || text.contains('\\') {
        return Err(Refusal::BadUrl);
    }
    let url = Url::parse(text).map_err(|_| Refusal::BadUrl)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::UserInUrl);
    }
    Ok(url)
}

fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}

fn is_secret_parameter(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_' | '.')).flat_map(char::to_lowercase).collect();
    SECRET_PARAMETERS.contains(&plain.as_str())
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        Origins::new(
            ["https://graph.example", "https://gmail.example:8443", "https://files.example"],
            ["https://gmail.example:8443=http://127.0.0.1:9000"],
        )
        .unwrap()
    }

    #[test]
    fn origins_are_exact() {
        assert_eq!(Origin::parse("https://Graph.Example:443").unwrap().to_string(), "https://graph.example");
        assert_eq!(Origin::parse("http://[::1]:9000").unwrap().server(), "::1");
        for bad in ["https://graph.example/v1", "http://graph.example", "ftp://x", "graph.example", "https://*.x?y", "https://u@x", ""] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
        let admitted = origins().admit("https://graph.example/v1.0/me?$top=5#x").unwrap();
        assert_eq!(admitted.url.as_str(), "https://graph.example/v1.0/me?$top=5");
        for bad in [
            "https://graph.example.evil.example/",
            "https://sub.graph.example/",
            "https://graph.example:444/",
            "http://graph.example/",
            "http://127.0.0.1:9000/",
            "https://127.0.0.1:9000/",
            "https://u:p@graph.example/",
            "https://graph.example\\@evil.example/",
            "https://graph.example/a b",
            "https://graph.example/\t",
            "//graph.example/",
            "data:,x",
        ] {
            assert!(origins().admit(bad).is_err(), "{bad}");
        }
        assert!(origins().admit(&format!("https://graph.example/{}", "x".repeat(URL_OCTETS))).is_err());
    }

    #[test]
    fn rewrites_are_the_operators() {
        let admitted = origins().admit("https://gmail.example:8443/gmail/v1").unwrap();
        assert_eq!(admitted.url.as_str(), "http://127.0.0.1:9000/gmail/v1");
        assert_eq!(admitted.origin.to_string(), "https://gmail.example:8443");
        assert_eq!(
            Origins::new([], ["https://a.example=http://b.example"]).unwrap_err(),
            Refusal::NotSecure("http://b.example".to_owned())
        );
        assert!(Origins::new([], ["http://127.0.0.1=https://b.example"]).is_err());
        assert!(Origins::new([], ["https://a.example"]).is_err());
        assert!(Origins::new(["http://127.0.0.1:80"], []).is_err());
    }

    #[test]
    fn credentials_in_the_query_are_refused() {
        for name in ["access_token", "ACCESS-TOKEN", "access%5Ftoken", "key", "api_key", "client_secret", "token", "%6bey"] {
            let refused = origins().admit(&format!("https://graph.example/?a=b&{name}=correct-horse")).unwrap_err();
            assert!(matches!(refused, Refusal::SecretParameter(_)), "{name}");
            assert!(!refused.to_string().contains("correct-horse"));
        }
        assert!(origins().admit("https://graph.example/?pageToken=1&$skiptoken=2&deltatoken=3&upload_id=4&keyword=5").is_ok());
    }

    #[test]
    fn redirects_stay() {
        let origins = origins();
        let from = origins.admit("https://gmail.example:8443/a/b").unwrap();
        for (location, to) in [
            ("c", "http://127.0.0.1:9000/a/c"),
            ("/c#x", "http://127.0.0.1:9000/c"),
            ("http://127.0.0.1:9000/d", "http://127.0.0.1:9000/d"),
            ("https://gmail.example:8443/e", "http://127.0.0.1:9000/e"),
        ] {
            let Redirect::Within(admitted) = origins.redirect(&from, location).unwrap() else { panic!("{location}") };
            assert_eq!((admitted.url.as_str(), &admitted.origin), (to, &from.origin), "{location}");
        }
        assert_eq!(origins.redirect(&from, "https://files.example/x").unwrap(), Redirect::Elsewhere);
        for bad in [
            "https://evil.example/",
            "//evil.example/",
            "http://127.0.0.1:9001/",
            "http://gmail.example:8443/",
            "https://u:p@gmail.example:8443/",
        ] {
            assert!(origins.redirect(&from, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_of_the_host() {
        let one = |name: &str, value: &str| headers(&[(name.to_owned(), value.to_owned())]);
        for name in [
            "Authorization",
            "COOKIE",
            "Host",
            "Proxy-Authorization",
            "TE",
            "Connection",
            "Transfer-Encoding",
            "Content-Length",
            "X-HTTP-Method-Override",
        ] {
            assert_eq!(one(name, "x").unwrap_err(), Refusal::Header(name.to_ascii_lowercase()), "{name}");
        }
        for (name, value) in [("a b", "x"), ("", "x"), ("a", "x\r\nAuthorization: y"), ("a", "\0")] {
            assert_eq!(one(name, value).unwrap_err(), Refusal::BadHeader);
        }
        assert_eq!(one("Prefer", "IdType=\"ImmutableId\"").unwrap()["prefer"], "IdType=\"ImmutableId\"");
        assert_eq!(headers(&vec![("a".to_owned(), "b".to_owned()); 65]).unwrap_err(), Refusal::TooManyHeaders);
        assert_eq!(one("a", &"b".repeat(HEADER_OCTETS)).unwrap_err(), Refusal::TooManyHeaders);
        assert!(!is_passed_on("set-cookie") && is_passed_on("etag"));
        assert!(method("GET").is_ok() && method("PATCH").is_ok());
        for bad in ["CONNECT", "TRACE", "get", "", "GE T"] {
            assert!(method(bad).is_err(), "{bad}");
        }
    }
}
