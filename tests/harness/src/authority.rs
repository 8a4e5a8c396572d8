//! A certificate authority made for one test, and server certificates from it.

use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
    PublicKeyData, SignatureAlgorithm, date_time_ymd,
};

use crate::package;

/// A certificate authority that nobody else trusts.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A server's certificate chain and key, as PEM.
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key (PKCS #8).
    pub key: String,
}

/// A public key in the form of RFC 8017 appendix A.1.1.
struct WeakKey(Vec<u8>);

impl PublicKeyData for WeakKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl Authority {
    /// A new authority with the common name `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate, to be trusted with `--ca`.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a server that is called `names` (DNS names or IP addresses), valid now.
    #[must_use]
    pub fn identity(&self, names: &[&str]) -> Identity {
        self.sign(&Self::params(names))
    }

    /// A certificate for the client that is called `name`, valid now.
    #[must_use]
    pub fn client_identity(&self, name: &str) -> Identity {
        let mut params = Self::params(&[name]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    /// A certificate for `names` that was valid in 2020 only.
    #[must_use]
    pub fn expired_identity(&self, names: &[&str]) -> Identity {
        let mut params = Self::params(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 12, 31);
        self.sign(&params)
    }

    /// A certificate for a server that is called `names`, valid now, over an RSA key of 1024 bits, which no library makes any more: `openssl` of
    /// Debian's package does.
    ///
    /// # Panics
    /// When `openssl` is not installed.
    #[must_use]
    pub fn weak_identity(&self, names: &[&str]) -> Identity {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        let openssl = |arguments: &[&str]| {
            let output = Command::new(package::require("openssl")).args(arguments).arg(&file).output().unwrap();
            assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out"]);
        let public = WeakKey(openssl(&["rsa", "-RSAPublicKey_out", "-outform", "DER", "-in"]));
        let certificate = Self::params(names).signed_by(&public, &self.issuer).unwrap().pem();
        Identity { certificate, key: std::fs::read_to_string(&file).unwrap() }
    }

    fn params(names: &[&str]) -> CertificateParams {
        let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}
