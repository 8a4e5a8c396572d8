//! `NAMESPACE` (RFC 2342): whose mailboxes begin how.

use super::scan::{Scanner, Value};

/// The prefixes of mailbox names, as on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// The account's own.
    pub personal: Vec<Namespace>,
    /// Other users'.
    pub others: Vec<Namespace>,
    /// Shared among users.
    pub shared: Vec<Namespace>,
}

/// One prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// What the names begin with; empty: everything.
    pub prefix: Vec<u8>,
    /// What parts the names of a path.
    pub delimiter: Option<u8>,
}

impl Namespaces {
    /// Read the three lists of the response.
    #[must_use]
    pub fn scan(scanner: &mut Scanner<'_>) -> Option<Self> {
        let mut list = || {
            scanner.spaces();
            match scanner.value()? {
                Value::Nil => Some(Vec::new()),
                Value::List(items) => Some(items.iter().filter_map(Namespace::of).collect()),
                Value::Atom(_) | Value::Text(_) => None,
            }
        };
        Some(Self { personal: list()?, others: list()?, shared: list()? })
    }

    /// Whether a mailbox of this name belongs to somebody else, or to many.
    #[must_use]
    pub fn is_foreign(&self, name: &[u8]) -> bool {
        let longest =
            |namespaces: &[Namespace]| namespaces.iter().filter(|space| space.holds(name)).map(|space| space.prefix.len() + 1).max();
        let foreign = self.others.iter().chain(&self.shared).cloned().collect::<Vec<_>>();
        // Of two that fit, the longer one is meant; an empty foreign prefix says nothing.
        longest(&foreign).is_some_and(|length| length > 1 && Some(length) > longest(&self.personal))
    }

    /// The prefixes of other users' and shared mailboxes, for listing them.
    pub fn foreign(&self) -> impl Iterator<Item = &[u8]> {
        self.others.iter().chain(&self.shared).map(|space| space.prefix.as_slice()).filter(|prefix| !prefix.is_empty())
    }
}

impl Namespace {
    fn of(value: &Value) -> Option<Self> {
        let Value::List(items) = value else { return None };
        let (Some(Value::Text(prefix)), delimiter) = (items.first(), items.get(1)) else { return None };
        let delimiter = if let Some(Value::Text(delimiter)) = delimiter { delimiter.first().copied() } else { None };
        Some(Self { prefix: prefix.clone(), delimiter })
    }

    /// Whether a mailbox of this name is in it; the namespace's root counts, without its last delimiter.
    fn holds(&self, name: &[u8]) -> bool {
        let root = self.prefix.strip_suffix(self.delimiter.as_slice()).unwrap_or(&self.prefix);
        name.starts_with(&self.prefix) || (!root.is_empty() && name == root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn scan(text: &str) -> Option<Namespaces> {
        Namespaces::scan(&mut Scanner::new(text.as_bytes(), &Limits::default()))
    }

    #[test]
    fn namespaces_of_the_rfc() {
        // RFC 2342 section 5, with the extension data of its last example.
        let found =
            scan(r##"(("" "/")("#mh/" "/" "X-PARAM" ("FLAG1" "FLAG2"))) (("~" "/")) (("Public Folders/" "/") ("#news." "."))"##).unwrap();
        assert_eq!((found.personal.len(), found.others.len(), found.shared.len()), (2, 1, 2));
        for (name, foreign) in [
            ("INBOX", false),
            ("~fred/INBOX", true),
            ("#mh/x", false),
            ("#news.comp", true),
            ("#news", true),
            ("Public Folders", true),
            ("Public Foldersx", false),
        ] {
            assert_eq!(found.is_foreign(name.as_bytes()), foreign, "{name}");
        }
        assert_eq!(scan(r#"(("INBOX." ".")) NIL NIL"#).unwrap().foreign().count(), 0);
        assert_eq!(scan(r#"(("" "/")) NIL"#), None);
        assert!(!scan(r#"(("" NIL)) (("" NIL)) NIL"#).unwrap().is_foreign(b"x"));
    }
}
