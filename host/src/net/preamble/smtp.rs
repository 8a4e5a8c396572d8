//! The preamble of SMTP as submission (RFC 5321, RFC 6409, RFC 3207, RFC 4954) and of LMTP (RFC 2033): greeting, EHLO or LHLO, STARTTLS,
//! EHLO again, sign-in, EHLO once more.

pub mod reply;

use bytes::BytesMut;
use zeroize::Zeroizing;

use self::reply::{Line, Reply};
use super::lines::Lines;
use super::problem::{Said, shorten};
use super::sign_in::{Offer, SignIn, wiped};
use super::{Opening, Preamble, Problem, Quirks, Step};
use crate::limits::COMMAND_OCTETS;
use crate::model::endpoint::Security;
use crate::model::quirk::Quirk;
use crate::net::sasl::{ChannelBinding, Identity};

/// What the client calls itself: an address literal is always allowed (RFC 5321 section 4.1.3), and this one tells nobody a name or a
/// place.
const CLIENT: &str = "[127.0.0.1]";

/// Which of the two is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// EHLO, and HELO where a server does not know it.
    Smtp,
    /// LHLO.
    Lmtp,
}

/// The machine. See [`Preamble`].
#[derive(Debug)]
pub struct Smtp {
    dialect: Dialect,
    security: Security,
    quirks: Quirks,
    sign_in: SignIn,
    state: State,
    /// Whether TLS is on now.
    is_secured: bool,
    is_signed_in: bool,
    greeting: String,
    /// What the server offers now, a line each.
    capabilities: Vec<String>,
    /// The lines of a reply that is not yet whole.
    partial: Option<Reply>,
    lines: Lines,
}

/// What is being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greet,
    /// The reply to EHLO or LHLO.
    Hello,
    /// The reply to HELO.
    OldHello,
    /// The reply to STARTTLS.
    UpgradeTls,
    /// [`Step::StartTls`] was given; the next step is under TLS.
    TlsUp,
    /// [`Step::Greeted`] was given.
    Greeted,
    /// Challenges, then the reply to AUTH.
    Authenticate,
    Over,
}

impl Smtp {
    /// The preamble for a line with this `security`; without an identity nobody signs in.
    #[must_use]
    pub fn new(dialect: Dialect, security: Security, identity: Option<Identity>, quirks: Quirks) -> Self {
        Self {
            dialect,
            security,
            sign_in: SignIn::new(identity, &quirks),
            quirks,
            state: State::Greet,
            is_secured: security == Security::Tls,
            is_signed_in: false,
            greeting: String::new(),
            capabilities: Vec::new(),
            partial: None,
            lines: Lines::default(),
        }
    }

    /// Take one line; none: go on with the next.
    fn take(&mut self, line: &str, pending: &BytesMut) -> Result<Option<Step>, Problem> {
        let Some(read) = Line::parse(line) else { return Err(self.malformed(line)) };
        let mut reply = self.partial.take().unwrap_or(Reply { code: read.code, lines: Vec::new() });
        if reply.code != read.code {
            return Err(self.malformed(line));
        }
        reply.lines.push(read.text);
        if read.is_last {
            return self.answered(&reply, pending).map(Some);
        }
        self.partial = Some(reply);
        Ok(None)
    }

    fn answered(&mut self, reply: &Reply, pending: &BytesMut) -> Result<Step, Problem> {
        match (self.state, reply.code) {
            (State::Greet, 220) => {
                self.greeting = format!("220 {}", reply.first());
                Ok(self.hello())
            }
            (State::Greet, _) | (State::Hello | State::OldHello | State::UpgradeTls, 421) => Err(Problem::Bye(self.said(reply))),
            (State::Hello, 250) => {
                self.capabilities = reply.lines.iter().skip(1).cloned().collect();
                self.go_on()
            }
            // OpenSMTPD takes no second EHLO ("503 Already identified"): what it listed under this TLS holds.
            (State::Hello, 500..=599) if self.is_signed_in => self.go_on(),
            // Servers that do not know EHLO say so by one of these (RFC 5321 section 3.2).
            (State::Hello, 500..=504 | 550) if self.dialect == Dialect::Smtp && !self.is_signed_in => {
                self.state = State::OldHello;
                Ok(plainly(&format!("HELO {CLIENT}\r\n")))
            }
            (State::OldHello, 250) => {
                self.capabilities.clear();
                self.go_on()
            }
            (State::Hello | State::OldHello, _) => {
                let command = if self.dialect == Dialect::Lmtp { "LHLO" } else { "EHLO" };
                Err(Problem::Refused { command, said: self.said(reply) })
            }
            // What was put in before TLS must not be taken for something said under it (CVE-2021-38371 and its kin).
            (State::UpgradeTls, 220) if !pending.is_empty() => Err(Problem::Injected),
            (State::UpgradeTls, 220) => {
                self.state = State::TlsUp;
                self.is_secured = true;
                // RFC 3207 section 4.2: nothing that was said in clear is believed, the greeting included.
                self.greeting.clear();
                self.capabilities.clear();
                Ok(Step::StartTls)
            }
            (State::UpgradeTls, _) => Err(Problem::StarttlsRefused(self.said(reply))),
            (State::Authenticate, 334) => self.sign_in.challenged(reply.first()),
            (State::Authenticate, 235) => {
                self.sign_in.accepted()?;
                self.is_signed_in = true;
                if self.quirks.has(Quirk::NoEhloAfterSignIn) { self.go_on() } else { Ok(self.hello()) }
            }
            (State::Authenticate, 400..) => {
                let said = self.said(reply);
                Err(Problem::SignInRefused(Said { words: self.sign_in.refused(&said.words), ..said }))
            }
            (State::Authenticate | State::TlsUp | State::Greeted | State::Over, _) => Err(self.malformed(reply.first())),
        }
    }

