//! Through real proxies to a real server; and what is said when a proxy does not help.

use harness::corpus;
use harness::dovecot::{Dovecot, Setup, USER};
use harness::postrider::Postrider;
use harness::proxy::{self, Kind, Proxy};

use crate::scene::{ACCOUNT, add_account_with, stored};
use crate::words::assert_words;

/// An account for `dovecot` that goes through `proxy`.
fn account_through(dovecot: &Dovecot, proxy: &str, options: &[&str]) -> Postrider {
    let postrider = Postrider::new();
    let ca = dovecot.ca_file();
    let options = [&["--ca", ca.to_str().unwrap(), "--proxy", proxy][..], options].concat();
    add_account_with(&postrider, ACCOUNT, dovecot.imaps, "tls", &options).succeeded();
    postrider
}

#[test]
fn mail_comes_through_every_proxy() {
    let dovecot = Setup::default().start();
    dovecot.deliver(USER, "INBOX", &[corpus::note("through")]);
    for (kind, wants_password, scheme) in [
        (Kind::Socks5, false, "socks5"),
        (Kind::Socks5, false, "socks5h"),
        (Kind::Socks5, true, "socks5"),
        (Kind::Socks5, true, "socks5h"),
        (Kind::Http, false, "http"),
        (Kind::Http, true, "http"),
    ] {
        let gate = Proxy::start(kind, wants_password);
        let user = if wants_password { "gate:horse-staple-77@" } else { "" };
        let postrider = account_through(&dovecot, &format!("{scheme}://{user}127.0.0.1:{}", gate.port), &[]);
        let row = postrider.json(&["receive", ACCOUNT])[0].clone();
        assert_eq!(row["received"].as_u64(), Some(1), "{scheme} {wants_password}: {row}");
        assert_eq!(stored(&postrider).len(), 1);
        let stages = postrider.json(&["account", "test", ACCOUNT]);
        let through = stages["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == "proxy").unwrap().clone();
        let leads_to = if scheme == "socks5" { ":" } else { "localhost:" };
        assert!(through["finding"].as_str().unwrap().contains(leads_to), "{through}");
    }
}

#[test]
fn a_password_for_a_proxy_is_sealed_and_can_be_changed() {
    let dovecot = Setup::default().start();
    let gate = Proxy::start(Kind::Socks5, true);
    let url = format!("socks5h://gate:wrong%20password@127.0.0.1:{}", gate.port);
    let postrider = account_through(&dovecot, &url, &[]);
    let refused = postrider.run(&["receive", ACCOUNT, "-vv"]);
    assert_eq!(refused.code, Some(19), "{}", refused.stderr);
    assert!(refused.stderr.contains("the proxy refuses its user or password"), "{}", refused.stderr);

    let edit = ["account", "edit", ACCOUNT, "--proxy-password-stdin"];
    let edited = postrider.run_with_input(&edit, proxy::PASSWORD.as_bytes()).succeeded();
    let received = postrider.succeed(&["receive", ACCOUNT, "-vv"]);
    let shown = postrider.json(&["account", "show", ACCOUNT]);
    assert_eq!(shown["receive"]["has_proxy_password"].as_bool(), Some(true));
    assert_eq!(shown["receive"]["proxy"].as_str(), Some(format!("socks5h://gate@127.0.0.1:{}", gate.port).as_str()));

    let said = [refused, edited, received].map(|outcome| outcome.text() + &outcome.stderr).concat() + &shown.to_string();
    for secret in ["wrong password", "wrong%20password", proxy::PASSWORD] {
        assert!(!said.contains(secret), "{secret} is shown");
        assert_eq!(postrider.files_with(secret.as_bytes()), Vec::<std::path::PathBuf>::new(), "{secret} is in the home");
    }

    // Another proxy does not get the password of the former one.
    postrider.succeed(&["account", "edit", ACCOUNT, "--proxy", &format!("socks5h://gate@127.0.0.1:{}", gate.port)]);
    assert_eq!(postrider.json(&["account", "show", ACCOUNT])["receive"]["has_proxy_password"].as_bool(), Some(false));
    assert_eq!(postrider.run(&["receive", ACCOUNT]).code, Some(19));
}

#[test]
fn a_proxy_that_does_not_help_says_why() {
    let dovecot = Setup::default().start();
    let socks = Proxy::start(Kind::Socks5, true);
    let http = Proxy::start(Kind::Http, true);
    for (name, url) in [
        ("proxy_socks5_wants_a_password", format!("socks5h://127.0.0.1:{}", socks.port)),
        ("proxy_http_wants_a_password", format!("http://127.0.0.1:{}", http.port)),
        ("proxy_http_refuses_the_password", format!("http://gate:wrong@127.0.0.1:{}", http.port)),
        ("proxy_socks5_is_a_mail_server", format!("socks5h://127.0.0.1:{}", dovecot.imap)),
        ("proxy_http_is_a_mail_server", format!("http://127.0.0.1:{}", dovecot.imap)),
    ] {
        let postrider = account_through(&dovecot, &url, &[]);
        let outcome = postrider.run(&["receive", ACCOUNT]);
        assert_words(name, &postrider, &outcome);
        assert_eq!(outcome.code, Some(19), "{name}: {}", outcome.stderr);
    }
    // Nobody listens at the server's port: told from a proxy that is not there.
    let gate = Proxy::start(Kind::Socks5, false);
    let postrider = account_through(&dovecot, &format!("socks5h://127.0.0.1:{}", gate.port), &[]);
    postrider.succeed(&["account", "edit", ACCOUNT, "--port", "1"]);
    let outcome = postrider.run(&["receive", ACCOUNT]);
    assert_eq!(outcome.code, Some(12), "{}", outcome.stderr);
    assert_words("proxy_reaches_nobody", &postrider, &outcome);
}
