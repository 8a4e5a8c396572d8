//! The preamble of IMAP (RFC 9051, RFC 3501): greeting, capabilities, STARTTLS, capabilities again, sign-in, capabilities once
//! more.

pub mod reply;
mod sign_in;

use bytes::{Buf, BytesMut};
use zeroize::Zeroizing;

use self::reply::{Condition, Reply, Status};
use super::problem::{Said, shorten};
use super::{Opening, Preamble, Problem, Step};
use crate::limits::{PREAMBLE_LINE_OCTETS, PREAMBLE_LINES};
use crate::model::endpoint::Security;
use crate::secret::Secret;

/// Who signs in.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The user's name.
    pub user: String,
    /// The password.
    pub secret: Secret,
}

/// The machine. See [`Preamble`].
#[derive(Debug)]
pub struct Imap {
    security: Security,
    identity: Option<Identity>,
    state: State,
    /// Whether TLS is on now.
    secured: bool,
    signed_in: bool,
    greeting: String,
    /// What the server offers now; none: it has not said, or not since that changed.
    capabilities: Option<Vec<String>>,
    /// What the server wants a person to read (RFC 9051 section 7.1).
    alert: Option<String>,
    lines: usize,
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
    /// A continuation for each of `rest`, then the tagged answer.
    SignIn {
        tag: String,
        command: sign_in::Command,
    },
    Over,
}

impl Imap {
    /// The preamble for a line with this `security`; without an identity nobody signs in.
    #[must_use]
    pub fn new(security: Security, identity: Option<Identity>) -> Self {
        Self {
            security,
            identity,
            state: State::Greet,
            secured: security == Security::Tls,
            signed_in: false,
            greeting: String::new(),
            capabilities: None,
            alert: None,
            lines: 0,
            tags: 0,
        }
    }

    fn line(&mut self, pending: &mut BytesMut) -> Result<Option<String>, Problem> {
        let end = pending.iter().position(|octet| *octet == b'\n');
        if end.unwrap_or(pending.len()) > PREAMBLE_LINE_OCTETS {
            return Err(Problem::LineTooLong);
        }
        let Some(end) = end else { return Ok(None) };
        self.lines += 1;
        if self.lines > PREAMBLE_LINES {
            return Err(Problem::Endless);
        }
        let line = pending.split_to(end);
        pending.advance(1);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
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
                self.capabilities = Some(words);
                Ok(None)
            }
            Some(Reply::Data) => Ok(None),
            Some(Reply::Continuation) => self.continued().map(Some),
            Some(Reply::Tagged { tag, status }) => self.answered(&tag, &status, pending).map(Some),
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
        if self.signed_in || self.identity.is_none() {
            self.state = State::Over;
            return Ok(Step::Done(self.opening()));
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
                    self.capabilities = None;
                    self.alert = None;
                    Ok(Step::StartTls)
                }
                _ => Err(Problem::StarttlsRefused(self.said(status))),
            },
            State::SignIn { tag: awaited, command } if tag == awaited => match status.condition {
                Condition::Ok if command.is_complete() => {
                    self.signed_in = true;
                    self.go_on()
                }
                Condition::Ok => Err(Problem::Malformed { got: "the sign-in accepted before it was said".to_owned() }),
                _ => Err(Problem::SignInRefused(self.said(status))),
            },
            _ => Err(Problem::Malformed { got: format!("an answer to a command that was not given: {}", self.clean(tag)) }),
        }
    }

    fn continued(&mut self) -> Result<Step, Problem> {
        match &mut self.state {
            State::SignIn { command, .. } => {
                command.go_on().map(Step::Write).ok_or_else(|| Problem::Malformed { got: "a challenge where none was due".to_owned() })
            }
            _ => Err(Problem::Malformed { got: "a continuation where none was due".to_owned() }),
        }
    }

    fn sign_in(&mut self) -> Result<Step, Problem> {
        let tag = self.next_tag();
        let (Some(capabilities), Some(identity)) = (self.capabilities.take(), &self.identity) else {
            return Err(Problem::Malformed { got: "nothing to sign in with".to_owned() });
        };
        let (first, command) = sign_in::choose(&tag, &capabilities, identity, self.secured)?;
        self.alert = None;
        self.state = State::SignIn { tag, command };
        Ok(Step::Write(first))
    }

    /// Remember what a status response brings beside its condition.
    fn note(&mut self, status: &Status) {
        if let Some(capabilities) = status.capabilities() {
            self.capabilities = Some(capabilities);
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

    /// `text` without the secret: servers echo what they were sent, whole commands too.
    fn clean(&self, text: &str) -> String {
        let Some(Identity { user, secret }) = &self.identity else { return text.to_owned() };
        let mut text = text.to_owned();
        for mechanism in crate::net::sasl::Mechanism::ALL {
            if let Some(response) = mechanism.initial_response(user, secret) {
                text = text.replace(response.as_str(), "[redacted]");
            }
        }
        secret.redact(&text)
    }

    fn malformed(&self, line: &str) -> Problem {
        Problem::Malformed { got: shorten(&self.clean(line)) }
    }

    fn opening(&self) -> Opening {
        let capabilities = self.capabilities.iter().flatten();
        Opening {
            greeting: self.clean(&self.greeting),
            // The list goes to a component: a word with the secret in it does not.
            capabilities: capabilities.filter(|word| self.clean(word) == **word).cloned().collect(),
            signed_in: self.signed_in,
            identity: None,
        }
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
                State::Greeted => return self.sign_in(),
                State::Over => return Ok(Step::Read),
                State::Greet | State::Capability { .. } | State::UpgradeTls { .. } | State::SignIn { .. } => {}
            }
            let Some(line) = self.line(pending)? else { return Ok(Step::Read) };
            if let Some(step) = self.take(&line, pending)? {
                return Ok(step);
            }
        }
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
