//! SCRAM (RFC 5802, RFC 7677): neither side learns more than that the other knows the password, and with channel binding that
//! both speak over the same TLS.

use data_encoding::BASE64;
use ring::hmac;
use zeroize::Zeroizing;

use super::prep::saslprep;
use super::{ChannelBinding, SaslError};
use crate::limits::{SCRAM_ITERATIONS_AT_ONCE, SCRAM_ITERATIONS_LEAST, SCRAM_ITERATIONS_MOST};
use crate::secret::Secret;

/// Random octets of the client's nonce.
const NONCE_OCTETS: usize = 18;

/// The hash of a SCRAM mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    /// RFC 5802.
    Sha1,
    /// RFC 7677.
    Sha256,
}

/// What is said of channel binding (RFC 5802 section 6).
#[derive(Debug, Clone)]
pub(super) enum Gs2 {
    /// "p": it is used.
    Bound(ChannelBinding),
    /// "y": this side could, and the server did not offer it. A server that did offer it knows then that somebody took the offer out.
    NotOffered,
    /// "n": this side cannot, or the operator fixed a mechanism without it.
    Without,
}

/// The client's side.
pub(super) struct Scram {
    hash: Hash,
    password: Zeroizing<Vec<u8>>,
    /// "gs2-header" and channel-binding data, the text of "c=" before base64.
    bound: Vec<u8>,
    /// "client-first-message-bare".
    bare: String,
    nonce: String,
    state: State,
}

enum State {
    /// The server's first message is due.
    First,
    /// The salted password is being made.
    Salting(Salting),
    /// The server's final message is due.
    Final { server_key: hmac::Key, auth_message: String },
    /// The server knows the password as well.
    Verified,
    /// It failed; the server's error stands in it.
    Over,
}

/// PBKDF2 with one block of output (RFC 5802 section 2.2: Hi), in pieces.
struct Salting {
    key: hmac::Key,
    last: hmac::Tag,
    sum: Zeroizing<Vec<u8>>,
    left: u32,
    /// The server's first message and the nonce in it.
    first: String,
    nonce: String,
}

/// What follows from one message of the server's.
pub(super) enum Next {
    /// This is sent.
    Say(Zeroizing<String>),
    /// Work is left.
    Busy,
    /// The server's signature is right; an empty response is due.
    Verified,
    /// The server gave this error (RFC 5802 section 7: server-error-value).
    Refused(String),
}

impl Scram {
    pub(super) fn new(hash: Hash, user: &str, secret: &Secret, gs2: &Gs2) -> Result<Self, SaslError> {
        let mut random = [0; NONCE_OCTETS];
        getrandom::fill(&mut random).map_err(|_| SaslError::NoRandomness)?;
        Self::with_nonce(hash, user, secret, gs2, &BASE64.encode(&random))
    }

    fn with_nonce(hash: Hash, user: &str, secret: &Secret, gs2: &Gs2, nonce: &str) -> Result<Self, SaslError> {
        if user.is_empty() || user.contains('\0') || secret.expose().contains(&0) {
            return Err(SaslError::Unspeakable);
        }
        let name = saslprep(user.as_bytes());
        let name = std::str::from_utf8(&name).map_err(|_| SaslError::Unspeakable)?.replace('=', "=3D").replace(',', "=2C");
        let (header, data) = match gs2 {
            Gs2::Bound(binding) => (format!("p={},,", binding.kind.name()), &*binding.data),
            Gs2::NotOffered => ("y,,".to_owned(), &[][..]),
            Gs2::Without => ("n,,".to_owned(), &[][..]),
        };
        Ok(Self {
            hash,
            password: saslprep(secret.expose()),
            bound: [header.as_bytes(), data].concat(),
            bare: format!("n={name},r={nonce}"),
            nonce: nonce.to_owned(),
            state: State::First,
        })
    }

    /// "client-first-message".
    pub(super) fn first(&self) -> Zeroizing<String> {
        // The header ends with its second comma; what follows is data.
        let header: Vec<u8> = self.bound.split_inclusive(|octet| *octet == b',').take(2).flatten().copied().collect();
        Zeroizing::new(format!("{}{}", String::from_utf8_lossy(&header), self.bare))
    }

