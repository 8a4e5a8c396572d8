//! Stands in for `net` until it lands; same names, no lines.

use std::time::Duration;

use bytes::Bytes;

use crate::fault::{Fault, Kind};
use crate::model::endpoint::Endpoint;
use crate::secret::Secret;

/// See `net`.
pub trait Observe: Send + Sync {}

/// See `net`.
#[derive(Debug)]
pub struct Unobserved;

impl Observe for Unobserved {}

/// See `net`.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) greeting: String,
    pub(super) capabilities: Vec<String>,
    pub(super) signed_in: bool,
    pub(super) identity: Option<String>,
}

/// See `net`.
#[derive(Debug)]
pub(super) struct Line(());

fn none<R>() -> Result<R, Fault> {
    Err(Fault::new(Kind::Unsupported, "open a line"))
}

impl Line {
    pub(super) async fn read(&self, _max: usize, _limit: Option<Duration>) -> Result<Bytes, Fault> {
        none()
    }

    pub(super) async fn write(&self, _octets: &[u8]) -> Result<(), Fault> {
        none()
    }

    pub(super) fn compress(&self) -> Result<(), Fault> {
        none()
    }
}

/// See `net`.
pub(super) async fn open(_endpoint: &Endpoint, _secret: Option<&Secret>, _observer: &dyn Observe) -> Result<(Line, Opening), Fault> {
    none()
}
