//! Carries requests out against an opened home; one file a group of requests.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::event::Events;
use super::reply::Reply;
use super::request::Request;
use super::server::{Execute, Server};
use crate::fault::{Fault, Kind};
use crate::home::{Ownership, Paths};

/// An opened home.
pub struct Service {
    paths: Paths,
    _ownership: Ownership,
}

impl Service {
    /// Open the home that this process owns.
    ///
    /// # Errors
    /// What hinders the store or the registry from being opened.
    pub async fn open(paths: &Paths, ownership: Ownership) -> Result<Arc<Self>, Fault> {
        Ok(Arc::new(Self { paths: paths.clone(), _ownership: ownership }))
    }

    /// Make everything durable and let go of the store.
    ///
    /// # Errors
    /// The store's.
    pub async fn close(&self) -> Result<(), Fault> {
        Ok(())
    }
}

#[async_trait]
impl Execute for Service {
    async fn execute(&self, _request: Request, _events: Events, _stop: CancellationToken) -> Result<Reply, Fault> {
        Err(Fault::new(Kind::Unsupported, "carry the request out"))
    }
}

/// The daemon: the control socket and the schedule, until `stop`; then everything ends in order.
///
/// # Errors
/// What hinders the daemon from starting.
pub async fn run(service: Arc<Service>, stop: CancellationToken) -> Result<(), Fault> {
    let server = Server::bind(&service.paths, Arc::clone(&service) as Arc<dyn Execute>).await?;
    server.serve(stop).await;
    service.close().await
}
