//! What an authorization server's error codes mean (RFC 6749 section 5.2, RFC 8628 section 3.5, OpenID Connect Core 1.0 section 3.1.2.6), as data.

use crate::fault::{Fault, Kind};

/// The longest words of a server's that are repeated.
const WORDS_MOST: usize = 400;

/// One known way of being refused.
struct Refusal {
    /// Error codes, or codes inside the words: Microsoft's AADSTS numbers say more than its error codes.
    codes: &'static [&'static str],
    kind: Kind,
    /// Whether the grant is over: nothing is asked again until somebody authorizes anew.
    is_final: bool,
    cause: &'static str,
    remedy: &'static str,
}

const AUTHORIZE: &str = "sign in again: `postrider account authorize NAME`";
const CLIENT: &str = "check `--client-id`, and give the secret again: `postrider account edit NAME --secret-stdin`";

/// The first that fits; what is said inside the words goes first. AADSTS: learn.microsoft.com/entra/identity-platform/reference-error-codes.
const REFUSALS: &[Refusal] = &[
    Refusal {
        codes: &["AADSTS7000222"],
        kind: Kind::Unauthenticated,
        is_final: false,
        cause: "the client's secret has expired",
        remedy: "make a new one in the provider's console and give it: `postrider account edit NAME --secret-stdin`",
    },
    Refusal {
        codes: &["AADSTS7000215"],
        kind: Kind::Unauthenticated,
        is_final: false,
        cause: "the client's secret is wrong: the secret's value is wanted, not its id",
        remedy: "give its value: `postrider account edit NAME --secret-stdin`",
    },
    Refusal {
        codes: &["AADSTS700027", "AADSTS700024"],
        kind: Kind::Unauthenticated,
        is_final: false,
        cause: "the signed assertion is refused: another certificate is registered, it has expired, or this machine's clock is wrong",
        remedy: "register the certificate that `postrider account show NAME` names, and set the clock right",
    },
    Refusal {
        codes: &["AADSTS700016", "AADSTS90002"],
        kind: Kind::Misconfigured,
        is_final: false,
        cause: "the provider knows no such application or tenant",
        remedy: "check `--client-id` and `--tenant-id`: `postrider account edit NAME --client-id ID --tenant-id ID`",
    },
    Refusal {
        codes: &["AADSTS65001", "consent_required"],
        kind: Kind::Unauthenticated,
        is_final: true,
        cause: "nobody has consented to what is asked for, or the consent was taken back",
        remedy: AUTHORIZE,
    },
    Refusal {
        codes: &["AADSTS700082", "AADSTS70043"],
        kind: Kind::Unauthenticated,
        is_final: true,
        cause: "the refresh token has expired: it was not used for too long, or the organisation wants a new sign-in",
        remedy: AUTHORIZE,
    },
    Refusal {
        codes: &["interaction_required", "login_required", "account_selection_required", "mfa_required"],
        kind: Kind::Unauthenticated,
        is_final: true,
        cause: "the provider wants the person to sign in again (a second factor, a changed password or a new policy)",
        remedy: AUTHORIZE,
    },
    Refusal {
        codes: &["invalid_grant"],
        kind: Kind::Unauthenticated,
        is_final: true,
        cause: "the grant is not valid any more: revoked, expired, unused for too long, or the password was changed",
        remedy: AUTHORIZE,
    },
    Refusal {
        codes: &["invalid_client"],
        kind: Kind::Unauthenticated,
        is_final: false,
        cause: "the provider does not accept the client: its id, its secret or its certificate",
        remedy: CLIENT,
    },
    Refusal {
        codes: &["unauthorized_client", "unsupported_grant_type", "unsupported_response_type"],
        kind: Kind::Misconfigured,
        is_final: false,
        cause: "the provider does not let this client have tokens in this way",
        remedy: "allow it in the provider's console, or take another way: `postrider account authorize NAME --help` lists them",
    },
    Refusal {
        codes: &["invalid_scope", "invalid_target", "invalid_resource"],
        kind: Kind::Misconfigured,
        is_final: false,
        cause: "the provider does not give what is asked for to this client",
        remedy: "allow these permissions in the provider's console; `postrider account token NAME` lists what is asked for",
    },
    Refusal { codes: &["access_denied"], kind: Kind::Forbidden, is_final: false, cause: "the consent was denied", remedy: AUTHORIZE },
    Refusal {
        codes: &["expired_token"],
        kind: Kind::Unauthenticated,
        is_final: false,
        cause: "nobody entered the code in time",
        remedy: "begin again: `postrider account authorize NAME --device`",
    },
    Refusal {
        codes: &["temporarily_unavailable", "server_error"],
        kind: Kind::Transient,
        is_final: false,
        cause: "the provider has a passing trouble",
        remedy: "wait: it is tried again by itself",
    },
    Refusal {
        codes: &["slow_down", "too_many_requests", "rate_limit_exceeded"],
        kind: Kind::Throttled,
        is_final: false,
        cause: "the provider asks for fewer requests",
        remedy: "wait: it is tried again by itself",
    },
    Refusal {
        codes: &["invalid_request"],
        kind: Kind::Misconfigured,
        is_final: false,
        cause: "the provider finds the request wrong",
        remedy: "check the client's settings against the provider's console: `postrider account show NAME`",
    },
];

