//! Through proxies, and proxies that do not help.

use super::*;

#[tokio::test]
async fn through_proxies() {
    let connect = "CONNECT mail.example.com:993 HTTP/1.1\r\nHost: mail.example.com:993\r\n";
    let basic = "Proxy-Authorization: Basic bWU6Y29ycmVjdCBob3JzZQ==\r\n";
    let socks = |methods: usize| {
        [vec![Act::Hear(methods)], vec![Act::Say(vec![5, 0]), Act::Hear(23), Act::Say(vec![5, 0, 0, 1, 0, 0, 0, 0, 0, 0])]].concat()
    };
    let with_password = vec![
        Act::Hear(4),
        Act::Say(vec![5, 2]),
        Act::Hear(18),
        Act::Say(vec![1, 0]),
        Act::Hear(23),
        Act::Say(vec![5, 0, 0, 3, 1, b'x', 0, 0]),
    ];
    for (scheme, user, acts, said) in [
        ("socks5h", "", socks(3), "\u{5}\u{1}\0\u{3}\u{10}mail.example.com\u{3}"),
        ("socks5h", "me@", with_password, "\u{1}\u{2}me\rcorrect horse"),
        ("http", "", vec![Act::Hear(connect.len() + 2), Act::Say(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())], connect),
        ("http", "me@", vec![Act::Hear(connect.len() + basic.len() + 2), Act::Say(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n".to_vec())], basic),
    ] {
        // The proxy plays the server's part as well.
        let server = Server::start(None, [acts, script(SIGN_IN)].concat()).await;
        let mut endpoint = endpoint(993, Security::None);
        endpoint.server = "mail.example.com".to_owned();
        endpoint.proxy = Some(format!("{scheme}://{user}127.0.0.1:{}", server.port));
        endpoint.held.proxy_password = (!user.is_empty()).then(|| Secret::new("correct horse"));
        let reports = Reports::default();
        let (_, opening) = open(&endpoint, Some(&secret()), &reports).await.unwrap_or_else(|fault| panic!("{scheme}: {fault:?}"));
        assert!(opening.signed_in);
        assert!(server.heard().iter().any(|words| words.contains(said)), "{scheme}: {:?}", server.heard());
        let shown = format!("{:?}", reports.0.into_inner().unwrap());
        assert!(shown.contains("Proxy") && !shown.contains("correct"), "{shown}");
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_help_is_told_from_the_server() {
    for (scheme, acts, kind, words) in [
        ("socks5h", vec![Act::Hear(3), Act::Say(vec![5, 255])], Kind::Misconfigured, "wants a user and a password"),
        ("socks5h", vec![Act::Hear(3), Act::Say(b"HTTP/1.0 400 Bad\r\n\r\n".to_vec())], Kind::Misconfigured, "no SOCKS5 proxy"),
        ("socks5h", vec![Act::Hear(3), Act::Say(vec![5, 0]), Act::Hear(23), Act::Say(vec![5, 5])], Kind::Unreachable, "connection refused"),
        ("http", vec![Act::Say(b"HTTP/1.1 407 Who are you\r\n\r\n".to_vec())], Kind::Misconfigured, "wants a user and a password"),
        ("http", vec![Act::Say(b"HTTP/1.1 403 Forbidden\r\n\r\n".to_vec())], Kind::Forbidden, "403 Forbidden"),
        ("http", vec![Act::Say(b"* OK IMAP\r\n".to_vec())], Kind::Misconfigured, "no HTTP proxy"),
        ("http", vec![Act::Hear(20), Act::Cut], Kind::Unreachable, ""),
    ] {
        let server = Server::start(None, acts).await;
        let mut endpoint = endpoint(993, Security::None);
        endpoint.server = "mail.example.com".to_owned();
        endpoint.proxy = Some(format!("{scheme}://127.0.0.1:{}", server.port));
        let fault = enter(&endpoint).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{scheme}: {fault:?}");
        assert!(fault.operation.contains("mail.example.com:993 through the proxy 127.0.0.1"), "{fault:?}");
        assert!(fault.causes().any(|cause| cause.contains(words)), "{scheme}: {fault:?}");
    }
}

/// A proxy's whole part of a conversation, in octets that it says, and how many it hears before each.
const SOCKS5_PART: &[(usize, &[u8])] = &[(4, &[5, 2]), (18, &[1, 0]), (23, &[5, 0, 0, 1, 127, 0, 0, 1, 3, 225])];
const CONNECT_PART: &[(usize, &[u8])] = &[(70, b"HTTP/1.1 200 Connection established\r\nVia: 1.1 gate\r\n\r\n")];

async fn through_a_proxy_that(scheme: &str, acts: Vec<Act>) -> Fault {
    let server = Server::start(None, acts.clone()).await;
    let mut endpoint = endpoint(993, Security::None);
    endpoint.server = "mail.example.com".to_owned();
    endpoint.proxy = Some(format!("{scheme}://me@127.0.0.1:{}", server.port));
    endpoint.held.proxy_password = Some(Secret::new("correct horse"));
    endpoint.timeouts.connect = Duration::from_millis(400);
    let fault = enter(&endpoint).await.expect_err("this must not open");
    assert!(fault.remedy.is_some(), "{acts:?}: {fault:?}");
    assert!(!format!("{fault:?}").contains("horse"), "{fault:?}");
    fault
}

#[tokio::test]
async fn a_proxy_that_closes_at_any_octet_is_named() {
    for (scheme, part) in [("socks5h", SOCKS5_PART), ("http", CONNECT_PART)] {
        let all: usize = part.iter().map(|(_, said)| said.len()).sum();
        for cut in 0..all {
            let (mut acts, mut left) = (Vec::new(), cut);
            for (heard, said) in part {
                let now = left.min(said.len());
                acts.extend([Act::Hear(*heard), Act::Say(said[..now].to_vec())]);
                left -= now;
                if now < said.len() {
                    break;
                }
            }
            acts.push(Act::Cut);
            let fault = through_a_proxy_that(scheme, acts).await;
            assert_eq!(fault.kind, Kind::Unreachable, "{scheme} cut at {cut}: {fault:?}");
            assert!(fault.operation.contains("through the proxy"), "{scheme} cut at {cut}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_never_ends_or_never_answers_is_left() {
    let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-Filler: y\r\n".repeat(20_000)].concat();
    for (scheme, acts, kind) in [
        ("http", vec![Act::Hear(20), Act::Say(endless), Act::Stall], Kind::Malformed),
        ("http", vec![Act::Hear(20), Act::Dribble("HTTP/1.1 200 OK\r\nX: y\r\n")], Kind::Unreachable),
        ("http", vec![Act::Stall], Kind::Unreachable),
        ("socks5h", vec![Act::Stall], Kind::Unreachable),
        ("socks5h", vec![Act::Hear(4), Act::Say(vec![5, 2]), Act::Stall], Kind::Unreachable),
        ("socks5h", vec![Act::Hear(4), Act::Say([5; 100_000].to_vec()), Act::Stall], Kind::Malformed),
        ("socks5h", vec![Act::Hear(4), Act::Say(vec![5, 2, 1, 0, 5, 0, 0, 9, 9, 9]), Act::Stall], Kind::Malformed),
    ] {
        let fault = through_a_proxy_that(scheme, acts.clone()).await;
        assert_eq!(fault.kind, kind, "{scheme} {acts:?}: {fault:?}");
    }
}
