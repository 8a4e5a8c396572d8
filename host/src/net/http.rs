//! HTTP to approved origins (RFC 9110), in the version that the server has (RFC 9113, RFC 9112), over the same dialling, proxies and TLS as
//! the lines. The host puts the credential on; a body's end is only the end when it came whole.
//!
//! HTTP/2 carries all exchanges with an origin on one connection. HTTP/1.1 connections are reused: when a response was read to its end its
//! connection waits in a small pool. What waits longer than [`HTTP_IDLE`](crate::limits::HTTP_IDLE) is closed.

mod clients;
mod coding;
mod connection;
mod credential;
mod gate;
mod pool;
mod response;
mod send;
mod upload;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, HOST, HeaderValue, LOCATION, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;
use url::Position;

pub use self::clients::Clients;
pub use self::credential::{Credential, Placement, Renew};
pub use self::gate::Gate;
use self::pool::Pool;
pub use self::response::{Response, ResponseBody};
use self::send::Attempt;
use self::upload::Outgoing;
pub use self::upload::RequestBody;
use super::allow::{self, Admitted, Inspection, Origins, Redirect, Refusal};
use crate::fault::{Fault, Kind};
use crate::limits::{HTTP_REDIRECTS, Limits};
use crate::model::endpoint::Endpoint;
use crate::secret::Secret;

/// How one account reaches its origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which origins, and where they are.
    pub origins: Origins,
    /// The account's own server: its host is the operator's word, and its trust, proxy, networks and time-outs hold for every origin
    /// (`connect` for each stage of a connection, `read` for each wait on an exchange).
    pub server: Endpoint,
    /// The most octets of one response's body, with codings taken off.
    pub body_octets: u64,
    /// The most exchanges at once; one lasts until its response is read to the end or dropped.
    pub exchanges: usize,
    /// How long an exchange may take as a whole.
    pub exchange: Duration,
    /// The most quota units a minute; none: as many as one likes.
    pub units_per_minute: Option<u64>,
}

/// One account's HTTP.
pub struct Client {
    settings: Settings,
    pool: Arc<Pool>,
    gate: Arc<Gate>,
}

/// One request.
#[derive(Debug)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// Absolute, https.
    pub url: String,
    /// None of the host's.
    pub headers: Vec<(String, String)>,
    /// What the host puts on.
    pub credential: Option<Credential>,
    /// Quota units of the provider; one at least.
    pub cost: u32,
    /// What is sent.
    pub body: Option<RequestBody>,
}

impl Settings {
    /// What `limits` say for one account with this server.
    #[must_use]
    pub fn new(origins: Origins, server: Endpoint, limits: &Limits) -> Self {
        Self {
            origins,
            server,
            body_octets: limits.http_body_octets,
            exchanges: usize::try_from(limits.http_exchanges).unwrap_or(usize::MAX),
            exchange: Duration::from_millis(limits.http_exchange_ms),
            units_per_minute: Some(limits.http_units_per_minute).filter(|units| *units > 0),
        }
    }
}