    /// Go on with a message of the server's.
    pub(super) fn take(&mut self, message: &str) -> Result<Next, SaslError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::First => {
                self.state = State::Salting(self.salt(message)?);
                self.work()
            }
            State::Final { server_key, auth_message } => self.verify(message, &server_key, &auth_message),
            State::Salting(_) | State::Verified | State::Over => Err(SaslError::Challenge("a message of SCRAM too many")),
        }
    }

    /// Go on with the work that is left.
    pub(super) fn work(&mut self) -> Result<Next, SaslError> {
        let State::Salting(salting) = &mut self.state else { return Err(SaslError::Challenge("no work of SCRAM is left")) };
        if !salting.go_on() {
            return Ok(Next::Busy);
        }
        let State::Salting(done) = std::mem::replace(&mut self.state, State::Over) else {
            return Err(SaslError::Challenge("no work of SCRAM is left"));
        };
        Ok(Next::Say(self.prove(&done)))
    }

    /// Whether the server has proved that it knows the password.
    pub(super) fn is_verified(&self) -> bool {
        matches!(self.state, State::Verified)
    }

    /// Begin with "server-first-message".
    fn salt(&self, message: &str) -> Result<Salting, SaslError> {
        const WRONG: SaslError = SaslError::Challenge("the server's first message of SCRAM");
        // "m=" comes first where a server wants an extension that nobody has defined yet (RFC 5802 section 5.1).
        let mut attributes = message.split(',');
        let mut value = |name: &str| attributes.next().and_then(|attribute| attribute.strip_prefix(name)).ok_or(WRONG);
        let (nonce, salt, iterations) = (value("r=")?, value("s=")?, value("i=")?);
        let is_longer = nonce.strip_prefix(self.nonce.as_str()).is_some_and(|theirs| !theirs.is_empty());
        if !is_longer || !nonce.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(WRONG);
        }
        let salt = BASE64.decode(salt.as_bytes()).ok().filter(|salt| !salt.is_empty()).ok_or(WRONG)?;
        // Digits alone: `parse` would take a sign.
        if !iterations.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(WRONG);
        }
        let iterations: u32 = iterations.parse().map_err(|_| SaslError::TooManyIterations)?;
        if iterations < SCRAM_ITERATIONS_LEAST {
            return Err(SaslError::TooFewIterations(iterations));
        }
        if iterations > SCRAM_ITERATIONS_MOST {
            return Err(SaslError::TooManyIterations);
        }
        let key = hmac::Key::new(self.hash.algorithm(), &self.password);
        let last = hmac::sign(&key, &[&salt[..], &1_u32.to_be_bytes()].concat());
        let sum = Zeroizing::new(last.as_ref().to_vec());
        Ok(Salting { key, last, sum, left: iterations - 1, first: message.to_owned(), nonce: nonce.to_owned() })
    }

    /// "client-final-message" (RFC 5802 section 3).
    fn prove(&mut self, salting: &Salting) -> Zeroizing<String> {
        let algorithm = self.hash.algorithm();
        let salted = hmac::Key::new(algorithm, &salting.sum);
        let client_key = hmac::sign(&salted, b"Client Key");
        let server_key = hmac::sign(&salted, b"Server Key");
        let stored_key = ring::digest::digest(self.hash.digest(), client_key.as_ref());
        let without_proof = format!("c={},r={}", BASE64.encode(&self.bound), salting.nonce);
        let auth_message = format!("{},{},{without_proof}", self.bare, salting.first);
        let signature = hmac::sign(&hmac::Key::new(algorithm, stored_key.as_ref()), auth_message.as_bytes());
        let proof: Zeroizing<Vec<u8>> = Zeroizing::new(client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect());
        self.state = State::Final { server_key: hmac::Key::new(algorithm, server_key.as_ref()), auth_message };
        Zeroizing::new(format!("{without_proof},p={}", BASE64.encode(&proof)))
    }

    fn verify(&mut self, message: &str, server_key: &hmac::Key, auth_message: &str) -> Result<Next, SaslError> {
        let first = message.split(',').next().unwrap_or_default();
        if let Some(error) = first.strip_prefix("e=") {
            return Ok(Next::Refused(error.to_owned()));
        }
        let signature = first.strip_prefix("v=").and_then(|signature| BASE64.decode(signature.as_bytes()).ok());
        let signature = signature.ok_or(SaslError::Challenge("the server's final message of SCRAM"))?;
        // In constant time.
        hmac::verify(server_key, auth_message.as_bytes(), &signature).map_err(|_| SaslError::Forged)?;
        self.state = State::Verified;
        Ok(Next::Verified)
    }
}

impl Salting {
    /// A bounded number of iterations; true: all are done.
    fn go_on(&mut self) -> bool {
        for _ in 0..self.left.min(SCRAM_ITERATIONS_AT_ONCE) {
            self.last = hmac::sign(&self.key, self.last.as_ref());
            for (sum, octet) in self.sum.iter_mut().zip(self.last.as_ref()) {
                *sum ^= octet;
            }
        }
        self.left = self.left.saturating_sub(SCRAM_ITERATIONS_AT_ONCE);
        self.left == 0
    }
}

