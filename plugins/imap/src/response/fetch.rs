//! `FETCH` responses (RFC 9051 section 7.5.2), as far as this connector asks for their items.

use super::date;
use super::scan::{Scanner, Value};

/// What one `FETCH` response says of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetch {
    /// `UID`.
    pub uid: Option<u32>,
    /// `FLAGS`, without `\Recent`, each once.
    pub flags: Option<Vec<String>>,
    /// `INTERNALDATE`, in milliseconds since 1970.
    pub received: Option<u64>,
    /// `RFC822.SIZE`.
    pub size: Option<u64>,
    /// `MODSEQ` (RFC 7162).
    pub modseq: Option<u64>,
    /// `EMAILID` (RFC 8474).
    pub email_id: Option<String>,
    /// `THREADID` (RFC 8474).
    pub thread_id: Option<String>,
    /// `X-GM-LABELS`: Gmail's labels, as on the wire.
    pub labels: Option<Vec<Vec<u8>>>,
    /// `BODY[]`, where it is not streamed.
    pub body: Body,
}

/// The message's octets in a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// Not in it.
    #[default]
    None,
    /// `NIL`: the server cannot give it.
    Nil,
    /// These; empty also where the body was streamed.
    Text(Vec<u8>),
}

impl Fetch {
    /// Read the parenthesised items. `is_whole`: false for the beginning of a response, whose body follows; then the items before
    /// it are taken. None where a whole response is not one.
    #[must_use]
    pub fn scan(scanner: &mut Scanner<'_>, is_whole: bool) -> Option<Self> {
        let mut fetch = Self::default();
        scanner.spaces();
        if !scanner.pass(b'(') {
            return None;
        }
        loop {
            scanner.spaces();
            if scanner.pass(b')') {
                return Some(fetch);
            }
            let item = scanner.name().map(|name| String::from_utf8_lossy(name).to_ascii_uppercase());
            scanner.spaces();
            if !is_whole && scanner.rest().is_empty() {
                return Some(fetch);
            }
            fetch.item(&item?, scanner)?;
        }
    }

    /// What this does not say, from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            uid: self.uid.or(other.uid),
            flags: self.flags.or(other.flags),
            received: self.received.or(other.received),
            size: self.size.or(other.size),
            modseq: self.modseq.or(other.modseq),
            email_id: self.email_id.or(other.email_id),
            thread_id: self.thread_id.or(other.thread_id),
            labels: self.labels.or(other.labels),
            body: self.body,
        }
    }

    fn item(&mut self, item: &str, scanner: &mut Scanner<'_>) -> Option<()> {
        match item {
            "UID" => self.uid = Some(scanner.number32().filter(|&uid| uid > 0)?),
            "FLAGS" => {
                let mut flags = scanner.atoms()?;
                flags.retain(|flag| !flag.eq_ignore_ascii_case("\\Recent"));
                flags.sort_unstable();
                flags.dedup();
                self.flags = Some(flags);
            }
            // A date that cannot be read is no reason to lose the message.
            "INTERNALDATE" => {
                if let Value::Text(text) = scanner.value()? {
                    self.received = date::milliseconds(&text);
                }
            }
            "RFC822.SIZE" => self.size = Some(scanner.number()?),
            "MODSEQ" => {
                if let Value::List(items) = scanner.value()?
                    && let Some(Value::Atom(digits)) = items.first()
                {
                    self.modseq = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                }
            }
            "EMAILID" => self.email_id = object_id(&scanner.value()?),
            "THREADID" => self.thread_id = object_id(&scanner.value()?),
            "X-GM-MSGID" => self.email_id = number(&scanner.value()?),
            "X-GM-THRID" => self.thread_id = number(&scanner.value()?),
            "X-GM-LABELS" => {
                if let Value::List(items) = scanner.value()? {
                    let label = |item| if let Value::Atom(text) | Value::Text(text) = item { Some(text) } else { None };
                    self.labels = Some(items.into_iter().filter_map(label).collect());
                }
            }
            "BODY[]" | "RFC822" | "BINARY[]" => {
                self.body = match scanner.value()? {
                    Value::Text(text) => Body::Text(text),
                    Value::Nil => Body::Nil,
                    Value::Atom(_) | Value::List(_) => return None,
                };
            }
            _ => {
                scanner.value()?;
            }
        }
        Some(())
    }
}

/// Gmail's numbers, in decimal.
fn number(value: &Value) -> Option<String> {
    match value {
        Value::Atom(digits) if !digits.is_empty() && digits.len() <= 20 && digits.iter().all(u8::is_ascii_digit) => {
            String::from_utf8(digits.clone()).ok()
        }
        Value::Nil | Value::Atom(_) | Value::Text(_) | Value::List(_) => None,
    }
}

/// `(M6d99ac3275bb4e)`: one id in parentheses (RFC 8474 section 5).
fn object_id(value: &Value) -> Option<String> {
    match value {
        Value::List(items) => match items.as_slice() {
            [Value::Atom(id)] => String::from_utf8(id.clone()).ok(),
            _ => None,
        },
        Value::Nil | Value::Atom(_) | Value::Text(_) => None,
    }
}
