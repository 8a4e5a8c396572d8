//! Bodies of responses: bounded in octets and time, with content codings taken off, whole or failed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::Settings;
use super::coding::{CodingError, Decoder};
use super::connection::{TRUNCATED, lost};
use super::gate::Permit;
use super::pool::{Lease, Pool};
use super::upload::Uploading;
use crate::fault::{Fault, Kind};
use crate::net::stage::late;

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

/// A response's body, with content codings taken off. Dropped before its end, its exchange is given up.
pub struct ResponseBody {
    operation: String,
    incoming: Option<Incoming>,
    exchange: Option<Underway>,
    decoder: Option<Decoder>,
    /// Came, and is not decoded yet.
    coded: Bytes,
    /// Octets that came.
    arrived: u64,
    /// Octets given away.
    received: u64,
    most: u64,
    patience: Duration,
    deadline: Instant,
    _permit: Permit,
}

/// What an exchange holds until its response is whole.
pub(super) struct Underway {
    pub(super) pool: Arc<Pool>,
    pub(super) lease: Lease,
    pub(super) uploading: Uploading,
}

impl ResponseBody {
    /// The body behind `head`; none of it where there is none to come.
    ///
    /// # Errors
    /// `TooLarge` for what is announced to be so, `Unsupported` for a coding that cannot be taken off.
    pub(super) fn new(
        operation: String,
        settings: &Settings,
        (head, incoming): (&HeaderMap, Incoming),
        has_body: bool,
        (exchange, permit, deadline): (Underway, Permit, Instant),
    ) -> Result<Self, Fault> {
        let mut body = Self {
            operation,
            incoming: Some(incoming),
            exchange: Some(exchange),
            decoder: None,
            coded: Bytes::new(),
            arrived: 0,
            received: 0,
            most: settings.body_octets,
            patience: settings.server.timeouts.read,
            deadline,
            _permit: permit,
        };
        if has_body {
            let announced = head.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()).and_then(|length| length.parse().ok());
            if announced.is_some_and(|length: u64| length > body.most) {
                return Err(body.too_large());
            }
            body.decoder = body.decoder_of(head)?;
        }
        Ok(body)
    }

    /// The next octets; none: that was all, and all of it came. A future that is dropped loses no octet; after an error there is
    /// nothing more.
    pub async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        let outcome = self.piece().await;
        match outcome {
            Some(Ok(octets)) => Some(Ok(octets)),
            Some(Err(fault)) => {
                self.incoming = None;
                self.exchange = None;
                Some(Err(fault))
            }
            None => {
                self.incoming = None;
                if let Some(exchange) = self.exchange.take() {
                    exchange.end();
                }
                None
            }
        }
    }

    /// Octets given away so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether a coding was taken off, so that what the head says of coding and length is true no more.
    pub(super) const fn is_decoded(&self) -> bool {
        self.decoder.is_some()
    }

    async fn piece(&mut self) -> Option<Result<Bytes, Fault>> {
        loop {
            self.incoming.as_ref()?;
            match self.decoded() {
                Ok(Some(octets)) => return Some(Ok(octets)),
                Ok(None) => {}
                Err(fault) => return Some(Err(fault)),
            }
            let incoming = self.incoming.as_mut()?;
            let by = self.deadline.min(Instant::now() + self.patience);
            match timeout_at(by, incoming.frame()).await {
                Ok(Some(Ok(frame))) => {
                    // Trailers: nothing of theirs is in the contract.
                    let Ok(octets) = frame.into_data() else { continue };
                    self.arrived = self.arrived.saturating_add(octets.len() as u64);
                    if self.arrived > self.most {
                        return Some(Err(self.too_large()));
                    }
                    self.coded = octets;
                }
                Ok(Some(Err(error))) => return Some(Err(lost(&error, &self.operation))),
                Ok(None) => {
                    let end = self.decoder.as_ref().map_or(Ok(()), Decoder::finish);
                    return end.err().map(|error| Err(self.undecodable(error)));
                }
                Err(_) => return Some(Err(self.late())),
            }
        }
    }

    /// A piece of what came already.
    fn decoded(&mut self) -> Result<Option<Bytes>, Fault> {
        let octets = match &mut self.decoder {
            None => Some(std::mem::take(&mut self.coded)).filter(|octets| !octets.is_empty()),
            Some(decoder) => decoder.decode(&mut self.coded).map_err(|error| self.undecodable(error))?,
        };
        let Some(octets) = octets else { return Ok(None) };
        self.received = self.received.saturating_add(octets.len() as u64);
        if self.received > self.most { Err(self.too_large()) } else { Ok(Some(octets)) }
    }

    fn decoder_of(&self, head: &HeaderMap) -> Result<Option<Decoder>, Fault> {
        let mut codings = head.get_all(CONTENT_ENCODING).iter().filter(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        let Some(coding) = codings.next() else { return Ok(None) };
        let decoder = coding.to_str().ok().and_then(Decoder::of).filter(|_| codings.next().is_none());
        let unsupported = || {
            Fault::new(Kind::Unsupported, self.operation.clone()).because_words("the body is in a content coding that was not asked for")
        };
        decoder.map(Some).ok_or_else(unsupported)
    }

    fn undecodable(&self, error: CodingError) -> Fault {
        let fault = Fault::new(Kind::Malformed, self.operation.clone()).because(&error);
        if error == CodingError::Truncated { Fault { kind: Kind::Unreachable, ..fault }.with_code(TRUNCATED) } else { fault }
    }

    fn late(&self) -> Fault {
        let words = if Instant::now() >= self.deadline {
            "the exchange as a whole took longer than `limit.http-exchange-ms`"
        } else {
            "nothing more of the body came in time"
        };
        late(self.operation.clone()).with_code("TIMEOUT").because_words(words)
    }

    fn too_large(&self) -> Fault {
        Fault::new(Kind::TooLarge, self.operation.clone())
            .because_words(format!("the body has more than {} octets", self.most))
            .with_remedy("raise `--set limit.http-body-octets=N` for this account")
    }
}

impl Underway {
    /// The response is whole. A connection whose request is not is good for nothing more.
    fn end(self) {
        if self.uploading.is_over() {
            self.pool.give_back(self.lease);
        } else {
            self.uploading.give_up();
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(exchange) = &self.exchange {
            exchange.uploading.give_up();
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("operation", &self.operation).field("received", &self.received).finish_non_exhaustive()
    }
}
