//! One request on its way: over a connection that lives, or over a new one, and again where the server has done nothing about it.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use http::{HeaderMap, Method};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::Client;
use super::connection::Unanswered;
use super::response::Underway;
use super::upload::{Outgoing, Uploading};
use crate::fault::Fault;
use crate::limits::HTTP_ATTEMPTS;
use crate::net::allow::Origin;
use crate::net::stage::late;

/// What is sent.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a Url,
    pub(super) head: &'a HeaderMap,
    pub(super) operation: &'a str,
    pub(super) deadline: Instant,
}

impl Client {
    /// Send a request until there is an answer. What a server has not processed is sent again over another connection, also with a body if that can
    /// be had again; what it may have processed only where asking twice does no harm, and never after a new connection was lost under it.
    ///
    /// # Errors
    /// As for [`exchange`](Client::exchange).
    pub(super) async fn send(&self, attempt: Attempt<'_>, outgoing: &Outgoing) -> Result<(http::Response<Incoming>, Underway), Fault> {
        let Attempt { method, url, operation, .. } = attempt;
        let target = Origin::of(url).map_err(|refusal| refusal.into_fault(operation))?;
        // RFC 9110 section 9.2.2: what has no effect may be asked again when a connection that had waited died under it.
        let is_harmless = outgoing.is_nothing() && (*method == Method::GET || *method == Method::HEAD);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let lease = self.pool.lease(&target, attempts > HTTP_ATTEMPTS / 2, &self.settings).await?;
            let (upload, uploading) = outgoing.upload();
            let outcome = {
                let answer = std::pin::pin!(lease.sender.send(method, url, attempt.head, upload, operation));
                self.answered(answer, &uploading, attempt).await
            };
            let unanswered = match outcome {
                Ok(answer) => return Ok((answer, Underway { pool: Arc::clone(&self.pool), lease, uploading })),
                Err(unanswered) => unanswered,
            };
            // Whatever it was, nobody else shall wait for the same.
            self.pool.retire(&lease);
            let is_last = attempts == HTTP_ATTEMPTS;
            let fault = match unanswered {
                Unanswered::Unprocessed(fault) if !is_last && uploading.fault().is_none() && outgoing.is_repeatable() => {
                    tracing::debug!(%target, %fault, "Request was not processed: it is sent again");
                    continue;
                }
                Unanswered::Lost(fault) if !is_last && is_harmless && !lease.is_new => {
                    tracing::debug!(%target, %fault, "Connection that had waited was lost: the request is sent again");
                    continue;
                }
                Unanswered::Unprocessed(fault) | Unanswered::Lost(fault) | Unanswered::Failed(fault) => fault,
            };
            return Err(uploading.fault().unwrap_or(fault));
        }
    }

    /// Wait for the head of an answer; as long as the body moves, there is none to wait for.
    async fn answered(
        &self,
        mut answer: Pin<&mut (impl Future<Output = Result<http::Response<Incoming>, Unanswered>> + Send)>,
        uploading: &Uploading,
        attempt: Attempt<'_>,
    ) -> Result<http::Response<Incoming>, Unanswered> {
        let mut sent = uploading.octets();
        loop {
            let by = attempt.deadline.min(Instant::now() + self.settings.server.timeouts.read);
            let silence = std::pin::pin!(sleep_until(by));
            match select(answer.as_mut(), silence).await {
                Either::Left((outcome, _)) => return outcome,
                Either::Right(_) if uploading.octets() != sent && Instant::now() < attempt.deadline => sent = uploading.octets(),
                Either::Right(_) => {
                    let words = "the server did not answer in time";
                    return Err(Unanswered::Failed(late(attempt.operation).with_code("TIMEOUT").because_words(words)));
                }
            }
        }
    }
}
