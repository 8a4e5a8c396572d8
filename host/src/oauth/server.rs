//! The authorization server: every request to it goes over the host's own HTTP, is bounded, and ends in an answer that can be used or in
//! a fault in words. What the `oauth2` crate gets to see has been looked at here.

use std::sync::Mutex;

use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use oauth2::basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, ClientId, ClientSecret, DeviceAuthorizationUrl, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, RequestTokenError, StandardRevocableToken, TokenUrl,
};
use serde_json::Value;
use url::Url;

use super::answer::{self, Granted, TokenAnswer};
use super::party::Party;
use super::refusal;
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::limits::{Limits, OAUTH_ANSWER_OCTETS, OAUTH_EXCHANGES};
use crate::model::endpoint::{Endpoint, Held, Protocol, Security, Trust};
use crate::model::provider::ClientAuth;
use crate::net::allow::{Origin, Origins};
use crate::net::http as net_http;
use crate::secret::Secret;

/// How far two clocks may be apart before it is worth a word: assertions live for minutes.
const SKEW: u64 = 2 * 60 * 1000;

/// The crate's client, with a token endpoint and perhaps the others.
pub(super) type Client = oauth2::Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointMaybeSet,
    EndpointMaybeSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// An error code that is not an end while a device code is waited for (RFC 8628 section 3.5).
const PENDING: [&str; 2] = ["authorization_pending", "slow_down"];

/// One account's authorization server.
pub(super) struct Server {
    party: Party,
    operation: String,
    /// What was sent and must not come back in words.
    sent: Mutex<Vec<Secret>>,
    lets_pend: bool,
}

impl Server {
    /// For `operation`, which is named in every fault.
    pub(super) fn new(party: &Party, operation: impl Into<String>) -> Self {
        Self { party: party.clone(), operation: operation.into(), sent: Mutex::new(Vec::new()), lets_pend: false }
    }

    /// Hand on that a device code is not yet entered, instead of making a fault of it.
    pub(super) fn letting_pend(mut self) -> Self {
        self.lets_pend = true;
        self
    }

    /// What the operation is.
    pub(super) fn operation(&self) -> &str {
        &self.operation
    }

    /// A secret that is sent, to be taken out of whatever the server says.
    pub(super) fn sends(&self, secret: &Secret) {
        self.sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(secret.clone());
    }

    /// The crate's client for the account's settings.
    ///
    /// # Errors
    /// `Misconfigured` for an address that is none, or is not named.
    pub(super) fn client(&self) -> Result<Client, Fault> {
        let addresses = self.party.addresses();
        let wrong = |error: url::ParseError| Fault::new(Kind::Misconfigured, self.operation.clone()).because(&error);
        let token = TokenUrl::new(self.party.token_endpoint()?).map_err(wrong)?;
        let authorization = addresses.authorization.map(AuthUrl::new).transpose().map_err(wrong)?;
        let device = addresses.device.map(DeviceAuthorizationUrl::new).transpose().map_err(wrong)?;
        let mut client = oauth2::Client::new(ClientId::new(self.party.oauth.client_id.clone()))
            .set_token_uri(token)
            .set_auth_uri_option(authorization)
            .set_device_authorization_url_option(device)
            .set_auth_type(match self.party.oauth.client_auth() {
                ClientAuth::Basic => AuthType::BasicAuth,
                ClientAuth::Post => AuthType::RequestBody,
            });
        if let Some(secret) = self.party.client_secret.as_ref().and_then(Secret::expose_str) {
            client = client.set_client_secret(ClientSecret::new(secret.to_owned()));
        }
        Ok(client)
    }

