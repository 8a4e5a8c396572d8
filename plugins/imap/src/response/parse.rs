//! The second stage: what a response means (RFC 9051 section 7).

use super::code::Code;
use super::fetch::Fetch;
use super::namespace::Namespaces;
use super::scan::{Scanner, Value};
use crate::limits::Limits;
use crate::uid_set::UidSet;

/// One response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The end of a command: its tag, and how it went.
    Tagged(String, Status),
    /// A status without a tag.
    Untagged(Status),
    /// `+`: go on.
    Continue(String),
    /// `CAPABILITY`, in capitals.
    Capability(Vec<String>),
    /// `ENABLED` (RFC 5161), in capitals.
    Enabled(Vec<String>),
    /// `NAMESPACE` (RFC 2342).
    Namespace(Namespaces),
    /// `LIST`.
    List(Mailbox),
    /// `STATUS`: the name, item by item in capitals, and `MAILBOXID` (RFC 8474 section 4.2).
    Status(Vec<u8>, Vec<(String, u64)>, Option<String>),
    /// `SEARCH`.
    Search(Vec<u32>),
    /// `ESEARCH` with the tag that it answers and its `ALL`.
    Esearch(Option<String>, Option<UidSet>),
    /// `EXISTS`.
    Exists(u32),
    /// `EXPUNGE`.
    Expunge(u32),
    /// `VANISHED`; true: `(EARLIER)`, before the mailbox was opened (RFC 7162 section 3.2.10).
    Vanished(bool, UidSet),
    /// `FETCH`: the message's number and its items.
    Fetch(u32, Box<Fetch>),
    /// Of a kind that nobody here asks for.
    Other,
    /// Of a known kind, and not readable; the text cut to 200 octets.
    Unreadable(String),
}

/// `OK`, `NO`, ... with code and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub condition: Condition,
    /// The response code, where there is one.
    pub code: Option<Code>,
    /// The words.
    pub words: String,
}

/// How a status begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It was done, or is only told.
    Ok,
    /// It was not done.
    No,
    /// It was not understood.
    Bad,
    /// The server ends the session.
    Bye,
    /// Signed in from the start.
    Preauth,
}

/// A mailbox as `LIST` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// `\Noselect`, `\Sent`, ... as spelled.
    pub attributes: Vec<String>,
    /// What parts the names of a path; none: the name is flat.
    pub delimiter: Option<u8>,
    /// The name as the server wrote it.
    pub name: Vec<u8>,
}

/// Numbers by their items, and `MAILBOXID`.
type StatusItems = (Vec<(String, u64)>, Option<String>);

/// Octets of an unreadable response that are shown.
const SHOWN_OCTETS: usize = 200;

impl Response {
    /// What `text`, without its CRLF, means.
    #[must_use]
    pub fn parse(text: &[u8], limits: &Limits) -> Self {
        Self::read(text, limits)
            .unwrap_or_else(|| Self::Unreadable(String::from_utf8_lossy(text.get(..SHOWN_OCTETS).unwrap_or(text)).into_owned()))
    }

    /// The items before the body of a `FETCH` response that has only begun.
    #[must_use]
    pub fn parse_head(text: &[u8], limits: &Limits) -> Option<(u32, Fetch)> {
        let mut scanner = Scanner::new(text.strip_prefix(b"* ")?, limits);
        let number = scanner.number32()?;
        scanner.spaces();
        scanner.atom()?;
        Some((number, Fetch::scan(&mut scanner, false)?))
    }

    fn read(text: &[u8], limits: &Limits) -> Option<Self> {
        let mut scanner = Scanner::new(text, limits);
        if scanner.pass(b'+') {
            scanner.spaces();
            return Some(Self::Continue(String::from_utf8_lossy(scanner.rest()).into_owned()));
        }
        if !text.starts_with(b"* ") {
            let Some(tag) = scanner.atom() else { return Some(Self::Other) };
            scanner.spaces();
            let tag = String::from_utf8_lossy(tag).into_owned();
            return Some(Self::Tagged(tag, Status::scan(&mut scanner)?));
        }
        scanner.pass(b'*');
        scanner.spaces();
        if scanner.rest().first().is_some_and(u8::is_ascii_digit) {
            return Self::read_numbered(&mut scanner);
        }
        let mut ahead = scanner.clone();
        if let Some(status) = Status::scan(&mut ahead) {
            return Some(Self::Untagged(status));
        }
        let word = String::from_utf8_lossy(scanner.atom()?).to_ascii_uppercase();
        scanner.spaces();
        Self::read_named(&word, &mut scanner)
    }

    fn read_numbered(scanner: &mut Scanner<'_>) -> Option<Self> {
        let number = scanner.number32()?;
        scanner.spaces();
        let word = scanner.atom()?.to_ascii_uppercase();
        Some(match word.as_slice() {
            b"EXISTS" => Self::Exists(number),
            b"EXPUNGE" => Self::Expunge(number),
            b"FETCH" => Self::Fetch(number, Box::new(Fetch::scan(scanner, true)?)),
            _ => Self::Other,
        })
    }

