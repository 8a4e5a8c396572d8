//! What a connector is given: octets both ways, ends, time-outs.

use super::*;

/// A line that is signed in, and a server that goes on with `acts`.
async fn line(acts: &str, idle: Duration) -> (Line, Server) {
    let identity = Identity::new(Flaw::None);
    let server = Server::start(Some(&identity), script(&format!("T:\n{SIGN_IN}\n{acts}"))).await;
    let mut endpoint = believing(server.port, Security::Tls, &identity);
    endpoint.timeouts.read = idle;
    (enter(&endpoint).await.unwrap().0, server)
}

#[tokio::test]
async fn octets_go_both_ways_and_are_counted() {
    let (line, server) = line("C: hello\nS: and hello to you\nC: bye", Duration::from_secs(20)).await;
    let (read, written) = tokio::join!(line.read(64, None), line.write(b"hello\r\n"));
    written.unwrap();
    let mut octets = read.unwrap().to_vec();
    while !octets.ends_with(b"\r\n") {
        octets.extend(line.read(3, None).await.unwrap());
    }
    assert_eq!(octets, b"and hello to you\r\n");
    line.write(b"bye\r\n").await.unwrap();
    assert_eq!(line.read(64, None).await.unwrap(), "");
    assert_eq!(line.moved(), (18, 12));
    line.shutdown().await;
    assert!(server.heard().ends_with(&["hello".to_owned(), "bye".to_owned()]));
    assert_eq!(line.compress().unwrap_err().kind, Kind::Unsupported);
}

#[tokio::test]
async fn what_comes_with_the_last_line_of_the_preamble_is_not_lost() {
    let mut acts = script("S: * OK [CAPABILITY SASL-IR AUTH=PLAIN] hi\nC: P1");
    acts.push(Act::Say(b"P1 OK [CAPABILITY IMAP4rev1] in\r\n* 5 EXISTS\r\n* 1".to_vec()));
    acts.push(Act::Stall);
    let server = Server::start(None, acts).await;
    let (line, _) = enter(&endpoint(server.port, Security::None)).await.unwrap();
    let mut octets = Vec::new();
    while octets.len() < 15 {
        octets.extend(line.read(4, None).await.unwrap());
    }
    assert_eq!(octets, b"* 5 EXISTS\r\n* 1");
}

#[tokio::test]
async fn a_read_that_is_given_up_loses_nothing() {
    let (line, _server) = line("C: now\nS: here it is\nZ:", Duration::from_secs(20)).await;
    let fault = line.read(64, Some(Duration::from_millis(20))).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TIMEOUT")));
    tokio::time::timeout(Duration::from_millis(20), line.read(64, None)).await.unwrap_err();
    line.write(b"now\r\n").await.unwrap();
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n") {
        match line.read(1, Some(Duration::from_millis(1))).await {
            Ok(more) => octets.extend(more),
            Err(fault) => assert_eq!(fault.code.as_deref(), Some("TIMEOUT")),
        }
    }
    assert_eq!(octets, b"here it is\r\n");
}

#[tokio::test]
async fn an_end_without_close_notify_is_no_end() {
    let (line, _server) = line("S: half\nX:", Duration::from_secs(20)).await;
    let mut octets = Vec::new();
    let fault = loop {
        match line.read(64, None).await {
            Ok(more) => {
                assert!(!more.is_empty(), "a cut line looks like the end");
                octets.extend(more);
            }
            Err(fault) => break fault,
        }
    };
    assert_eq!(octets, b"half\r\n");
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TRUNCATED")));
}

#[tokio::test]
async fn a_torn_write_takes_nothing_after_it() {
    let (line, _server) = line("Z:", Duration::from_millis(200)).await;
    let much = vec![b'x'; 32 << 20];
    let fault = line.write(&much).await.unwrap_err();
    assert_eq!(fault.code.as_deref(), Some("TIMEOUT"));
    let fault = line.write(b"DATA").await.unwrap_err();
    assert!(fault.causes().any(|cause| cause.contains("given up in the middle")), "{fault:?}");
}

#[tokio::test]
async fn a_line_that_carries_nothing_is_given_up_whatever_is_waited_for() {
    let identity = Identity::new(Flaw::None);
    let server = Server::start(Some(&identity), script(&format!("T:\n{SIGN_IN}\nZ:"))).await;
    let mut endpoint = believing(server.port, Security::Tls, &identity);
    endpoint.timeouts.idle = Duration::from_millis(20);
    let (line, _) = enter(&endpoint).await.unwrap();
    let fault = line.read(64, Some(Duration::from_hours(1))).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("IDLE")));
    assert!(fault.causes().any(|cause| cause.contains("nothing for 20 ms")), "{fault:?}");
}