    /// What came of a request of the crate's, asked at `asked`.
    ///
    /// # Errors
    /// The request's own fault.
    pub(super) fn granted<E: oauth2::ErrorResponse + 'static>(
        &self,
        outcome: Result<TokenAnswer, RequestTokenError<Fault, E>>,
        asked: Timestamp,
    ) -> Result<Granted, Fault> {
        outcome.map(|answer| answer.granted(asked)).map_err(|error| self.failed(error))
    }

    /// The crate's error, without what it repeats of an answer.
    pub(super) fn failed<E: oauth2::ErrorResponse + 'static>(&self, error: RequestTokenError<Fault, E>) -> Fault {
        match error {
            RequestTokenError::Request(fault) => fault,
            RequestTokenError::Parse(error, _) => {
                self.malformed(format!("the field `{}` of its answer is not what belongs there", error.path()))
            }
            RequestTokenError::ServerResponse(error) => {
                let value = serde_json::to_value(&error).unwrap_or_default();
                self.refused(&value).unwrap_or_else(|| self.malformed("its answer cannot be understood".to_owned()))
            }
            RequestTokenError::Other(_) => self.malformed("its answer cannot be understood".to_owned()),
        }
    }

    /// Carry out one request of the crate's. An answer comes back only where it holds what was asked for.
    ///
    /// # Errors
    /// What keeps the request from its answer, and every answer that is a refusal.
    pub(super) async fn answer(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, Fault> {
        let is_token = request.uri().to_string() == self.party.token_endpoint()?;
        let (status, headers, body) = self.exchange(request).await?;
        let value: Option<Value> = serde_json::from_slice(&body).ok();
        if let Some(value) = &value
            && value.get("error").is_some()
        {
            let code = value.get("error").and_then(Value::as_str).unwrap_or_default();
            if !(self.lets_pend && PENDING.contains(&code)) {
                let fault = self.refused(value).unwrap_or_else(|| self.malformed("it refuses without a code".to_owned()));
                return Err(self.with_time(fault, &headers));
            }
        } else if status != 200 {
            return Err(self.with_time(self.status(status), &headers));
        } else if let Some(wrong) =
            if is_token { answer::wrong(&body) } else { value.is_none().then(|| "its answer is no JSON".to_owned()) }
        {
            return Err(self.malformed(wrong));
        }
        // The crate goes by these two, and servers get either wrong.
        let status = if value.as_ref().is_some_and(|value| value.get("error").is_some()) { 400 } else { 200 };
        let answer = http::Response::builder().status(status).header(CONTENT_TYPE, "application/json").body(body);
        answer.map_err(|error| Fault::new(Kind::Bug, self.operation.clone()).because(&error))
    }

    /// Get a JSON document, with a token where `bearer` is one.
    ///
    /// # Errors
    /// As of [`answer`](Self::answer).
    pub(super) async fn get(&self, url: &str, bearer: Option<&Secret>) -> Result<Value, Fault> {
        let mut request = http::Request::builder().method("GET").uri(url).header("accept", "application/json");
        if let Some(bearer) = bearer.and_then(Secret::expose_str) {
            request = request.header(AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let request = request.body(Vec::new()).map_err(|error| Fault::new(Kind::Misconfigured, self.operation.clone()).because(&error))?;
        let (status, headers, body) = self.exchange(request).await?;
        if status != 200 {
            return Err(self.with_time(self.status(status), &headers));
        }
        serde_json::from_slice(&body).map_err(|_| self.malformed("its answer is no JSON".to_owned()))
    }

    /// One exchange; its body is whole and bounded.
    async fn exchange(&self, request: http::Request<Vec<u8>>) -> Result<(u16, Vec<(String, String)>, Vec<u8>), Fault> {
        let (head, body) = request.into_parts();
        let url = head.uri.to_string();
        let origin = origin_of(&url).ok_or_else(|| {
            Fault::new(Kind::Misconfigured, self.operation.clone()).because_words(format!("`{}` is no https URL", url.escape_debug()))
        })?;
        let client = self.http(&url, &origin)?;
        // The host puts credentials on; requests have no such header.
        let credential = head.headers.get(AUTHORIZATION).map(|value| {
            let secret = Secret::new(value.as_bytes());
            self.sends(&secret);
            if let Some(pair) = value.to_str().ok().and_then(|value| value.strip_prefix("Basic ")) {
                self.sends(&Secret::new(pair));
                if let Ok(pair) = BASE64.decode(pair.as_bytes()) {
                    self.sends(&Secret::new(pair));
                }
            }
            let placement = net_http::Placement::Header("authorization".to_owned());
            Origin::parse(&origin).map(|origin| net_http::Credential { secret, placement, origins: vec![origin], renewal: None })
        });
        let credential = credential.transpose().map_err(|refusal| refusal.into_fault(self.operation.clone()))?;
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = head.headers.iter().filter(|(name, _)| *name != AUTHORIZATION);
        let request = net_http::Request {
            method: head.method.to_string(),
            url,
            headers: headers.map(|(name, value)| (name.to_string(), text(value))).collect(),
            credential,
            cost: 1,
            body: (!body.is_empty())
                .then(|| net_http::RequestBody { length: body.len() as u64, octets: stream::iter([Ok(bytes::Bytes::from(body))]).boxed() }),
        };
        let mut response = client.exchange(request).await.map_err(|fault| self.lost(fault))?;
        let mut whole = Vec::new();
        while let Some(piece) = response.body.next().await {
            whole.extend_from_slice(&piece.map_err(|fault| self.lost(fault))?);
        }
        Ok((response.status, response.headers, whole))
    }

    /// The host's HTTP, for this one origin.
    fn http(&self, url: &str, origin: &str) -> Result<net_http::Client, Fault> {
        let oauth = &self.party.oauth;
        let origins = Origins::new([origin], oauth.origins.iter().map(String::as_str))
            .map_err(|refusal| refusal.into_fault(self.operation.clone()))?;
        let url = Url::parse(url).map_err(|error| Fault::new(Kind::Misconfigured, self.operation.clone()).because(&error))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        // The operator names the authorization server, or the host's own table does. What the account believes of its mail server's
        // certificate says nothing of this one's.
        let server = Endpoint {
            protocol: Protocol::Stream,
            server: host,
            port: url.port_or_known_default().unwrap_or(443),
            security: Security::Tls,
            user: None,
            auth: None,
            trust: Trust { ca_file: oauth.ca_file.clone(), ..Trust::default() },
            held: Held { client_key: None, ..self.party.way.held.clone() },
            ..self.party.way.clone()
        };
        let settings = net_http::Settings::new(origins, server, &Limits::default());
        Ok(net_http::Client::new(net_http::Settings { body_octets: OAUTH_ANSWER_OCTETS, exchanges: OAUTH_EXCHANGES, ..settings }))
    }

    /// The refusal in an answer; none: it names no code.
    fn refused(&self, answer: &Value) -> Option<Fault> {
        let error = answer.get("error")?;
        // Google's interfaces answer with an object here.
        let code = error.as_str().or_else(|| error.get("status").and_then(Value::as_str)).filter(|code| !code.is_empty())?;
        let words = answer.get("error_description").or_else(|| error.get("message")).and_then(Value::as_str);
        let words = words.map(|words| self.redact(words));
        let (fault, _) = refusal::explain(&self.operation, &self.redact(code), words.as_deref());
        Some(self.party.naming(fault))
    }

    /// An answer without JSON that is no success.
    fn status(&self, status: u16) -> Fault {
        let (kind, cause) = match status {
            429 => (Kind::Throttled, "the provider asks for fewer requests"),
            500.. => (Kind::Transient, "the provider has a passing trouble"),
            300..=399 => (Kind::Malformed, "it answers with a redirect, which is followed nowhere with a credential"),
            401 | 403 => (Kind::Unauthenticated, "it refuses the client, or the token that it gave"),
            404 => (Kind::Misconfigured, "there is nothing at this address"),
            _ => (Kind::Malformed, "it refuses without saying why"),
        };
        Fault::new(kind, self.operation.clone()).with_code(status.to_string()).because_words(cause)
    }

    fn malformed(&self, wrong: String) -> Fault {
        let hint = "what answers there may be no authorization server: a portal of the network, or another address";
        Fault::new(Kind::Malformed, self.operation.clone()).because_words(wrong).with_remedy(hint)
    }

    /// When the server wants to be asked again, and how its clock differs where that may be why.
    fn with_time(&self, mut fault: Fault, headers: &[(String, String)]) -> Fault {
        let header =
            |name: http::HeaderName| headers.iter().find(|(known, _)| known.as_str() == name.as_str()).map(|(_, value)| value.as_str());
        if fault.kind.is_retried()
            && let Some(seconds) = header(RETRY_AFTER).and_then(|value| value.trim().parse().ok())
        {
            fault.retry_after = Some(std::time::Duration::from_secs(seconds).min(std::time::Duration::from_secs(24 * 3600)));
        }
        let theirs = header(DATE)
            .and_then(|date| jiff::fmt::rfc2822::parse(date).ok())
            .and_then(|at| u64::try_from(at.timestamp().as_millisecond()).ok());
        let ours = Timestamp::now().0;
        if let Some(theirs) = theirs.filter(|theirs| theirs.abs_diff(ours) > SKEW) {
            let which = if ours > theirs { "ahead of" } else { "behind" };
            let minutes = theirs.abs_diff(ours) / 60_000;
            let remedy = fault.remedy.map_or_else(String::new, |remedy| format!("{remedy}; "));
            fault.remedy =
                Some(format!("{remedy}this machine's clock is {minutes} minutes {which} the provider's: set the one right that is wrong"));
        }
        fault
    }

    /// Why there is no answer, or not all of it.
    fn lost(&self, fault: Fault) -> Fault {
        if fault.kind == Kind::TooLarge {
            return self.malformed(format!("its answer has more than {OAUTH_ANSWER_OCTETS} octets"));
        }
        let words = fault.words.as_deref().map(|words| self.redact(words));
        Fault { words, ..fault }.within(self.operation.clone())
    }

    fn redact(&self, words: &str) -> String {
        let sent = self.sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sent.iter().fold(self.party.redact(words), |words, secret| secret.redact(&words))
    }
}

impl<'c> AsyncHttpClient<'c> for Server {
    type Error = Fault;
    type Future = BoxFuture<'c, Result<HttpResponse, Fault>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        self.answer(request).boxed()
    }
}

/// The origin of an https URL.
pub(super) fn origin_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "https")?;
    Some(url.origin().ascii_serialization())
}
