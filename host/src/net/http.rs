//! HTTP/1.1 to approved origins (RFC 9110, RFC 9112), over the same dialling, proxies and TLS as the lines. The host puts the
//! credential on; a body's end is only the end when it came whole.
//!
//! Connections are reused: when a response was read to its end its connection goes to a small pool, the newest is taken first, and
//! one that has waited for [`HTTP_IDLE`](crate::limits::HTTP_IDLE) is closed.

mod body;
mod connection;

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64;
use futures_util::future::{Either, select};
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Position;
use zeroize::Zeroizing;

pub use self::body::{RequestBody, ResponseBody};
use self::body::{Upload, Uploading};
use self::connection::{Connection, Pool};
use super::allow::{self, Admitted, Origin, Origins, Redirect, Refusal};
use super::proxy::Proxy;
use crate::fault::{Fault, Kind};
use crate::limits::{HTTP_REDIRECTS, Limits};
use crate::model::endpoint::Endpoint;
use crate::secret::Secret;

/// How one account reaches its origins.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which origins, and where they are.
    pub origins: Origins,
    /// The account's own server: its host is the operator's word, and its trust, proxy, networks and time-outs hold for every origin
    /// (`connect` for each stage of a connection, `read` for each wait on an exchange).
    pub server: Endpoint,
    /// The most octets of one response's body.
    pub body_octets: u64,
    /// The most exchanges at once; one lasts until its response is read to the end or dropped.
    pub exchanges: usize,
}

/// One account's HTTP.
pub struct Client {
    settings: Settings,
    pool: Arc<Pool>,
    permits: Arc<Semaphore>,
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
    /// What is sent.
    pub body: Option<RequestBody>,
}

/// What the host puts on a request.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The password, token or key.
    pub secret: Secret,
    /// Where it stands.
    pub placement: Placement,
    /// The approved origins that may get it.
    pub origins: Vec<Origin>,
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

/// One response; its head has arrived, its body may still be on the way.
#[derive(Debug)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// In the order received, names in lower case, without cookies.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: ResponseBody,
}

impl Settings {
    /// What `limits` say for one account with this server.
    #[must_use]
    pub fn new(origins: Origins, server: Endpoint, limits: &Limits) -> Self {
        let exchanges = usize::try_from(limits.http_exchanges).unwrap_or(usize::MAX);
        Self { origins, server, body_octets: limits.http_body_octets, exchanges }
    }
}

