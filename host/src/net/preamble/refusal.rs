//! Refusals explained: what servers answer to a sign-in, by their codes and their known words, as data.

mod rows;

use std::time::Duration;

use self::rows::{APP_PASSWORD_PAGES, CODES, REFUSALS};
use super::problem::Said;
use crate::fault::{Fault, Kind};

/// The longest time that a server's words may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// One known way of being refused.
struct Refusal {
    /// What the words hold, in lower case; the servers that say so stand beside.
    words: &'static [&'static str],
    /// The codes that mean the same.
    codes: &'static [&'static str],
    kind: Kind,
    /// Where the server gave no code.
    code: &'static str,
    cause: &'static str,
    remedy: &'static str,
}

const WRONG_PASSWORD: &str = "check the user name (often the whole address) and give the password again: `postrider account edit NAME --password-stdin`; \
                              with two-factor sign-in most providers want an app password";

/// The code of this name, where it is one that may be passed on.
#[must_use]
pub fn known_code(name: &str) -> Option<&'static str> {
    CODES.iter().copied().find(|code| code.eq_ignore_ascii_case(name))
}

/// `fault` with what the answer to a sign-in at `server` means. Its words are for people only: the contract keeps them from components.
#[must_use]
pub fn explain(said: &Said, server: &str, fault: Fault) -> Fault {
    let fault = match find(said) {
        Some(refusal) => apply(refusal, said, fault),
        None => worded(said, "AUTHENTICATIONFAILED", fault)
            .because_words("the server refuses this user and password")
            .with_remedy(WRONG_PASSWORD),
    };
    match (fault.remedy.clone(), app_password_page(server)) {
        (Some(remedy), Some(page)) if remedy.contains("app password") => fault.with_remedy(format!("{remedy}; app passwords: {page}")),
        _ => fault,
    }
}

/// Where the provider that runs `server` makes app passwords.
fn app_password_page(server: &str) -> Option<&'static str> {
    let server = server.trim_end_matches('.').to_ascii_lowercase();
    let is_of = |domain: &str| server.strip_suffix(domain).is_some_and(|host| host.is_empty() || host.ends_with('.'));
    APP_PASSWORD_PAGES.iter().find(|(domains, _)| domains.iter().any(|domain| is_of(domain))).map(|(_, page)| *page)
}

/// `fault` with what a BYE means, where it is known; else `fault` with its words.
#[must_use]
pub fn explain_bye(said: &Said, fault: Fault) -> Fault {
    match find(said) {
        Some(refusal) => apply(refusal, said, fault),
        None => worded(said, "BYE", fault).because_words("the server closes the line").with_remedy("wait: it is tried again by itself"),
    }
}

/// The first row that fits: words before codes, since servers put AUTHENTICATIONFAILED and 535 on everything.
fn find(said: &Said) -> Option<&'static Refusal> {
    let words = said.words.to_ascii_lowercase();
    REFUSALS
        .iter()
        .find(|refusal| refusal.words.iter().any(|known| words.contains(known)))
        .or_else(|| REFUSALS.iter().find(|refusal| said.code.is_some_and(|code| refusal.codes.contains(&code))))
}

fn apply(refusal: &Refusal, said: &Said, fault: Fault) -> Fault {
    let fault = Fault { kind: refusal.kind, ..worded(said, refusal.code, fault) };
    fault.because_words(refusal.cause).with_remedy(refusal.remedy)
}

fn worded(said: &Said, code: &str, fault: Fault) -> Fault {
    let mut fault = fault.with_code(said.code.unwrap_or(code));
    fault.retry_after = said.retry_after.or_else(|| wanted_wait(&said.words));
    if said.words.is_empty() { fault } else { fault.with_words(said.words.clone()) }
}

/// Exchange Online: "Suggested Backoff Time: 294357 milliseconds".
fn wanted_wait(words: &str) -> Option<Duration> {
    let (_, behind) = words.split_once("Suggested Backoff Time: ")?;
    let millis = behind.strip_suffix('.').unwrap_or(behind).split_once(" milliseconds").map(|(millis, _)| millis)?;
    millis.parse().ok().map(|millis| Duration::from_millis(millis).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests;
