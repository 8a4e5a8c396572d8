//! The facts of a certificate, for people: names, issuer, validity, fingerprint (RFC 5280).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use crate::clock::Timestamp;
use crate::model::endpoint::Fingerprint;

/// The most names that are listed; certificates of hosting farms have hundreds.
const SHOWN_NAMES: usize = 8;

/// MD2, MD5 and SHA-1 with RSA (RFC 3279), SHA-1 with DSA and ECDSA.
const WEAK_SIGNATURES: &[&str] =
    &["1.2.840.113549.1.1.2", "1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.10040.4.3", "1.2.840.10045.4.1"];

/// The most characters of one name.
const SHOWN_CHARACTERS: usize = 120;

/// What stands in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// SHA-256 of its SubjectPublicKeyInfo; none: it is not well-formed.
    pub key_fingerprint: Option<Fingerprint>,
    /// What could be read of the rest; none: it is not well-formed.
    pub facts: Option<Facts>,
}

/// The readable part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whom it was made for.
    pub subject: String,
    /// Who made it.
    pub issuer: String,
    /// Host names and addresses that it is valid for; at most a handful, see `names_in_all`.
    pub names: Vec<String>,
    /// How many names there are.
    pub names_in_all: usize,
    /// From then on it is valid.
    pub not_before: Timestamp,
    /// Until then.
    pub not_after: Timestamp,
    /// Whether it says that it was made by whom it was made for.
    pub self_issued: bool,
    /// The bits of an RSA key's modulus; none: another kind of key.
    pub rsa_bits: Option<usize>,
    /// Whether it was signed over MD5 or SHA-1, of which others can be made that look alike.
    pub signed_weakly: bool,
}

impl Certificate {
    /// Read the certificate in `der`.
    #[must_use]
    pub fn read(der: &[u8]) -> Self {
        let fingerprint = Fingerprint(Sha256::digest(der).into());
        let read = X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate);
        let key_fingerprint = read.as_ref().map(|certificate| Fingerprint(Sha256::digest(certificate.public_key().raw).into()));
        Self { fingerprint, key_fingerprint, facts: read.as_ref().map(Facts::of) }
    }

    /// "certificate of X by Y, valid until Z".
    #[must_use]
    pub fn in_short(&self) -> String {
        match &self.facts {
            Some(facts) => {
                let by = if facts.self_issued { "itself" } else { &facts.issuer };
                format!("certificate of {} by {by}, valid until {}", facts.subject, facts.not_after.to_rfc3339())
            }
            None => "an unreadable certificate".to_owned(),
        }
    }
}

impl Facts {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let mut names = alternatives.iter().flat_map(|extension| &extension.value.general_names).filter_map(name_of);
        let shown: Vec<String> = names.by_ref().take(SHOWN_NAMES).collect();
        Self {
            subject: first_name_of(certificate.subject()).or_else(|| shown.first().cloned()).unwrap_or_else(|| "nobody".to_owned()),
            issuer: first_name_of(certificate.issuer()).unwrap_or_else(|| "nobody".to_owned()),
            names_in_all: shown.len() + names.count(),
            names: shown,
            not_before: millis(certificate.validity().not_before.timestamp()),
            not_after: millis(certificate.validity().not_after.timestamp()),
            self_issued: certificate.subject() == certificate.issuer(),
            rsa_bits: match certificate.public_key().parsed() {
                Ok(PublicKey::RSA(key)) => Some(key.key_size()),
                _ => None,
            },
            signed_weakly: WEAK_SIGNATURES.contains(&certificate.signature_algorithm.algorithm.to_id_string().as_str()),
        }
    }

    /// "a, b and 12 more".
    #[must_use]
    pub fn listed_names(&self) -> String {
        match self.names_in_all - self.names.len() {
            _ if self.names.is_empty() => "no name".to_owned(),
            0 => self.names.join(", "),
            more => format!("{} and {more} more", self.names.join(", ")),
        }
    }
}

impl fmt::Display for Certificate {
    /// All facts in one sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.facts {
            Some(facts) => write!(
                f,
                "certificate of {}, issued by {}, valid for {}, from {} until {}, SHA-256 {}",
                facts.subject,
                if facts.self_issued { "itself" } else { &facts.issuer },
                facts.listed_names(),
                facts.not_before.to_rfc3339(),
                facts.not_after.to_rfc3339(),
                self.fingerprint
            ),
            None => write!(f, "unreadable certificate, SHA-256 {}", self.fingerprint),
        }
    }
}

/// The common name, else the organisation, else all of it.
fn first_name_of(name: &X509Name<'_>) -> Option<String> {
    let named = name.iter_common_name().chain(name.iter_organization()).find_map(|attribute| attribute.as_str().ok());
    named.map(printable).or_else(|| Some(printable(&name.to_string())).filter(|all| !all.is_empty()))
}

fn name_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(printable(name)),
        GeneralName::IPAddress(octets) => <[u8; 4]>::try_from(*octets)
            .map(|octets| Ipv4Addr::from(octets).to_string())
            .or_else(|_| <[u8; 16]>::try_from(*octets).map(|octets| Ipv6Addr::from(octets).to_string()))
            .ok(),
        _ => None,
    }
}

/// Anybody can write a certificate: no control characters to a terminal, and nothing endless.
fn printable(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn millis(seconds: i64) -> Timestamp {
    Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["mail.example.com".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "mail\u{7}.example.com");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let certificate = Certificate::read(params.self_signed(&key).unwrap().der());
        let text = certificate.to_string();
        assert!(text.starts_with("certificate of mail?.example.com, issued by itself, valid for mail.example.com, 127.0.0.1, "), "{text}");
        assert!(text.contains("from 2020-01-01T00:00:00Z until 2021-01-01T00:00:00Z, SHA-256 "), "{text}");
        assert!(certificate.in_short().ends_with("by itself, valid until 2021-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_no_certificate_still_has_a_fingerprint() {
        let text = Certificate::read(b"").to_string();
        assert!(text.ends_with("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "{text}");
    }
}