impl Client {
    /// A client for one account.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let permits = Arc::new(Semaphore::new(settings.exchanges.max(1)));
        Self { pool: Arc::new(Pool::new(settings.exchanges.max(1))), permits, settings }
    }

    /// Send one request and wait for the head of its response. Redirects of GET and HEAD, and a 303 to anything, are followed
    /// within the origin, at most five times; one to another approved origin is handed over as it is.
    ///
    /// # Errors
    /// `RefusedByHost` against the policy of [`allow`], `Unreachable`, `Untrusted` and `Misconfigured` as for a line; a body's own
    /// fault where its stream has one, and `Malformed` where it has more or fewer octets than it said.
    pub async fn exchange(&self, request: Request) -> Result<Response, Fault> {
        let waited = timeout(self.settings.server.timeouts.read, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = waited else {
            return Err(Fault::new(Kind::RefusedByHost, "send a request")
                .with_code("LIMIT")
                .because_words("as many exchanges as this account may have are under way and none has ended: read or drop their bodies"));
        };
        let refused = |refusal: Refusal| refusal.into_fault("send a request");
        let mut method = allow::method(&request.method).map_err(refused)?;
        let headers = allow::headers(&request.headers).map_err(refused)?;
        let mut admitted = self.settings.origins.admit(&request.url).map_err(refused)?;
        let mut body = request.body;
        for _ in 0..=HTTP_REDIRECTS {
            let operation = format!("{method} from {}", admitted.origin);
            let head = self.head(&admitted, &headers, request.credential.as_ref(), &operation)?;
            let (answer, connection) = self.send(&method, &admitted, &head, body.take(), &operation).await?;
            match self.redirected(&method, &admitted, &answer).map_err(|refusal| refusal.into_fault(&operation))? {
                Some((next, to)) => (method, admitted) = (next, to),
                None => {
                    let body = ResponseBody::new(operation, &self.settings, Arc::clone(&self.pool), connection, permit);
                    return respond(answer, body, &method, request.credential.as_ref());
                }
            }
        }
        Err(Fault::new(Kind::Malformed, format!("{method} from {}", admitted.origin))
            .because_words(format!("more than {HTTP_REDIRECTS} redirects in a row")))
    }

    /// All headers of a request: the connector's, the host's and the credential.
    fn head(&self, admitted: &Admitted, given: &HeaderMap, credential: Option<&Credential>, operation: &str) -> Result<HeaderMap, Fault> {
        let mut head = given.clone();
        let host = HeaderValue::from_str(&admitted.url[Position::BeforeHost..Position::AfterPort])
            .map_err(|_| Refusal::BadUrl.into_fault(operation))?;
        head.insert(HOST, host);
        head.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        head.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("postrider/", env!("CARGO_PKG_VERSION"))));
        let Some(credential) = credential else { return Ok(head) };
        if !credential.origins.contains(&admitted.origin) {
            return Err(Refusal::Unbound(admitted.origin.clone()).into_fault(operation));
        }
        let (name, value) = credential.header().ok_or_else(|| {
            Fault::new(Kind::Misconfigured, operation).because_words("the credential holds octets that no header can carry")
        })?;
        head.insert(name, value);
        Ok(head)
    }

    /// Over a pooled connection if there is one that still lives, else over a new one.
    async fn send(
        &self,
        method: &Method,
        admitted: &Admitted,
        head: &HeaderMap,
        body: Option<RequestBody>,
        operation: &str,
    ) -> Result<(http::Response<Incoming>, Connection), Fault> {
        let target = Origin::parse(&admitted.url.origin().ascii_serialization()).map_err(|refusal| refusal.into_fault(operation))?;
        let path = &admitted.url[Position::BeforePath..Position::AfterQuery];
        // RFC 9110 section 9.2.2: what has no effect may be asked again when a connection that had waited died under it.
        let is_repeatable = body.is_none() && (*method == Method::GET || *method == Method::HEAD);
        let (upload, uploading) = Upload::new(body);
        let build = |upload| -> Result<_, http::Error> {
            let mut request = http::Request::builder().method(method).uri(path).body(upload)?;
            request.headers_mut().clone_from(head);
            Ok(request)
        };
        let unbuilt = |error: http::Error| Fault::new(Kind::RefusedByHost, operation).because(&error);
        let mut request = build(upload).map_err(unbuilt)?;
        while let Some(mut connection) = self.pool.take(&target).await {
            match self.answered(&mut connection, request, &uploading, operation).await {
                Ok(answer) => return Ok((answer, connection)),
                // The server had closed it before anything of the request went out.
                Err(Unanswered::Unsent(unsent)) => request = *unsent,
                Err(Unanswered::Failed(fault)) if is_repeatable && fault.code.as_deref() == Some(body::TRUNCATED) => {
                    request = build(Upload::new(None).0).map_err(unbuilt)?;
                }
                Err(Unanswered::Failed(fault)) => return Err(*fault),
            }
        }
        let proxy = Proxy::of(&self.settings.server)?;
        let mut connection = Connection::dial(target, proxy.as_ref(), &self.settings).await?;
        match self.answered(&mut connection, request, &uploading, operation).await {
            Ok(answer) => Ok((answer, connection)),
            Err(Unanswered::Failed(fault)) => Err(*fault),
            Err(Unanswered::Unsent(_)) => {
                Err(Fault::new(Kind::Unreachable, operation).because_words("the server closed the line before the request"))
            }
        }
    }

    async fn answered(
        &self,
        connection: &mut Connection,
        request: http::Request<Upload>,
        uploading: &Uploading,
        operation: &str,
    ) -> Result<http::Response<Incoming>, Unanswered> {
        let mut answer = std::pin::pin!(connection.send(request));
        let mut sent = uploading.octets();
        let error = loop {
            let patience = std::pin::pin!(tokio::time::sleep(self.settings.server.timeouts.read));
            match select(answer.as_mut(), patience).await {
                Either::Left((Ok(answer), _)) => return Ok(answer),
                Either::Left((Err(error), _)) => break error,
                // As long as the body moves, there is no answer to wait for.
                Either::Right(_) if uploading.octets() != sent => sent = uploading.octets(),
                Either::Right(_) => {
                    let fault = super::stage::late(operation).with_code("TIMEOUT").because_words("the server did not answer in time");
                    return Err(Unanswered::Failed(Box::new(fault)));
                }
            }
        };
        if let Some(fault) = uploading.fault() {
            return Err(Unanswered::Failed(Box::new(fault)));
        }
        let (error, unsent) = error;
        match unsent {
            Some(request) => Err(Unanswered::Unsent(Box::new(request))),
            None => Err(Unanswered::Failed(Box::new(body::lost(&error, operation)))),
        }
    }

    /// Where to go instead, when the answer is a redirect that is followed.
    fn redirected(
        &self,
        method: &Method,
        from: &Admitted,
        answer: &http::Response<Incoming>,
    ) -> Result<Option<(Method, Admitted)>, Refusal> {
        let status = answer.status();
        if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = answer.headers().get(LOCATION) else { return Ok(None) };
        let location = location.to_str().map_err(|_| Refusal::BadUrl)?;
        match self.settings.origins.redirect(from, location)? {
            Redirect::Within(to) if *method == Method::GET || *method == Method::HEAD => Ok(Some((method.clone(), to))),
            Redirect::Within(to) if status == StatusCode::SEE_OTHER => Ok(Some((Method::GET, to))),
            // A body that was streamed cannot be sent again from here.
            Redirect::Within(_) | Redirect::Elsewhere => Ok(None),
        }
    }
}