impl Hash {
    fn algorithm(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        }
    }

    fn digest(self) -> &'static ring::digest::Algorithm {
        match self {
            Self::Sha1 => &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &ring::digest::SHA256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::sasl::BindingKind;

    fn scram(hash: Hash, nonce: &str) -> Scram {
        Scram::with_nonce(hash, "user", &Secret::new("pencil"), &Gs2::Without, nonce).unwrap()
    }

    fn said(next: Next) -> String {
        let Next::Say(said) = next else { panic!("nothing said") };
        said.to_string()
    }

    #[test]
    fn as_in_rfc_5802_and_rfc_7677() {
        // RFC 5802 section 5.
        let mut scram_1 = scram(Hash::Sha1, "fyko+d2lbbFgONRv9qkxdawL");
        assert_eq!(scram_1.first().as_str(), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
        let proof = scram_1.take("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096").unwrap();
        assert_eq!(said(proof), "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
        assert!(matches!(scram_1.take("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), Ok(Next::Verified)));
        assert!(scram_1.is_verified());
        // RFC 7677 section 3.
        let mut scram_256 = scram(Hash::Sha256, "rOprNGfwEbeRWgbNEkqO");
        let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let proof = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(said(scram_256.take(first).unwrap()), proof);
        assert!(matches!(scram_256.take("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(Next::Verified)));
    }

    #[test]
    fn a_forged_signature_is_no_success() {
        for forged in ["v=rmF9pqV8S7suAoZWja4dJRkFsKA=", "v=", "v=AAAA"] {
            let mut scram = scram(Hash::Sha1, "n");
            let _ = scram.take("r=nx,s=QSXCR+Q6sek8bf92,i=4096").unwrap();
            assert!(matches!(scram.take(forged), Err(SaslError::Forged)), "{forged}");
            assert!(!scram.is_verified());
        }
        let mut scram = scram(Hash::Sha1, "n");
        let _ = scram.take("r=nx,s=QSXCR+Q6sek8bf92,i=4096").unwrap();
        assert!(matches!(scram.take("e=invalid-proof"), Ok(Next::Refused(error)) if error == "invalid-proof"));
        assert!(!scram.is_verified());
    }

    #[test]
    fn first_messages_that_are_refused() {
        let take = |message: &str| scram(Hash::Sha256, "abc").take(message).err();
        for wrong in [
            "",
            "r=abc,s=QQ==,i=4096",
            "r=xbcd,s=QQ==,i=4096",
            "r=abcd,s=,i=4096",
            "r=abcd,s=?,i=4096",
            "r=abcd,s=QQ==,i=+4096",
            "r=abcd,s=QQ==,i=",
            "r=abcd,i=4096,s=QQ==",
            "m=x,r=abcd,s=QQ==,i=4096",
            "r=abcd\u{e4},s=QQ==,i=4096",
        ] {
            let refused = matches!(take(wrong), Some(SaslError::Challenge(_) | SaslError::TooManyIterations));
            assert!(refused, "{wrong}");
        }
        assert_eq!(take("r=abcd,s=QQ==,i=4095"), Some(SaslError::TooFewIterations(4095)));
        assert_eq!(take("r=abcd,s=QQ==,i=1"), Some(SaslError::TooFewIterations(1)));
        assert_eq!(take("r=abcd,s=QQ==,i=4294967295"), Some(SaslError::TooManyIterations));
        assert_eq!(take("r=abcd,s=QQ==,i=99999999999999999999"), Some(SaslError::TooManyIterations));
        assert_eq!(take("r=abcd,s=QQ==,i=4096,x=ignored"), None);
    }

    #[test]
    fn many_iterations_come_in_pieces_and_make_the_same() {
        let mut scram = scram(Hash::Sha256, "abc");
        let mut next = scram.take("r=abcd,s=QQ==,i=10000").unwrap();
        let mut pieces = 0;
        while matches!(next, Next::Busy) {
            pieces += 1;
            next = scram.work().unwrap();
        }
        assert_eq!(pieces, 2);
        let mut derived = [0; 32];
        let rounds = std::num::NonZeroU32::new(10_000).unwrap();
        ring::pbkdf2::derive(ring::pbkdf2::PBKDF2_HMAC_SHA256, rounds, b"A", b"pencil", &mut derived);
        let State::Final { server_key, auth_message } = &scram.state else { panic!() };
        let salted = hmac::Key::new(hmac::HMAC_SHA256, &derived);
        let expected = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&salted, b"Server Key").as_ref());
        let signature = hmac::sign(&expected, auth_message.as_bytes());
        assert!(hmac::verify(server_key, auth_message.as_bytes(), signature.as_ref()).is_ok());
    }

    #[test]
    fn names_are_escaped_and_bindings_said() {
        let binding = ChannelBinding { kind: BindingKind::TlsExporter, data: b"bin,dings".to_vec() };
        let secret = Secret::new("pencil");
        let mut bound = Scram::with_nonce(Hash::Sha256, "a=b,c", &secret, &Gs2::Bound(binding), "n").unwrap();
        assert_eq!(bound.first().as_str(), "p=tls-exporter,,n=a=3Db=2Cc,r=n");
        let proof = said(bound.take("r=nx,s=QQ==,i=4096").unwrap());
        assert!(proof.starts_with(&format!("c={},r=nx,p=", BASE64.encode(b"p=tls-exporter,,bin,dings"))), "{proof}");
        let could = Scram::with_nonce(Hash::Sha1, "u", &secret, &Gs2::NotOffered, "n").unwrap();
        assert_eq!(could.first().as_str(), "y,,n=u,r=n");
        assert!(Scram::new(Hash::Sha1, "u\0", &secret, &Gs2::Without).is_err());
        // A nonce is never used twice.
        let fresh = || Scram::new(Hash::Sha1, "u", &secret, &Gs2::Without).unwrap().nonce;
        assert_ne!(fresh(), fresh());
    }
}
