//! Why a preamble ended without a ready line, and what a person is told about it.

use std::time::Duration;

use super::refusal;
use crate::fault::{Fault, Kind};
use crate::model::endpoint::{Endpoint, Protocol, Security};
use crate::model::mechanism::Mechanism;
use crate::net::sasl::SaslError;

/// The most of a server's text that is shown.
const SHOWN_CHARACTERS: usize = 400;

/// The server's words to a person and its code, with secrets taken out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// A response code that IANA or a great provider knows; an unknown one could carry anything, even a secret.
    pub code: Option<&'static str>,
    /// The words.
    pub words: String,
    /// How long the server wants to be left alone, where it said so beside its words.
    pub retry_after: Option<Duration>,
}

/// Why a preamble ended without a ready line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A first line of something else, or of nothing.
    #[error("the server does not greet as this protocol does, it sent `{got}`")]
    NotTheProtocol {
        /// The line, shortened.
        got: String,
    },
    /// Closed without a greeting.
    #[error("the server closed the line without a greeting")]
    ClosedBeforeGreeting {
        /// What it did send.
        got: String,
    },
    /// Closed later.
    #[error("the server closed the line during {doing}")]
    Closed {
        /// During what.
        doing: &'static str,
    },
    /// A line over the limit.
    #[error("the server sent a line longer than {} octets", crate::limits::PREAMBLE_LINE_OCTETS)]
    LineTooLong,
    /// More lines than the limit.
    #[error("the server sent more than {} lines before it was ready", crate::limits::PREAMBLE_LINES)]
    Endless,
    /// Not to be understood.
    #[error("the server sent what was not due: {got}")]
    Malformed {
        /// What, shortened.
        got: String,
    },
    /// The server sends us away.
    #[error("the server closes the line")]
    Bye(Said),
    /// A command that every server knows was refused.
    #[error("the server refuses `{command}`")]
    Refused {
        /// Which.
        command: &'static str,
        /// Its words.
        said: Said,
    },
    /// PREAUTH on a line that ought to be upgraded: it would go on in clear (RFC 9051 section 11.3).
    #[error("the server calls the line signed in before it is protected, so that STARTTLS is no longer possible")]
    PreauthInClear,
    /// No upgrade to be had.
    #[error("the server does not offer STARTTLS")]
    NoStarttls,
    /// Offered, then refused.
    #[error("the server offers STARTTLS and refuses it")]
    StarttlsRefused(Said),
    /// Octets behind the OK to STARTTLS.
    #[error("somebody put clear text behind the server's answer to STARTTLS")]
    Injected,
    /// Password sign-in is switched off on a clear line.
    #[error("the server takes no password on an unprotected line")]
    PlaintextForbidden,
    /// None of ours is offered.
    #[error("the server offers no way to sign in with a password that this host speaks")]
    NoMechanism {
        /// What it does offer.
        offered: Vec<String>,
    },
    /// Not the one that the account wants.
    #[error("the server does not offer to sign in by `{wanted}`")]
    NotOffered {
        /// What the account wants.
        wanted: Mechanism,
        /// What it does offer.
        offered: Vec<String>,
    },
    /// An octet in name or secret.
    #[error("the user name or the password holds an octet (NUL, or a line end) that the protocol cannot carry")]
    UnspeakableSecret,
    /// The exchange itself broke.
    #[error("the exchange of the sign-in cannot go on")]
    Sasl(#[source] SaslError),
    /// Accepted by a server that did not prove that it knows the password.
    #[error("the server accepts the sign-in without the proof that it knows the password")]
    Unproven,
    /// The answer to the sign-in.
    #[error("the server refuses the sign-in")]
    SignInRefused(Said),
}

impl Said {
    /// The server's `code`, where it is a known one, and its words.
    #[must_use]
    pub fn new(code: Option<&str>, words: &str) -> Self {
        Self { code: code.and_then(refusal::known_code), words: words.to_owned(), retry_after: None }
    }

    fn put_on(&self, mut fault: Fault) -> Fault {
        fault.code = self.code.map(str::to_owned);
        fault.words = Some(self.words.clone()).filter(|words| !words.is_empty());
        fault
    }
}

