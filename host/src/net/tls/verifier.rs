//! Who verifies a server's certificate: the web's rules against authorities, or an account's pins. A refusal carries the certificate,
//! so that it can be shown.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::VerifierBuilderError;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::certificate::Certificate;
use crate::model::endpoint::Fingerprint;

/// The fewest bits of an RSA key (RFC 9325 section 4.5).
const RSA_BITS: usize = 2048;

/// What is believed.
#[derive(Debug, Clone)]
pub(super) enum Anchors {
    /// Certificates that chain to one of these, for the right name and at the right time.
    Roots(Arc<RootCertStore>),
    /// Exactly these certificates and what is made over these keys, whatever stands in them, and no other: pinning that also believed
    /// every authority would not stop one that was deceived.
    Pins(Pins),
}

/// What an account is pinned to.
#[derive(Debug, Clone)]
pub(super) struct Pins {
    pub(super) certificates: Vec<Fingerprint>,
    pub(super) keys: Vec<Fingerprint>,
}

/// For all handshakes of one configuration.
#[derive(Debug)]
pub(super) struct Verifier {
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Web(Arc<WebPkiServerVerifier>),
    Pins(Pins),
}

/// Why a certificate is not believed, and the certificate.
#[derive(Debug, Clone)]
pub(super) struct Distrust {
    pub(super) problem: Problem,
    pub(super) presented: Certificate,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Problem {
    /// As the rules of the web say.
    Web(CertificateError),
    /// None of those that the account is pinned to.
    NotPinned,
    /// An RSA key of so few bits.
    WeakKey(usize),
    /// It does not prove that it holds the key.
    KeyNotHeld,
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
        Ok(Self { rule })
    }

    fn judge(
        &self,
        presented: &Certificate,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<(), Problem> {
        // ring does not verify with shorter keys, so that not even a pin could accept one.
        if let Some(bits) = presented.facts.as_ref().and_then(|facts| facts.rsa_bits).filter(|bits| *bits < RSA_BITS) {
            return Err(Problem::WeakKey(bits));
        }
        match &self.rule {
            Rule::Web(web) => match web.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                Ok(_) => Ok(()),
                Err(Error::InvalidCertificate(problem)) => Err(Problem::Web(problem)),
                Err(other) => Err(Problem::Web(CertificateError::Other(OtherError(Arc::new(other))))),
            },
            Rule::Pins(pins) if pins.certificates.contains(&presented.fingerprint) => Ok(()),
            Rule::Pins(pins) if presented.key_fingerprint.is_some_and(|key| pins.keys.contains(&key)) => Ok(()),
            Rule::Pins(_) => Err(Problem::NotPinned),
        }
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
        let presented = Certificate::read(end_entity);
        match self.judge(&presented, end_entity, intermediates, server_name, ocsp_response, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(problem) => Err(Distrust { problem, presented }.into_error()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms).map_err(|error| not_held(error, cert))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms).map_err(|error| not_held(error, cert))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

fn not_held(error: Error, certificate: &CertificateDer<'_>) -> Error {
    match error {
        Error::InvalidCertificate(_) => Distrust { problem: Problem::KeyNotHeld, presented: Certificate::read(certificate) }.into_error(),
        other => other,
    }
}

impl Distrust {
    fn into_error(self) -> Error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(self))))
    }

    /// What [`into_error`](Self::into_error) put into `error`.
    pub(super) fn within(error: &Error) -> Option<&Self> {
        match error {
            Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Web(error) => error.fmt(f),
            Problem::NotPinned => f.write_str("it is not pinned"),
            Problem::WeakKey(bits) => write!(f, "its RSA key has {bits} bits only"),
            Problem::KeyNotHeld => f.write_str("the server does not hold its key"),
        }
    }
}

impl std::error::Error for Distrust {}