    fn hello(&mut self) -> Step {
        self.state = State::Hello;
        plainly(&match self.dialect {
            Dialect::Smtp => format!("EHLO {CLIENT}\r\n"),
            Dialect::Lmtp => format!("LHLO {CLIENT}\r\n"),
        })
    }

    /// What comes between two commands, from what is known.
    fn go_on(&mut self) -> Result<Step, Problem> {
        if self.security == Security::Starttls && !self.is_secured {
            if !self.has("STARTTLS") {
                return Err(Problem::NoStarttls);
            }
            self.state = State::UpgradeTls;
            return Ok(plainly("STARTTLS\r\n"));
        }
        if self.is_signed_in || self.sign_in.identity().is_none() {
            self.state = State::Over;
            return Ok(Step::Done(self.opening()));
        }
        self.state = State::Greeted;
        Ok(Step::Greeted)
    }

    fn begin_sign_in(&mut self) -> Result<Step, Problem> {
        let offer = self.offer();
        let mechanism = self.sign_in.choose(&offer, self.is_secured)?;
        let name = mechanism.sasl_name().unwrap_or_default();
        let command = format!("AUTH {name}");
        self.state = State::Authenticate;
        // RFC 4954 section 4: what does not fit the line waits for a challenge.
        let most = COMMAND_OCTETS.saturating_sub(command.len() + 3);
        let most = Some(most).filter(|_| !self.quirks.has(Quirk::NoInitialResponse));
        Ok(Step::Write(match self.sign_in.begin(mechanism, &offer, most)? {
            Some(response) => wiped(&[command.as_bytes(), b" ", response.as_bytes(), b"\r\n"]),
            None => wiped(&[command.as_bytes(), b"\r\n"]),
        }))
    }

    fn offer(&self) -> Offer {
        // "AUTH=" is how Microsoft's servers listed them before the standard, and Postfix does for their clients.
        let listed = self.capabilities.iter().filter_map(|line| line.split_once([' ', '=']));
        let mechanisms = listed.filter(|(key, _)| key.eq_ignore_ascii_case("AUTH")).flat_map(|(_, names)| names.split_ascii_whitespace());
        Offer {
            mechanisms: mechanisms.map(str::to_owned).collect(),
            native: false,
            apop: false,
            // Postfix lists no mechanism where TLS has to come first.
            is_plaintext_forbidden: self.has("STARTTLS"),
        }
    }

    /// Whether a capability's first word is `name`.
    fn has(&self, name: &str) -> bool {
        self.capabilities.iter().any(|line| line.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(name)))
    }

    /// The enhanced status code (RFC 3463) where there is one, else the reply's; and the words of all lines.
    fn said(&self, reply: &Reply) -> Said {
        let (enhanced, words) = reply.enhanced();
        let words = shorten(&self.clean(&words));
        let said = Said::new(enhanced.as_deref(), &words);
        if said.code.is_some() { said } else { Said::new(Some(&reply.code.to_string()), &words) }
    }

    fn clean(&self, text: &str) -> String {
        self.sign_in.clean(text)
    }

    fn malformed(&self, line: &str) -> Problem {
        let got = shorten(&self.clean(line));
        if self.state == State::Greet { Problem::NotTheProtocol { got } } else { Problem::Malformed { got } }
    }

    fn opening(&self) -> Opening {
        self.sign_in.opening(&self.greeting, &self.capabilities, self.is_signed_in)
    }
}

impl Preamble for Smtp {
    fn step(&mut self, pending: &mut BytesMut) -> Result<Step, Problem> {
        loop {
            match self.state {
                State::TlsUp if pending.is_empty() => return Ok(self.hello()),
                State::TlsUp => return Err(Problem::Injected),
                State::Greeted => return self.begin_sign_in(),
                State::Authenticate if self.sign_in.is_busy() => return self.sign_in.work(),
                State::Over => return Ok(Step::Read),
                State::Greet | State::Hello | State::OldHello | State::UpgradeTls | State::Authenticate => {}
            }
            let Some(line) = self.lines.next(pending)? else { return Ok(Step::Read) };
            if let Some(step) = self.take(&line, pending)? {
                return Ok(step);
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
            State::Authenticate => Problem::Closed { doing: "sign-in" },
            State::UpgradeTls | State::TlsUp => Problem::Closed { doing: "STARTTLS" },
            State::Hello | State::OldHello | State::Greeted | State::Over => Problem::Closed { doing: "EHLO" },
        }
    }
}

/// A command without a secret.
fn plainly(command: &str) -> Step {
    Step::Write(Zeroizing::new(command.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests;