impl Client {
    /// A client for one account, which shares nothing with any other.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let gate = Arc::new(Gate::new(settings.exchanges, settings.units_per_minute));
        Self::behind(gate, settings)
    }

    /// A client whose exchanges are counted together with those of others.
    #[must_use]
    pub fn behind(gate: Arc<Gate>, settings: Settings) -> Self {
        Self { pool: Pool::new(settings.exchanges.max(1)), gate, settings }
    }

    /// Send one request and wait for the head of its response. A 401 has the credential renewed, once, and the request sent again where its
    /// body can be. Redirects of GET and HEAD, a 303 to anything, and a 307 or 308 of what can be sent again are followed within the origin, at
    /// most five times; one to another approved origin is handed over as it is.
    ///
    /// # Errors
    /// `RefusedByHost` against the policy of [`allow`], `Throttled` where the server or the quota want a longer wait than the host keeps up,
    /// `Unreachable`, `Untrusted` and `Misconfigured` as for a line; a body's own fault where its stream has one, and `Malformed` where it
    /// has more or fewer octets than it said; whatever a renewal fails with.
    pub async fn exchange(&self, request: Request) -> Result<Response, Fault> {
        let deadline = Instant::now() + self.settings.exchange;
        let patience = self.settings.server.timeouts.read;
        let refused = |refusal: Refusal| refusal.into_fault("send a request");
        let mut method = allow::method(&request.method).map_err(refused)?;
        let headers = allow::headers(&request.headers).map_err(refused)?;
        let mut admitted = self.settings.origins.admit(&request.url).map_err(refused)?;
        let mut credential = request.credential;
        allow::bound(credential.as_ref().map(|credential| credential.origins.as_slice()), &admitted.origin).map_err(refused)?;
        let inspection = Inspection::of(&headers, &admitted).map_err(refused)?;
        let permit = self.gate.enter(&admitted.origin, request.cost, patience).await?;
        let mut outgoing = Outgoing::new(request.body, inspection, patience).await?;
        // The one that was refused, where another took its place.
        let mut former = None;
        let mut redirects = 0;
        loop {
            let operation = format!("{method} from {}", admitted.origin);
            let head = self.head(&admitted, &headers, credential.as_ref(), &operation)?;
            let attempt = Attempt { method: &method, url: &admitted.url, head: &head, operation: &operation, deadline };
            let (answer, underway) = self.send(attempt, &outgoing).await?;
            self.gate.heard(&admitted.origin, answer.status(), answer.headers());
            if answer.status() == StatusCode::UNAUTHORIZED
                && former.is_none()
                && let Some(credential) = &mut credential
                && let Some(refused) = credential.renew().await?
            {
                former = Some(refused);
                if outgoing.is_repeatable() {
                    continue;
                }
            }
            let redirect = self.redirected(&method, &admitted, &answer, &outgoing).map_err(|refusal| refusal.into_fault(&operation))?;
            let Some((next, to)) = redirect else {
                let secrets: Vec<_> = credential.iter().map(|credential| &credential.secret).chain(former.as_ref()).collect();
                let has_body = method != Method::HEAD
                    && !matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
                let (head, incoming) = answer.into_parts();
                let held = (underway, permit, deadline);
                let body = ResponseBody::new(operation, &self.settings, (&head.headers, incoming), has_body, held)?;
                let headers = passed_on(&head.headers, body.is_decoded(), &secrets);
                return Ok(Response { status: head.status.as_u16(), headers, body });
            };
            redirects += 1;
            if redirects > HTTP_REDIRECTS {
                return Err(Fault::new(Kind::Malformed, operation).because_words(format!("more than {HTTP_REDIRECTS} redirects in a row")));
            }
            if next != method {
                outgoing = Outgoing::Nothing;
            }
            (method, admitted) = (next, to);
        }
    }

    /// All headers of a request: the connector's, the host's and the credential.
    fn head(&self, admitted: &Admitted, given: &HeaderMap, credential: Option<&Credential>, operation: &str) -> Result<HeaderMap, Fault> {
        let mut head = given.clone();
        let host = HeaderValue::from_str(&admitted.url[Position::BeforeHost..Position::AfterPort])
            .map_err(|_| Refusal::BadUrl.into_fault(operation))?;
        head.insert(HOST, host);
        head.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        head.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("postrider/", env!("CARGO_PKG_VERSION"))));
        let Some(credential) = credential else { return Ok(head) };
        allow::bound(Some(&credential.origins), &admitted.origin).map_err(|refusal| refusal.into_fault(operation))?;
        let (name, value) = credential.header().ok_or_else(|| {
            Fault::new(Kind::Misconfigured, operation).because_words("the credential holds octets that no header can carry")
        })?;
        head.insert(name, value);
        Ok(head)
    }

    /// Where to go instead, when the answer is a redirect that is followed.
    fn redirected(
        &self,
        method: &Method,
        from: &Admitted,
        answer: &http::Response<Incoming>,
        outgoing: &Outgoing,
    ) -> Result<Option<(Method, Admitted)>, Refusal> {
        let status = answer.status();
        if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = answer.headers().get(LOCATION) else { return Ok(None) };
        let location = location.to_str().map_err(|_| Refusal::BadUrl)?;
        let is_safe = *method == Method::GET || *method == Method::HEAD;
        // RFC 9110 section 15.4: these two keep the method and the body.
        let is_same = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        match self.settings.origins.redirect(from, location)? {
            Redirect::Within(to) if (is_safe || is_same) && outgoing.is_repeatable() => Ok(Some((method.clone(), to))),
            Redirect::Within(to) if status == StatusCode::SEE_OTHER => Ok(Some((Method::GET, to))),
            Redirect::Within(_) | Redirect::Elsewhere => Ok(None),
        }
    }
}

/// What the caller gets of a response's head: nothing of cookies, nothing that echoes a credential, and nothing that was true of the coded
/// body only.
fn passed_on(head: &HeaderMap, is_decoded: bool, secrets: &[&Secret]) -> Vec<(String, String)> {
    let clean = |value: &str| secrets.iter().fold(value.to_owned(), |value, secret| secret.redact(&value));
    head.iter()
        .filter(|(name, _)| allow::is_passed_on(name.as_str()))
        .filter(|(name, _)| !is_decoded || !matches!(name.as_str(), "content-encoding" | "content-length"))
        .map(|(name, value)| (name.as_str().to_owned(), clean(&String::from_utf8_lossy(value.as_bytes()))))
        .collect()
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("origins", &self.settings.origins).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
