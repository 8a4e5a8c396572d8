//! The client's side of the SASL mechanisms (RFC 4422), without I/O and in base64, as every line protocol carries them. Every buffer
//! that holds a secret is wiped when it is dropped, but for keys inside *ring*.

mod prep;
mod scram;
mod token;

use std::collections::VecDeque;

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use self::scram::{Gs2, Hash, Next, Scram};
use super::tls::ChannelBindings;
use crate::model::mechanism::Mechanism;
use crate::secret::Secret;

/// The shortest part of a response that is taken out of texts by itself: digests and proofs are longer.
const TELLING_OCTETS: usize = 16;

/// Who signs in, and how the operator wants it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The user's name.
    pub user: String,
    /// The password, or an OAuth access token where `auth` names a mechanism that takes one.
    pub secret: Secret,
    /// The one way to sign in; none: the strongest that is offered and takes a password.
    pub auth: Option<Mechanism>,
    /// Whether TLS showed a client certificate.
    pub has_certificate: bool,
    /// The server's name; OAUTHBEARER says it.
    pub server: String,
    /// The server's port; OAUTHBEARER says it.
    pub port: u16,
}

/// What both ends of one TLS connection know and nobody else (RFC 5056).
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelBinding {
    /// Which kind it is.
    pub kind: BindingKind,
    /// The octets.
    pub data: Vec<u8>,
}

/// The kinds of channel binding that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingKind {
    /// RFC 9266, for TLS 1.3.
    TlsExporter,
    /// RFC 5929 section 4: a hash of the server's certificate.
    TlsServerEndPoint,
}

/// Why an exchange cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// An octet that the mechanism cannot carry.
    #[error("the user name or the secret holds an octet that the mechanism cannot carry")]
    Unspeakable,
    /// A challenge that breaks the mechanism's rules.
    #[error("{0} is not as it has to be")]
    Challenge(&'static str),
    /// Under [`SCRAM_ITERATIONS_LEAST`](crate::limits::SCRAM_ITERATIONS_LEAST).
    #[error("the server wants {0} iterations of SCRAM, and {least} are the least that keep a password", least = crate::limits::SCRAM_ITERATIONS_LEAST)]
    TooFewIterations(u32),
    /// Over [`SCRAM_ITERATIONS_MOST`](crate::limits::SCRAM_ITERATIONS_MOST).
    #[error("the server wants more than {} iterations of SCRAM", crate::limits::SCRAM_ITERATIONS_MOST)]
    TooManyIterations,
    /// The signature with which the server proves that it knows the password.
    #[error("the server's signature is wrong: it does not know the password")]
    Forged,
    /// TLS gave none, or there is no TLS.
    #[error("this line has nothing that the sign-in could be bound to")]
    NoBinding,
    /// The system gave no random octets.
    #[error("the system gives no random octets")]
    NoRandomness,
}

/// One attempt to sign in by one mechanism.
pub struct Exchange {
    mechanism: Mechanism,
    /// What the client says first, where the mechanism has it and it is not yet said.
    first: Option<Zeroizing<Vec<u8>>>,
    state: State,
    /// What was said, as it may stand in an echo.
    said: Vec<Zeroizing<String>>,
    verdict: String,
    cancelled: bool,
}

/// What is left of a mechanism behind its first message.
enum State {
    /// Nothing.
    Spent,
    /// An answer for each challenge, whatever stands in it: servers ask in many words.
    Login(VecDeque<Zeroizing<Vec<u8>>>),
    /// A challenge to be digested.
    Cram { user: String, secret: Secret },
    /// See [`Scram`].
    Scram(Box<Scram>),
    /// A challenge is an error, and this has to answer it.
    Token { acknowledgement: &'static [u8] },
    /// The server refused inside the mechanism and only has to say so outside.
    Refused,
}

/// What answers a challenge.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// This line, without CRLF.
    Say(Zeroizing<String>),
    /// Nothing yet: [`Exchange::work`] goes on, and others may have their turn before.
    Busy,
}

