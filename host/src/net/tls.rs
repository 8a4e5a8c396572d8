//! TLS by rustls: which certificates are believed, and what a person is told when one is not.

mod binding;
pub mod certificate;
mod explain;
mod roots;
mod verifier;

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion};
use tokio::io::BufReader;
use tokio_rustls::TlsConnector;

pub use self::binding::ChannelBindings;
use self::certificate::Certificate;
pub(super) use self::explain::mind_the_port;
use self::verifier::Verifier;
use super::wire::{Socket, TLS_BUFFER_OCTETS, Wire};
use crate::fault::{Fault, Kind};
use crate::model::endpoint::{Security, Trust};

/// The certificates that one account believes; made once for a line, before anything is dialled, so that a mistake in the
/// settings is named as such.
#[derive(Debug, Clone)]
pub struct Believed(verifier::Anchors);

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
}

impl Believed {
    /// Read what `trust` names: its pins, its CA file, or the system's authorities.
    ///
    /// # Errors
    /// `Misconfigured` with the path where the CA file cannot be read or holds no certificate, and where the system has no
    /// authorities.
    pub async fn load(trust: &Trust) -> Result<Self, Fault> {
        if !trust.pins.is_empty() {
            return Ok(Self(verifier::Anchors::Pins(trust.pins.clone())));
        }
        let roots = match &trust.ca_file {
            Some(path) => roots::of_file(path.clone()).await?,
            None => roots::of_system().await?,
        };
        Ok(Self(verifier::Anchors::Roots(roots)))
    }
}

/// TLS over `wire`, on which nothing may be pending, to `peer`. `protocols` are offered by ALPN (RFC 7301). Gives the line and,
/// for people, what was found: version, certificate.
///
/// # Errors
/// `Untrusted` where the certificate or the TLS of the peer is not believed, `Misconfigured` where it speaks no TLS,
/// `Unreachable` where the line is lost.
pub(super) async fn secure(wire: Wire, peer: Peer<'_>, believed: &Believed, protocols: &[&[u8]]) -> Result<(Wire, String), Fault> {
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
    let verifier = Arc::new(Verifier::new(&believed.0).map_err(|error| fault(Kind::Misconfigured).because(&error))?);
    let mut config = ClientConfig::builder_with_provider(verifier::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(Kind::Bug).because(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
        .with_no_client_auth();
    // A resumed session is not verified again: sessions would have to be kept apart by what the account believes.
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let socket = BufReader::with_capacity(TLS_BUFFER_OCTETS, socket);
    match TlsConnector::from(Arc::new(config)).connect(name, socket).await {
        Ok(stream) => {
            let (_, session) = stream.get_ref();
            let version = match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
                _ => "TLS 1.2",
            };
            let certificate = session.peer_certificates().and_then(|chain| chain.first()).map(|end| Certificate::read(end));
            let facts = certificate.map_or_else(|| "without a certificate".to_owned(), |certificate| certificate.in_short());
            Ok((Wire::new(Socket::Tls(Box::new(stream))), format!("{version}, {facts}")))
        }
        Err(error) => Err(explain::handshake(&error, peer, verifier.presented().as_ref(), fault(Kind::Untrusted))),
    }
}
