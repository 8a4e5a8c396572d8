//! TLS by rustls: which certificates are believed, and what a person is told when one is not.

mod binding;
pub mod certificate;
pub mod client;
mod explain;
mod roots;
mod sessions;
mod verifier;

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, SupportedProtocolVersion};
use tokio::io::BufReader;
use tokio_rustls::TlsConnector;

pub use self::binding::ChannelBindings;
use self::certificate::Certificate;
pub(super) use self::explain::{late_alert, mind_the_port, refusals_of};
use self::sessions::{Beliefs, Configured};
use self::verifier::{Anchors, Pins, Verifier};
use super::wire::{Socket, TLS_BUFFER_OCTETS, Wire};
use crate::fault::{Fault, Kind};
use crate::limits::TLS_SESSIONS;
use crate::model::endpoint::{Endpoint, Security, TlsVersion};
use crate::model::name::AccountId;

/// What one account believes and shows; made for each line before anything is dialled, so that a mistake in the settings is named as
/// such. Lines of one account that believe the same resume each other's sessions.
#[derive(Debug, Clone)]
pub struct Believed(Configured);

/// Who is on the other side, and how the way there was chosen: what a refused handshake is explained with.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    /// Host name or address, as the operator wrote it.
    pub server: &'a str,
    /// "server:port".
    pub authority: &'a str,
    /// The port.
    pub port: u16,
    /// When TLS begins.
    pub security: Security,
    /// The oldest TLS that the account allows.
    pub min_version: TlsVersion,
}

impl Believed {
    /// Read what `endpoint` names: its pins, its CA file or the system's authorities, and its own certificate. `protocols` are offered
    /// by ALPN (RFC 7301).
    ///
    /// # Errors
    /// `Misconfigured` with the path where the CA file cannot be read or holds no certificate, where the system has no authorities,
    /// and where the client's certificate and key do not go together.
    pub async fn load(endpoint: &Endpoint, protocols: &[&[u8]]) -> Result<Self, Fault> {
        let trust = &endpoint.trust;
        let (anchors, roots) = match &trust.ca_file {
            _ if !trust.pins.is_empty() || !trust.key_pins.is_empty() => {
                (Anchors::Pins(Pins { certificates: trust.pins.clone(), keys: trust.key_pins.clone() }), Vec::new())
            }
            Some(path) => {
                let (roots, digest) = roots::of_file(path.clone()).await?;
                (Anchors::Roots(roots), digest.to_vec())
            }
            None => (Anchors::Roots(roots::of_system().await?), b"system".to_vec()),
        };
        let beliefs = Beliefs::of(endpoint, protocols, &roots);
        if let Some(kept) = beliefs.as_ref().and_then(sessions::kept) {
            return Ok(Self(kept));
        }
        let mut configured = configure(endpoint, &anchors, protocols)?;
        if let Some(beliefs) = beliefs {
            if let Some(config) = Arc::get_mut(&mut configured.config) {
                config.resumption = Resumption::in_memory_sessions(TLS_SESSIONS);
            }
            sessions::keep(beliefs, configured.clone());
        }
        Ok(Self(configured))
    }
}

/// Have no line of `account` resume a session from before now: for edits of the account, and its end.
pub fn forget_sessions(account: AccountId) {
    sessions::forget(account);
}

/// A configuration that resumes nothing.
fn configure(endpoint: &Endpoint, anchors: &Anchors, protocols: &[&[u8]]) -> Result<Configured, Fault> {
    let fault = |kind| Fault::new(kind, format!("prepare TLS for {}", endpoint.authority()));
    let verifier = Arc::new(Verifier::new(anchors).map_err(|error| fault(Kind::Misconfigured).because(&error))?);
    let versions: &[&'static SupportedProtocolVersion] = match endpoint.trust.min_version {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    let builder = ClientConfig::builder_with_provider(verifier::provider())
        .with_protocol_versions(versions)
        .map_err(|error| fault(Kind::Bug).because(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as _);
    let mut config = match client::identity(endpoint)? {
        Some(identity) => builder.with_client_auth_cert(identity.chain, identity.key).map_err(|error| {
            fault(Kind::Misconfigured).because(&error).with_remedy("give both anew: `--client-cert` and `--client-key`")
        })?,
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Configured { config: Arc::new(config), verifier })
}

/// TLS over `wire`, on which nothing may be pending, to `peer`. Gives the line and, for people, what was found: version, certificate.
///
/// # Errors
/// `Untrusted` where the certificate or the TLS of the peer is not believed, `Misconfigured` where it speaks no TLS,
/// `Unreachable` where the line is lost.
pub(super) async fn secure(wire: Wire, peer: Peer<'_>, believed: &Believed) -> Result<(Wire, String), Fault> {
    let operation = format!("secure the line to {} by TLS", peer.authority);
    let fault = |kind| Fault::new(kind, operation.clone());
    let Socket::Clear(socket) = wire.socket else {
        return Err(fault(Kind::Bug).because_words("TLS is on already"));
    };
    if !wire.pending.is_empty() {
        return Err(fault(Kind::Untrusted).because_words("there is clear text where TLS begins"));
    }
    let name = ServerName::try_from(peer.server.to_owned())
        .map_err(|error| fault(Kind::Misconfigured).because(&error).with_remedy("check the server's name: `--server`"))?;
    let socket = BufReader::with_capacity(TLS_BUFFER_OCTETS, socket);
    let stream = TlsConnector::from(Arc::clone(&believed.0.config))
        .connect(name.clone(), socket)
        .await
        .map_err(|error| explain::handshake(&error, peer, fault(Kind::Untrusted)))?;
    let (_, session) = stream.get_ref();
    let is_resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    let chain = session.peer_certificates().unwrap_or_default();
    // A session may outlive its certificate: what is resumed is judged again.
    if let (true, Some((end, others))) = (is_resumed, chain.split_first()) {
        let judged = believed.0.verifier.verify_server_cert(end, others, &name, &[], UnixTime::now());
        judged.map_err(|error| explain::handshake(&io::Error::other(error), peer, fault(Kind::Untrusted)))?;
    }
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS 1.2",
    };
    let resumed = if is_resumed { ", resumed" } else { "" };
    let facts = chain.first().map_or_else(|| "without a certificate".to_owned(), |end| Certificate::read(end).in_short());
    Ok((Wire::new(Socket::Tls(Box::new(stream))), format!("{version}{resumed}, {facts}")))
}

#[cfg(test)]
mod tests;
