//! One attempt to sign in, as every line protocol makes it: choose a mechanism, run its exchange, keep its secrets out of texts.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::{Opening, Problem, Quirks, Step};
use crate::model::mechanism::Mechanism;
use crate::model::quirk::Quirk;
use crate::net::sasl::{Answer, ChannelBinding, Exchange, Identity};

/// What a server offers to sign in with.
#[derive(Debug, Default)]
pub(super) struct Offer {
    /// Names of SASL mechanisms.
    pub(super) mechanisms: Vec<String>,
    /// The protocol's own command.
    pub(super) native: bool,
    /// APOP, by a timestamp in the greeting.
    pub(super) apop: bool,
    /// The server says that this line is too little protected for a password.
    pub(super) is_plaintext_forbidden: bool,
}

/// Who signs in, and how far that has come.
#[derive(Debug)]
pub(super) struct SignIn {
    identity: Option<Identity>,
    binding: Option<ChannelBinding>,
    attempt: Option<Attempt>,
    /// Texts that were sent and are secret, beside those that the exchange knows.
    sent: Vec<Zeroizing<String>>,
    is_busy: bool,
    /// See [`Quirk::NoSasl`].
    no_sasl: bool,
    /// See [`Quirk::PlainUnderTls`].
    plain_under_tls: bool,
}

#[derive(Debug)]
enum Attempt {
    Sasl(Box<Exchange>),
    /// One line for each wish of the server's to go on.
    Pieces(VecDeque<Zeroizing<Vec<u8>>>),
}

impl SignIn {
    pub(super) fn new(identity: Option<Identity>, quirks: &Quirks) -> Self {
        Self {
            identity,
            binding: None,
            attempt: None,
            sent: Vec::new(),
            is_busy: false,
            no_sasl: quirks.has(Quirk::NoSasl),
            plain_under_tls: quirks.has(Quirk::PlainUnderTls),
        }
    }

    /// Under TLS now; `binding` is what it can be bound to.
    pub(super) fn secured(&mut self, binding: Option<ChannelBinding>) {
        self.binding = binding;
    }

    /// What a component is told of a line that is ready, without the secret that a server may have put into it.
    pub(super) fn opening(&self, greeting: &str, capabilities: &[String], signed_in: bool) -> Opening {
        Opening {
            greeting: self.clean(greeting),
            // A line with the secret in it is left out.
            capabilities: capabilities.iter().filter(|line| self.clean(line) == **line).cloned().collect(),
            signed_in,
            identity: None,
        }
    }

