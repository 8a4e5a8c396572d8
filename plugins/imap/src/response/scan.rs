//! The words of a response: atoms, strings, numbers, lists (RFC 9051 section 9). Tolerant of what servers get wrong where nothing
//! is lost by it.

use crate::limits::Limits;

/// Reads one response from left to right.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    rest: &'a [u8],
    limits: &'a Limits,
}

/// A value of no known kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `NIL`.
    Nil,
    /// An atom, with the section in brackets where it has one.
    Atom(Vec<u8>),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    /// A parenthesised list.
    List(Vec<Value>),
}

impl<'a> Scanner<'a> {
    /// A scanner of `text`.
    #[must_use]
    pub const fn new(text: &'a [u8], limits: &'a Limits) -> Self {
        Self { rest: text, limits }
    }

    /// What is left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The limits that hold.
    #[must_use]
    pub const fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// Pass `octet` where it comes next.
    pub fn pass(&mut self, octet: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == octet => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Pass any number of spaces.
    pub fn spaces(&mut self) {
        while self.pass(b' ') {}
    }

    /// The octets before the first that `ends`, at least one.
    pub fn word(&mut self, ends: impl Fn(u8) -> bool) -> Option<&'a [u8]> {
        let length = self.rest.iter().position(|&octet| ends(octet)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        if word.is_empty() { None } else { Some(word) }
    }

    /// An atom; `\` is let through for flags, `]` too.
    pub fn atom(&mut self) -> Option<&'a [u8]> {
        self.word(|octet| matches!(octet, b' ' | b'(' | b')' | b'{' | b'"'))
    }

    /// An atom with a section behind it: `BODY[HEADER.FIELDS (DATE)]<0>`.
    pub fn name(&mut self) -> Option<&'a [u8]> {
        let from = self.rest;
        self.word(|octet| matches!(octet, b' ' | b'(' | b')' | b'{' | b'"' | b'['))?;
        if self.rest.first() == Some(&b'[') {
            self.word(|octet| octet == b']')?;
            self.pass(b']');
            if self.rest.first() == Some(&b'<') {
                self.word(|octet| octet == b' ')?;
            }
        }
        from.get(..from.len() - self.rest.len())
    }

    /// A number of up to 64 bits (RFC 9051 section 9, `number64`).
    pub fn number(&mut self) -> Option<u64> {
        let digits = self.word(|octet| !octet.is_ascii_digit())?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// A number of up to 32 bits.
    pub fn number32(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    /// A quoted string or a literal, where one comes next.
    pub fn string(&mut self) -> Option<Vec<u8>> {
        match self.rest.first()? {
            b'"' => self.quoted(),
            b'{' | b'~' => self.literal(),
            _ => None,
        }
    }

    /// An `astring`: an atom or a string.
    pub fn astring(&mut self) -> Option<Vec<u8>> {
        match self.rest.first()? {
            b'"' | b'{' => self.string(),
            _ => self.atom().map(<[u8]>::to_vec),
        }
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        self.pass(b'"');
        let mut text = Vec::new();
        loop {
            let (&octet, rest) = self.rest.split_first()?;
            self.rest = rest;
            match octet {
                b'"' => return Some(text),
                b'\\' => {
                    let (&escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    text.push(escaped);
                }
                _ => text.push(octet),
            }
        }
    }

    fn literal(&mut self) -> Option<Vec<u8>> {
        self.pass(b'~');
        self.pass(b'{');
        let count = usize::try_from(self.number()?).ok()?;
        let rest = self.rest.strip_prefix(b"}\r\n")?;
        let (text, rest) = rest.split_at_checked(count)?;
        self.rest = rest;
        Some(text.to_vec())
    }

    /// Any value.
    pub fn value(&mut self) -> Option<Value> {
        self.nested(0)
    }

    fn nested(&mut self, depth: usize) -> Option<Value> {
        match self.rest.first()? {
            b'(' if depth >= self.limits.nesting => None,
            b'(' => {
                self.pass(b'(');
                let mut items = Vec::new();
                loop {
                    self.spaces();
                    if self.pass(b')') {
                        return Some(Value::List(items));
                    }
                    if items.len() == self.limits.list_items {
                        return None;
                    }
                    items.push(self.nested(depth + 1)?);
                }
            }
            b'"' | b'{' => self.string().map(Value::Text),
            b'~' if self.rest.starts_with(b"~{") => self.string().map(Value::Text),
            _ => {
                let atom = self.name()?;
                Some(if atom.eq_ignore_ascii_case(b"NIL") { Value::Nil } else { Value::Atom(atom.to_vec()) })
            }
        }
    }

    /// A list of atoms in parentheses: flags, attributes. Other values in it are left out.
    pub fn atoms(&mut self) -> Option<Vec<String>> {
        if !self.pass(b'(') {
            return None;
        }
        let mut atoms = Vec::new();
        loop {
            self.spaces();
            if self.pass(b')') {
                return Some(atoms);
            }
            if atoms.len() == self.limits.list_items {
                return None;
            }
            match self.atom() {
                Some(atom) => atoms.push(String::from_utf8_lossy(atom).into_owned()),
                None => {
                    self.value()?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        line_octets: 100,
        literal_octets: 100,
        nesting: 3,
        list_items: 4,
        resync: 10,
        mailboxes: 1,
        responses: 1_000,
        drained_octets: 1_000,
    };

    fn value(text: &str) -> Option<Value> {
        Scanner::new(text.as_bytes(), &LIMITS).value()
    }

    fn atom(text: &str) -> Value {
        Value::Atom(text.as_bytes().to_vec())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.as_bytes().to_vec())
    }

    #[test]
    fn values_of_every_kind() {
        assert_eq!(value("NIL"), Some(Value::Nil));
        assert_eq!(value("nilly"), Some(atom("nilly")));
        assert_eq!(value("\"a \\\"b\\\\\" x"), Some(text("a \"b\\")));
        assert_eq!(value("{3}\r\na)b"), Some(text("a)b")));
        assert_eq!(value("~{2}\r\n\0x"), Some(text("\0x")));
        assert_eq!(value("(a (\"b\" NIL)  c)"), Some(Value::List(vec![atom("a"), Value::List(vec![text("b"), Value::Nil]), atom("c")])));
        assert_eq!(value("BODY[HEADER.FIELDS (DATE \"X\")]<0> 1"), Some(atom("BODY[HEADER.FIELDS (DATE \"X\")]<0>")));
    }

    #[test]
    fn what_is_cut_or_over_a_limit_is_nothing() {
        for text in ["\"abc", "\"abc\\", "{9}\r\nabc", "(a b", "", "((((a))))", "(a b c d e)"] {
            assert_eq!(value(text), None, "{text}");
        }
    }
}
