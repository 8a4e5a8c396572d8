//! Batches and forms as connectors might write them, whole and cut at every octet.

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::net::allow::Origins;

fn admitted(path: &str) -> Admitted {
    let origins = Origins::new(["https://api.example"], ["https://api.example=http://127.0.0.1:9"]).unwrap();
    origins.admit(&format!("https://api.example{path}")).unwrap()
}

fn inspect(path: &str, kind: &str, body: &[u8], cut: usize) -> Result<(), Refusal> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap())]);
    let mut inspection = Inspection::of(&headers, &admitted(path))?;
    body.chunks(cut).try_for_each(|octets| inspection.take(octets))?;
    inspection.finish()
}

/// However it is cut, the outcome is the same.
fn check(path: &str, kind: &str, body: &str) -> Result<(), Refusal> {
    let whole = inspect(path, kind, body.as_bytes(), usize::MAX);
    for cut in [1, 2, 7] {
        assert_eq!(inspect(path, kind, body.as_bytes(), cut), whole, "{body}");
    }
    whole
}

const MIXED: &str = "multipart/mixed; boundary=\"b.1\"";

fn part(request: &str) -> String {
    format!("--b.1\r\nContent-Type: application/http\r\nContent-ID: <1>\r\n\r\n{request}\r\n--b.1--\r\n")
}

#[test]
fn honest_batches_pass() {
    let get = "GET /gmail/v1/users/me/messages/1?format=raw HTTP/1.1\r\nAccept: application/json\r\n\r\n";
    assert_eq!(check("/batch/gmail/v1", MIXED, &part(get)), Ok(()));
    let post = "POST /gmail/v1/users/me/messages/1/modify HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let two = format!("--b.1\r\ncontent-type: application/http\r\n\r\n{get}\r\n{}", part(post));
    assert_eq!(check("/batch", MIXED, &two), Ok(()));
    assert_eq!(check("/batch", MIXED, &two.replace("\r\n", "\n").replace("Content-Length: 2", "X: 2")), Ok(()));
    let json = r#"{"requests":[{"id":"1","method":"GET","url":"/me/messages?$top=1"},
        {"id":"2","method":"patch","url":"me/messages/1","headers":{"Content-Type":"application/json"},"body":{"headers":{"authorization":1}},"dependsOn":["1"]}]}"#;
    assert_eq!(check("/v1.0/$batch", "application/json; charset=utf-8", json), Ok(()));
    let mail =
        "--b.1\r\nContent-Type: application/json\r\n\r\n{}\r\n--b.1\r\nContent-Type: message/rfc822\r\n\r\nAuthorization: x\r\n\r\n--b.1--";
    assert_eq!(check("/upload", "multipart/related; boundary=b.1", mail), Ok(()));
    assert_eq!(check("/form", "application/x-www-form-urlencoded", "grant_type=refresh_token&refresh_token=x"), Ok(()));
    assert_eq!(check("/json", "application/json", "access_token=1"), Ok(()));
}

#[test]
fn what_a_request_may_not_say_no_part_says() {
    for request in [
        "GET /me HTTP/1.1\r\nAuthorization: Bearer mine\r\n\r\n",
        "GET /me HTTP/1.1\r\nauthoriZation : Bearer mine\r\n\r\n",
        "GET /me HTTP/1.1\r\nX: y\r\n Authorization: Bearer mine\r\n\r\n",
        "GET /me HTTP/1.1\r\nX: y\rAuthorization: Bearer mine\r\n\r\n",
        "GET /me HTTP/1.1\r\nCookie: a=b\r\n\r\n",
        "GET /me HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
        "GET /me HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /me HTTP/1.1\r\nX_Http_Method_Override: TRACE\r\n\r\n",
        "GET https://elsewhere.example/me HTTP/1.1\r\n\r\n",
        "GET //elsewhere.example/me HTTP/1.1\r\n\r\n",
        "GET https:elsewhere.example/me HTTP/1.1\r\n\r\n",
        "GET http://api.example/me HTTP/1.1\r\n\r\n",
        "GET /\\elsewhere.example/me HTTP/1.1\r\n\r\n",
        "GET /me?access_token=mine HTTP/1.1\r\n\r\n",
        "GET /me?a=b&k%65y=mine HTTP/1.1\r\n\r\n",
        "CONNECT elsewhere.example:443 HTTP/1.1\r\n\r\n",
        "TRACE /me HTTP/1.1\r\n\r\n",
        "GET  /me HTTP/1.1\r\n\r\n",
        "GET /me HTTP/2\r\n\r\n",
        "GET /me HTTP/1.1",
        "POST /me HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET /me HTTP/1.1\r\nAuthorization: Bearer mine\r\n\r\n",
        "POST /me HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n",
        "POST /$batch HTTP/1.1\r\n\r\n",
    ] {
        assert!(check("/batch", MIXED, &part(request)).is_err(), "{request}");
    }
}

