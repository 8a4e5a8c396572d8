//! The preamble of POP3 (RFC 1939, RFC 2449, RFC 2595, RFC 5034): greeting, CAPA, STLS, CAPA again, sign-in, CAPA once more.

pub mod reply;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use zeroize::Zeroizing;

use self::reply::{Reply, Status, timestamp};
use super::lines::Lines;
use super::problem::{Said, shorten};
use super::sign_in::{Offer, SignIn, wiped};
use super::{Opening, Preamble, Problem, Quirks, Step};
use crate::model::endpoint::Security;
use crate::model::mechanism::Mechanism;
use crate::net::sasl::{ChannelBinding, Identity, apop_digest};

/// The machine. See [`Preamble`].
#[derive(Debug)]
pub struct Pop3 {
    security: Security,
    sign_in: SignIn,
    state: State,
    /// Whether TLS is on now.
    is_secured: bool,
    is_signed_in: bool,
    greeting: String,
    /// What APOP digests; forgotten with the greeting.
    timestamp: Option<String>,
    /// What the server offers now, a line each.
    capabilities: Vec<String>,
    /// Whether it knows CAPA.
    has_capa: bool,
    /// Whether it was asked for the UTF8 mode.
    is_utf8_asked: bool,
    lines: Lines,
}

/// What is being waited for.
#[derive(Debug)]
enum State {
    Greet,
    /// The answer to CAPA.
    Capa,
    /// The lines of CAPA, to the one with a dot.
    Capabilities,
    /// The answer to STLS.
    UpgradeTls,
    /// [`Step::StartTls`] was given; the next step is under TLS.
    TlsUp,
    /// The answer to UTF8, on which nothing depends.
    Utf8,
    /// [`Step::Greeted`] was given.
    Greeted,
    /// Challenges, then the answer to AUTH.
    Authenticate,
    /// The answer to a command of POP3's own, of which more is to be said as long as the server agrees.
    Native,
    Over,
}

impl Pop3 {
    /// The preamble for a line with this `security`; without an identity nobody signs in.
    #[must_use]
    pub fn new(security: Security, identity: Option<Identity>, quirks: &Quirks) -> Self {
        Self {
            security,
            sign_in: SignIn::new(identity, quirks),
            state: State::Greet,
            is_secured: security == Security::Tls,
            is_signed_in: false,
            greeting: String::new(),
            timestamp: None,
            capabilities: Vec::new(),
            has_capa: true,
            is_utf8_asked: false,
            lines: Lines::default(),
        }
    }

    /// Take one line; none: go on with the next.
    fn take(&mut self, line: &str, pending: &BytesMut) -> Result<Option<Step>, Problem> {
        if matches!(self.state, State::Capabilities) {
            return self.list(line);
        }
        match Reply::parse(line) {
            Some(Reply::Status(status)) => self.answered(line, &status, pending).map(Some),
            Some(Reply::Challenge(challenge)) if matches!(self.state, State::Authenticate) => self.sign_in.challenged(&challenge).map(Some),
            _ if matches!(self.state, State::Greet) => Err(Problem::NotTheProtocol { got: shorten(&self.clean(line)) }),
            _ => Err(Problem::Malformed { got: shorten(&self.clean(line)) }),
        }
    }