    pub(super) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The one way to be tried: the fixed one, else the strongest. There is no second attempt: servers lock accounts.
    pub(super) fn choose(&self, offer: &Offer, is_secured: bool) -> Result<Mechanism, Problem> {
        let Some(identity) = &self.identity else {
            return Err(Problem::Malformed { got: "nothing to sign in with".to_owned() });
        };
        let suits = |mechanism: Mechanism| match mechanism {
            Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus => self.binding.is_some(),
            // Tokens, where the operator says that the secret is one.
            Mechanism::OauthBearer | Mechanism::Xoauth2 => false,
            Mechanism::External => identity.has_certificate,
            // Many servers greet with a timestamp and keep passwords hashed, so that APOP fails. Under TLS it has nothing to give.
            Mechanism::Apop => !is_secured,
            Mechanism::ScramSha256
            | Mechanism::ScramSha1
            | Mechanism::CramMd5
            | Mechanism::Plain
            | Mechanism::Login
            | Mechanism::Native => true,
        };
        let first = |mut mechanisms: std::slice::Iter<'_, Mechanism>| {
            mechanisms.find(|mechanism| offer.has(**mechanism) && suits(**mechanism)).copied()
        };
        let chosen = match identity.auth {
            Some(wanted) => Some(wanted).filter(|wanted| offer.has(*wanted)),
            None if self.no_sasl && offer.native => Some(Mechanism::Native),
            // Where TLS keeps the password, and only there.
            None if self.plain_under_tls && is_secured => {
                first([Mechanism::Plain, Mechanism::Login].iter()).or_else(|| first(Mechanism::ALL.iter()))
            }
            None => first(Mechanism::ALL.iter()),
        };
        chosen.ok_or_else(|| {
            let offered: Vec<String> = offer.mechanisms.iter().filter(|name| is_mechanism_name(name)).cloned().collect();
            match identity.auth {
                _ if offer.is_plaintext_forbidden && !is_secured => Problem::PlaintextForbidden,
                Some(wanted) => Problem::NotOffered { wanted, offered },
                None => Problem::NoMechanism { offered },
            }
        })
    }

    /// Begin an exchange; with an initial response of at most `most` octets where there is one.
    pub(super) fn begin(&mut self, mechanism: Mechanism, offer: &Offer, most: Option<usize>) -> Result<Option<Zeroizing<String>>, Problem> {
        let Some(identity) = &self.identity else { return Err(Problem::UnspeakableSecret) };
        let plus_offered = offer.mechanisms.iter().any(|name| name.to_ascii_uppercase().ends_with("-PLUS"));
        let mut exchange = Exchange::new(mechanism, identity, self.binding.as_ref(), plus_offered)?;
        let initial = most.and_then(|most| exchange.initial_response(most));
        self.attempt = Some(Attempt::Sasl(Box::new(exchange)));
        Ok(initial)
    }

    /// Begin a command of the protocol's own that goes on with `rest`; `secret` is a text in it that is one, beside the password.
    pub(super) fn begin_native(&mut self, rest: VecDeque<Zeroizing<Vec<u8>>>, secret: Option<Zeroizing<String>>) {
        self.sent.extend(secret);
        self.attempt = Some(Attempt::Pieces(rest));
    }

    /// What answers a challenge or another wish of the server's to go on.
    pub(super) fn challenged(&mut self, challenge: &str) -> Result<Step, Problem> {
        let answer = match &mut self.attempt {
            Some(Attempt::Sasl(exchange)) => exchange.take(challenge)?,
            Some(Attempt::Pieces(rest)) => {
                return rest
                    .pop_front()
                    .map(Step::Write)
                    .ok_or_else(|| Problem::Malformed { got: "a challenge where none was due".to_owned() });
            }
            None => return Err(Problem::Malformed { got: "a continuation where none was due".to_owned() }),
        };
        Ok(self.step(answer))
    }

    /// Whether work is left that needs no octets.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Go on with that work.
    pub(super) fn work(&mut self) -> Result<Step, Problem> {
        match &mut self.attempt {
            Some(Attempt::Sasl(exchange)) => {
                let answer = exchange.work()?;
                Ok(self.step(answer))
            }
            _ => Err(Problem::Malformed { got: "no work is left".to_owned() }),
        }
    }

    /// Whether the server may call it a success now.
    pub(super) fn accepted(&self) -> Result<(), Problem> {
        let is_complete = match &self.attempt {
            Some(Attempt::Sasl(exchange)) if exchange.is_unproven() => return Err(Problem::Unproven),
            Some(Attempt::Sasl(exchange)) => exchange.is_complete(),
            Some(Attempt::Pieces(rest)) => rest.is_empty(),
            None => false,
        };
        if is_complete { Ok(()) } else { Err(Problem::Malformed { got: "the sign-in accepted before it was said".to_owned() }) }
    }

    /// `words` of a refusal with what the server said inside the mechanism.
    pub(super) fn refused(&self, words: &str) -> String {
        match &self.attempt {
            Some(Attempt::Sasl(exchange)) if !exchange.verdict().is_empty() => {
                let verdict = self.clean(exchange.verdict());
                if words.is_empty() { verdict } else { format!("{verdict}; {words}") }
            }
            _ => words.to_owned(),
        }
    }

    /// `text` without the secret: servers echo what they were sent, whole commands too.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = match &self.attempt {
            Some(Attempt::Sasl(exchange)) => exchange.redact(text),
            _ => text.to_owned(),
        };
        for sent in &self.sent {
            text = text.replace(sent.as_str(), "[redacted]");
        }
        self.identity.as_ref().map_or_else(|| text.clone(), |identity| identity.secret.redact(&text))
    }

    fn step(&mut self, answer: Answer) -> Step {
        self.is_busy = answer == Answer::Busy;
        match answer {
            Answer::Say(line) => Step::Write(wiped(&[line.as_bytes(), b"\r\n"])),
            Answer::Busy => Step::Busy,
        }
    }
}

impl Offer {
    fn has(&self, mechanism: Mechanism) -> bool {
        match mechanism.sasl_name() {
            Some(name) => self.mechanisms.iter().any(|offered| offered.eq_ignore_ascii_case(name)),
            None if mechanism == Mechanism::Apop => self.apop,
            None => self.native,
        }
    }
}

/// `parts` in one buffer that is wiped; reserved in full, since a buffer that grows leaves copies behind.
pub(super) fn wiped(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut whole = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        whole.extend_from_slice(part);
    }
    whole
}