#[test]
fn a_batch_is_read_in_one_way_only() {
    let good = part("GET /me HTTP/1.1\r\n\r\n");
    for bad in [
        good.replace("--b.1--", ""),
        good.replace("--b.1\r\n", "--b.1 x\r\n"),
        good.replace("--b.1--", "--b.12\r\nx\r\n--b.1--"),
        good.replace("--b.1--\r\n", "--b.1--\r\n--b.1\r\nContent-Type: application/http\r\n\r\nGET /me HTTP/1.1\r\nCookie: a\r\n\r\n"),
        good.replace("--b.1--", " --b.1\r\nContent-Type: application/http\r\n\r\nGET /me HTTP/1.1\r\nCookie: a\r\n\r\n--b.1--"),
        good.replace("--b.1--", "x\r--b.1\r\nContent-Type: application/http\r\n\r\nGET /me HTTP/1.1\r\nCookie: a\r\n\r\n--b.1--"),
        good.replace("application/http", "multipart/mixed; boundary=c"),
        good.replace("application/http", "text/plain"),
        good.replace("Content-Type: application/http\r\n", ""),
        good.replace("Content-ID: <1>", "Content-Type: application/http"),
        good.replace("Content-ID: <1>", "Content-Transfer-Encoding: base64"),
        good.replace("Content-ID: <1>", "Authorization: Bearer mine"),
        good.replace("Content-ID: <1>", &"x".repeat(HTTP_LINE + 1)),
    ] {
        assert_ne!(good, bad);
        assert!(check("/batch", MIXED, &bad).is_err(), "{bad:.400}");
    }
    // Another delimiter, beyond what is kept of a long line.
    let long = format!("POST /me HTTP/1.1\r\n\r\n{}\r--b.1\r\nx", "y".repeat(HTTP_LINE + 10));
    assert!(check("/batch", MIXED, &part(&long)).is_err());
    assert_eq!(check("/batch", MIXED, &part(&long.replace("\r--b.1\r\nx", ""))), Ok(()));
    for kind in [
        "multipart/mixed",
        "multipart/mixed; boundary=",
        "multipart/mixed; boundary=a; boundary=b.1",
        "multipart/mixed; boundary*=utf-8''b.1",
        "multipart/mixed; boundary=\"b.1",
        "multipart/mixed; boundary=\"b;1\"",
        "multipart/mixed; x=\"; boundary=c\"; boundary=b.1",
    ] {
        assert!(check("/batch", kind, &good).is_err(), "{kind}");
    }
}

const HTTP_LINE: usize = crate::limits::HTTP_BATCH_LINE_OCTETS;

#[test]
fn json_batches_say_nothing_else_either() {
    let batch = |request: &str| format!("{{\"requests\":[{{\"id\":\"1\",{request}}}]}}");
    for request in [
        r#""method":"GET","url":"https://elsewhere.example/me""#,
        r#""method":"GET","url":"\/\/elsewhere.example/me""#,
        r#""method":"GET","url":"/me?access_token=mine""#,
        r#""method":"GET","url":"/me","URL":"https://elsewhere.example/""#,
        r#""method":"GET","url":"/me","headers":{"Authorization":"Bearer mine"}"#,
        r#""method":"GET","url":"/me","headers":{"\u0041uthorization":"Bearer mine"}"#,
        r#""method":"GET","url":"/me","headers":{},"Headers":{"cookie":"a"}"#,
        r#""method":"GET","url":"/me","headers":{"a":["b"]}"#,
        r#""method":"GET","method":"TRACE","url":"/me""#,
        r#""method":"GET","url":"/me","url":"/you""#,
        r#""method":"CONNECT","url":"/me""#,
        r#""method":"POST","url":"/v1.0/%24batch""#,
        r#""method":"GET""#,
    ] {
        assert!(check("/v1.0/$batch", "application/json", &batch(request)).is_err(), "{request}");
    }
    let good = batch(r#""method":"GET","url":"/me""#);
    for (path, kind, body) in [
        ("/v1.0/$batch", "text/plain", good.as_str()),
        ("/v1.0/$batch", "", &good),
        ("/v1.0/%24BATCH/", "application/json", "{"),
        ("/v1.0/$batch;x", "application/json", &format!("{good}{good}")),
        ("/v1.0/$batch", "application/json", "[]"),
    ] {
        assert!(check(path, kind, body).is_err(), "{path} {kind} {body}");
    }
    let long = batch(&format!(r#""method":"GET","url":"/me","body":"{}""#, "x".repeat(HTTP_BATCH_OCTETS)));
    assert_eq!(inspect("/$batch", "application/json", long.as_bytes(), 1 << 14), Err(BatchError::TooLong.into()));
    let many = format!("{{\"requests\":[{}]}}", [r#"{"url":"/me"}"#; 1_001].join(","));
    assert!(inspect("/$batch", "application/json", many.as_bytes(), 1 << 14).is_err());
    assert!(inspect("/$batch", "application/json", "[".repeat(1 << 20).as_bytes(), 1 << 14).is_err());
}

#[test]
fn tokens_in_forms_and_coded_batches() {
    assert!(check("/x", "application/x-www-form-urlencoded", "a=b&access%5Ftoken=mine").is_err());
    assert!(check("/x", "Application/X-WWW-Form-Urlencoded; charset=utf-8", "access_token=mine").is_err());
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(MIXED))]);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(Inspection::of(&headers, &admitted("/batch")).err(), Some(BatchError::Coded.into()));
    headers.remove(CONTENT_ENCODING);
    headers.append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert_eq!(Inspection::of(&headers, &admitted("/batch")).err(), Some(BatchError::TwoTypes.into()));
}