impl Problem {
    /// For a person: what failed at `endpoint`, why, and what to do about it.
    #[must_use]
    pub fn into_fault(self, endpoint: &Endpoint) -> Fault {
        let authority = endpoint.authority();
        let greet = format!("greet {authority}");
        let sign_in = format!("sign in to {authority} as {}", endpoint.user.as_deref().unwrap_or("nobody"));
        let fault = match &self {
            Self::SignInRefused(said) => return refusal::explain(said, &endpoint.server, Fault::new(Kind::Unauthenticated, sign_in)),
            Self::Bye(said) => return refusal::explain_bye(said, Fault::new(Kind::Transient, greet)),
            Self::NotTheProtocol { got } => not_the_protocol(got, endpoint, Fault::new(Kind::Malformed, greet)),
            Self::ClosedBeforeGreeting { got } if got.is_empty() => {
                Fault::new(Kind::Unreachable, greet).with_remedy(mind_the_mode(endpoint))
            }
            Self::ClosedBeforeGreeting { got } => not_the_protocol(got, endpoint, Fault::new(Kind::Unreachable, greet)),
            Self::Closed { doing: "sign-in" } => Fault::new(Kind::Unreachable, sign_in)
                .with_remedy("some servers close the line after too many wrong passwords: wait, then try `postrider account test NAME`"),
            Self::Closed { .. } => {
                Fault::new(Kind::Unreachable, greet).with_remedy("try again later; when it stays so, ask the server's operator")
            }
            Self::LineTooLong | Self::Endless | Self::Malformed { .. } => Fault::new(Kind::Malformed, greet)
                .with_remedy(format!("check that {authority} really is {} server", in_words(endpoint.protocol))),
            Self::Refused { said, .. } => said.put_on(Fault::new(Kind::Malformed, greet)),
            Self::StarttlsRefused(said) => said.put_on(Fault::new(Kind::Untrusted, secure(endpoint))).with_remedy(other_mode(endpoint)),
            Self::NoStarttls => Fault::new(Kind::Untrusted, secure(endpoint)).with_remedy(other_mode(endpoint)),
            Self::PreauthInClear => Fault::new(Kind::Untrusted, secure(endpoint)).with_remedy(format!(
                "use `--security tls` with the server's TLS port; if this server is meant to need no sign-in on a clear line, \
                 `--security none` says so (was: {})",
                endpoint.security
            )),
            Self::Injected => Fault::new(Kind::Untrusted, secure(endpoint)).with_remedy(
                "the server is broken or somebody sits on the line: use `--security tls` with the server's TLS port, and tell its operator",
            ),
            Self::PlaintextForbidden => Fault::new(Kind::Misconfigured, sign_in)
                .with_code("PRIVACYREQUIRED")
                .with_remedy("use `--security starttls`, or `--security tls` with the server's TLS port"),
            Self::NoMechanism { offered } => Fault::new(Kind::Unsupported, sign_in).with_remedy(if offered.is_empty() {
                "the server takes no password at all for this line: ask its operator how to sign in".to_owned()
            } else {
                let takes_token =
                    offered.iter().any(|name| ["OAUTHBEARER", "XOAUTH2"].iter().any(|token| name.eq_ignore_ascii_case(token)));
                let next = if takes_token {
                    "it wants an OAuth access token instead of the password, which `--auth oauthbearer` or `--auth xoauth2` gives it"
                } else {
                    "ask its operator whether PLAIN or LOGIN can be had"
                };
                format!("the server offers {}; {next}", offered.join(", "))
            }),
            Self::NotOffered { wanted, offered } => Fault::new(Kind::Unsupported, sign_in).with_remedy(if offered.is_empty() {
                format!("let the server decide with `--auth auto`, or ask its operator how to sign in by {wanted}")
            } else {
                format!("the server offers {}; `--auth auto` takes the strongest of them", offered.join(", "))
            }),
            Self::Sasl(error) => broken(error, Fault::new(Kind::Malformed, sign_in)),
            Self::Unproven => not_the_server(Fault::new(Kind::Untrusted, sign_in)),
            Self::UnspeakableSecret => Fault::new(Kind::Misconfigured, sign_in)
                .with_remedy("give the password again, without NUL and line ends: `postrider account edit NAME --password-stdin`"),
        };
        fault.because(&self)
    }
}

impl From<SaslError> for Problem {
    fn from(error: SaslError) -> Self {
        match error {
            SaslError::Unspeakable => Self::UnspeakableSecret,
            error => Self::Sasl(error),
        }
    }
}

