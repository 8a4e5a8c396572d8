//! HTTP against servers on loopback that play scripts: the operator's rewrite leads there.

mod http2;
mod policy;

use std::time::Duration;

use data_encoding::BASE64;
use futures_util::{StreamExt, stream};

use super::*;
use crate::model::endpoint::{Security, Timeouts, Trust};
use crate::net::allow::Origin;
use crate::net::testing::{Act, Flaw, Identity, PASSWORD, Server, endpoint, secret};

fn settings(origins: Origins, server: Endpoint) -> Settings {
    Settings { body_octets: 1000, exchanges: 2, ..Settings::new(origins, server, &Limits::default()) }
}

fn client_over(to: &str, trust: Trust, idle: Duration) -> Client {
    let rewrite = format!("https://api.example={to}");
    let origins = Origins::new(["https://api.example", "https://files.example"], [rewrite.as_str()]).unwrap();
    let server = Endpoint { trust, timeouts: Timeouts { read: idle, ..Timeouts::default() }, ..endpoint(443, Security::Tls) };
    Client::new(settings(origins, server))
}

fn client(server: &Server) -> Client {
    client_over(&format!("http://127.0.0.1:{}", server.port), Trust::default(), Duration::from_secs(20))
}

fn get(path: &str) -> Request {
    let url = format!("https://api.example{path}");
    Request { method: "GET".to_owned(), url, headers: Vec::new(), credential: None, cost: 1, body: None }
}

fn credential(placement: Placement) -> Option<Credential> {
    Some(Credential { secret: secret(), placement, origins: vec![Origin::parse("https://api.example").unwrap()], renewal: None })
}

fn body(length: u64, pieces: &[&'static str]) -> Option<RequestBody> {
    let pieces: Vec<Result<bytes::Bytes, Fault>> = pieces.iter().map(|piece| Ok(bytes::Bytes::from_static(piece.as_bytes()))).collect();
    Some(RequestBody { length, octets: stream::iter(pieces).boxed() })
}

/// Hears a head of so many lines, the empty one included, and answers.
fn answering(lines: usize, answer: &str) -> Vec<Act> {
    [vec![Act::HearLine; lines], vec![Act::Say(answer.as_bytes().to_vec())]].concat()
}

async fn all(mut response: Response) -> Result<Vec<u8>, Fault> {
    let mut octets = Vec::new();
    while let Some(piece) = response.body.next().await {
        octets.extend(piece?);
    }
    assert!(response.body.next().await.is_none());
    assert_eq!(response.body.received(), octets.len() as u64);
    Ok(octets)
}

#[tokio::test]
async fn a_request_and_its_answer() {
    let identity = Identity::new(Flaw::None);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nSet-Cookie: a=b\r\nX-Echo: {PASSWORD}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    );
    let server = Server::start(Some(&identity), [vec![Act::Tls], answering(7, &answer)].concat()).await;
    let trust = Trust { ca_file: Some(identity.ca_file.clone()), ..Trust::default() };
    let client = client_over(&format!("https://127.0.0.1:{}", server.port), trust, Duration::from_secs(20));
    let mut request = get("/v1/me?$top=5#fragment");
    request.headers.push(("Prefer".to_owned(), "x".to_owned()));
    request.credential = credential(Placement::Bearer);
    let response = client.exchange(request).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(response.headers.contains(&("etag".to_owned(), "\"1\"".to_owned())));
    assert!(response.headers.contains(&("x-echo".to_owned(), "[redacted]".to_owned())));
    assert!(!response.headers.iter().any(|(name, _)| name == "set-cookie"));
    assert_eq!(all(response).await.unwrap(), b"hello world");
    let heard = server.heard();
    assert_eq!(heard[0], "GET /v1/me?$top=5 HTTP/1.1");
    assert!(heard.contains(&format!("host: 127.0.0.1:{}", server.port)), "{heard:?}");
    assert!(heard.contains(&"accept-encoding: gzip".to_owned()) && heard.contains(&"prefer: x".to_owned()), "{heard:?}");
    assert!(heard.contains(&format!("authorization: Bearer {PASSWORD}")), "{heard:?}");
}

