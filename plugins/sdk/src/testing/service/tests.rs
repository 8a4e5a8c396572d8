use super::*;
use crate::http::Url;

const SCRIPT: &str = r#"
    > GET https://h.example/messages
    < 200
    <
    < ["1", "2"]
    > GET https://h.example/messages/1
    < 200
    <
    < one\r\n
    > GET https://h.example/messages/2
    < 200
    <
    < two\r\n
"#;

fn scope() -> Scope {
    Scope { folder: None, generation: String::new() }
}

fn covers(cursor: &[u8], id: &str) -> bool {
    cursor.first().is_some_and(|last| id.as_bytes() <= std::slice::from_ref(last))
}

fn message(id: &str) -> Request {
    Request::get(Url::new("https://h.example").segment("messages").segment(id))
}

/// A conversation that does everything right; `sins` changes one thing each.
async fn receive(host: &Guest<'_>, sins: &str) -> Result<(), Error> {
    let ids: Vec<String> = host.json(Request::get("https://h.example/messages"), 1000).await?;
    if sins == "checkpoint first" {
        host.checkpoint(&scope(), b"2".to_vec()).await?;
    }
    let mut last = None;
    let mut outcome = Ok(());
    for id in host.unseen(&scope(), ids).await? {
        outcome = async {
            let response = host.exchange(message(&id)).await?.success().await?;
            let body = if sins == "take half" {
                let mut body = response.body;
                let mut octets = Vec::new();
                while let Ok(Some(piece)) = body.piece().await {
                    octets.extend(piece);
                }
                Body::whole(octets)
            } else {
                response.body
            };
            host.deliver(&scope(), Arrival::new(&id), body).await
        }
        .await;
        if outcome.is_err() {
            break;
        }
        last = id.bytes().next();
    }
    if sins == "forget on failure" {
        outcome?;
        return host.checkpoint(&scope(), last.into_iter().collect()).await;
    }
    host.checkpoint(&scope(), last.into_iter().collect()).await?;
    if sins == "call it permanent" {
        return outcome.map_err(|error| Error::new(Failure::Permanent, error.message));
    }
    outcome
}

fn check(sins: &str) -> World {
    Service::parse(SCRIPT).with_cursor(covers).check(&World::default(), async |host| receive(host, sins).await).1
}

#[test]
fn an_honest_conversation_passes() {
    let world = check("");
    assert_eq!(world.ids("", ""), ["1", "2"]);
    assert_eq!(world.octets("", "", "2"), Some(b"two\r\n".as_slice()));
}

#[test]
#[should_panic(expected = "covers message 1, which was not handed over")]
fn a_cursor_ahead_of_its_messages_is_found() {
    check("checkpoint first");
}

#[test]
#[should_panic(expected = "what is not whole was taken for it")]
fn half_a_body_is_found() {
    check("take half");
}

#[test]
#[should_panic(expected = "no checkpoint followed")]
fn a_failure_that_loses_what_came_is_found() {
    check("forget on failure");
}

#[test]
#[should_panic(expected = "a lost line is told as")]
fn a_lost_line_under_another_name_is_found() {
    check("call it permanent");
}

#[test]
#[should_panic(expected = "is not expected")]
fn another_request_is_found() {
    Service::parse(SCRIPT).play(&World::default(), async |host| host.exchange(message("3")).await.map(drop));
}

#[test]
#[should_panic(expected = "the script is not over")]
fn a_request_that_is_missing_is_found() {
    Service::parse(SCRIPT).play(&World::default(), async |host| host.exchange(message("1")).await.map(drop));
}

#[test]
fn scripts_have_headers_bodies_and_octets() {
    let script = "
        # A comment.
        > POST https://h.example/batch
        > {\"a\":
        > 1}
        < 202
        < ETag: \"7\"
        <
        < one\\r
        <
        < \\x41\\Seen
    ";
    let service = Service::parse(script);
    let (response, _) = service.play(&World::default(), async |host| {
        let request = Request::post("https://h.example/batch").body("text/plain", "{\"a\":\n1}");
        let response = host.exchange(request).await?;
        assert_eq!((response.status, response.header("etag")), (202, Some("\"7\"")));
        response.body.octets(100).await
    });
    assert_eq!(response, b"one\r\n\nA\\Seen");
}

async fn receive_and_delete(host: &Guest<'_>, is_hasty: bool) -> Result<(), Error> {
    let delete = async || host.exchange(Request::delete("https://h.example/messages/1")).await.map(drop);
    let response = host.exchange(message("1")).await?.success().await?;
    host.deliver(&scope(), Arrival::new("1"), response.body).await?;
    if is_hasty {
        delete().await?;
    }
    host.checkpoint(&scope(), Vec::new()).await?;
    if is_hasty { Ok(()) } else { delete().await }
}

fn check_deletion(is_hasty: bool) {
    let script = r"
        > GET https://h.example/messages/1
        < 200
        <
        < one\r\n
        > DELETE https://h.example/messages/1
        - 1
        < 204
    ";
    Service::parse(script).check(&World::default(), async |host| receive_and_delete(host, is_hasty).await);
}

#[test]
fn what_is_durable_may_be_deleted() {
    check_deletion(false);
}

#[test]
#[should_panic(expected = "message 1 is deleted on the server before a checkpoint")]
fn a_deletion_before_the_checkpoint_is_found() {
    check_deletion(true);
}
