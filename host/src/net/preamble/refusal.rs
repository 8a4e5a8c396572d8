//! Refusals explained: what servers answer to a sign-in, by their codes and their known words, as data.

use super::problem::Said;
use crate::fault::{Fault, Kind};

/// The response codes that are passed on (RFC 9051 section 7.1, RFC 5530, and providers' own). Any other stays out: a server
/// could echo a password in it.
const CODES: &[&str] = &[
    "ALERT",
    "AUTHENTICATIONFAILED",
    "AUTHORIZATIONFAILED",
    "CANNOT",
    "CLIENTBUG",
    "CONTACTADMIN",
    "CORRUPTION",
    "EXPIRED",
    "INUSE",
    "LIMIT",
    "NOPERM",
    "OVERQUOTA",
    "PRIVACYREQUIRED",
    "SERVERBUG",
    "THROTTLED",
    "UNAVAILABLE",
    "WEBALERT",
];

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

/// The first row that fits: words before codes, since servers put AUTHENTICATIONFAILED on everything.
const REFUSALS: &[Refusal] = &[
    Refusal {
        // Gmail, Yahoo, iCloud, Zoho.
        words: &["application-specific password", "app-specific password", "app password", "application password"],
        codes: &[],
        kind: Kind::Unauthenticated,
        code: "AUTHENTICATIONFAILED",
        cause: "the provider wants an app password here, not the password of the account",
        remedy: "make an app password on the provider's security page, then `postrider account edit NAME --password-stdin`",
    },
    Refusal {
        // Gmail.
        words: &["log in via your web browser", "web login required"],
        codes: &["WEBALERT"],
        kind: Kind::Unauthenticated,
        code: "WEBALERT",
        cause: "the provider wants a person to sign in by a web browser first",
        remedy: "sign in to the account by a web browser, confirm what it asks, then `postrider account test NAME`",
    },
    Refusal {
        // Exchange Online ("AuthFailed:LogonDenied-BasicAuthBlocked"), Gmail since 2025.
        words: &["basicauthblocked", "basic authentication is disabled", "password sign-in is disabled", "less secure app"],
        codes: &[],
        kind: Kind::Unauthenticated,
        code: "AUTHENTICATIONFAILED",
        cause: "the provider no longer takes passwords for this account",
        remedy: "use the provider's OAuth sign-in for this account, or an app password where it grants one",
    },
    Refusal {
        // Gmail ("Your account is not enabled for IMAP use"), Zoho ("You are yet to enable IMAP for your account"), Yandex.
        words: &["not enabled for imap", "enable imap", "imap access is disabled", "imap is disabled"],
        codes: &[],
        kind: Kind::Forbidden,
        code: "AUTHORIZATIONFAILED",
        cause: "IMAP is switched off for this account",
        remedy: "switch IMAP on in the account's settings at the provider, then `postrider account test NAME`",
    },
    Refusal {
        // Dovecot (mail_max_userip_connections), Gmail, Exchange Online, Cyrus, Courier.
        words: &["maximum number of connections", "too many simultaneous connections", "too many connections", "too many concurrent"],
        codes: &["LIMIT"],
        kind: Kind::Throttled,
        code: "LIMIT",
        cause: "the server allows this user or this address no further connection now",
        remedy: "close other mail programs of this user, or wait: it is tried again by itself",
    },
    Refusal {
        // Gmail ("Account exceeded command or bandwidth limits"), Yahoo, Exchange Online ("Request is throttled").
        words: &["rate limit", "bandwidth limits", "throttled", "too many login", "too many failed", "too many authentication"],
        codes: &["OVERQUOTA", "THROTTLED"],
        kind: Kind::Throttled,
        code: "LIMIT",
        cause: "the server limits how often this account may come",
        remedy: "wait: it is tried again by itself, more and more rarely",
    },
    Refusal {
        // Fastmail, Zoho, Exchange.
        words: &["account is locked", "account locked", "account has been locked", "account is disabled", "account disabled", "suspended"],
        codes: &["CONTACTADMIN"],
        kind: Kind::Unauthenticated,
        code: "CONTACTADMIN",
        cause: "the account is locked or switched off at the server",
        remedy: "ask the server's operator, or sign in to the provider's website, to have it unlocked",
    },
    Refusal {
        words: &["password has expired", "password expired", "credentials have expired"],
        codes: &["EXPIRED"],
        kind: Kind::Unauthenticated,
        code: "EXPIRED",
        cause: "the password has expired",
        remedy: "set a new password at the provider, then `postrider account edit NAME --password-stdin`",
    },
    Refusal {
        // Dovecot (disable_plaintext_auth), Cyrus.
        words: &["plaintext authentication disallowed", "cleartext authentication disallowed", "login only available under a layer"],
        codes: &["PRIVACYREQUIRED"],
        kind: Kind::Misconfigured,
        code: "PRIVACYREQUIRED",
        cause: "the server takes no password on an unprotected line",
        remedy: "use `--security starttls`, or `--security tls` with the server's TLS port",
    },
    Refusal {
        // Dovecot when its user database does not answer; Exchange Online when the mailbox's server is away.
        words: &[
            "temporary authentication failure",
            "temporary failure",
            "authenticated but not connected",
            "try again later",
            "server busy",
        ],
        codes: &["UNAVAILABLE", "SERVERBUG", "INUSE"],
        kind: Kind::Transient,
        code: "UNAVAILABLE",
        cause: "the server cannot check the sign-in now",
        remedy: "wait: it is tried again by itself",
    },
    Refusal {
        words: &[],
        codes: &["AUTHORIZATIONFAILED", "NOPERM"],
        kind: Kind::Forbidden,
        code: "AUTHORIZATIONFAILED",
        cause: "the password is right, but the user may not open this mailbox",
        remedy: "check the user name, and ask the server's operator for access",
    },
    Refusal {
        words: &[],
        codes: &["AUTHENTICATIONFAILED"],
        kind: Kind::Unauthenticated,
        code: "AUTHENTICATIONFAILED",
        cause: "the user name or the password is wrong",
        remedy: WRONG_PASSWORD,
    },
];