#[tokio::test]
async fn credentials_go_where_they_are_bound() {
    let answer = "HTTP/1.1 204 No Content\r\n\r\n";
    let server = Server::start(None, [answering(6, answer), answering(6, answer)].concat()).await;
    let client = client(&server);
    let mut request = get("/");
    request.credential = credential(Placement::Basic { user: "me".to_owned() });
    all(client.exchange(request).await.unwrap()).await.unwrap();
    let mut request = get("/");
    request.credential = credential(Placement::Header("X-Api-Key".to_owned()));
    all(client.exchange(request).await.unwrap()).await.unwrap();
    let heard = server.heard();
    let basic = format!("authorization: Basic {}", BASE64.encode(format!("me:{PASSWORD}").as_bytes()));
    assert!(heard.contains(&basic) && heard.contains(&format!("x-api-key: {PASSWORD}")), "{heard:?}");

    let mut request = get("/");
    request.credential = credential(Placement::Bearer);
    request.url = "https://files.example/".to_owned();
    let fault = client.exchange(request).await.unwrap_err();
    assert_eq!(fault.kind, Kind::RefusedByHost);
    assert!(!format!("{fault:?}").contains(PASSWORD));
    assert_eq!(
        client.exchange(Request { url: "https://evil.example/".to_owned(), ..get("/") }).await.unwrap_err().kind,
        Kind::RefusedByHost
    );
}

#[tokio::test]
async fn a_body_has_the_length_that_it_said() {
    let acts =
        [vec![Act::HearLine; 6], vec![Act::Hear(11), Act::Say(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_vec())]].concat();
    let server = Server::start(None, acts).await;
    let client = client(&server);
    let put = |body| Request { method: "PUT".to_owned(), body, ..get("/x") };
    assert_eq!(client.exchange(put(body(11, &["hello", " ", "world"]))).await.unwrap().status, 201);
    assert!(server.heard().contains(&"content-length: 11".to_owned()) && server.heard().contains(&"hello world".to_owned()));
    for wrong in [body(11, &["hello"]), body(11, &["hello ", "world", "!"]), body(11, &["hello world!"])] {
        let fault = client.exchange(put(wrong)).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Malformed, "{fault:?}");
        assert!(fault.causes().any(|cause| cause.contains("than the 11 that were announced")), "{fault:?}");
    }
    let broken = RequestBody { length: 5, octets: stream::iter([Err(Fault::new(Kind::Cancelled, "read the message"))]).boxed() };
    assert_eq!(client.exchange(put(Some(broken))).await.unwrap_err().kind, Kind::Cancelled);
}

#[tokio::test]
async fn half_a_body_is_an_error() {
    for (answer, kind) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", Kind::Unreachable),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Kind::Unreachable),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX", Kind::Unreachable),
    ] {
        let server = Server::start(None, [answering(5, answer), vec![Act::Cut]].concat()).await;
        let fault = all(client(&server).exchange(get("/")).await.unwrap()).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{answer}: {fault:?}");
    }
    let server = Server::start(None, [vec![Act::HearLine; 5], vec![Act::Cut]].concat()).await;
    assert_eq!(client(&server).exchange(get("/")).await.unwrap_err().kind, Kind::Unreachable);
    let server = Server::start(None, answering(5, "* OK IMAP4rev1 ready\r\n\r\n")).await;
    assert_eq!(client(&server).exchange(get("/")).await.unwrap_err().kind, Kind::Malformed);
}

#[tokio::test]
async fn a_body_is_bounded() {
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n";
    let server = Server::start(None, answering(5, announced)).await;
    assert_eq!(client(&server).exchange(get("/")).await.unwrap_err().kind, Kind::TooLarge);
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", format!("1f4\r\n{}\r\n", "x".repeat(500)).repeat(3));
    let server = Server::start(None, [answering(5, &chunked), vec![Act::Stall]].concat()).await;
    assert_eq!(all(client(&server).exchange(get("/")).await.unwrap()).await.unwrap_err().kind, Kind::TooLarge);
    let coded = "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx";
    let server = Server::start(None, answering(5, coded)).await;
    assert_eq!(client(&server).exchange(get("/")).await.unwrap_err().kind, Kind::Unsupported);
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let server = Server::start(None, [answering(5, &head), vec![Act::Stall]].concat()).await;
    assert_eq!(client(&server).exchange(get("/")).await.unwrap_err().kind, Kind::Malformed);
}

