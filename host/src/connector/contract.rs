//! Between the contract's values and the host's: everything that a component hands over is measured here before it is used.

use super::bindings::{mailbox, receiving, types};
use super::host::Refusal;
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::limits::contract as bound;
use crate::model::message::{Arrival, Change, Extra, Folder, Page, Part, Scope};

/// The code of every refusal because of a limit.
pub(super) const LIMIT: &str = "LIMIT";

/// A value that is longer or more numerous than the contract or the account allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {found}, at most {most} are allowed")]
pub(super) struct Breach {
    what: &'static str,
    found: usize,
    most: usize,
}

impl From<Breach> for Refusal {
    fn from(breach: Breach) -> Self {
        Self::Answer(refusal(LIMIT, breach.to_string()))
    }
}

/// `refused-by-host` with a code and words.
pub(super) fn refusal(code: &str, message: impl Into<String>) -> types::Error {
    types::Error { kind: types::Failure::RefusedByHost, code: Some(code.to_owned()), message: message.into(), retry_after_ms: None }
}

/// `found` of `what`, where at most `most` are allowed.
pub(super) const fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), Breach> {
    if found > most { Err(Breach { what, found, most }) } else { Ok(()) }
}

pub(super) fn scope(given: mailbox::Scope) -> Result<Scope, Breach> {
    if let Some(folder) = &given.folder {
        at_most("the id of a folder (in octets)", folder.len(), bound::FOLDER_ID_OCTETS)?;
    }
    at_most("a generation (in octets)", given.generation.len(), bound::GENERATION_OCTETS)?;
    Ok(Scope { folder: given.folder, generation: given.generation })
}

/// A message's id: 1 to 512 octets.
pub(super) fn id(given: &str) -> Result<(), Breach> {
    if given.is_empty() {
        return Err(Breach { what: "an id (in octets; it may not be empty)", found: 0, most: bound::ID_OCTETS });
    }
    at_most("an id (in octets)", given.len(), bound::ID_OCTETS)
}

pub(super) fn ids(given: &[String], most: u64) -> Result<(), Breach> {
    at_most("a list of ids", given.len(), usize::try_from(most).unwrap_or(usize::MAX))?;
    given.iter().try_for_each(|given| id(given))
}

fn labels(folders: &[String], keywords: &[String]) -> Result<(), Breach> {
    at_most("a list of folders", folders.len(), bound::LABELS)?;
    at_most("a list of keywords", keywords.len(), bound::LABELS)?;
    folders.iter().try_for_each(|folder| at_most("the id of a folder (in octets)", folder.len(), bound::FOLDER_ID_OCTETS))?;
    keywords.iter().try_for_each(|keyword| at_most("a keyword (in octets)", keyword.len(), bound::KEYWORD_OCTETS))
}

pub(super) fn extra(given: &Extra) -> Result<(), Breach> {
    at_most("`extra` (in pairs)", given.len(), bound::EXTRA_PAIRS)?;
    for (name, value) in given {
        at_most("a name in `extra` (in octets)", name.len(), bound::EXTRA_NAME_OCTETS)?;
        at_most("a value in `extra` (in octets)", value.len(), bound::EXTRA_VALUE_OCTETS)?;
    }
    Ok(())
}

pub(super) fn arrival(given: mailbox::Arrival) -> Result<Arrival, Breach> {
    id(&given.id)?;
    for known in [&given.stable, &given.thread].into_iter().flatten() {
        at_most("a stable id or thread id (in octets)", known.len(), bound::ID_OCTETS)?;
    }
    labels(&given.folders, &given.keywords)?;
    extra(&given.extra)?;
    Ok(Arrival {
        id: given.id,
        stable: given.stable,
        folders: given.folders,
        keywords: given.keywords,
        thread: given.thread,
        received: given.received.map(Timestamp),
        size: given.size,
        part: match given.part {
            mailbox::Part::Whole => Part::Whole,
            mailbox::Part::Headers => Part::Headers,
        },
        extra: given.extra,
    })
}

pub(super) fn change(given: mailbox::Change) -> Result<Change, Breach> {
    id(&given.id)?;
    labels(&given.folders, &given.keywords)?;
    Ok(Change { id: given.id, folders: given.folders, keywords: given.keywords })
}

pub(super) fn page(page: Page) -> mailbox::Page {
    mailbox::Page { ids: page.ids, next: page.next }
}

/// A folder as a component describes it, measured.
pub(super) fn folder(given: receiving::Folder) -> Result<Folder, Breach> {
    at_most("the id of a folder (in octets)", given.id.len(), bound::FOLDER_ID_OCTETS)?;
    at_most("the path of a folder (in names)", given.path.len(), bound::FOLDER_DEPTH)?;
    given.path.iter().try_for_each(|name| at_most("the name of a folder (in octets)", name.len(), bound::FOLDER_ID_OCTETS))?;
    if let Some(role) = &given.role {
        at_most("the role of a folder (in octets)", role.len(), bound::ABILITY_OCTETS)?;
    }
    extra(&given.extra)?;
    Ok(Folder { id: given.id, path: given.path, role: given.role, selectable: given.selectable, extra: given.extra })
}

