//! HTTP/1.1 connections, and the few that wait to be used again. HTTP/2 will be a second kind of connection behind the same names.

use std::sync::{Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::Settings;
use super::body::Upload;
use crate::fault::{Fault, Kind};
use crate::limits::{HTTP_HEAD_OCTETS, HTTP_IDLE, HTTP_READY};
use crate::model::endpoint::Security;
use crate::net::allow::Origin;
use crate::net::observe::Unobserved;
use crate::net::proxy::Proxy;
use crate::net::reach::{Route, Target, reach};
use crate::net::stage::{Stages, late};
use crate::net::tls::{self, Believed, Peer};

/// One connection; dropping it closes it.
pub(super) struct Connection {
    origin: Origin,
    sender: http1::SendRequest<Upload>,
    _driver: AbortOnDropHandle<()>,
}

/// Connections that wait, the oldest first.
pub(super) struct Pool {
    most: usize,
    idle: Mutex<Vec<(Instant, Connection)>>,
}

impl Connection {
    pub(super) async fn dial(origin: Origin, proxy: Option<&Proxy>, settings: &Settings) -> Result<Self, Fault> {
        let (server, port) = (origin.server(), origin.port());
        let authority = if server.contains(':') { format!("[{server}]:{port}") } else { format!("{server}:{port}") };
        let account = &settings.server;
        let stages = Stages::new(&Unobserved, account.timeouts.connect);
        let believed = if origin.is_secure() { Some(Believed::load(account, &[b"http/1.1"]).await?) } else { None };
        let is_operators = server.eq_ignore_ascii_case(&account.server) || settings.origins.is_rewritten_to(&origin);
        let target = Target { server: &server, port, authority: &authority, usual_ports: "HTTPS is usually 443", is_operators };
        let mut wire = reach(target, Route::of(account, proxy), stages).await?;
        if let Some(believed) = &believed {
            let peer =
                Peer { server: &server, authority: &authority, port, security: Security::Tls, min_version: account.trust.min_version };
            let silent = || late(format!("secure the line to {authority} by TLS"));
            wire = stages.run(crate::net::Stage::Tls, silent, tls::secure(wire, peer, believed)).await?;
        }
        let fault = || Fault::new(Kind::Unreachable, format!("speak HTTP with {authority}"));
        if !wire.pending.is_empty() {
            return Err(Fault { kind: Kind::Malformed, ..fault() }.because_words("the server speaks before it was asked"));
        }
        let (sender, driver) = http1::Builder::new()
            .max_header_size(HTTP_HEAD_OCTETS)
            .handshake(TokioIo::new(wire.socket))
            .await
            .map_err(|error| fault().because(&error))?;
        // Its failures reach whoever waits for an answer or a body.
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "HTTP connection ended");
            }
        }));
        Ok(Self { origin, sender, _driver: driver })
    }

    /// Send one request; an error brings the request back when nothing of it went out.
    pub(super) async fn send(
        &mut self,
        request: http::Request<Upload>,
    ) -> Result<http::Response<Incoming>, (hyper::Error, Option<http::Request<Upload>>)> {
        self.sender.try_send_request(request).await.map_err(|mut error| {
            let unsent = error.take_message();
            (error.into_error(), unsent)
        })
    }
}

impl Pool {
    pub(super) fn new(most: usize) -> Self {
        Self { most, idle: Mutex::new(Vec::new()) }
    }

    /// The newest connection to `origin` that still lives.
    pub(super) async fn take(&self, origin: &Origin) -> Option<Connection> {
        loop {
            let mut connection = self.pop(origin)?;
            if let Ok(Ok(())) = timeout(HTTP_READY, connection.sender.ready()).await {
                return Some(connection);
            }
        }
    }

    /// Keep `connection` for the next exchange, and close what has waited too long.
    pub(super) fn put(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, connection)| since.elapsed() < HTTP_IDLE && !connection.sender.is_closed());
        if idle.len() >= self.most {
            idle.remove(0);
        }
        if !connection.sender.is_closed() {
            idle.push((Instant::now(), connection));
        }
    }

    fn pop(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, connection)| since.elapsed() < HTTP_IDLE && !connection.sender.is_closed());
        let at = idle.iter().rposition(|(_, connection)| connection.origin == *origin)?;
        Some(idle.remove(at).1)
    }
}