#[tokio::test]
async fn a_compressed_body_is_counted_as_it_unfolds() {
    let coded = |octets: &[u8], end: usize| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, octets).unwrap();
        let coded = encoder.finish().unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", coded.len() - end);
        [vec![Act::HearLine; 5], vec![Act::Say([head.as_bytes(), &coded[..coded.len() - end]].concat())]].concat()
    };
    let server = Server::start(None, coded(b"hello world", 0)).await;
    let response = client(&server).exchange(get("/")).await.unwrap();
    assert!(!response.headers.iter().any(|(name, _)| name.starts_with("content-")), "{:?}", response.headers);
    assert_eq!(all(response).await.unwrap(), b"hello world");
    // A bomb: 100 MB in 100 KB, of which no more than the bound is unfolded.
    let server = Server::start(None, coded(&vec![0; 10_000_000], 0)).await;
    let roomy = format!("http://127.0.0.1:{}", server.port);
    let client_of = |octets| {
        let client = client_over(&roomy, Trust::default(), Duration::from_secs(20));
        Client::new(Settings { body_octets: octets, ..client.settings })
    };
    let mut response = client_of(100_000).exchange(get("/")).await.unwrap();
    let fault = loop {
        match response.body.next().await.unwrap() {
            Ok(octets) => assert!(octets.len() <= crate::limits::HTTP_DECODED_OCTETS),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.kind, Kind::TooLarge);
    assert!(response.body.received() <= 100_000 + crate::limits::HTTP_DECODED_OCTETS as u64);
    // Whole by its length, and cut inside; and no gzip at all.
    let server = Server::start(None, coded(b"hello world", 3)).await;
    let fault = all(client(&server).exchange(get("/")).await.unwrap()).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TRUNCATED")));
    let plain = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello";
    let server = Server::start(None, answering(5, plain)).await;
    assert_eq!(all(client(&server).exchange(get("/")).await.unwrap()).await.unwrap_err().kind, Kind::Malformed);
}

#[tokio::test]
async fn an_exchange_ends_in_time_though_its_body_goes_on() {
    let server = Server::start(None, [answering(5, "HTTP/1.1 200 OK\r\n\r\n"), vec![Act::Dribble("x")]].concat()).await;
    let slow = Client::new(Settings { exchange: Duration::from_millis(200), ..client(&server).settings });
    let fault = all(slow.exchange(get("/")).await.unwrap()).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TIMEOUT")));
    assert!(fault.causes().any(|cause| cause.contains("http-exchange-ms")), "{fault:?}");
    // Interim answers are no answer, however many come (RFC 9110 section 15.2).
    let server = Server::start(None, [vec![Act::HearLine; 5], vec![Act::Dribble("HTTP/1.1 100 Continue\r\n\r\n")]].concat()).await;
    let to = format!("http://127.0.0.1:{}", server.port);
    let fault = client_over(&to, Trust::default(), Duration::from_millis(300)).exchange(get("/")).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TIMEOUT")));
}

#[tokio::test]
async fn an_answer_may_come_before_the_body_was_sent() {
    let early = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nlong";
    let server = Server::start(None, [answering(6, early), vec![Act::Stall]].concat()).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let octets = stream::unfold(receiver, |mut receiver: tokio::sync::mpsc::Receiver<bytes::Bytes>| async move {
        receiver.recv().await.map(|piece| (Ok(piece), receiver))
    });
    let request = Request { method: "PUT".to_owned(), body: Some(RequestBody { length: 1 << 30, octets: octets.boxed() }), ..get("/") };
    let client = client(&server);
    let response = client.exchange(request).await.unwrap();
    assert_eq!(response.status, 413);
    assert_eq!(all(response).await.unwrap(), b"long");
    // Whoever gives the body learns that nobody wants it any more.
    sender.closed().await;
}

#[tokio::test]
async fn silence_is_not_waited_out() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"] {
        let server = Server::start(None, [answering(5, answer), vec![Act::Stall]].concat()).await;
        let to = format!("http://127.0.0.1:{}", server.port);
        let client = client_over(&to, Trust::default(), Duration::from_millis(100));
        let fault = match client.exchange(get("/")).await {
            Ok(response) => all(response).await.unwrap_err(),
            Err(fault) => fault,
        };
        assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TIMEOUT")), "{answer}");
    }
}

#[tokio::test]
async fn redirects_stay_within_the_origin() {
    let found = |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    let elsewhere = Server::start(None, vec![Act::HearLine]).await;
    let server = Server::start(None, answering(6, &found(&format!("http://127.0.0.1:{}/", elsewhere.port)))).await;
    let mut request = get("/");
    request.credential = credential(Placement::Bearer);
    assert_eq!(client(&server).exchange(request).await.unwrap_err().kind, Kind::RefusedByHost);
    assert!(elsewhere.heard().is_empty(), "the redirect was followed");

    let server = Server::start(None, answering(5, &found("https://files.example/x"))).await;
    let response = client(&server).exchange(get("/")).await.unwrap();
    assert_eq!(response.status, 302);

    let server = Server::start(None, answering(5, &found("/again"))).await;
    let fault = client(&server).exchange(get("/")).await.unwrap_err();
    assert!(fault.causes().any(|cause| cause.contains("more than 5 redirects")), "{fault:?}");
    assert_eq!(server.heard().iter().filter(|line| *line == "GET /again HTTP/1.1").count(), 5);
}

