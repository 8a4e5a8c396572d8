//! `postrider:http`: exchanges with the approved origins. The policy is `net::allow`'s; here credentials are found and bodies piped.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use wasmtime::component::{Accessor, FutureReader, StreamReader};

use super::{Guest, Imports, Refusal, session};
use crate::connector::bindings::http::{Host, HostWithStore, Request, Response};
use crate::connector::bindings::types::Error;
use crate::connector::contract::{self, at_most, refusal};
use crate::connector::seam::CredentialBroker;
use crate::connector::session::Session;
use crate::connector::streams::{self, Octets, Produced};
use crate::fault::{Fault, Kind};
use crate::limits::contract::{HEADER_OCTETS, HEADERS, URL_OCTETS};
use crate::net::http::{self, RequestBody, ResponseBody};
use crate::secret::Secret;

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn exchange(accessor: &Accessor<T, Self>, request: Request, body: Option<(u64, StreamReader<u8>)>) -> Result<Response, Refusal> {
        let session = session(accessor);
        // Taken first: whatever happens next, the stream is disposed of.
        let body = match body {
            Some((length, octets)) => Some(upload(length, streams::pieces(accessor, octets)?)),
            None => None,
        };
        let response = session.import(Box::pin(exchange(&session, request, body))).await?;
        let (octets, end) = Produced::new(download(Arc::clone(&session), response.body), Arc::clone(&session.meter));
        let finished = async move {
            let ended: Result<u64, Error> = match end.await {
                Ok(Ok(count)) => Ok(count),
                Ok(Err(fault)) => Err(contract::error_for_component(&fault)),
                Err(_) => Err(contract::error_for_component(&Fault::new(Kind::Cancelled, "read a response to its end"))),
            };
            Ok::<_, wasmtime::Error>(ended)
        };
        let (body, finished) = accessor.with(|mut store| {
            let body = StreamReader::new(&mut store, octets)?;
            Ok::<_, wasmtime::Error>((body, FutureReader::new(&mut store, finished)?))
        })?;
        Ok(Response { status: response.status, headers: response.headers, body, finished })
    }
}

impl Host for Guest {}

async fn exchange(session: &Session, request: Request, body: Option<RequestBody>) -> Result<http::Response, Refusal> {
    let Request { method, url, headers, credential, cost } = request;
    at_most("a URL (in octets)", url.len(), URL_OCTETS)?;
    at_most("a request (in headers)", headers.len(), HEADERS)?;
    let octets = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    at_most("the headers of a request (in octets)", octets, HEADER_OCTETS)?;
    let Some(access) = &session.context.http else {
        return Err(Refusal::Answer(refusal("ORIGIN", "no origin is approved for this connector")));
    };
    if let Some(name) = access.credential_header(&headers) {
        return Err(Refusal::Answer(refusal(
            "HEADER",
            format!("the header `{name}` carries a credential, which the host puts on by itself"),
        )));
    }
    let credential = match credential {
        None => None,
        Some(name) => {
            let Some(declared) = access.credentials.iter().find(|declared| declared.name == name) else {
                return Err(Refusal::Answer(refusal("CREDENTIAL", "the manifest declares no credential of that name for requests")));
            };
            let broker = &session.context.credentials;
            let secret = broker.http_credential(&name).await.inspect_err(|fault| session.remember(fault))?;
            let renewal = Arc::new(Renewal { broker: Arc::clone(broker), name });
            Some(http::Credential {
                secret,
                placement: declared.placement.clone(),
                origins: declared.origins.clone(),
                renewal: Some(renewal),
            })
        }
    };
    let secret = credential.as_ref().map(|credential| credential.secret.clone());
    let request = http::Request { method, url, headers, credential, cost, body };
    let outcome = access.client.exchange(request).await;
    Ok(outcome.map_err(|fault| {
        session.remember(&fault);
        Fault {
            words: fault.words.as_deref().map(|words| secret.as_ref().map_or_else(|| words.to_owned(), |secret| secret.redact(words))),
            ..fault
        }
    })?)
}

/// The broker, asked for another credential under one name.
struct Renewal {
    broker: Arc<dyn CredentialBroker>,
    name: String,
}

#[async_trait]
impl http::Renew for Renewal {
    async fn renew(&self, refused: &Secret) -> Result<Option<Secret>, Fault> {
        self.broker.renew_http_credential(&self.name, refused).await
    }
}

/// A component's stream as a request's body.
fn upload(length: u64, pieces: tokio::sync::mpsc::Receiver<bytes::Bytes>) -> RequestBody {
    let octets = stream::unfold(pieces, |mut pieces| async move { pieces.recv().await.map(|piece| (Ok(piece), pieces)) });
    RequestBody { length, octets: octets.boxed() }
}

/// A response's body as a component's stream; a stop cuts it short.
fn download(session: Arc<Session>, body: ResponseBody) -> Octets {
    let octets = stream::unfold(Some(body), move |body| {
        let session = Arc::clone(&session);
        async move {
            let mut body = body?;
            tokio::select! {
                biased;
                () = session.stopped.cancelled() => Some((Err(Fault::new(Kind::Cancelled, "read a response to its end")), None)),
                piece = body.next() => piece.map(|piece| (piece, Some(body))),
            }
        }
    });
    octets.boxed()
}
