//! The preamble of IMAP (RFC 9051, RFC 3501): greeting, capabilities, STARTTLS, capabilities again, sign-in, capabilities once
//! more.

pub mod reply;
mod sign_in;

use bytes::BytesMut;
use zeroize::Zeroizing;

use self::reply::{Condition, Reply, Status};
use super::lines::Lines;
use super::problem::{Said, shorten};
use super::sign_in::SignIn;
use super::{Opening, Preamble, Problem, Quirks, Step};
use crate::model::endpoint::Security;
use crate::model::quirk::Quirk;
use crate::net::sasl::{ChannelBinding, Identity};

/// The machine. See [`Preamble`].
#[derive(Debug)]
pub struct Imap {
    security: Security,
    quirks: Quirks,
    sign_in: SignIn,
    state: State,
    /// Whether TLS is on now.
    secured: bool,
    signed_in: bool,
    greeting: String,
    /// What the server offers now; none: it has not said, or not since that changed.
    capabilities: Option<Vec<String>>,
    /// What the server wants a person to read (RFC 9051 section 7.1).
    alert: Option<String>,
    lines: Lines,
    tags: usize,
}

/// What is being waited for.
#[derive(Debug)]
enum State {
    Greet,
    /// The tagged answer to CAPABILITY.
    Capability {
        tag: String,
    },
    /// The tagged answer to STARTTLS.
    UpgradeTls {
        tag: String,
    },
    /// [`Step::StartTls`] was given; the next step is under TLS.
    TlsUp,
    /// [`Step::Greeted`] was given.
    Greeted,
    /// Challenges, then the tagged answer.
    SignIn {
        tag: String,
    },
    /// The tagged answer to ID.
    Id {
        tag: String,
    },
    Over,
}

impl Imap {
    /// The preamble for a line with this `security`; without an identity nobody signs in.
    #[must_use]
    pub fn new(security: Security, identity: Option<Identity>, quirks: Quirks) -> Self {
        Self {
            security,
            sign_in: SignIn::new(identity, &quirks),
            quirks,
            state: State::Greet,
            secured: security == Security::Tls,
            signed_in: false,
            greeting: String::new(),
            capabilities: None,
            alert: None,
            lines: Lines::default(),
            tags: 0,
        }
    }

    /// Take one line; none: go on with the next.
    fn take(&mut self, line: &str, pending: &BytesMut) -> Result<Option<Step>, Problem> {
        let reply = Reply::parse(line);
        if matches!(self.state, State::Greet) {
            return match reply {
                Some(Reply::Untagged(status)) => self.greet(line, &status).map(Some),
                _ => Err(Problem::NotTheProtocol { got: shorten(&self.clean(line)) }),
            };
        }
        match reply {
            Some(Reply::Untagged(status)) if status.condition == Condition::Bye => Err(Problem::Bye(self.said(&status))),
            Some(Reply::Untagged(status)) => {
                self.note(&status);
                Ok(None)
            }
            Some(Reply::Capability(words)) => {
                self.offered(words);
                Ok(None)
            }
            Some(Reply::Data) => Ok(None),
            Some(Reply::Continuation(challenge)) => self.continued(&challenge).map(Some),
            Some(Reply::Tagged { tag, status }) => self.answered(&tag, &status, pending).map(Some),
            None if self.quirks.has(Quirk::StrayLines) => Ok(None),
            None => Err(self.malformed(line)),
        }
    }

    fn greet(&mut self, line: &str, status: &Status) -> Result<Step, Problem> {
        match status.condition {
            Condition::Ok => {}
            Condition::Preauth if self.security == Security::Starttls => return Err(Problem::PreauthInClear),
            Condition::Preauth => self.signed_in = true,
            Condition::Bye => return Err(Problem::Bye(self.said(status))),
            Condition::No | Condition::Bad => return Err(Problem::NotTheProtocol { got: shorten(&self.clean(line)) }),
        }
        line.clone_into(&mut self.greeting);
        self.quirks.greeted(line);
        self.note(status);
        self.go_on()
    }

    /// What comes between two commands, from what is known.
    fn go_on(&mut self) -> Result<Step, Problem> {
        let Some(capabilities) = &self.capabilities else {
            let tag = self.next_tag();
            let command = plainly(format!("{tag} CAPABILITY\r\n"));
            self.state = State::Capability { tag };
            return Ok(command);
        };
        if self.security == Security::Starttls && !self.secured {
            if !has(capabilities, "STARTTLS") {
                return Err(Problem::NoStarttls);
            }
            let tag = self.next_tag();
            let command = plainly(format!("{tag} STARTTLS\r\n"));
            self.state = State::UpgradeTls { tag };
            return Ok(command);
        }
        if self.signed_in || self.sign_in.identity().is_none() {
            if self.quirks.has(Quirk::IdAfterSignIn) && has(capabilities, "ID") {
                return Ok(self.say_id());
            }
            return Ok(self.done());
        }
        self.state = State::Greeted;
        Ok(Step::Greeted)
    }

