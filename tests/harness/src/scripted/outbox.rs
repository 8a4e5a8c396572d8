//! An SMTP server that answers honestly until a test plays a trick on its client, and remembers what it took responsibility for.

use std::sync::{Arc, Mutex};

use super::{Line, Scripted, Trick};

/// What the server was given.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    /// What EHLO lists; empty: the server knows HELO only.
    pub offers: Vec<String>,
    /// Messages whose last octet came, in order; whether the client heard of it or not.
    pub arrived: Vec<Mail>,
    /// Of these, the ones for which it said 250.
    pub accepted: Vec<Mail>,
    /// Lines that began.
    pub lines: usize,
}

/// A message that came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The parameter of MAIL FROM, with what stands behind the path.
    pub sender: String,
    /// The parameters of RCPT TO.
    pub recipients: Vec<String>,
    /// Its octets, without the dots that were put in.
    pub octets: Vec<u8>,
}

/// An outbox, shared with the test.
pub type SharedOutbox = Arc<Mutex<Outbox>>;

impl Outbox {
    /// An empty one of a server with these extensions, shared between the server and the test.
    #[must_use]
    pub fn offering(offers: &[&str]) -> SharedOutbox {
        let offers = offers.iter().map(|&offer| offer.to_owned()).collect();
        Arc::new(Mutex::new(Self { offers, ..Self::default() }))
    }
}

impl Mail {
    /// Its Message-ID, as its header has it.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn message_id(&self) -> String {
        let text = String::from_utf8_lossy(&self.octets);
        let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with("message-id:")).expect("it has a Message-ID");
        line["message-id:".len()..].trim().to_owned()
    }
}

impl Scripted {
    /// An SMTP server in clear with `outbox`. `trick` sees every command first, and "." where the last octet of a message has come and the
    /// answer is due (also after the last BDAT).
    #[must_use]
    pub fn smtp(outbox: &SharedOutbox, trick: impl Fn(&str, &mut Line) -> Trick + Send + Sync + 'static) -> Self {
        let outbox = Arc::clone(outbox);
        Self::start(move |line| {
            outbox.lock().unwrap().lines += 1;
            match trick("greeting", line) {
                Trick::Honest => {
                    line.write(b"220 scripted\r\n");
                }
                Trick::Answered => {}
                Trick::Cut => return,
            }
            let mut mail = Mail { sender: String::new(), recipients: Vec::new(), octets: Vec::new() };
            while let Some(command) = line.read_line() {
                let command = command.trim_end().to_owned();
                let octets = match octets_of(&command, line) {
                    Some(octets) => octets,
                    None => return,
                };
                match trick(&command, line) {
                    Trick::Honest if !answer(&outbox, &command, &octets, &mut mail, line, &trick) => return,
                    Trick::Honest | Trick::Answered => {}
                    Trick::Cut => return,
                }
            }
        })
    }
}

/// The chunk behind a BDAT; none: the client hung up in it.
fn octets_of(command: &str, line: &mut Line) -> Option<Vec<u8>> {
    match command.split_once(' ') {
        Some((verb, rest)) if verb.eq_ignore_ascii_case("BDAT") => {
            line.read_exactly(rest.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0))
        }
        _ => Some(Vec::new()),
    }
}

/// Answer one command; false: the line ends.
fn answer(
    outbox: &SharedOutbox,
    command: &str,
    octets: &[u8],
    mail: &mut Mail,
    line: &mut Line,
    trick: &impl Fn(&str, &mut Line) -> Trick,
) -> bool {
    let upper = command.to_ascii_uppercase();
    let verb = upper.split([' ', ':']).next().unwrap_or_default();
    match verb {
        "EHLO" => {
            let offers = outbox.lock().unwrap().offers.clone();
            if offers.is_empty() {
                return line.write(b"502 no\r\n");
            }
            let lines: Vec<&str> = std::iter::once("scripted").chain(offers.iter().map(String::as_str)).collect();
            let last = lines.len() - 1;
            let reply: String =
                lines.iter().enumerate().map(|(at, text)| format!("250{}{text}\r\n", if at == last { ' ' } else { '-' })).collect();
            line.write(reply.as_bytes())
        }
        "HELO" | "NOOP" => line.write(b"250 ok\r\n"),
        "RSET" => {
            *mail = Mail { sender: String::new(), recipients: Vec::new(), octets: Vec::new() };
            line.write(b"250 ok\r\n")
        }
        "AUTH" => line.write(b"235 ok\r\n"),
        "MAIL" => {
            *mail = Mail { sender: command["MAIL FROM:".len()..].to_owned(), recipients: Vec::new(), octets: Vec::new() };
            line.write(b"250 ok\r\n")
        }
        "RCPT" if mail.sender.is_empty() => line.write(b"503 MAIL first\r\n"),
        "RCPT" => {
            mail.recipients.push(command["RCPT TO:".len()..].to_owned());
            line.write(b"250 ok\r\n")
        }
        "DATA" if mail.recipients.is_empty() => line.write(b"554 no valid recipients\r\n"),
        "DATA" => {
            if !line.write(b"354 go on\r\n") {
                return false;
            }
            loop {
                let Some(text) = line.read_octets() else { return false };
                if text == b".\r\n" {
                    break;
                }
                mail.octets.extend_from_slice(text.strip_prefix(b".").unwrap_or(&text));
            }
            take(outbox, mail, line, trick)
        }
        "BDAT" if mail.recipients.is_empty() => line.write(b"503 no valid recipients\r\n"),
        "BDAT" => {
            mail.octets.extend_from_slice(octets);
            if upper.ends_with(" LAST") { take(outbox, mail, line, trick) } else { line.write(b"250 ok\r\n") }
        }
        "QUIT" => {
            line.write(b"221 bye\r\n");
            false
        }
        _ => line.write(b"500 what\r\n"),
    }
}

/// The last octet has come.
fn take(outbox: &SharedOutbox, mail: &Mail, line: &mut Line, trick: &impl Fn(&str, &mut Line) -> Trick) -> bool {
    outbox.lock().unwrap().arrived.push(mail.clone());
    match trick(".", line) {
        Trick::Honest => {
            outbox.lock().unwrap().accepted.push(mail.clone());
            line.write(b"250 2.0.0 taken\r\n")
        }
        Trick::Answered => true,
        Trick::Cut => false,
    }
}
