//! The client's own certificate, with which it signs in by EXTERNAL or passes a server that asks for one.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::verifier::provider;
use crate::fault::{Fault, Kind};
use crate::limits::CLIENT_CERTIFICATE_OCTETS;
use crate::model::endpoint::Endpoint;
use crate::secret::Secret;

/// A chain and the key of its first certificate.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// Read what an operator gives: a PEM file of certificates, the client's first, and one with its key (they may be the same). Gives the
/// certificates as PEM and the key in DER, which is a secret and goes into the vault.
///
/// # Errors
/// `Usage` where there is no certificate or no key, where the key is encrypted, or where they do not belong together.
pub fn read_pem(certificates: &[u8], key: &[u8]) -> Result<(String, Secret), Fault> {
    let refused = |option: &str| Fault::new(Kind::Usage, format!("take the file of `{option}`"));
    if certificates.len() > CLIENT_CERTIFICATE_OCTETS || key.len() > CLIENT_CERTIFICATE_OCTETS {
        return Err(refused("--client-cert").because_words(format!("it is longer than {CLIENT_CERTIFICATE_OCTETS} octets")));
    }
    let wants_pem = "it takes PEM: text with `-----BEGIN CERTIFICATE-----`; from a `.p12` file, \
                     `openssl pkcs12 -in FILE -nodes -out FILE.pem` makes it";
    let chain = chain_of(certificates).map_err(|why| refused("--client-cert").because_words(why).with_remedy(wants_pem))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
        let fault = refused("--client-key");
        if key.windows(9).any(|nine| nine == b"ENCRYPTED") {
            return fault
                .because_words("the key in it is encrypted")
                .with_remedy("decrypt it first, `openssl pkey -in FILE -out FILE.plain`: the sealed store protects it");
        }
        fault.because_words(error.to_string()).with_remedy("name the file with `-----BEGIN PRIVATE KEY-----`: `--client-key FILE`")
    })?;
    let text = pem_of(&chain);
    let secret = Secret::new(key.secret_der());
    CertifiedKey::from_der(chain, key, &provider())
        .map_err(|error| refused("--client-key").because(&error).with_remedy("certificate and key have to belong together"))?;
    Ok((text, secret))
}

/// The client's certificate in short, for people.
#[must_use]
pub fn in_short(pem: &str) -> String {
    let first = chain_of(pem.as_bytes()).ok().and_then(|chain| chain.into_iter().next());
    first.map_or_else(|| "an unreadable certificate".to_owned(), |certificate| Certificate::read(&certificate).in_short())
}

/// What `endpoint` shows to its server; none: nothing.
///
/// # Errors
/// `Misconfigured` where one half is missing or unreadable.
pub(super) fn identity(endpoint: &Endpoint) -> Result<Option<Identity>, Fault> {
    let Some(pem) = &endpoint.trust.client_certificate else { return Ok(None) };
    let refused = |why: String| {
        Fault::new(Kind::Misconfigured, format!("show a certificate to {}", endpoint.authority()))
            .because_words(why)
            .with_remedy("give both anew: `postrider account edit NAME --client-cert FILE --client-key FILE`")
    };
    let chain = chain_of(pem.as_bytes()).map_err(refused)?;
    let key = endpoint.held.client_key.as_ref().ok_or_else(|| refused("the vault holds no key for it".to_owned()))?;
    let key = PrivateKeyDer::try_from(key.expose().to_vec()).map_err(|why| refused(why.to_owned()))?;
    Ok(Some(Identity { chain, key }))
}

fn chain_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    if chain.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(chain) }
}

/// Nothing but certificates: what else stands in the file, keys above all, does not go into the account.
fn pem_of(chain: &[CertificateDer<'_>]) -> String {
    let mut text = String::new();
    for certificate in chain {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = data_encoding::BASE64.encode(certificate);
        for line in encoded.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "help desk");
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn a_certificate_and_its_key_are_taken_apart() {
        let (certificate, key) = pair();
        let both = format!("{key}\n{certificate}");
        for (one, other) in [(&certificate, &key), (&both, &both)] {
            let (text, secret) = read_pem(one.as_bytes(), other.as_bytes()).unwrap();
            assert!(text.starts_with("-----BEGIN CERTIFICATE-----\n") && !text.contains("PRIVATE"), "{text}");
            assert_eq!(chain_of(text.as_bytes()).unwrap(), chain_of(certificate.as_bytes()).unwrap());
            assert!(!secret.is_empty());
            assert!(in_short(&text).starts_with("certificate of help desk by itself"), "{}", in_short(&text));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        let (certificate, key) = pair();
        let (_, other) = pair();
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for (certificate, key, words) in [
            ("", key.as_str(), "no certificate"),
            (certificate.as_str(), "", ""),
            (&certificate, &certificate, ""),
            (&certificate, &encrypted, "is encrypted"),
            (&certificate, &other, ""),
        ] {
            let fault = read_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err();
            assert_eq!(fault.kind, Kind::Usage);
            assert!(fault.causes().any(|cause| cause.contains(words)), "{fault:?}");
            assert!(fault.remedy.is_some() && !format!("{fault:?}").contains("BEGIN PRIVATE KEY-----\\n"), "{fault:?}");
        }
    }
}