    fn answered(&mut self, tag: &str, status: &Status, pending: &BytesMut) -> Result<Step, Problem> {
        self.note(status);
        match &self.state {
            State::Capability { tag: awaited } if tag == awaited => match status.condition {
                Condition::Ok if self.capabilities.is_some() => self.go_on(),
                Condition::Ok => Err(Problem::Malformed { got: "CAPABILITY answered without a list".to_owned() }),
                _ => Err(Problem::Refused { command: "CAPABILITY", said: self.said(status) }),
            },
            State::UpgradeTls { tag: awaited } if tag == awaited => match status.condition {
                // What was put in before TLS must not be taken for something said under it (CVE-2021-38371 and its kin).
                Condition::Ok if !pending.is_empty() => Err(Problem::Injected),
                Condition::Ok => {
                    self.state = State::TlsUp;
                    self.secured = true;
                    // RFC 3501 section 6.2.1: nothing that was said in clear is believed, the greeting included.
                    self.greeting.clear();
                    self.quirks.greeted("");
                    self.capabilities = None;
                    self.alert = None;
                    Ok(Step::StartTls)
                }
                _ => Err(Problem::StarttlsRefused(self.said(status))),
            },
            State::SignIn { tag: awaited } if tag == awaited => match status.condition {
                Condition::Ok => {
                    self.sign_in.accepted()?;
                    self.signed_in = true;
                    self.go_on()
                }
                _ => {
                    let said = self.said(status);
                    Err(Problem::SignInRefused(Said { words: self.sign_in.refused(&said.words), ..said }))
                }
            },
            // Whether it pleases the server, the first command of the connector's will show.
            State::Id { tag: awaited } if tag == awaited => Ok(self.done()),
            _ => Err(Problem::Malformed { got: format!("an answer to a command that was not given: {}", self.clean(tag)) }),
        }
    }

    fn continued(&mut self, challenge: &str) -> Result<Step, Problem> {
        match &self.state {
            State::SignIn { .. } => self.sign_in.challenged(challenge),
            _ => Err(Problem::Malformed { got: "a continuation where none was due".to_owned() }),
        }
    }

    fn begin_sign_in(&mut self) -> Result<Step, Problem> {
        let tag = self.next_tag();
        let capabilities = self.capabilities.take().unwrap_or_default();
        let first = sign_in::begin(&tag, &capabilities, &mut self.sign_in, self.secured, &self.quirks)?;
        self.alert = None;
        self.state = State::SignIn { tag };
        Ok(Step::Write(first))
    }

    /// RFC 2971 section 3.1.
    fn say_id(&mut self) -> Step {
        let tag = self.next_tag();
        let command = plainly(format!("{tag} ID (\"name\" \"Postrider\" \"version\" \"{}\")\r\n", env!("CARGO_PKG_VERSION")));
        self.state = State::Id { tag };
        command
    }

    fn done(&mut self) -> Step {
        self.state = State::Over;
        Step::Done(self.opening())
    }

    fn offered(&mut self, mut capabilities: Vec<String>) {
        if self.quirks.has(Quirk::NoImap4rev2) && has(&capabilities, "IMAP4rev1") {
            capabilities.retain(|word| !word.eq_ignore_ascii_case("IMAP4rev2"));
        }
        self.capabilities = Some(capabilities);
    }

    /// Remember what a status response brings beside its condition.
    fn note(&mut self, status: &Status) {
        if let Some(capabilities) = status.capabilities() {
            self.offered(capabilities);
        }
        // WEBALERT is Gmail's: an address where a person has to sign in.
        if status.code.as_ref().is_some_and(|code| matches!(code.name.as_str(), "ALERT" | "WEBALERT")) {
            self.alert = Some(status.words.clone());
        }
    }

    /// The server's words and code with the secret taken out, and what it alerted to before.
    fn said(&self, status: &Status) -> Said {
        let words = match &self.alert {
            Some(alert) if *alert != status.words => format!("{alert}; {}", status.words),
            _ => status.words.clone(),
        };
        Said::new(status.code.as_ref().map(|code| code.name.as_str()), &shorten(&self.clean(&words)))
    }

    fn clean(&self, text: &str) -> String {
        self.sign_in.clean(text)
    }

    fn malformed(&self, line: &str) -> Problem {
        Problem::Malformed { got: shorten(&self.clean(line)) }
    }

    fn opening(&self) -> Opening {
        self.sign_in.opening(&self.greeting, self.capabilities.as_deref().unwrap_or_default(), self.signed_in)
    }

    fn next_tag(&mut self) -> String {
        self.tags += 1;
        format!("P{}", self.tags)
    }
}

impl Preamble for Imap {
    fn step(&mut self, pending: &mut BytesMut) -> Result<Step, Problem> {
        loop {
            match self.state {
                State::TlsUp if pending.is_empty() => return self.go_on(),
                State::TlsUp => return Err(Problem::Injected),
                State::Greeted => return self.begin_sign_in(),
                State::SignIn { .. } if self.sign_in.is_busy() => return self.sign_in.work(),
                State::Over => return Ok(Step::Read),
                State::Greet | State::Capability { .. } | State::UpgradeTls { .. } | State::SignIn { .. } | State::Id { .. } => {}
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
        let got = shorten(&self.clean(&String::from_utf8_lossy(pending)));
        match self.state {
            State::Greet => Problem::ClosedBeforeGreeting { got },
            State::SignIn { .. } => Problem::Closed { doing: "sign-in" },
            State::UpgradeTls { .. } | State::TlsUp => Problem::Closed { doing: "STARTTLS" },
            State::Id { .. } => Problem::Closed { doing: "ID" },
            State::Capability { .. } | State::Greeted | State::Over => Problem::Closed { doing: "CAPABILITY" },
        }
    }
}

/// Whether `capability` is offered; names are compared without regard to case.
fn has(capabilities: &[String], capability: &str) -> bool {
    capabilities.iter().any(|offered| offered.eq_ignore_ascii_case(capability))
}

/// A command without a secret.
fn plainly(command: String) -> Step {
    Step::Write(Zeroizing::new(command.into_bytes()))
}

#[cfg(test)]
mod tests;