#[tokio::test]
async fn a_connection_serves_again_when_its_answer_was_read_to_the_end() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    // One connection answers twice; a second one would begin the script anew and answer "1" again.
    let first = answering(5, &answer.replace("hi", "1!"));
    let second = answering(5, &answer.replace("hi", "2!"));
    let server = Server::start(None, [first, second].concat()).await;
    let client = client(&server);
    assert_eq!(all(client.exchange(get("/")).await.unwrap()).await.unwrap(), b"1!");
    assert_eq!(all(client.exchange(get("/")).await.unwrap()).await.unwrap(), b"2!");
    // The server has closed it meanwhile: a new one is made, and nobody notices.
    assert_eq!(all(client.exchange(get("/")).await.unwrap()).await.unwrap(), b"1!");
    drop(client.exchange(get("/")).await.unwrap());
    assert_eq!(all(client.exchange(get("/")).await.unwrap()).await.unwrap(), b"1!", "half a response was left on a connection");
}

#[tokio::test]
async fn exchanges_at_once_are_counted() {
    let server = Server::start(None, [answering(5, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), vec![Act::Stall]].concat()).await;
    let to = format!("http://127.0.0.1:{}", server.port);
    let client = client_over(&to, Trust::default(), Duration::from_millis(100));
    let one = client.exchange(get("/")).await.unwrap();
    let _two = client.exchange(get("/")).await.unwrap();
    let fault = client.exchange(get("/")).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::RefusedByHost, Some("LIMIT")));
    drop(one);
    assert!(client.exchange(get("/")).await.is_ok());
}

#[tokio::test]
async fn an_origin_of_a_manifest_leads_to_no_near_place() {
    let server = Server::start(None, vec![Act::HearLine, Act::Stall]).await;
    for origin in ["https://localhost", "https://[::1]", "https://127.0.0.2", "https://2130706434", "https://0x7f.2"] {
        let origin = format!("{origin}:{}", server.port);
        let server = Endpoint { proxy: None, ..endpoint(443, Security::Tls) };
        let client = Client::new(settings(Origins::new([origin.as_str()], []).unwrap(), server));
        let fault = client.exchange(Request { url: format!("{origin}/"), ..get("/") }).await.unwrap_err();
        assert_eq!(fault.kind, Kind::RefusedByHost, "{origin}: {fault:?}");
    }
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn an_exchange_goes_through_the_accounts_proxy() {
    let connect =
        "CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\nProxy-Authorization: Basic bWU6Y29ycmVjdCBob3JzZQ==\r\n\r\n";
    let http = vec![Act::Hear(connect.len()), Act::Say(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())];
    let socks = vec![
        Act::Hear(4),
        Act::Say(vec![5, 2]),
        Act::Hear(18),
        Act::Say(vec![1, 0]),
        Act::Hear(18),
        Act::Say(vec![5, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    ];
    // The proxy plays the origin's part as well.
    let identity = Identity::for_names(&["api.example"]);
    let answer = answering(5, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    for (scheme, part) in [("http", http), ("socks5h", socks)] {
        let proxy = Server::start(Some(&identity), [part, vec![Act::Tls], answer.clone()].concat()).await;
        let mut server = endpoint(443, Security::Tls);
        server.trust.ca_file = Some(identity.ca_file.clone());
        server.proxy = Some(format!("{scheme}://me@127.0.0.1:{}", proxy.port));
        server.held.proxy_password = Some(Secret::new("correct horse"));
        let client = Client::new(settings(Origins::new(["https://api.example"], []).unwrap(), server));
        let response = client.exchange(get("/")).await.unwrap_or_else(|fault| panic!("{scheme}: {fault:?}"));
        assert_eq!(all(response).await.unwrap(), b"hello");
        let heard = proxy.heard();
        assert!(heard[0].starts_with("CONNECT api.example:443") || heard[2].contains("api.example"), "{heard:?}");
        assert!(!heard.iter().skip(3).any(|line| line.to_ascii_lowercase().contains("proxy-authorization")), "{heard:?}");
    }
}
