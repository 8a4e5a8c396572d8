//! Answers that servers were seen to give; and each row, by each of its words and codes.

use super::*;

/// Code, words, kind, and a part of the cause.
type Seen = (&'static str, &'static str, Kind, &'static str);

const SERVER: &str = "mail.example.com";

const IMAP: &[Seen] = &[
    ("AUTHENTICATIONFAILED", "Authentication failed.", Kind::Unauthenticated, "wrong"),
    ("AUTHENTICATIONFAILED", "Invalid credentials (Failure)", Kind::Unauthenticated, "wrong"),
    ("AUTHENTICATIONFAILED", "(#MBR1212) Incorrect username or password.", Kind::Unauthenticated, "wrong"),
    ("", "LOGIN failed.", Kind::Unauthenticated, "refuses this user"),
    ("", "Incorrect username or password.", Kind::Unauthenticated, "refuses this user"),
    ("ALERT", "Application-specific password required: https://support.google.com/x (Failure)", Kind::Unauthenticated, "app password"),
    ("", "Sorry, you need to create an app password to use this service", Kind::Unauthenticated, "app password"),
    ("ALERT", "Application password is REQUIRED", Kind::Unauthenticated, "app password"),
    ("WEBALERT", "Web login required.", Kind::Unauthenticated, "web browser"),
    ("ALERT", "Please log in via your web browser: https://x (Failure)", Kind::Unauthenticated, "web browser"),
    ("", "AuthFailed:LogonDenied-BasicAuthBlocked", Kind::Unauthenticated, "no longer takes passwords"),
    ("ALERT", "Your account is not enabled for IMAP use. (Failure)", Kind::Forbidden, "switched off"),
    ("", "You are yet to enable IMAP for your account.", Kind::Forbidden, "switched off"),
    (
        "AUTHENTICATIONFAILED",
        "LOGIN invalid credentials or IMAP is disabled sc=cYXlpv732Cg1_010534_2",
        Kind::Unauthenticated,
        "mail programs are not let in",
    ),
    (
        "",
        "Login fail. Account is abnormal, service is not open, password is incorrect, login frequency limited, or system is busy.",
        Kind::Forbidden,
        "switched off",
    ),
    ("", "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", Kind::Throttled, "no further connection"),
    ("ALERT", "Too many simultaneous connections. (Failure)", Kind::Throttled, "no further connection"),
    ("LIMIT", "Come back", Kind::Throttled, "no further connection"),
    ("OVERQUOTA", "Account exceeded command or bandwidth limits. (Failure)", Kind::Throttled, "how often"),
    ("LIMIT", "LOGIN Rate limit hit.", Kind::Throttled, "how often"),
    ("", "Request is throttled. Suggested Backoff Time: 294357 milliseconds", Kind::Throttled, "how often"),
    ("", "Account is locked", Kind::Unauthenticated, "locked"),
    ("CONTACTADMIN", "Call us", Kind::Unauthenticated, "locked"),
    ("EXPIRED", "Too old", Kind::Unauthenticated, "expired"),
    ("PRIVACYREQUIRED", "No", Kind::Misconfigured, "unprotected"),
    ("", "Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", Kind::Misconfigured, "unprotected"),
    ("UNAVAILABLE", "Temporary authentication failure. [host:2026-01-01]", Kind::Transient, "now"),
    ("", "User is authenticated but not connected.", Kind::Transient, "now"),
    ("AUTHORIZATIONFAILED", "No", Kind::Forbidden, "may not open"),
    ("", "token refused: 400, scope https://mail.google.com/; Invalid credentials (Failure)", Kind::Unauthenticated, "access token"),
    ("", "SCRAM error: channel-bindings-dont-match; Authentication failed.", Kind::Untrusted, "another TLS connection"),
];

const POP3: &[Seen] = &[
    ("AUTH", "Authentication failed.", Kind::Unauthenticated, "wrong"),
    ("AUTH", "Username and password not accepted.", Kind::Unauthenticated, "wrong"),
    ("", "Logon failure: unknown user name or bad password.", Kind::Unauthenticated, "refuses this user"),
    ("AUTH", "Application-specific password required", Kind::Unauthenticated, "app password"),
    ("SYS/PERM", "Your account is not enabled for POP access.", Kind::Forbidden, "switched off"),
    ("AUTH", "login failure or POP3 disabled, try later. sc=abc", Kind::Unauthenticated, "mail programs are not let in"),
    ("SYS/PERM", "Gone for good", Kind::Forbidden, "operator"),
    ("SYS/TEMP", "Temporary authentication failure.", Kind::Transient, "now"),
    ("SYS/TEMP", "Disk", Kind::Transient, "now"),
    ("IN-USE", "Come back", Kind::Transient, "another session"),
    ("", "maildrop already locked", Kind::Transient, "another session"),
    ("LOGIN-DELAY", "too soon", Kind::Throttled, "how often"),
    ("", "Maximum connection limit reached for ::ffff:192.0.2.1", Kind::Throttled, "no further connection"),
];

const SMTP: &[Seen] = &[
    ("5.7.8", "Username and Password not accepted.", Kind::Unauthenticated, "wrong"),
    ("5.7.8", "Error: authentication failed: UGFzc3dvcmQ6", Kind::Unauthenticated, "wrong"),
    ("5.7.3", "Authentication unsuccessful [XY0PR01CA0001.example]", Kind::Unauthenticated, "wrong"),
    ("5.7.139", "Authentication unsuccessful, the user credentials were incorrect.", Kind::Unauthenticated, "wrong"),
    ("535", "Authentication credentials invalid", Kind::Unauthenticated, "wrong"),
    ("5.7.9", "Application-specific password required. For more information, go to", Kind::Unauthenticated, "app password"),
    (
        "535",
        "NEOBHODIM parol prilozheniya https://help.mail.ru/x / Application password is REQUIRED",
        Kind::Unauthenticated,
        "app password",
    ),
    ("535", "Login Fail. Please enter your authorization code to login.", Kind::Unauthenticated, "app password"),
    ("534", "Please log in via your web browser and then try again.", Kind::Unauthenticated, "web browser"),
    (
        "5.7.139",
        "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled",
        Kind::Forbidden,
        "sending by SMTP",
    ),
    ("5.7.139", "Authentication unsuccessful, basic authentication is disabled.", Kind::Unauthenticated, "no longer takes passwords"),
    (
        "5.7.139",
        "Authentication unsuccessful, user is locked by your organization's security defaults policy.",
        Kind::Unauthenticated,
        "no longer takes passwords",
    ),
    ("5.7.8", "Error: authentication failed: This user does not have access rights to this service", Kind::Forbidden, "switched off"),
    ("550", "User has no permission", Kind::Forbidden, "switched off"),
    ("535", "(#AUTH005) Too many bad auth attempts.", Kind::Throttled, "how often"),
    ("4.7.0", "Too many login attempts, please try again later.", Kind::Throttled, "how often"),
    ("4.7.0", "mail.example.com Error: too many errors", Kind::Throttled, "how often"),
    ("4.3.2", "STOREDRV.ClientSubmit; sender thread limit exceeded", Kind::Throttled, "no further connection"),
    ("4.7.0", "Temporary authentication failure: Connection lost to authentication server", Kind::Transient, "now"),
    ("4.7.0", "Cannot authenticate due to temporary system problem. Try again later.", Kind::Transient, "now"),
    ("421", "Service not available", Kind::Transient, "now"),
    ("530", "Must issue a STARTTLS command first", Kind::Misconfigured, "unprotected"),
    ("5.7.11", "No", Kind::Misconfigured, "unprotected"),
    ("5.5.1", "Error: authentication not enabled", Kind::Unsupported, "this way"),
    ("5.7.4", "Unrecognized", Kind::Unsupported, "this way"),
    ("5.7.13", "No", Kind::Unauthenticated, "locked"),
    ("554", "Your address is listed", Kind::Forbidden, "operator"),
];

#[test]
fn answers_that_servers_were_seen_to_give() {
    for (code, words, kind, cause) in [IMAP, POP3, SMTP].concat() {
        let said = Said::new(Some(code), words);
        let fault = explain(&said, SERVER, Fault::new(Kind::Unauthenticated, "sign in"));
        assert_eq!(fault.kind, kind, "{words}");
        assert!(fault.causes().any(|why| why.contains(cause)), "{words}: {fault:?}");
        assert!(fault.code.is_some() && fault.remedy.is_some(), "{words}");
        assert!(code.is_empty() || fault.code.as_deref() == Some(code), "{code} is not passed on");
    }
}

#[test]
fn every_row_is_reached_by_each_of_its_words_and_codes() {
    for refusal in REFUSALS {
        for words in refusal.words {
            assert_eq!(*words, words.to_ascii_lowercase());
            let fault = explain(&Said::new(None, &words.to_ascii_uppercase()), SERVER, Fault::new(Kind::Unauthenticated, "sign in"));
            assert_eq!(fault.causes().next(), Some(refusal.cause), "{words}");
        }
        for code in refusal.codes {
            let fault = explain(&Said::new(Some(code), ""), SERVER, Fault::new(Kind::Unauthenticated, "sign in"));
            assert_eq!(fault.causes().next(), Some(refusal.cause), "{code}");
            assert_eq!(known_code(code), Some(*code));
        }
        assert!(known_code(refusal.code).is_some());
    }
}

#[test]
fn the_page_for_app_passwords_stands_beside_the_wish_for_one() {
    let remedy =
        |server: &str, words: &str| explain(&Said::new(None, words), server, Fault::new(Kind::Unauthenticated, "sign in")).remedy.unwrap();
    for (domains, page) in APP_PASSWORD_PAGES {
        for domain in *domains {
            assert!(remedy(&format!("IMAP.{domain}"), "Application-specific password required").ends_with(page), "{domain}");
            assert!(remedy(&format!("imap.{domain}"), "no").ends_with(page), "{domain}");
            assert!(!remedy(&format!("imap.{domain}"), "too many connections").contains(page), "{domain}");
        }
    }
    assert!(!remedy("imap.notgmail.com", "Application-specific password required").contains("https://"));
}

#[test]
fn a_server_that_says_when_is_believed_within_reason() {
    let wait = |words: &str| explain(&Said::new(None, words), SERVER, Fault::new(Kind::Unauthenticated, "sign in")).retry_after;
    assert_eq!(wait("Request is throttled. Suggested Backoff Time: 294357 milliseconds"), Some(Duration::from_millis(294_357)));
    assert_eq!(wait("Request is throttled. Suggested Backoff Time: 99999999999999 milliseconds"), Some(LONGEST_WAIT));
    assert_eq!(wait("Suggested Backoff Time: soon"), None);
    let delayed = Said { retry_after: Some(Duration::from_secs(900)), ..Said::new(Some("LOGIN-DELAY"), "") };
    assert_eq!(explain(&delayed, SERVER, Fault::new(Kind::Unauthenticated, "sign in")).retry_after, Some(Duration::from_secs(900)));
}

#[test]
fn an_unknown_code_stays_out() {
    assert_eq!(Said::new(Some("CORRECT-HORSE"), "no").code, None);
    let fault = explain_bye(&Said::new(None, "Server shutting down"), Fault::new(Kind::Transient, "greet"));
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Transient, Some("BYE")));
    let fault = explain_bye(&Said::new(None, "Too many connections"), Fault::new(Kind::Transient, "greet"));
    assert_eq!(fault.kind, Kind::Throttled);
}
