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