    fn read_named(word: &str, scanner: &mut Scanner<'_>) -> Option<Self> {
        Some(match word {
            "CAPABILITY" => Self::Capability(read_words(scanner)?),
            "ENABLED" => Self::Enabled(read_words(scanner)?),
            "NAMESPACE" => Self::Namespace(Namespaces::scan(scanner)?),
            "LIST" => Self::List(Mailbox::scan(scanner)?),
            "STATUS" => {
                let name = scanner.astring()?;
                scanner.spaces();
                let (items, id) = status_items(scanner)?;
                Self::Status(name, items, id)
            }
            "SEARCH" => {
                let mut numbers = Vec::new();
                // What follows the numbers is `(MODSEQ 12)`.
                while let Some(number) = scanner.number32() {
                    numbers.push(number);
                    scanner.spaces();
                    if numbers.len() > scanner.limits().list_items {
                        return None;
                    }
                }
                Self::Search(numbers)
            }
            "ESEARCH" => read_esearch(scanner)?,
            "VANISHED" => {
                let mut is_earlier = false;
                if scanner.rest().first() == Some(&b'(') {
                    is_earlier = scanner.atoms()?.iter().any(|atom| atom.eq_ignore_ascii_case("EARLIER"));
                    scanner.spaces();
                }
                let limit = scanner.limits().list_items;
                Self::Vanished(is_earlier, UidSet::parse(scanner.atom()?, limit)?)
            }
            _ => Self::Other,
        })
    }
}

/// Words to the end of the line, in capitals.
fn read_words(scanner: &mut Scanner<'_>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    while let Some(word) = scanner.atom() {
        words.push(String::from_utf8_lossy(word).to_ascii_uppercase());
        scanner.spaces();
        if words.len() == scanner.limits().list_items {
            return None;
        }
    }
    Some(words)
}

/// `(TAG "A282") UID ALL 2,10:11` (RFC 4731 section 3.1).
fn read_esearch(scanner: &mut Scanner<'_>) -> Option<Response> {
    let mut tag = None;
    if scanner.pass(b'(') {
        scanner.atom()?;
        scanner.spaces();
        tag = Some(String::from_utf8(scanner.astring()?).ok()?);
        scanner.pass(b')');
        scanner.spaces();
    }
    let mut all = None;
    while let Some(word) = scanner.atom() {
        scanner.spaces();
        match word.to_ascii_uppercase().as_slice() {
            b"UID" => {}
            b"ALL" => {
                let limit = scanner.limits().list_items;
                all = Some(UidSet::parse(scanner.atom()?, limit)?);
            }
            _ => {
                scanner.value()?;
            }
        }
        scanner.spaces();
    }
    Some(Response::Esearch(tag, all))
}

fn status_items(scanner: &mut Scanner<'_>) -> Option<StatusItems> {
    if !scanner.pass(b'(') {
        return None;
    }
    let (mut items, mut id) = (Vec::new(), None);
    loop {
        scanner.spaces();
        if scanner.pass(b')') {
            return Some((items, id));
        }
        let name = String::from_utf8_lossy(scanner.atom()?).to_ascii_uppercase();
        scanner.spaces();
        match scanner.number() {
            Some(number) => items.push((name, number)),
            None => match scanner.value()? {
                Value::List(values) if name == "MAILBOXID" => id = values.first().and_then(object_id),
                _ => {}
            },
        }
        if items.len() > scanner.limits().list_items {
            return None;
        }
    }
}

/// An id of RFC 8474 section 7: 1 to 255 letters, digits, `_` and `-`.
fn object_id(value: &Value) -> Option<String> {
    let Value::Atom(id) = value else { return None };
    let is_id = (1..=255).contains(&id.len()) && id.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-'));
    if is_id { String::from_utf8(id.clone()).ok() } else { None }
}

impl Status {
    fn scan(scanner: &mut Scanner<'_>) -> Option<Self> {
        let condition = match scanner.atom()?.to_ascii_uppercase().as_slice() {
            b"OK" => Condition::Ok,
            b"NO" => Condition::No,
            b"BAD" => Condition::Bad,
            b"BYE" => Condition::Bye,
            b"PREAUTH" => Condition::Preauth,
            _ => return None,
        };
        scanner.spaces();
        let code = Code::scan(scanner);
        Some(Self { condition, code, words: String::from_utf8_lossy(scanner.rest()).into_owned() })
    }
}

impl Mailbox {
    fn scan(scanner: &mut Scanner<'_>) -> Option<Self> {
        let attributes = scanner.atoms()?;
        scanner.spaces();
        let delimiter = match scanner.string() {
            Some(text) => text.first().copied(),
            // `NIL`.
            None => {
                scanner.atom()?;
                None
            }
        };
        scanner.spaces();
        // Some servers leave a name with odd characters unquoted: then the rest of the line is the name.
        let name = match scanner.rest().first()? {
            b'"' | b'{' => scanner.string()?,
            _ => before_extended_data(scanner).to_vec(),
        };
        Some(Self { attributes, delimiter, name })
    }
}

/// What is left of the line without the extended data of RFC 5258 section 6: `("CHILDINFO" ("SUBSCRIBED"))`.
fn before_extended_data<'a>(scanner: &Scanner<'a>) -> &'a [u8] {
    let rest = scanner.rest();
    let Some(at) = rest.windows(3).position(|window| window == b" (\"") else { return rest };
    let mut data = Scanner::new(rest.get(at + 1..).unwrap_or_default(), scanner.limits());
    match data.value() {
        Some(Value::List(items)) if data.rest().is_empty() && matches!(items.get(1), Some(Value::List(_))) => {
            rest.get(..at).unwrap_or(rest)
        }
        _ => rest,
    }
}
