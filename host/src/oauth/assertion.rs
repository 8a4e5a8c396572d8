//! Signed assertions: JSON Web Tokens (RFC 7519) by which a client says who it is, or that are a grant themselves (RFC 7523).

use data_encoding::BASE64URL_NOPAD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::model::provider::Signature;
use crate::secret::Secret;

/// For how long an assertion is good, in seconds: Google takes an hour at most, Microsoft advises minutes.
const LIFETIME: u64 = 600;

/// So many seconds before now it begins: a server whose clock is a little behind takes it too.
const BEFORE: u64 = 60;

/// A part of a JSON Web Token.
type Claims = Map<String, Value>;

/// What signs, and how the server knows by which key.
pub(super) struct Signer<'a> {
    /// RSA, in DER (PKCS #8 or PKCS #1).
    pub(super) key: &'a Secret,
    /// RS256 or PS256.
    pub(super) signature: Signature,
    /// The certificate over the key, in DER.
    pub(super) certificate: Option<&'a [u8]>,
    /// The key's name.
    pub(super) key_id: Option<&'a str>,
}

impl Signer<'_> {
    /// An assertion by which the client `id` says who it is at the token endpoint (RFC 7523 section 3).
    pub(super) fn client(&self, id: &str, audience: &str, now: Timestamp) -> Result<Secret, Fault> {
        let mut claims = self.claims(id, audience, now)?;
        claims.insert("sub".to_owned(), id.into());
        self.sign(claims)
    }

    /// An assertion that is a grant, for `scopes`, and for the person `subject` where the domain delegates to it
    /// (developers.google.com/identity/protocols/oauth2/service-account).
    pub(super) fn grant(
        &self,
        issuer: &str,
        subject: Option<&str>,
        audience: &str,
        scopes: &[String],
        now: Timestamp,
    ) -> Result<Secret, Fault> {
        let mut claims = self.claims(issuer, audience, now)?;
        claims.insert("scope".to_owned(), scopes.join(" ").into());
        if let Some(subject) = subject {
            claims.insert("sub".to_owned(), subject.into());
        }
        self.sign(claims)
    }

    fn claims(&self, issuer: &str, audience: &str, now: Timestamp) -> Result<Claims, Fault> {
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id).map_err(|_| failed("the system gives no random octets"))?;
        let begins = (now.0 / 1000).saturating_sub(BEFORE);
        let claims = [
            ("iss", Value::from(issuer)),
            ("aud", audience.into()),
            ("jti", BASE64URL_NOPAD.encode(&id).into()),
            ("iat", begins.into()),
            ("nbf", begins.into()),
            ("exp", (begins + LIFETIME).into()),
        ];
        Ok(claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn sign(&self, claims: Claims) -> Result<Secret, Fault> {
        let key = RsaKeyPair::from_pkcs8(self.key.expose()).or_else(|_| RsaKeyPair::from_der(self.key.expose()));
        let key = key.map_err(|error| {
            let remedy = "give an RSA key of at least 2048 bits that is not encrypted: `--certificate FILE --key FILE`";
            failed(&format!("the signing key is not to be used: {error}")).with_remedy(remedy)
        })?;
        let (name, padding): (_, &dyn ring::signature::RsaEncoding) = match self.signature {
            Signature::Rs256 => ("RS256", &RSA_PKCS1_SHA256),
            Signature::Ps256 => ("PS256", &RSA_PSS_SHA256),
        };
        let mut header = Claims::new();
        header.insert("alg".to_owned(), name.into());
        header.insert("typ".to_owned(), "JWT".into());
        if let Some(certificate) = self.certificate {
            // RFC 7515 section 4.1.8.
            header.insert("x5t#S256".to_owned(), BASE64URL_NOPAD.encode(&Sha256::digest(certificate)).into());
        }
        if let Some(key_id) = self.key_id {
            header.insert("kid".to_owned(), key_id.into());
        }
        let encode = |part: Claims| BASE64URL_NOPAD.encode(Value::Object(part).to_string().as_bytes());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature).map_err(|_| failed("the signing key does not sign"))?;
        Ok(Secret::from(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))))
    }
}

fn failed(why: &str) -> Fault {
    Fault::new(Kind::Misconfigured, "sign an assertion").because_words(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    use rustls::pki_types::pem::PemObject;

    /// Made for this run: ring makes no RSA keys.
    fn key() -> Secret {
        let made =
            std::process::Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]).output();
        let pem = made.expect("`openssl` of Debian's package makes the key").stdout;
        Secret::new(rustls::pki_types::PrivateKeyDer::from_pem_slice(&pem).unwrap().secret_der())
    }

    fn parts(token: &Secret) -> (Value, Value, String, Vec<u8>) {
        let text = token.expose_str().unwrap().to_owned();
        let (signed, signature) = text.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let read = |part: &str| serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap();
        (read(header), read(claims), signed.to_owned(), BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap())
    }

    #[test]
    fn assertions_verify_and_name_their_key() {
        let key = key();
        let public = RsaKeyPair::from_pkcs8(key.expose()).unwrap().public().as_ref().to_vec();
        for (signature, alg) in [(Signature::Rs256, "RS256"), (Signature::Ps256, "PS256")] {
            let signer = Signer { key: &key, signature, certificate: Some(b"a certificate"), key_id: None };
            let token = signer.client("client", "https://id.example/token", Timestamp(1_700_000_000_000)).unwrap();
            let (header, claims, signed, proof) = parts(&token);
            assert_eq!((header["alg"].as_str(), header["kid"].as_str()), (Some(alg), None));
            let hash = BASE64URL_NOPAD.encode(&Sha256::digest(b"a certificate"));
            assert_eq!(header["x5t#S256"].as_str(), Some(hash.as_str()));
            assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some("client"), Some("client")));
            assert_eq!((claims["iat"].as_u64(), claims["exp"].as_u64()), (Some(1_699_999_940), Some(1_700_000_540)));
            let verified = if signature == Signature::Rs256 {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public).verify(signed.as_bytes(), &proof)
            } else {
                UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &public).verify(signed.as_bytes(), &proof)
            };
            assert!(verified.is_ok(), "{alg}");
        }
        let signer = Signer { key: &key, signature: Signature::Rs256, certificate: None, key_id: Some("k1") };
        let grant = signer.grant("robot@example.com", Some("help@example.com"), "aud", &["a".to_owned(), "b".to_owned()], Timestamp(0));
        let (header, claims, ..) = parts(&grant.unwrap());
        assert_eq!(
            (header["kid"].as_str(), claims["scope"].as_str(), claims["sub"].as_str()),
            (Some("k1"), Some("a b"), Some("help@example.com"))
        );
    }

    #[test]
    fn a_key_that_is_none_is_refused_in_words() {
        let signer = Signer { key: &Secret::new("no key"), signature: Signature::Rs256, certificate: None, key_id: None };
        assert_eq!(signer.client("c", "a", Timestamp(0)).unwrap_err().kind, Kind::Misconfigured);
    }
}
