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
    /// What was `granted`, for the account with this server; `rewrites` are the operator's `--origin FROM=TO`. None where no
    /// origin was granted.
    ///
    /// # Errors
    /// `Misconfigured` for a rewrite that is none, or a granted origin that cannot be asked.
    pub fn granted(granted: &Wishes, server: &Endpoint, rewrites: &[String], limits: &Limits) -> Result<Option<Self>, Fault> {
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
        let client = http::Client::new(http::Settings::new(origins, server.clone(), limits));
        Ok(Some(Self { client: Arc::new(client), credentials }))
    }
}

fn address(origin: &Origin, server: &Endpoint) -> String {
    match origin {
        Origin::Account => format!("https://{}", server.authority()),
        Origin::Exact(origin) => origin.clone(),
    }
}
