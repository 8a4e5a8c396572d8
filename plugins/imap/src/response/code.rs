//! Response codes: what stands in brackets before the words of a status (RFC 9051 section 7.1, RFC 5530).

use super::scan::Scanner;
use crate::uid_set::UidSet;

/// A response code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// `UIDVALIDITY`.
    UidValidity(u32),
    /// `UIDNEXT`.
    UidNext(u32),
    /// `HIGHESTMODSEQ` (RFC 7162 section 3.1.2.1).
    HighestModSeq(u64),
    /// `NOMODSEQ` (RFC 7162 section 3.1.2.2).
    NoModSeq,
    /// `CAPABILITY`.
    Capability(Vec<String>),
    /// `APPENDUID`: UIDVALIDITY and the new UID (RFC 4315 section 3).
    AppendUid(u32, u32),
    /// `COPYUID`: UIDVALIDITY of the target, the UIDs there and here in the order sent (RFC 4315 section 3).
    CopyUid(u32, Vec<(u32, u32)>),
    /// Any other, its name in capitals.
    Other(String),
}

impl Code {
    /// The code's name on the wire.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::UidValidity(_) => "UIDVALIDITY",
            Self::UidNext(_) => "UIDNEXT",
            Self::HighestModSeq(_) => "HIGHESTMODSEQ",
            Self::NoModSeq => "NOMODSEQ",
            Self::Capability(_) => "CAPABILITY",
            Self::AppendUid(..) => "APPENDUID",
            Self::CopyUid(..) => "COPYUID",
            Self::Other(name) => name,
        }
    }

    /// Read a code and the space behind it; none where the words begin with none.
    #[must_use]
    pub fn scan(scanner: &mut Scanner<'_>) -> Option<Self> {
        let mut inner = scanner.clone();
        if !inner.pass(b'[') {
            return None;
        }
        let text = inner.word(|octet| octet == b']')?;
        if !inner.pass(b']') {
            return None;
        }
        inner.spaces();
        let mut words = Scanner::new(text, inner.limits());
        *scanner = inner;
        let name = String::from_utf8_lossy(words.atom()?).to_ascii_uppercase();
        words.spaces();
        // A number with something behind it is none: half of one would be believed.
        let known = Self::arguments(&name, &mut words).filter(|code| {
            words.spaces();
            matches!(code, Self::Capability(_)) || words.rest().is_empty()
        });
        Some(known.unwrap_or(Self::Other(name)))
    }

    fn arguments(name: &str, words: &mut Scanner<'_>) -> Option<Self> {
        Some(match name {
            "UIDVALIDITY" => Self::UidValidity(words.number32()?),
            "UIDNEXT" => Self::UidNext(words.number32()?),
            "HIGHESTMODSEQ" => Self::HighestModSeq(words.number()?),
            "NOMODSEQ" => Self::NoModSeq,
            "CAPABILITY" => Self::Capability(
                words
                    .rest()
                    .split(|&octet| octet == b' ')
                    .filter(|word| !word.is_empty())
                    .map(|word| String::from_utf8_lossy(word).to_ascii_uppercase())
                    .collect(),
            ),
            "APPENDUID" => {
                let validity = words.number32()?;
                words.spaces();
                Self::AppendUid(validity, words.number32()?)
            }
            "COPYUID" => {
                let validity = words.number32()?;
                words.spaces();
                let limit = words.limits().list_items;
                let from = in_order(words.atom()?, limit)?;
                words.spaces();
                let to = in_order(words.atom()?, limit)?;
                if from.len() != to.len() {
                    return None;
                }
                Self::CopyUid(validity, from.into_iter().zip(to).collect())
            }
            _ => return None,
        })
    }
}

/// The UIDs of a set in the order in which it names them, which is what `COPYUID` pairs by.
fn in_order(text: &[u8], limit: usize) -> Option<Vec<u32>> {
    let mut uids = Vec::new();
    for part in text.split(|&octet| octet == b',') {
        let range = UidSet::parse(part, 1)?;
        if range.count() > (limit - uids.len().min(limit)) as u64 {
            return None;
        }
        uids.extend(range.iter());
    }
    Some(uids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn scan(text: &str) -> (Option<Code>, String) {
        let limits = Limits::default();
        let mut scanner = Scanner::new(text.as_bytes(), &limits);
        let code = Code::scan(&mut scanner);
        (code, String::from_utf8_lossy(scanner.rest()).into_owned())
    }

    #[test]
    fn known_codes() {
        for (text, code) in [
            ("[UIDVALIDITY 3857529045] ok", Some(Code::UidValidity(3_857_529_045))),
            ("[uidnext 4392] ok", Some(Code::UidNext(4392))),
            ("[HIGHESTMODSEQ 715194045007] ok", Some(Code::HighestModSeq(715_194_045_007))),
            ("[NOMODSEQ] ok", Some(Code::NoModSeq)),
            ("[APPENDUID 38505 3955] ok", Some(Code::AppendUid(38505, 3955))),
            ("[COPYUID 38505 304,319:320 3956:3958] ok", Some(Code::CopyUid(38505, vec![(304, 3956), (319, 3957), (320, 3958)]))),
            ("[COPYUID 38505 304,319:320 3956] ok", Some(Code::Other("COPYUID".into()))),
            ("[COPYUID 38505 1:4294967295 1:4294967295] ok", Some(Code::Other("COPYUID".into()))),
            ("[UIDVALIDITY x] ok", Some(Code::Other("UIDVALIDITY".into()))),
            ("[UIDNEXT 43\x0092] ok", Some(Code::Other("UIDNEXT".into()))),
            ("[HIGHESTMODSEQ 7 ] ok", Some(Code::HighestModSeq(7))),
            ("[PERMANENTFLAGS (\\Deleted \\*)] ok", Some(Code::Other("PERMANENTFLAGS".into()))),
            ("ok", None),
        ] {
            assert_eq!(scan(text), (code, "ok".to_owned()), "{text}");
        }
        assert_eq!(scan("[UNSEEN 12"), (None, "[UNSEEN 12".to_owned()));
    }
}
