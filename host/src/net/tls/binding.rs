//! Channel bindings (RFC 5056): what a sign-in mechanism mixes in, so that it holds on this one TLS session only.

use std::fmt;

use rustls::ProtocolVersion;
use rustls::client::ClientConnection;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::signature_algorithm::RsaSsaPssParams;
use zeroize::Zeroizing;

/// RFC 9266 section 2.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// What an established TLS session can be bound by. "tls-unique" (RFC 5929 section 3) is not among it: rustls keeps no Finished
/// message, and without the extended master secret it binds nothing (RFC 7627).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChannelBindings {
    /// "tls-exporter" (RFC 9266): 32 octets that only the two ends of this session know. TLS 1.3 only.
    pub exporter: Option<Zeroizing<[u8; 32]>>,
    /// "tls-server-end-point" (RFC 5929 section 4): a digest of the server's certificate. None where the certificate's signature
    /// names no single digest, as with Ed25519.
    pub server_end_point: Option<Vec<u8>>,
}

impl ChannelBindings {
    /// Of an established session.
    pub(in crate::net) fn of(session: &ClientConnection) -> Self {
        // RFC 9266 section 4.2 wants the extended master secret under TLS 1.2, and nothing tells whether it was agreed.
        let is_unique = session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let exporter = is_unique.then(|| session.export_keying_material(Zeroizing::new([0; 32]), EXPORTER_LABEL, None).ok()).flatten();
        let certificate = session.peer_certificates().and_then(|chain| chain.first());
        Self { exporter, server_end_point: certificate.and_then(|certificate| end_point(certificate)) }
    }

    /// The data for a channel-binding type of the registry (RFC 5056 section 7), as GS2 mechanisms take it (RFC 5801 section 5.1).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_ref().map(|octets| octets.as_slice()),
            "tls-server-end-point" => self.server_end_point.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Debug for ChannelBindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exporter = self.exporter.as_ref().map(|_| "[redacted]");
        f.debug_struct("ChannelBindings").field("exporter", &exporter).field("server_end_point", &self.server_end_point).finish()
    }
}

/// RFC 5929 section 4.1: the digest of the certificate's own signature, but SHA-256 for MD5 and SHA-1.
fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let signature = &certificate.signature_algorithm;
    let mut algorithm = signature.algorithm.to_id_string();
    if algorithm == "1.2.840.113549.1.1.10" {
        let parameters = RsaSsaPssParams::try_from(signature.parameters.as_ref()?).ok()?;
        algorithm = parameters.hash_algorithm_oid().to_id_string();
    }
    match algorithm.as_str() {
        // MD5 and SHA-1 with RSA (RFC 3279), ECDSA with SHA-1, SHA-1 (RSASSA-PSS); SHA-256 with RSA (RFC 4055), with ECDSA (RFC 5758), alone.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10045.4.1"
        | "1.3.14.3.2.26"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2"
        | "2.16.840.1.101.3.4.2.1" => Some(Sha256::digest(der).to_vec()),
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" | "2.16.840.1.101.3.4.2.4" => Some(Sha224::digest(der).to_vec()),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.2.2" => Some(Sha384::digest(der).to_vec()),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.2.3" => Some(Sha512::digest(der).to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_by(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        rcgen::CertificateParams::new(vec!["mail.example.com".to_owned()]).unwrap().self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn an_end_point_is_digested_as_its_certificate_was() {
        let der = signed_by(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(end_point(&der), Some(Sha256::digest(&der).to_vec()));
        let der = signed_by(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(end_point(&der), Some(Sha384::digest(&der).to_vec()));
        assert_eq!(end_point(&signed_by(&rcgen::PKCS_ED25519)), None);
        assert_eq!(end_point(b"no certificate"), None);
    }

    #[test]
    fn the_exporter_is_not_shown() {
        let bindings = ChannelBindings { exporter: Some(Zeroizing::new([7; 32])), server_end_point: None };
        assert_eq!(format!("{bindings:?}"), "ChannelBindings { exporter: Some(\"[redacted]\"), server_end_point: None }");
        assert_eq!(bindings.get("tls-exporter"), Some(&[7; 32][..]));
        assert_eq!((bindings.get("tls-server-end-point"), bindings.get("tls-unique")), (None, None));
    }
}