/// `operation` refused with `code` and the server's `words`, which have no secret in them any more; and whether the grant is over.
pub(super) fn explain(operation: &str, code: &str, words: Option<&str>) -> (Fault, bool) {
    let code: String = code.chars().filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c)).take(64).collect();
    let inside = |known: &str| known.starts_with("AADSTS") && words.is_some_and(|words| has_word(words, known));
    let row = REFUSALS.iter().find(|row| row.codes.iter().any(|known| *known == code || inside(known)));
    let mut fault = Fault::new(row.map_or(Kind::Misconfigured, |row| row.kind), operation).with_code(code);
    if let Some(words) = words.map(tidy).filter(|words| !words.is_empty()) {
        fault = fault.with_words(words);
    }
    match row {
        Some(row) => (fault.because_words(row.cause).with_remedy(row.remedy), row.is_final),
        None => (fault.because_words("the provider refuses with a code that this host does not know"), false),
    }
}

/// Whether the grant is over by such a fault.
pub(super) fn is_over(fault: &Fault) -> bool {
    let code = fault.code.as_deref().unwrap_or_default();
    explain("", code, fault.words.as_deref()).1
}

/// In one line, and not without end.
pub(super) fn tidy(words: &str) -> String {
    let words: Vec<_> = words.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(WORDS_MOST).collect()
}

/// Whether `word` stands in `words` and no digit goes on after it.
fn has_word(words: &str, word: &str) -> bool {
    words
        .match_indices(word)
        .any(|(at, _)| words.get(at + word.len()..).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_kinds_and_only_an_ended_grant_is_final() {
        for (code, words, kind, is_final) in [
            ("invalid_grant", None, Kind::Unauthenticated, true),
            ("interaction_required", Some("AADSTS50076: Due to a configuration change"), Kind::Unauthenticated, true),
            ("invalid_client", None, Kind::Unauthenticated, false),
            ("invalid_client", Some("AADSTS7000222: The provided client secret keys are expired."), Kind::Unauthenticated, false),
            ("invalid_grant", Some("AADSTS65001: The user has not consented"), Kind::Unauthenticated, true),
            ("invalid_scope", None, Kind::Misconfigured, false),
            ("server_error", None, Kind::Transient, false),
            ("slow_down", None, Kind::Throttled, false),
            ("made_up", Some("x"), Kind::Misconfigured, false),
        ] {
            let (fault, over) = explain("renew the token", code, words);
            assert_eq!((fault.kind, over), (kind, is_final), "{code} {words:?}");
            assert_eq!(is_over(&fault), is_final);
        }
        let (fault, _) = explain("x", "invalid_client", Some("AADSTS7000222: expired"));
        assert!(fault.causes().next().unwrap().contains("expired"));
        // The longer number is another code.
        let (fault, _) = explain("x", "invalid_client", Some("AADSTS70002229: other"));
        assert!(!fault.causes().next().unwrap().contains("expired"));
    }

    #[test]
    fn a_servers_words_are_bounded_and_in_one_line() {
        let (fault, _) = explain("x", "a\u{1b}[31m b", Some(&format!("one\n\u{1b}[2J two {}", "y".repeat(5_000))));
        assert_eq!(fault.code.as_deref(), Some("a31mb"));
        let words = fault.words.unwrap();
        assert!(words.starts_with("one [2J two y") && words.chars().count() <= WORDS_MOST, "{words}");
    }
}
