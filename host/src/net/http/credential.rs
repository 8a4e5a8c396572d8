//! What the host puts on a request, and how it gets another when a server refuses it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::fault::Fault;
use crate::net::allow::Origin;
use crate::secret::Secret;

/// What the host puts on a request.
#[derive(Clone)]
pub struct Credential {
    /// The password, token or key.
    pub secret: Secret,
    /// Where it stands.
    pub placement: Placement,
    /// The approved origins that may get it.
    pub origins: Vec<Origin>,
    /// Who gives another one after a 401; none: nobody.
    pub renewal: Option<Arc<dyn Renew>>,
}

/// Where a credential stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// "Authorization: Bearer" (RFC 6750 section 2.1).
    Bearer,
    /// "Authorization: Basic" (RFC 7617).
    Basic {
        /// Who.
        user: String,
    },
    /// As the whole value of a header of this name.
    Header(String),
}

/// Gives credentials anew.
#[async_trait]
pub trait Renew: Send + Sync {
    /// A server answered 401 to `refused`: what takes its place. None: there is nothing to renew, and the 401 stands.
    ///
    /// # Errors
    /// Why it could not be renewed.
    async fn renew(&self, refused: &Secret) -> Result<Option<Secret>, Fault>;
}

impl Credential {
    /// The header that carries it, marked so that nobody prints it; none where no header can.
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let secret = self.secret.expose();
        let (name, value) = match &self.placement {
            Placement::Bearer => {
                let mut value = Zeroizing::new(Vec::with_capacity(7 + secret.len()));
                value.extend_from_slice(b"Bearer ");
                value.extend_from_slice(secret);
                (AUTHORIZATION, value)
            }
            Placement::Basic { user } => {
                let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + 1 + secret.len()));
                pair.extend_from_slice(user.as_bytes());
                pair.push(b':');
                pair.extend_from_slice(secret);
                let mut value = Zeroizing::new(Vec::with_capacity(6 + BASE64.encode_len(pair.len())));
                value.extend_from_slice(b"Basic ");
                value.extend_from_slice(Zeroizing::new(BASE64.encode(&pair)).as_bytes());
                (AUTHORIZATION, value)
            }
            Placement::Header(name) => (HeaderName::from_bytes(name.as_bytes()).ok()?, Zeroizing::new(secret.to_vec())),
        };
        let mut value = HeaderValue::from_bytes(&value).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }

    /// Another one in its place, where it is of a kind that is renewed; the refused one is given back.
    ///
    /// # Errors
    /// Why it could not be renewed.
    pub(super) async fn renew(&mut self) -> Result<Option<Secret>, Fault> {
        let Some(renewal) = &self.renewal else { return Ok(None) };
        let Some(fresh) = renewal.renew(&self.secret).await? else { return Ok(None) };
        Ok(Some(std::mem::replace(&mut self.secret, fresh)))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("placement", &self.placement).field("origins", &self.origins).finish_non_exhaustive()
    }
}
