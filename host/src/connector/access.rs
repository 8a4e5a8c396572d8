//! HTTP as one account may use it: what the operator granted, as `net` wants it.

use std::sync::Arc;

use super::approval::Wishes;
use super::manifest::{Origin, Placement};
use crate::fault::{Fault, Kind};
use crate::limits::Limits;
use crate::model::endpoint::Endpoint;
use crate::net::{allow, http};

/// HTTP as one account may use it. One client serves all of the account's sessions.
#[derive(Clone)]
pub struct HttpAccess {
    /// Knows the approved origins.
    pub client: Arc<http::Client>,
    /// What a request may name as its credential.
    pub credentials: Vec<HttpCredential>,
}

/// A credential that the manifest declares for requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCredential {
    /// As the manifest names it, and the broker.
    pub name: String,
    /// Where it stands.
    pub placement: http::Placement,
    /// The approved origins that may get it.
    pub origins: Vec<allow::Origin>,
}

impl HttpAccess {
    /// The header among `headers` that one of the credentials stands in, and nothing else.
    #[must_use]
    pub fn credential_header(&self, headers: &[(String, String)]) -> Option<&str> {
        let mut placed = self.credentials.iter().filter_map(|credential| match &credential.placement {
            http::Placement::Header(name) => Some(name.as_str()),
            http::Placement::Bearer | http::Placement::Basic { .. } => None,
        });
        placed.find(|placed| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(placed)))
    }

    /// Whether these are rewrites that an operator can mean.
    ///
    /// # Errors
    /// `Usage` for one that is not "FROM=TO" of two origins, or whose TO is http beyond loopback.
    pub fn check_rewrites(rewrites: &[String]) -> Result<(), Fault> {
        let refused = |refusal: allow::Refusal| {
            Fault::new(Kind::Usage, "take `--origin`")
                .because(&refusal)
                .with_remedy("name two origins: `--origin https://FROM=https://TO`, or http on loopback for the second")
        };
        allow::Origins::new([], rewrites.iter().map(String::as_str)).map(drop).map_err(refused)
    }

    /// What was `granted`, for the account with this server; `rewrites` are the operator's `--origin FROM=TO`, `clients` what its other
    /// sessions share. None where no origin was granted.
    ///
    /// # Errors
    /// `Misconfigured` for a rewrite that is none, or a granted origin that cannot be asked.
    pub fn granted(
        granted: &Wishes,
        server: &Endpoint,
        rewrites: &[String],
        limits: &Limits,
        clients: &http::Clients,
    ) -> Result<Option<Self>, Fault> {
        if granted.origins.is_empty() {
            return Ok(None);
        }
        let failed = |refusal: allow::Refusal| {
            Fault::new(Kind::Misconfigured, format!("let the connector send requests to {}", server.authority())).because(&refusal)
        };
        let approved: Vec<_> = granted.origins.iter().map(|origin| address(origin, server)).collect();
        let origins = allow::Origins::new(approved.iter().map(String::as_str), rewrites.iter().map(String::as_str)).map_err(failed)?;
        let mut credentials = Vec::new();
        for declared in &granted.credentials {
            let placement = match &declared.placement {
                // That one is the line's.
                Placement::Line => continue,
                Placement::Bearer => http::Placement::Bearer,
                Placement::Basic => http::Placement::Basic { user: server.user.clone().unwrap_or_default() },
                Placement::Header(name) => http::Placement::Header(name.clone()),
            };
            let origins = declared.origins.iter().map(|origin| allow::Origin::parse(&address(origin, server))).collect::<Result<_, _>>();
            credentials.push(HttpCredential { name: declared.name.clone(), placement, origins: origins.map_err(failed)? });
        }
        let client = clients.client(http::Settings::new(origins, server.clone(), limits));
        Ok(Some(Self { client, credentials }))
    }
}

fn address(origin: &Origin, server: &Endpoint) -> String {
    match origin {
        Origin::Account => format!("https://{}", server.authority()),
        Origin::Exact(origin) => origin.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::model::endpoint::{Held, Protocol, Security, Timeouts, Trust};

    #[test]
    fn a_credentials_header_is_the_hosts() {
        let server = Endpoint {
            protocol: Protocol::Stream,
            server: "api.example".to_owned(),
            port: 443,
            security: Security::Tls,
            user: None,
            auth: None,
            trust: Trust::default(),
            proxy: None,
            local_address: None,
            networks: Vec::new(),
            quirks: Vec::new(),
            timeouts: Timeouts::default(),
            held: Held::default(),
        };
        let origins = allow::Origins::new(["https://api.example"], []).unwrap();
        let client = Arc::new(http::Client::new(http::Settings::new(origins, server, &Limits::default())));
        let placement = http::Placement::Header("X-Fancy".to_owned());
        let access = HttpAccess { client, credentials: vec![HttpCredential { name: "key".to_owned(), placement, origins: Vec::new() }] };
        let headers = |name: &str| [("Accept".to_owned(), "a/b".to_owned()), (name.to_owned(), "mine".to_owned())];
        assert_eq!(access.credential_header(&headers("x-fancy")), Some("X-Fancy"));
        assert_eq!(access.credential_header(&headers("X-Other")), None);
    }

    #[test]
    fn rewrites_that_nobody_can_mean() {
        let check = |rewrite: &str| HttpAccess::check_rewrites(&[rewrite.to_owned()]);
        check("https://api.example=http://127.0.0.1:9000").unwrap();
        for wrong in ["", "https://api.example", "https://api.example=http://elsewhere.example", "http://localhost=https://api.example"] {
            assert_eq!(check(wrong).unwrap_err().kind, Kind::Usage, "{wrong}");
        }
    }
}