/// An exchange that the server broke, or that this side broke off.
fn broken(error: &SaslError, fault: Fault) -> Fault {
    match error {
        SaslError::Forged | SaslError::TooFewIterations(_) => not_the_server(fault),
        SaslError::TooManyIterations => Fault { kind: Kind::RefusedByHost, ..fault }
            .with_remedy("ask the server's operator for fewer iterations, or sign in another way: `--auth plain`"),
        SaslError::NoBinding => Fault { kind: Kind::Misconfigured, ..fault }
            .with_remedy("use `--security tls` or `starttls`, or a mechanism that is not bound to TLS: `--auth scram-sha-256`"),
        SaslError::NoRandomness => Fault { kind: Kind::Bug, ..fault },
        SaslError::Challenge(_) | SaslError::Unspeakable => {
            fault.with_remedy("the server breaks the rules of this mechanism: fix another one with `--auth`, and tell its operator")
        }
    }
}

/// Somebody who does not know the password, or wants it cheap to guess.
fn not_the_server(fault: Fault) -> Fault {
    Fault { kind: Kind::Untrusted, ..fault }.with_remedy(
        "somebody may sit between you and the server: check its name and certificate (`postrider account test NAME`), and tell its operator",
    )
}

fn secure(endpoint: &Endpoint) -> String {
    format!("secure the line to {}", endpoint.authority())
}

fn in_words(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "an IMAP",
        Protocol::Pop3 => "a POP3",
        Protocol::Smtp => "an SMTP",
        Protocol::Lmtp => "an LMTP",
        Protocol::Stream => "a TLS",
    }
}

/// Where servers of this protocol usually listen, as a sentence without its end.
#[must_use]
pub(crate) fn usual_ports(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "IMAP over TLS is usually 993, with STARTTLS 143",
        Protocol::Pop3 => "POP3 over TLS is usually 995, with STARTTLS 110",
        Protocol::Smtp => "submission over TLS is usually 465, with STARTTLS 587",
        Protocol::Lmtp | Protocol::Stream => "Ask the server's operator",
    }
}

/// A first line that is something else: TLS, or another protocol.
fn not_the_protocol(got: &str, endpoint: &Endpoint, fault: Fault) -> Fault {
    // TLS speaks first only in alerts: content type 21, version 3.x (RFC 8446 section 5.1).
    if got.starts_with("\\x15\\x03") {
        return Fault { kind: Kind::Misconfigured, ..fault }
            .with_remedy(format!("the server speaks TLS on port {} from the first octet: try `--security tls`", endpoint.port));
    }
    let kind = if fault.kind == Kind::Malformed { Kind::Misconfigured } else { fault.kind };
    Fault { kind, ..fault }.with_remedy(format!(
        "check the port: {} is not {} port of this server. {}",
        endpoint.port,
        in_words(endpoint.protocol),
        usual_ports(endpoint.protocol)
    ))
}

/// What to try when nothing at all comes on a line.
pub(crate) fn mind_the_mode(endpoint: &Endpoint) -> String {
    let port = endpoint.port;
    let (tls, clear) = match endpoint.protocol {
        Protocol::Imap => ("IMAP over TLS, usually 993", "as 993 does, try `--security tls`; with STARTTLS the port is usually 143"),
        Protocol::Pop3 => ("POP3 over TLS, usually 995", "as 995 does, try `--security tls`; with STARTTLS the port is usually 110"),
        Protocol::Smtp => ("submission over TLS, usually 465", "as 465 does, try `--security tls`; with STARTTLS the port is usually 587"),
        Protocol::Lmtp => ("LMTP over TLS", "try `--security tls`"),
        Protocol::Stream => ("TLS", "try `--security tls`"),
    };
    match endpoint.security {
        Security::Tls => format!("check that port {port} is the server's port for {tls}"),
        Security::Starttls | Security::None => format!("if port {port} speaks TLS from the first octet, {clear}"),
    }
}

fn other_mode(endpoint: &Endpoint) -> String {
    let usual = match endpoint.protocol {
        Protocol::Imap => ", usually 993",
        Protocol::Pop3 => ", usually 995",
        Protocol::Smtp => ", usually 465",
        Protocol::Lmtp | Protocol::Stream => "",
    };
    format!(
        "use `--security tls` with the server's TLS port{usual}; where {} ought to offer STARTTLS on port {}, tell its operator: somebody \
         on the way may be taking the offer out",
        endpoint.server, endpoint.port
    )
}

/// `text` on one line, with what is no printable character escaped, and cut.
#[must_use]
pub fn shorten(text: &str) -> String {
    let mut short = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN_CHARACTERS {
            short.push_str("...");
            break;
        }
        match c {
            // Octets that were no UTF-8 stand as this character already.
            '\u{fffd}' => short.push('?'),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => short.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => short.push('?'),
            c => short.push(c),
        }
    }
    short
}