const WRONG_PASSWORD: &str = "check the user name (often the whole address) and give the password again: `postrider account edit NAME --password-stdin`; \
                              with two-factor sign-in most providers want an app password";

/// The code of this name, where it is one that may be passed on.
#[must_use]
pub fn known_code(name: &str) -> Option<&'static str> {
    CODES.iter().copied().find(|code| code.eq_ignore_ascii_case(name))
}

/// `fault` with what the answer to a sign-in means. Its words are for people only: the contract keeps them from components.
#[must_use]
pub fn explain(said: &Said, fault: Fault) -> Fault {
    match find(said) {
        Some(refusal) => apply(refusal, said, fault),
        None => worded(said, "AUTHENTICATIONFAILED", fault)
            .because_words("the server refuses this user and password")
            .with_remedy(WRONG_PASSWORD),
    }
}

/// `fault` with what a BYE means, where it is known; else `fault` with its words.
#[must_use]
pub fn explain_bye(said: &Said, fault: Fault) -> Fault {
    match find(said) {
        Some(refusal) => apply(refusal, said, fault),
        None => worded(said, "BYE", fault).because_words("the server closes the line").with_remedy("wait: it is tried again by itself"),
    }
}

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
    let fault = fault.with_code(said.code.unwrap_or(code));
    if said.words.is_empty() { fault } else { fault.with_words(said.words.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_servers_were_seen_to_give() {
        let seen = [
            ("AUTHENTICATIONFAILED", "Authentication failed.", Kind::Unauthenticated, "wrong"),
            ("AUTHENTICATIONFAILED", "Invalid credentials (Failure)", Kind::Unauthenticated, "wrong"),
            ("", "LOGIN failed.", Kind::Unauthenticated, "refuses this user"),
            (
                "ALERT",
                "Application-specific password required: https://support.google.com/x (Failure)",
                Kind::Unauthenticated,
                "app password",
            ),
            ("WEBALERT", "Web login required.", Kind::Unauthenticated, "web browser"),
            ("ALERT", "Please log in via your web browser: https://x (Failure)", Kind::Unauthenticated, "web browser"),
            ("", "AuthFailed:LogonDenied-BasicAuthBlocked", Kind::Unauthenticated, "no longer takes passwords"),
            ("ALERT", "Your account is not enabled for IMAP use. (Failure)", Kind::Forbidden, "switched off"),
            ("", "You are yet to enable IMAP for your account.", Kind::Forbidden, "switched off"),
            (
                "",
                "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
                Kind::Throttled,
                "no further connection",
            ),
            ("ALERT", "Too many simultaneous connections. (Failure)", Kind::Throttled, "no further connection"),
            ("LIMIT", "Come back", Kind::Throttled, "no further connection"),
            ("OVERQUOTA", "Account exceeded command or bandwidth limits. (Failure)", Kind::Throttled, "how often"),
            ("", "Request is throttled. Suggested Backoff Time: 294357 milliseconds", Kind::Throttled, "how often"),
            ("", "Account is locked", Kind::Unauthenticated, "locked"),
            ("CONTACTADMIN", "Call us", Kind::Unauthenticated, "locked"),
            ("EXPIRED", "Too old", Kind::Unauthenticated, "expired"),
            ("PRIVACYREQUIRED", "No", Kind::Misconfigured, "unprotected"),
            ("", "Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", Kind::Misconfigured, "unprotected"),
            ("UNAVAILABLE", "Temporary authentication failure. [host:2026-01-01]", Kind::Transient, "now"),
            ("", "User is authenticated but not connected.", Kind::Transient, "now"),
            ("AUTHORIZATIONFAILED", "No", Kind::Forbidden, "may not open"),
        ];
        for (code, words, kind, cause) in seen {
            let said = Said::new(Some(code), words);
            let fault = explain(&said, Fault::new(Kind::Unauthenticated, "sign in"));
            assert_eq!(fault.kind, kind, "{words}");
            assert!(fault.causes().any(|why| why.contains(cause)), "{words}: {fault:?}");
            assert!(fault.code.is_some() && fault.remedy.is_some(), "{words}");
        }
    }

    #[test]
    fn every_row_is_reached() {
        for refusal in REFUSALS {
            for words in refusal.words {
                assert_eq!(*words, words.to_ascii_lowercase());
                let fault = explain(&Said::new(None, &words.to_ascii_uppercase()), Fault::new(Kind::Unauthenticated, "sign in"));
                assert_eq!(fault.causes().next(), Some(refusal.cause), "{words}");
            }
            for code in refusal.codes {
                let fault = explain(&Said::new(Some(code), ""), Fault::new(Kind::Unauthenticated, "sign in"));
                assert_eq!(fault.causes().next(), Some(refusal.cause), "{code}");
                assert_eq!(known_code(code), Some(*code));
            }
            assert!(known_code(refusal.code).is_some());
        }
    }

    #[test]
    fn an_unknown_code_stays_out() {
        assert_eq!(Said::new(Some("CORRECT-HORSE"), "no").code, None);
        let fault = explain_bye(&Said::new(None, "Server shutting down"), Fault::new(Kind::Transient, "greet"));
        assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Transient, Some("BYE")));
        let fault = explain_bye(&Said::new(None, "Too many connections"), Fault::new(Kind::Transient, "greet"));
        assert_eq!(fault.kind, Kind::Throttled);
    }
}