impl Exchange {
    /// Begin with `mechanism`, which is one of SASL. `binding` is what TLS gives; `plus_offered`: the server offers a mechanism that is
    /// bound to it.
    ///
    /// # Errors
    /// Name or secret cannot be carried, or there is nothing to bind to.
    pub fn new(mechanism: Mechanism, identity: &Identity, binding: Option<&ChannelBinding>, plus_offered: bool) -> Result<Self, SaslError> {
        let Identity { user, secret, .. } = identity;
        let unbound = if binding.is_some() && !plus_offered { Gs2::NotOffered } else { Gs2::Without };
        let bound = || binding.cloned().map(Gs2::Bound).ok_or(SaslError::NoBinding);
        let scram = |hash, gs2: &Gs2| {
            let scram = Scram::new(hash, user, secret, gs2)?;
            let first = Zeroizing::new(scram.first().as_bytes().to_vec());
            Ok((Some(first), State::Scram(Box::new(scram))))
        };
        let (first, state) = match mechanism {
            Mechanism::ScramSha256Plus => scram(Hash::Sha256, &bound()?)?,
            Mechanism::ScramSha1Plus => scram(Hash::Sha1, &bound()?)?,
            Mechanism::ScramSha256 => scram(Hash::Sha256, &unbound)?,
            Mechanism::ScramSha1 => scram(Hash::Sha1, &unbound)?,
            Mechanism::CramMd5 => (None, State::Cram { user: user.clone(), secret: secret.clone() }),
            // RFC 7628 section 3.2.3, and an empty line in XOAUTH2.
            Mechanism::OauthBearer => (Some(token::bearer(identity)?), State::Token { acknowledgement: b"\x01" }),
            Mechanism::Xoauth2 => (Some(token::xoauth2(identity)?), State::Token { acknowledgement: b"" }),
            // The certificate says who it is; a name beside it would ask to act for somebody else.
            Mechanism::External => (Some(Zeroizing::new(Vec::new())), State::Spent),
            Mechanism::Plain => (Some(plain(user, secret)?), State::Spent),
            Mechanism::Login => {
                let answers = [user.as_bytes(), secret.expose()].map(|answer| Zeroizing::new(answer.to_vec()));
                (None, State::Login(VecDeque::from(answers)))
            }
            Mechanism::Apop | Mechanism::Native => return Err(SaslError::Challenge("a mechanism that SASL does not have")),
        };
        Ok(Self { mechanism, first, state, said: Vec::new(), verdict: String::new(), cancelled: false })
    }

    /// Which mechanism it is.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The initial response for the same line as the command, where there is one ("=" for an empty one, RFC 4954 section 4) and it is
    /// no longer than `most` octets. Otherwise the first challenge is answered with it.
    pub fn initial_response(&mut self, most: usize) -> Option<Zeroizing<String>> {
        let first = self.first.take_if(|first| first.len().div_ceil(3) * 4 <= most)?;
        Some(if first.is_empty() { Zeroizing::new("=".to_owned()) } else { self.say(&first) })
    }

    /// Answer a challenge. What cannot be answered is answered by "*" (RFC 4422 section 4), once.
    ///
    /// # Errors
    /// The server breaks the mechanism's rules, or is not who it has to be: the line is not to be used any more.
    pub fn take(&mut self, challenge: &str) -> Result<Answer, SaslError> {
        if let Some(first) = self.first.take() {
            return Ok(Answer::Say(self.say(&first)));
        }
        let response = match &mut self.state {
            State::Spent | State::Refused => return self.cancel(),
            State::Login(answers) => match answers.pop_front() {
                Some(answer) => answer,
                None => return self.cancel(),
            },
            State::Cram { user, secret } => {
                let response = cram_md5(user, secret, &decode(challenge)?)?;
                self.state = State::Spent;
                response
            }
            State::Token { acknowledgement } => {
                self.verdict = token::error(&decode(challenge).unwrap_or_default());
                let acknowledgement = Zeroizing::new(acknowledgement.to_vec());
                self.state = State::Refused;
                acknowledgement
            }
            State::Scram(scram) => {
                let message = String::from_utf8(decode(challenge)?).map_err(|_| SaslError::Challenge("a message of SCRAM"))?;
                let next = scram.take(&message)?;
                return self.go_on(next);
            }
        };
        Ok(Answer::Say(self.say(&response)))
    }

    /// Go on after [`Answer::Busy`].
    ///
    /// # Errors
    /// None is left.
    pub fn work(&mut self) -> Result<Answer, SaslError> {
        match &mut self.state {
            State::Scram(scram) => {
                let next = scram.work()?;
                self.go_on(next)
            }
            _ => Err(SaslError::Challenge("no work is left")),
        }
    }

