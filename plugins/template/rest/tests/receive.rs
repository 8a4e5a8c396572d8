//! Exchanges, played whole, with bodies cut and ended at every octet, with late answers, and with every request unanswered.

use postrider_connector::testing::{Service, World};
use postrider_connector::types::Failure;
use template_rest::receive::{FOLDER, receive};
use template_rest::settings::Settings;

const TWO_PAGES: &str = r#"
    > GET https://mail.example.com/v1/messages?max=2
    < 200
    <
    < {"messages": [{"id": "1", "keywords": ["\\\\Seen"]}, {"id": "2"}], "next": "b"}
    > GET https://mail.example.com/v1/messages/1/raw
    < 200
    <
    < Subject: one\r\n\r\n
    > GET https://mail.example.com/v1/messages/2/raw
    < 200
    <
    < Subject: two\r\n\r\n
    > GET https://mail.example.com/v1/messages?max=2&page=b
    < 200
    <
    < {"messages": [{"id": "3"}]}
    > GET https://mail.example.com/v1/messages/3/raw
    < 200
    <
    < Subject: three\r\n\r\n
"#;

fn settings() -> Settings {
    Settings { base_url: "https://mail.example.com/v1".to_owned(), page_messages: 2, poll_seconds: 60 }
}

/// The service has no cursor that could cover a message; what came whole is made durable all the same.
fn service(script: &str) -> Service {
    Service::parse(script).with_cursor(|_, _| false)
}

#[test]
fn all_pages_are_received() {
    let (_, world) = service(TWO_PAGES).check(&World::default(), async |host| receive(host, &settings()).await);
    assert_eq!(world.ids(FOLDER, ""), ["1", "2", "3"]);
    assert_eq!(world.octets(FOLDER, "", "2"), Some(b"Subject: two\r\n\r\n".as_slice()));
    assert_eq!(world.messages[&(FOLDER.to_owned(), String::new(), "1".to_owned())].keywords, ["\\Seen"]);
    assert_eq!(world.checkpoints.len(), 2);
}

#[test]
fn what_the_host_has_is_not_fetched() {
    let mut world = World::default();
    world.put(FOLDER, "", "1", b"Subject: one\r\n\r\n", &[]);
    let script = r#"
        > GET https://mail.example.com/v1/messages?max=2
        < 200
        <
        < {"messages": [{"id": "1"}]}
    "#;
    let (_, world) = service(script).check(&world, async |host| receive(host, &settings()).await);
    assert!(world.checkpoints.is_empty(), "nothing came, so nothing has to be made durable");
}

#[test]
fn a_message_that_is_gone_costs_that_one() {
    let script = r#"
        > GET https://mail.example.com/v1/messages?max=2
        < 200
        <
        < {"messages": [{"id": "1"}, {"id": "2"}]}
        > GET https://mail.example.com/v1/messages/1/raw
        < 404
        > GET https://mail.example.com/v1/messages/2/raw
        < 200
        <
        < Subject: two\r\n\r\n
    "#;
    let (_, world) = service(script).check(&World::default(), async |host| receive(host, &settings()).await);
    assert_eq!(world.octets(FOLDER, "", "1"), None);
    assert_eq!(world.ids(FOLDER, ""), ["1", "2"], "it is set aside, and not asked for again");
}

#[test]
fn a_service_that_asks_for_patience_is_given_it() {
    let script = r#"
        > GET https://mail.example.com/v1/messages?max=2
        < 429
        < Retry-After: 30
        <
        < {"error": {"message": "Slow down."}}
    "#;
    service(script).play(&World::default(), async |host| {
        let error = receive(host, &settings()).await.expect_err("it is refused");
        assert_eq!((error.kind, error.retry_after_ms), (Failure::Throttled, Some(30_000)));
        assert_eq!(error.message, "list messages: Slow down.");
        Ok(())
    });
}