/// Why there is no answer.
enum Unanswered {
    /// Nothing of the request went out; here it is again.
    Unsent(Box<http::Request<Upload>>),
    Failed(Box<Fault>),
}

impl Credential {
    /// The header that carries it, marked so that nobody prints it.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
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
}

/// What the caller gets of `answer`: nothing of cookies, nothing that echoes the credential, and a body that keeps to its bounds.
fn respond(
    answer: http::Response<Incoming>,
    mut body: ResponseBody,
    method: &Method,
    credential: Option<&Credential>,
) -> Result<Response, Fault> {
    let (head, incoming) = answer.into_parts();
    let coding = head.headers.get(CONTENT_ENCODING).filter(|coding| *coding != "identity");
    if coding.is_some() && *method != Method::HEAD && head.status != StatusCode::NO_CONTENT && head.status != StatusCode::NOT_MODIFIED {
        return Err(body.fault(Kind::Unsupported).because_words("the body is in a content coding that was not asked for"));
    }
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()).and_then(|length| length.parse().ok());
    if *method != Method::HEAD {
        body.announce(announced)?;
    }
    body.attach(incoming);
    let clean = |value: &str| credential.map_or_else(|| value.to_owned(), |credential| credential.secret.redact(value));
    let headers = head
        .headers
        .iter()
        .filter(|(name, _)| allow::is_passed_on(name.as_str()))
        .map(|(name, value)| (name.as_str().to_owned(), clean(&String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    Ok(Response { status: head.status.as_u16(), headers, body })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("origins", &self.settings.origins).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