    /// Whether the server may call it a success: everything was said, and where the mechanism has the server prove itself, it did.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.first.is_none()
            && match &self.state {
                State::Spent | State::Token { .. } => true,
                State::Login(answers) => answers.is_empty(),
                State::Scram(scram) => scram.is_verified(),
                State::Cram { .. } | State::Refused => false,
            }
    }

    /// Whether the server has to prove that it knows the password and has not.
    #[must_use]
    pub fn is_unproven(&self) -> bool {
        matches!(&self.state, State::Scram(scram) if !scram.is_verified())
    }

    /// What the server said inside the mechanism of why it refuses; empty: nothing.
    #[must_use]
    pub fn verdict(&self) -> &str {
        &self.verdict
    }

    /// `text` with every response that was sent taken out, whole or in its telling parts.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for said in &self.said {
            text = text.replace(said.as_str(), "[redacted]");
        }
        text
    }

    fn go_on(&mut self, next: Next) -> Result<Answer, SaslError> {
        match next {
            Next::Say(message) => Ok(Answer::Say(self.say(message.as_bytes()))),
            Next::Busy => Ok(Answer::Busy),
            Next::Verified => Ok(Answer::Say(Zeroizing::new(String::new()))),
            Next::Refused(error) => {
                self.verdict = format!("SCRAM error: {error}");
                self.state = State::Refused;
                self.cancel()
            }
        }
    }

    /// `response` in base64, remembered for [`redact`](Self::redact).
    fn say(&mut self, response: &[u8]) -> Zeroizing<String> {
        let line = Zeroizing::new(BASE64.encode(response));
        if !line.is_empty() {
            self.said.push(line.clone());
        }
        // A digest or a proof stands last; secrets that are said as they are, the secret itself takes out.
        let is_hashed = !self.mechanism.shows_secret();
        let last = std::str::from_utf8(response).ok().filter(|_| is_hashed).and_then(|text| text.rsplit([' ', ',']).next());
        if let Some(last) = last.filter(|last| last.len() >= TELLING_OCTETS) {
            self.said.push(Zeroizing::new(last.strip_prefix("p=").unwrap_or(last).to_owned()));
        }
        line
    }

    fn cancel(&mut self) -> Result<Answer, SaslError> {
        if std::mem::replace(&mut self.cancelled, true) {
            return Err(SaslError::Challenge("a challenge where none was due"));
        }
        Ok(Answer::Say(Zeroizing::new("*".to_owned())))
    }
}

impl ChannelBinding {
    /// The strongest one that a session has.
    #[must_use]
    pub fn strongest(bindings: &ChannelBindings) -> Option<Self> {
        [BindingKind::TlsExporter, BindingKind::TlsServerEndPoint]
            .into_iter()
            .find_map(|kind| Some(Self { kind, data: bindings.get(kind.name())?.to_vec() }))
    }
}

impl std::fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelBinding").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl BindingKind {
    /// As registered with IANA.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TlsExporter => "tls-exporter",
            Self::TlsServerEndPoint => "tls-server-end-point",
        }
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// What APOP sends behind the user's name (RFC 1939 section 7); `timestamp` with its angle brackets.
#[must_use]
pub fn apop_digest(timestamp: &str, secret: &Secret) -> Zeroizing<String> {
    let digest = Md5::new().chain_update(timestamp.as_bytes()).chain_update(secret.expose()).finalize();
    Zeroizing::new(HEXLOWER.encode(&digest))
}

/// RFC 4616 section 2.
fn plain(user: &str, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    if user.contains('\0') || secret.expose().contains(&0) {
        return Err(SaslError::Unspeakable);
    }
    // Reserved in full: a buffer that grows leaves copies behind.
    let mut message = Zeroizing::new(Vec::with_capacity(user.len() + secret.expose().len() + 2));
    message.push(0);
    message.extend_from_slice(user.as_bytes());
    message.push(0);
    message.extend_from_slice(secret.expose());
    Ok(message)
}

/// RFC 2195 section 2.
fn cram_md5(user: &str, secret: &Secret, challenge: &[u8]) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    if challenge.is_empty() {
        return Err(SaslError::Challenge("the challenge of CRAM-MD5"));
    }
    let mac = Hmac::<Md5>::new_from_slice(secret.expose()).map_err(|_| SaslError::Unspeakable)?.chain_update(challenge);
    Ok(Zeroizing::new(format!("{user} {}", HEXLOWER.encode(&mac.finalize().into_bytes())).into_bytes()))
}

fn decode(challenge: &str) -> Result<Vec<u8>, SaslError> {
    BASE64.decode(challenge.trim_ascii_end().as_bytes()).map_err(|_| SaslError::Challenge("the base64 of a challenge"))
}

#[cfg(test)]
pub(in crate::net) mod tests;
