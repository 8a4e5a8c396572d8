//! Origins (RFC 6454): which ones a connector may ask, and where they really are.

use std::fmt;

use url::{Host, Url};

use super::{Refusal, URL_OCTETS};

/// Query parameters that carry credentials, in lower case, letters and digits only: servers take `Access-Token[]` for the same.
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

    /// The origin of `url`.
    ///
    /// # Errors
    /// Neither https nor http to loopback.
    pub(in crate::net) fn of(url: &Url) -> Result<Self, Refusal> {
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
        let approved = approved.into_iter().map(secure).collect::<Result<_, Refusal>>()?;
        let rewrites = rewrites
            .into_iter()
            .map(|rewrite| {
                let (from, to) = rewrite.split_once('=').ok_or_else(|| Refusal::BadRewrite(rewrite.to_owned()))?;
                Ok((secure(from)?, Origin::parse(to)?))
            })
            .collect::<Result<_, Refusal>>()?;
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

pub(super) fn is_secret_parameter(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_PARAMETERS.contains(&plain.as_str())
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}
