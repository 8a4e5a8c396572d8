//! What a component may do with HTTP, and what it gets from servers that misbehave.

use std::time::Duration;

use harness::authority::Authority;
use harness::service::{Answer, Service};
use postrider::fault::{Fault, Kind};

use super::behaviour::Behaviour;
use super::fake::{RENEWED, SECRET, Setting};

/// What is refused before a server hears of it.
async fn refused_unsent(behaviour: Behaviour) {
    let server = Service::start(None, |_| Answer::new(200));
    let fault = Setting::new(behaviour).with_origin(server.port).sync().await.unwrap_err();
    assert_eq!(fault.kind, Kind::RefusedByHost, "{fault:?}");
    assert_eq!(server.asked(), []);
}

pub(super) async fn a_cookie_of_its_own_is_refused(behaviour: Behaviour) {
    refused_unsent(behaviour).await;
}

pub(super) async fn a_token_in_a_query_is_refused(behaviour: Behaviour) {
    refused_unsent(behaviour).await;
}

pub(super) async fn a_token_in_a_batch_part_is_refused(behaviour: Behaviour) {
    refused_unsent(behaviour).await;
}

pub(super) async fn another_origin_in_a_batch_is_refused(behaviour: Behaviour) {
    refused_unsent(behaviour).await;
}

/// Fetch from a server that answers so: what was delivered, or why nothing was.
async fn fetched(behaviour: Behaviour, answer: Answer) -> Result<Vec<u8>, Fault> {
    let server = Service::start(None, move |_| answer.clone());
    let setting = Setting::new(behaviour).bounded(|limits| limits.http_body_octets = 1 << 20).with_origin(server.port);
    setting.sync().await?;
    let told = setting.memory.told();
    Ok(told.messages[0].2.clone())
}

pub(super) async fn a_redirect_elsewhere_is_not_followed(behaviour: Behaviour) {
    let elsewhere = Service::start(None, |_| Answer::new(200));
    let to = format!("http://127.0.0.1:{}/", elsewhere.port);
    for target in [to.as_str(), "https://elsewhere.example/", "//elsewhere.example/", "https://mail.example.org:444/"] {
        let fault = fetched(behaviour, Answer::new(302).with_header("location", target)).await.unwrap_err();
        assert_eq!(fault.kind, Kind::RefusedByHost, "{target}: {fault:?}");
    }
    assert_eq!(elsewhere.asked(), []);
    // Within the origin it is, and a server that leads in circles is left.
    let fault = fetched(behaviour, Answer::new(302).with_header("location", "/again")).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Malformed, "{fault:?}");
}

pub(super) async fn a_response_is_whole_or_an_error(behaviour: Behaviour) {
    assert_eq!(fetched(behaviour, Answer::new(200).with_body("hello")).await.unwrap(), b"200\nhello");
    assert_eq!(fetched(behaviour, Answer::new(404)).await.unwrap(), b"404\n");
    let fault = fetched(behaviour, Answer::new(200).with_body("hello").cut_after(3)).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Unreachable, "{fault:?}");
    let fault = fetched(behaviour, Answer::new(200).with_body([b'x'; 4096]).endless()).await.unwrap_err();
    assert_eq!(fault.kind, Kind::TooLarge, "{fault:?}");
    // One octet now and then is no time-out of any wait: the exchange as a whole has one.
    let server = Service::start(None, |_| Answer::new(200).with_body([b'x'; 10_000]).trickling(Duration::from_millis(20)));
    let setting = Setting::new(behaviour).bounded(|limits| limits.http_exchange_ms = 1_000).with_origin(server.port);
    let fault = setting.sync().await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TIMEOUT")), "{fault:?}");

    // The same by HTTP/2, under TLS.
    let authority = Authority::new("Postrider Test Authority");
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let identity = authority.identity(&["127.0.0.1"]);
    let server = Service::start(Some(&identity), |_| Answer::new(200).with_body("hello"));
    let setting = Setting::new(behaviour).with_secure_origin(server.port, ca_file);
    setting.sync().await.unwrap();
    assert_eq!(setting.memory.told().messages[0].2, b"200\nhello");
    let asked = server.asked();
    assert_eq!((asked[0].version.as_str(), asked[0].header("authorization")), ("HTTP/2.0", Some(format!("Bearer {SECRET}").as_str())));
}

pub(super) async fn a_refused_credential_is_renewed_and_the_body_sent_again(behaviour: Behaviour) {
    let server = Service::start(None, |asked| {
        let is_renewed = asked.header("authorization") == Some(format!("Bearer {RENEWED}").as_str());
        if is_renewed { Answer::new(201).with_body("stored") } else { Answer::new(401) }
    });
    let setting = Setting::new(behaviour).set("size", 20_000).with_origin(server.port);
    setting.sync().await.unwrap();
    assert_eq!(setting.memory.told().messages[0].2, b"201\nstored");
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|asked| asked.body.len() == 20_000));
    // What is too long to be kept is not sent again, and the connector hears of it.
    let setting = Setting::new(behaviour).set("size", 1_000_000).with_origin(server.port);
    setting.sync().await.unwrap();
    assert_eq!(setting.memory.told().messages[0].2, b"401\n");
    assert_eq!(server.asked().len(), 3);
}

pub(super) async fn a_false_length_reaches_no_server(behaviour: Behaviour) {
    for size in [1_000, 1_000_000] {
        let server = Service::start(None, |_| Answer::new(200));
        let fault = Setting::new(behaviour).set("size", size).with_origin(server.port).sync().await.unwrap_err();
        assert_eq!(fault.kind, Kind::Malformed, "{fault:?}");
        // Of the short one nothing went out; of the long one, not all that was announced: the server has no whole request.
        assert!(server.asked().iter().all(|asked| asked.body.len() < size), "{size}");
    }
}

pub(super) async fn exchanges_are_counted(behaviour: Behaviour) {
    let server = Service::start(None, |_| Answer::new(200).with_body([b'x'; 4096]).endless());
    let mut setting = Setting::new(behaviour).bounded(|limits| limits.http_exchanges = 3);
    setting.read_timeout = Duration::from_millis(300);
    let fault = setting.with_origin(server.port).sync().await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::RefusedByHost, Some("LIMIT")), "{fault:?}");
    assert_eq!(server.asked().len(), 3);
}