    fn answered(&mut self, line: &str, status: &Status, pending: &BytesMut) -> Result<Step, Problem> {
        match &self.state {
            State::Greet if status.is_ok => {
                line.clone_into(&mut self.greeting);
                self.timestamp = timestamp(line).map(str::to_owned);
                Ok(self.ask())
            }
            State::Greet => Err(Problem::Bye(self.said(status))),
            State::Capa if status.is_ok => {
                self.state = State::Capabilities;
                self.capabilities.clear();
                Ok(Step::Read)
            }
            // Servers from before RFC 2449.
            State::Capa => {
                self.has_capa = false;
                self.go_on()
            }
            // What was put in before TLS must not be taken for something said under it (CVE-2021-38371 and its kin).
            State::UpgradeTls if status.is_ok && !pending.is_empty() => Err(Problem::Injected),
            State::UpgradeTls if status.is_ok => {
                self.state = State::TlsUp;
                self.is_secured = true;
                // RFC 2595 section 4: nothing that was said in clear is believed. The timestamp goes as well: whoever sits on the
                // line could choose it, and chosen timestamps give passwords away (CVE-2007-1558).
                self.greeting.clear();
                self.timestamp = None;
                self.capabilities.clear();
                self.has_capa = true;
                Ok(Step::StartTls)
            }
            State::UpgradeTls => Err(Problem::StarttlsRefused(self.said(status))),
            State::Utf8 => self.go_on(),
            State::Native if status.is_ok && self.sign_in.accepted().is_err() => self.sign_in.challenged(""),
            State::Authenticate | State::Native if status.is_ok => {
                self.sign_in.accepted()?;
                self.is_signed_in = true;
                if self.has_capa { Ok(self.ask()) } else { self.go_on() }
            }
            State::Authenticate | State::Native => {
                let said = self.said(status);
                Err(Problem::SignInRefused(Said { words: self.sign_in.refused(&said.words), ..said }))
            }
            State::Capabilities | State::TlsUp | State::Greeted | State::Over => {
                Err(Problem::Malformed { got: shorten(&self.clean(line)) })
            }
        }
    }

    /// Take one line of CAPA's.
    fn list(&mut self, line: &str) -> Result<Option<Step>, Problem> {
        if line == "." {
            return self.go_on().map(Some);
        }
        // Dot-stuffing (RFC 1939 section 3); a capability does not begin with a dot.
        self.capabilities.push(line.strip_prefix('.').unwrap_or(line).to_owned());
        Ok(None)
    }

    fn ask(&mut self) -> Step {
        self.state = State::Capa;
        plainly("CAPA\r\n")
    }

    /// What comes between two commands, from what is known.
    fn go_on(&mut self) -> Result<Step, Problem> {
        if self.security == Security::Starttls && !self.is_secured {
            if !self.has("STLS") {
                return Err(Problem::NoStarttls);
            }
            self.state = State::UpgradeTls;
            return Ok(plainly("STLS\r\n"));
        }
        if self.is_signed_in || self.sign_in.identity().is_none() {
            self.state = State::Over;
            return Ok(Step::Done(self.opening()));
        }
        // Valid before the sign-in only (RFC 6856 section 2). With it, messages whose header fields are in UTF-8 come as they are, and not
        // made over for old clients.
        if self.has("UTF8") && !self.is_utf8_asked {
            self.is_utf8_asked = true;
            self.state = State::Utf8;
            return Ok(plainly("UTF8\r\n"));
        }
        self.state = State::Greeted;
        Ok(Step::Greeted)
    }

    fn begin_sign_in(&mut self) -> Result<Step, Problem> {
        let offer = self.offer();
        let mechanism = self.sign_in.choose(&offer, self.is_secured)?;
        let first = match mechanism {
            Mechanism::Apop => self.apop(),
            Mechanism::Native => self.user_and_pass(),
            _ => {
                // Never with an initial response: Office 365 wants XOAUTH2 in two steps, and a line of POP3 ends at 255 octets
                // (RFC 2449 section 4).
                self.sign_in.begin(mechanism, &offer, None)?;
                self.state = State::Authenticate;
                let name = mechanism.sasl_name().unwrap_or_default();
                return Ok(plainly(&format!("AUTH {name}\r\n")));
            }
        };
        self.state = State::Native;
        first.map(Step::Write).ok_or(Problem::UnspeakableSecret)
    }

    fn offer(&self) -> Offer {
        let listed = self.capabilities.iter().filter_map(|line| line.split_once(' '));
        let mechanisms = listed.filter(|(key, _)| key.eq_ignore_ascii_case("SASL")).flat_map(|(_, names)| names.split_ascii_whitespace());
        Offer {
            mechanisms: mechanisms.map(str::to_owned).collect(),
            // RFC 2449 section 6.3; where there is no CAPA, everybody takes it.
            native: !self.has_capa || self.has("USER"),
            apop: self.timestamp.is_some(),
            // Dovecot and Courier list neither USER nor SASL PLAIN where TLS has to come first.
            is_plaintext_forbidden: self.has("STLS"),
        }
    }

