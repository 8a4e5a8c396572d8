//! Who verifies a server's certificate: the web's rules against authorities, or an account's pins. It keeps what was presented, so
//! that a refusal can show it.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::VerifierBuilderError;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::certificate::Certificate;
use crate::model::endpoint::Fingerprint;

/// What is believed.
#[derive(Debug, Clone)]
pub(super) enum Anchors {
    /// Certificates that chain to one of these, for the right name and at the right time.
    Roots(Arc<RootCertStore>),
    /// Exactly these certificates, whatever stands in them, and no other: pinning that also believed every authority would not
    /// stop one that was deceived.
    Pins(Vec<Fingerprint>),
}

/// For one handshake.
#[derive(Debug)]
pub(super) struct Verifier {
    rule: Rule,
    presented: OnceLock<Certificate>,
}

#[derive(Debug)]
enum Rule {
    Web(Arc<WebPkiServerVerifier>),
    Pins(Vec<Fingerprint>),
}

/// The cryptography of all of this host's TLS: ring.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

impl Verifier {
    pub(super) fn new(anchors: &Anchors) -> Result<Self, VerifierBuilderError> {
        let rule = match anchors {
            Anchors::Roots(roots) => Rule::Web(WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider()).build()?),
            Anchors::Pins(pins) => Rule::Pins(pins.clone()),
        };
        Ok(Self { rule, presented: OnceLock::new() })
    }

    /// The certificate that the server presented, when the handshake came so far.
    pub(super) fn presented(&self) -> Option<Certificate> {
        self.presented.get().cloned()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented = self.presented.get_or_init(|| Certificate::read(end_entity));
        match &self.rule {
            Rule::Web(web) => web.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            Rule::Pins(pins) if pins.contains(&presented.fingerprint) => Ok(ServerCertVerified::assertion()),
            Rule::Pins(_) => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