/// RFC 4422 section 3.1: what is not, is not shown.
fn is_mechanism_name(name: &str) -> bool {
    (1..=20).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::sasl::BindingKind;
    use crate::secret::Secret;

    fn sign_in(auth: Option<Mechanism>, has_certificate: bool, is_bound: bool) -> SignIn {
        sign_in_with(auth, has_certificate, is_bound, &[])
    }

    fn sign_in_with(auth: Option<Mechanism>, has_certificate: bool, is_bound: bool, quirks: &[Quirk]) -> SignIn {
        let identity = Identity {
            user: "me".to_owned(),
            secret: Secret::new("correct horse"),
            auth,
            has_certificate,
            server: "mail.example.com".to_owned(),
            port: 993,
        };
        let mut sign_in = SignIn::new(Some(identity), &Quirks::from(quirks));
        sign_in.secured(is_bound.then(|| ChannelBinding { kind: BindingKind::TlsExporter, data: vec![1; 32] }));
        sign_in
    }

    fn offer(mechanisms: &str, native: bool, apop: bool) -> Offer {
        let mechanisms = mechanisms.split_ascii_whitespace().map(str::to_owned).collect();
        Offer { mechanisms, native, apop, is_plaintext_forbidden: false }
    }

    #[test]
    fn the_strongest_that_is_offered_and_can_be_done() {
        let all =
            "LOGIN plain XOAUTH2 OAUTHBEARER EXTERNAL CRAM-MD5 SCRAM-SHA-1 scram-sha-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS DIGEST-MD5";
        let chosen =
            |offered: &str, native, secured, bound| sign_in(None, false, bound).choose(&offer(offered, native, true), secured).unwrap();
        assert_eq!(chosen(all, true, true, true), Mechanism::ScramSha256Plus);
        assert_eq!(chosen(all, true, true, false), Mechanism::ScramSha256);
        assert_eq!(chosen("SCRAM-SHA-256 SCRAM-SHA-1-PLUS", true, true, true), Mechanism::ScramSha1Plus);
        assert_eq!(chosen("SCRAM-SHA-1 CRAM-MD5", true, true, true), Mechanism::ScramSha1);
        assert_eq!(chosen("CRAM-MD5 PLAIN", true, true, true), Mechanism::CramMd5);
        assert_eq!(chosen("EXTERNAL OAUTHBEARER XOAUTH2 PLAIN", true, true, true), Mechanism::Plain);
        assert_eq!(chosen("LOGIN", true, true, true), Mechanism::Login);
        assert_eq!(chosen("", true, true, true), Mechanism::Native);
        assert_eq!(chosen("PLAIN", true, false, false), Mechanism::Apop);
        assert_eq!(sign_in(None, true, true).choose(&offer("PLAIN EXTERNAL", true, false), true), Ok(Mechanism::External));
    }

    #[test]
    fn a_fixed_way_is_the_only_one() {
        for mechanism in Mechanism::ALL {
            let offered = mechanism.sasl_name().unwrap_or_default();
            let sign_in = sign_in(Some(mechanism), false, false);
            let everything = offer(&format!("PLAIN {offered}"), true, true);
            assert_eq!(sign_in.choose(&everything, true), Ok(mechanism));
            let refused = sign_in.choose(&offer("FOO \u{1b}[31m", false, false), true);
            assert_eq!(refused, Err(Problem::NotOffered { wanted: mechanism, offered: vec!["FOO".to_owned()] }));
        }
    }

    #[test]
    fn a_server_that_lists_what_it_cannot_do_gets_what_it_can() {
        let all = "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-256-PLUS";
        let kerio = sign_in_with(None, false, true, &[Quirk::PlainUnderTls]);
        assert_eq!(kerio.choose(&offer(all, true, true), true), Ok(Mechanism::Plain));
        assert_eq!(kerio.choose(&offer("LOGIN CRAM-MD5", true, true), true), Ok(Mechanism::Login));
        assert_eq!(kerio.choose(&offer("CRAM-MD5", true, true), true), Ok(Mechanism::CramMd5));
        assert_eq!(kerio.choose(&offer(all, true, true), false), Ok(Mechanism::ScramSha256Plus), "never in clear");
        let perdition = sign_in_with(None, false, true, &[Quirk::NoSasl]);
        assert_eq!(perdition.choose(&offer(all, true, false), true), Ok(Mechanism::Native));
        // LOGINDISABLED is obeyed, and what the operator fixed stays fixed.
        assert_eq!(perdition.choose(&offer("PLAIN", false, false), true), Ok(Mechanism::Plain));
        let fixed = sign_in_with(Some(Mechanism::CramMd5), false, true, &[Quirk::NoSasl, Quirk::PlainUnderTls]);
        assert_eq!(fixed.choose(&offer(all, true, true), true), Ok(Mechanism::CramMd5));
    }

    #[test]
    fn nothing_suits() {
        let sign_in = sign_in(None, false, false);
        let tokens = offer("XOAUTH2 EXTERNAL SCRAM-SHA-256-PLUS", false, true);
        let offered = tokens.mechanisms.clone();
        assert_eq!(sign_in.choose(&tokens, true), Err(Problem::NoMechanism { offered }));
        let forbidden = Offer { is_plaintext_forbidden: true, ..offer("", false, false) };
        assert_eq!(sign_in.choose(&forbidden, false), Err(Problem::PlaintextForbidden));
        assert_eq!(sign_in.choose(&forbidden, true), Err(Problem::NoMechanism { offered: Vec::new() }));
    }
}