    /// RFC 1939 section 7; none where the line cannot carry it.
    fn apop(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let (identity, timestamp) = (self.sign_in.identity()?, self.timestamp.as_deref()?);
        if !is_speakable(identity.user.as_bytes()) || identity.user.contains(' ') {
            return None;
        }
        let digest = apop_digest(timestamp, &identity.secret);
        let command = wiped(&[b"APOP ", identity.user.as_bytes(), b" ", digest.as_bytes(), b"\r\n"]);
        self.sign_in.begin_native(VecDeque::new(), Some(digest));
        Some(command)
    }

    /// RFC 1939 section 7; none where a line cannot carry them. What is no ASCII goes as it is (RFC 6856 section 2.2).
    fn user_and_pass(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let identity = self.sign_in.identity()?;
        let (user, secret) = (identity.user.as_bytes(), identity.secret.expose());
        if !is_speakable(user) || !is_speakable(secret) {
            return None;
        }
        let command = wiped(&[b"USER ", user, b"\r\n"]);
        let pass = wiped(&[b"PASS ", secret, b"\r\n"]);
        self.sign_in.begin_native(VecDeque::from([pass]), None);
        Some(command)
    }

    /// Whether a capability's first word is `name`.
    fn has(&self, name: &str) -> bool {
        self.capabilities.iter().any(|line| line.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(name)))
    }

    /// How long the server wants to be left alone between two sign-ins (RFC 2449 section 6.5).
    fn login_delay(&self) -> Option<Duration> {
        let line = self.capabilities.iter().find_map(|line| line.strip_prefix("LOGIN-DELAY "))?;
        line.split(' ').next()?.parse().ok().map(Duration::from_secs)
    }

    fn said(&self, status: &Status) -> Said {
        let said = Said::new(status.code.as_deref(), &shorten(&self.clean(&status.words)));
        let retry_after = if said.code == Some("LOGIN-DELAY") { self.login_delay() } else { None };
        Said { retry_after, ..said }
    }

    fn clean(&self, text: &str) -> String {
        self.sign_in.clean(text)
    }

    fn opening(&self) -> Opening {
        self.sign_in.opening(&self.greeting, &self.capabilities, self.is_signed_in)
    }
}

impl Preamble for Pop3 {
    fn step(&mut self, pending: &mut BytesMut) -> Result<Step, Problem> {
        loop {
            match self.state {
                State::TlsUp if pending.is_empty() => return Ok(self.ask()),
                State::TlsUp => return Err(Problem::Injected),
                State::Greeted => return self.begin_sign_in(),
                State::Authenticate if self.sign_in.is_busy() => return self.sign_in.work(),
                State::Over => return Ok(Step::Read),
                State::Greet
                | State::Capa
                | State::Capabilities
                | State::UpgradeTls
                | State::Utf8
                | State::Authenticate
                | State::Native => {}
            }
            let Some(line) = self.lines.next(pending)? else { return Ok(Step::Read) };
            match self.take(&line, pending)? {
                None | Some(Step::Read) => {}
                Some(step) => return Ok(step),
            }
        }
    }

    fn secured(&mut self, binding: Option<ChannelBinding>) {
        self.sign_in.secured(binding);
    }

    fn greeting(&self) -> &str {
        &self.greeting
    }

    fn closed(&self, pending: &[u8]) -> Problem {
        match self.state {
            State::Greet => Problem::ClosedBeforeGreeting { got: shorten(&self.clean(&String::from_utf8_lossy(pending))) },
            State::Authenticate | State::Native => Problem::Closed { doing: "sign-in" },
            State::UpgradeTls | State::TlsUp => Problem::Closed { doing: "STLS" },
            State::Utf8 => Problem::Closed { doing: "UTF8" },
            State::Capa | State::Capabilities | State::Greeted | State::Over => Problem::Closed { doing: "CAPA" },
        }
    }
}

/// A command without a secret.
fn plainly(command: &str) -> Step {
    Step::Write(Zeroizing::new(command.as_bytes().to_vec()))
}

/// Whether a line can carry it: what ends a line would begin another command.
fn is_speakable(argument: &[u8]) -> bool {
    !argument.is_empty() && !argument.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0))
}

#[cfg(test)]
mod tests;
