use std::collections::VecDeque;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::block_on;

/// Pieces, and what is said at the end.
struct Pieces(VecDeque<Vec<u8>>, Result<u64, Error>);

impl Source for Pieces {
    fn next(&mut self) -> Coming<'_, Option<Vec<u8>>> {
        Box::pin(std::future::ready(self.0.pop_front()))
    }

    fn finished(&mut self) -> Coming<'_, Result<u64, Error>> {
        Box::pin(std::future::ready(self.1.clone()))
    }
}

fn body(pieces: &[&[u8]], end: Result<u64, Error>) -> Body {
    Body::new(Pieces(pieces.iter().map(|piece| piece.to_vec()).collect(), end))
}

fn refusal(status: u16, headers: &[(&str, &str)], body: Body) -> Error {
    block_on(Response::new(status, headers.iter().copied(), body).success()).unwrap_err()
}

proptest! {
    #[test]
    fn a_body_is_whole_or_an_error(octets in proptest::collection::vec(any::<u8>(), 0..30), said in 0_u64..30) {
        for cut in 0..=octets.len() {
            let pieces = [&octets[..cut], &[], &octets[cut..]];
            prop_assert_eq!(block_on(body(&pieces, Ok(octets.len() as u64)).octets(30)).unwrap(), octets.clone());
            let lost = Error::new(Failure::Unreachable, "lost");
            prop_assert_eq!(block_on(body(&pieces[..1], Err(lost)).octets(30)).unwrap_err().message, "lost");
            if said != octets.len() as u64 {
                prop_assert_eq!(block_on(body(&pieces, Ok(said)).octets(30)).unwrap_err().kind, Failure::Unreachable);
            }
        }
    }

    #[test]
    fn the_limit_is_on_the_octet(octets in proptest::collection::vec(any::<u8>(), 0..30), limit in 0_usize..30, cut in 0_usize..30) {
        let pieces: Vec<&[u8]> = vec![&octets[..cut.min(octets.len())], &octets[cut.min(octets.len())..]];
        let result = block_on(body(&pieces, Ok(octets.len() as u64)).octets(limit));
        prop_assert_eq!(result.map_err(|error| error.kind), if octets.len() <= limit { Ok(octets) } else { Err(Failure::TooLarge) });
    }
}

#[test]
fn an_empty_piece_is_not_the_end() {
    let mut body = body(&[b"", b"a", b"", b"b"], Ok(2));
    assert_eq!(block_on(body.piece()).unwrap(), Some(b"a".to_vec()));
    assert_eq!(block_on(body.piece()).unwrap(), Some(b"b".to_vec()));
    assert_eq!(body.handed_out(), 2);
    assert_eq!(block_on(body.piece()).unwrap(), None);
    assert_eq!(block_on(body.piece()).unwrap(), None, "the end stays the end");
}

#[test]
fn a_status_is_an_error_of_its_kind() {
    use Failure::{Conflict, Forbidden, Gone, Permanent, StaleCursor, Throttled, TooLarge, Transient, Unauthenticated, Unsupported};
    let table = [
        (304, Permanent),
        (400, Permanent),
        (401, Unauthenticated),
        (403, Forbidden),
        (404, Gone),
        (405, Unsupported),
        (408, Transient),
        (409, Conflict),
        (410, StaleCursor),
        (412, Conflict),
        (413, TooLarge),
        (429, Throttled),
        (451, Permanent),
        (500, Transient),
        (501, Unsupported),
        (503, Transient),
        (505, Permanent),
    ];
    for (status, kind) in table {
        let error = refusal(status, &[], Body::whole("<html>"));
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(status.to_string().as_str())));
        assert_eq!(error.message, format!("the service answers with status {status}"));
    }
    let limited = refusal(403, &[("Retry-After", "1")], Body::whole(""));
    assert_eq!((limited.kind, limited.retry_after_ms), (Throttled, Some(1_000)));
    assert!(block_on(Response::new(204, [], Body::whole("")).success()).is_ok());
}

#[test]
fn the_service_s_own_words_are_passed_on() {
    let words = |value: Value| refusal(400, &[], Body::whole(value.to_string())).message;
    assert_eq!(words(json!({ "error": { "message": "No\n such   label", "code": 3 } })), "No such label");
    assert_eq!(words(json!({ "title": "Bad", "detail": "Worse" })), "Worse");
    assert_eq!(words(json!({ "error": "invalid_grant", "error_description": "Expired" })), "Expired");
    assert_eq!(words(json!({ "error": "invalid_grant" })), "invalid_grant");
    assert_eq!(words(json!({ "message": " " })), "the service answers with status 400");
    let long = json!({ "message": "x".repeat(70_000) });
    assert_eq!(words(long), "the service answers with status 400", "a body without a bound is not read");
    let cut = refusal(400, &[], body(&[br#"{"message": "half"}"#], Err(Error::new(Failure::Unreachable, "lost"))));
    assert_eq!((cut.kind, cut.message.as_str()), (Failure::Permanent, "the service answers with status 400"));
}

#[test]
fn json_has_a_limit_and_a_place() {
    let json = |text: &str, limit| block_on(Response::new(200, [], Body::whole(text)).json::<Vec<u8>>(limit));
    assert_eq!(json("[1,2]", 5).unwrap(), [1, 2]);
    assert_eq!(json("[1,2]", 4).unwrap_err().kind, Failure::TooLarge);
    let error = json("[1,\n\"two\"]", 100).unwrap_err();
    assert_eq!(error.kind, Failure::Malformed);
    assert!(error.message.contains("line 2"), "{}", error.message);
    let error = block_on(Response::new(500, [], Body::whole("[1]")).json::<Vec<u8>>(9)).unwrap_err();
    assert_eq!(error.kind, Failure::Transient);
}
