//! Authorities: the system's, read once, or those of an account's CA file, read for every line so that a new file counts at once.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use crate::fault::{Fault, Kind};

static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();

/// The system's authorities; a system with none is `Misconfigured`.
pub(super) async fn of_system() -> Result<Arc<RootCertStore>, Fault> {
    if let Some(roots) = SYSTEM.get() {
        return Ok(Arc::clone(roots));
    }
    let operation = "read the system's certificate authorities";
    let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs)
        .await
        .map_err(|error| Fault::new(Kind::Bug, operation).because(&error))?;
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(loaded.certs);
    tracing::debug!(added, ignored, errors = loaded.errors.len(), "System's certificate authorities read");
    if added == 0 {
        let fault = Fault::new(Kind::Misconfigured, operation)
            .with_remedy("install the package `ca-certificates`, or name a file of authorities: `--ca FILE`");
        return Err(match loaded.errors.first() {
            Some(error) => fault.because(error),
            None => fault.because_words("there are none"),
        });
    }
    Ok(Arc::clone(SYSTEM.get_or_init(|| Arc::new(roots))))
}

/// The authorities of the PEM file at `path`, and the digest of the file.
pub(super) async fn of_file(path: PathBuf) -> Result<(Arc<RootCertStore>, [u8; 32]), Fault> {
    let shown = path.display().to_string();
    let fault = || Fault::new(Kind::Misconfigured, format!("read the CA file {shown}"));
    let unreadable = "check the path and its permissions: `--ca FILE` takes a PEM file of certificate authorities";
    let pem = tokio::fs::read(&path).await.map_err(|error| fault().because(&error).with_remedy(unreadable))?;
    let not_pem = "`--ca FILE` takes PEM: text with `-----BEGIN CERTIFICATE-----`; \
                   `openssl x509 -inform der -in FILE -out FILE.pem` makes it from DER";
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| fault().because_words(error.to_string()).with_remedy(not_pem))?;
        roots.add(certificate).map_err(|error| fault().because(&error).with_remedy(not_pem))?;
    }
    if roots.is_empty() {
        return Err(fault().because_words("there is no certificate in it").with_remedy(not_pem));
    }
    Ok((Arc::new(roots), Sha256::digest(&pem).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ca_file_that_will_not_do_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.pem");
        let fault = of_file(missing.clone()).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Misconfigured);
        assert!(fault.operation.contains(missing.to_str().unwrap()), "{fault}");
        assert!(fault.causes().next().unwrap().contains("No such file"), "{fault:?}");
        for (name, text) in [
            ("empty.pem", ""),
            ("words.pem", "hello"),
            ("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"),
            ("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let fault = of_file(path).await.unwrap_err();
            assert_eq!(fault.kind, Kind::Misconfigured, "{name}");
            assert!(fault.operation.ends_with(name) && fault.causes().count() > 0, "{name}: {fault:?}");
            assert!(fault.remedy.unwrap().contains("PEM"), "{name}");
        }
    }
}