/// What a component is told of a failure of the host's: kind, code and words, and of a refused sign-in neither words nor
/// causes, for servers echo what they were sent.
pub(super) fn error_for_component(fault: &Fault) -> types::Error {
    let retry_after_ms = fault.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    let (kind, message) = match failure(fault.kind) {
        Some(types::Failure::Unauthenticated) => (types::Failure::Unauthenticated, "the credential was refused".to_owned()),
        Some(kind) => (kind, fault.words.clone().unwrap_or_else(|| fault.to_string())),
        // Of the host's own troubles a component learns nothing: their words name files and other accounts.
        None => (types::Failure::RefusedByHost, "the host cannot do it now".to_owned()),
    };
    let code = fault.code.as_deref().filter(|code| is_code(code)).map(str::to_owned);
    types::Error { kind, code, message: shortened(&message, bound::MESSAGE_OCTETS).to_owned(), retry_after_ms }
}

/// The kind under which a component is told of a failure of this one, as it comes back where the component hands it on.
pub(super) fn told(fault: Kind) -> Kind {
    failure(fault).map_or(Kind::RefusedByHost, kind)
}

/// What a component reports, as a failure of `operation`.
pub(super) fn fault_of_component(error: &types::Error, operation: impl Into<String>) -> Fault {
    let mut fault = Fault::new(kind(error.kind), operation);
    if let Some(code) = error.code.as_deref().filter(|code| !code.is_empty()) {
        fault = fault.with_code(escaped(shortened(code, bound::CODE_OCTETS)));
    }
    if !error.message.is_empty() {
        fault = fault.with_words(escaped(shortened(&error.message, bound::MESSAGE_OCTETS)));
    }
    if let Some(after) = error.retry_after_ms {
        fault = fault.with_retry_after(std::time::Duration::from_millis(after));
    }
    fault
}

/// The longest beginning of `text` that has at most `octets` octets.
pub(super) fn shortened(text: &str, octets: usize) -> &str {
    text.get(..text.floor_char_boundary(octets)).unwrap_or(text)
}

/// `text` with control characters shown as escapes, so that it can neither move a terminal's cursor nor begin a line.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        // Direction overrides reorder what a person reads.
        if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
        {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether this is a code and not a sentence: a server cannot smuggle words past the rule for sign-ins in it.
fn is_code(code: &str) -> bool {
    code.len() <= bound::CODE_OCTETS && code.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c))
}

macro_rules! kinds {
    ($($name:ident),*) => {
        fn failure(kind: Kind) -> Option<types::Failure> {
            match kind {
                $(Kind::$name => Some(types::Failure::$name),)*
                Kind::Usage | Kind::NotFound | Kind::InUse | Kind::Unapproved | Kind::ConnectorFailed
                | Kind::Storage | Kind::Damaged | Kind::KeyUnavailable | Kind::KeyWrong | Kind::KeyOutdated | Kind::Unsettled | Kind::Bug => None,
            }
        }

        fn kind(failure: types::Failure) -> Kind {
            match failure {
                $(types::Failure::$name => Kind::$name,)*
            }
        }
    };
}

kinds! {
    Unauthenticated, Forbidden, Unreachable, Untrusted, Throttled, Transient, Permanent, Malformed, Unsupported,
    Misconfigured, StaleCursor, Gone, Conflict, TooLarge, RefusedByHost, Cancelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_answer_a_sign_in_stay_here() {
        let fault = Fault::new(Kind::Unauthenticated, "sign in to mail.example.com as help")
            .with_code("AUTHENTICATIONFAILED")
            .with_words("no such password: correct horse");
        let told = error_for_component(&fault);
        assert_eq!(told.code.as_deref(), Some("AUTHENTICATIONFAILED"));
        assert!(!format!("{told:?}").contains("horse"));
        let sentence = error_for_component(&fault.with_code("correct horse"));
        assert_eq!(sentence.code, None);
    }

    #[test]
    fn the_hosts_own_troubles_stay_here() {
        let told = error_for_component(&Fault::new(Kind::Storage, "write /var/lib/postrider/spool/7"));
        assert_eq!(told.kind, types::Failure::RefusedByHost);
        assert!(!told.message.contains("spool"));
    }

    #[test]
    fn texts_are_cut_between_characters_and_cannot_forge_lines() {
        assert_eq!(shortened("aé", 2), "a");
        assert_eq!(shortened("aé", 3), "aé");
        assert_eq!(escaped("a\r\nERROR\u{1b}[2J\u{202e}"), "a\\r\\nERROR\\u{1b}[2J\\u{202e}");
    }

    #[test]
    fn values_over_their_bounds_are_refused() {
        assert!(id("").is_err());
        assert!(id(&"x".repeat(513)).is_err());
        assert!(ids(&vec!["1".to_owned(); 3], 2).is_err());
        assert!(extra(&vec![("a".to_owned(), String::new()); 65]).is_err());
        assert!(scope(mailbox::Scope { folder: Some("x".repeat(1_025)), generation: String::new() }).is_err());
    }
}
