//! HTTP/2 against servers that mean it well (h2's own) and against hand-written frames.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::net::testing::Duplex;

type Line = Box<dyn Duplex>;

/// What the server was asked, by connection.
type Log = Arc<Mutex<Vec<(usize, String)>>>;

struct Http2 {
    client: Client,
    log: Log,
    _server: AbortOnDropHandle<()>,
    _identity: Identity,
}

impl Http2 {
    /// A server that gives each connection, with its number, to `serve`; a client that believes it and waits `patience`.
    async fn start<F, W>(patience: Duration, serve: F) -> Self
    where
        F: Fn(usize, Line, Log) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let identity = Identity::new(Flaw::None);
        let acceptor = identity.acceptor_speaking(&[b"h2", b"http/1.1"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Log::default();
        let server = tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                let mut lines = tokio::task::JoinSet::new();
                let mut count = 0;
                while let Ok((socket, _)) = listener.accept().await {
                    let Ok(line) = acceptor.accept(socket).await else { continue };
                    count += 1;
                    lines.spawn(serve(count, Box::new(line), Arc::clone(&log)));
                }
            }
        });
        let trust = Trust { ca_file: Some(identity.ca_file.clone()), ..Trust::default() };
        let client = client_over(&format!("https://127.0.0.1:{port}"), trust, patience);
        let client = Client::new(Settings { exchanges: 8, body_octets: 10_000_000, ..client.settings });
        Self { client, log, _server: AbortOnDropHandle::new(server), _identity: identity }
    }

    fn log(&self) -> Vec<(usize, String)> {
        self.log.lock().unwrap().clone()
    }
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

/// Hand every request to `answer`, which gets the connection's number and the request's.
async fn each(
    number: usize,
    line: Line,
    log: Log,
    answer: impl Fn(usize, usize, http::Request<h2::RecvStream>, SendResponse<Bytes>) -> Option<AbortOnDropHandle<()>>,
) {
    let mut connection = h2::server::handshake(line).await.unwrap();
    let mut running = Vec::new();
    let mut count = 0;
    while let Some(Ok((request, respond))) = connection.accept().await {
        count += 1;
        log.lock().unwrap().push((number, format!("{} {}", request.method(), request.uri())));
        running.extend(answer(number, count, request, respond));
    }
}

fn running(task: impl Future<Output = ()> + Send + 'static) -> Option<AbortOnDropHandle<()>> {
    Some(AbortOnDropHandle::new(tokio::spawn(task)))
}

fn say(mut respond: SendResponse<Bytes>, words: &'static str) {
    let mut body = respond.send_response(http::Response::new(()), false).unwrap();
    body.send_data(Bytes::from_static(words.as_bytes()), true).unwrap();
}

#[tokio::test]
async fn exchanges_share_a_connection() {
    let server = Http2::start(LONG, |number, line, log| async move {
        let barrier = Arc::new(tokio::sync::Barrier::new(4));
        each(number, line, log, move |_, _, request, respond| {
            let barrier = Arc::clone(&barrier);
            running(async move {
                // All four are here before one of them is answered.
                barrier.wait().await;
                assert_eq!(request.headers().get("authorization").unwrap(), &format!("Bearer {PASSWORD}"));
                assert!(request.headers().get("host").is_none());
                say(respond, "hello");
            })
        })
        .await;
    })
    .await;
    let ask = || async {
        let request = Request { credential: credential(Placement::Bearer), ..get("/v1?a=b") };
        all(server.client.exchange(request).await.unwrap()).await.unwrap()
    };
    let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
    assert_eq!([a, b, c, d], [b"hello", b"hello", b"hello", b"hello"]);
    let log = server.log();
    assert_eq!(log.len(), 4);
    assert!(log.iter().all(|(number, asked)| *number == 1 && asked.ends_with("/v1?a=b")), "{log:?}");
}

#[tokio::test]
async fn what_was_not_processed_moves_to_a_new_connection() {
    for reason in [Reason::REFUSED_STREAM, Reason::NO_ERROR] {
        let server = Http2::start(LONG, move |number, line, log| async move {
            if number == 1 && reason == Reason::NO_ERROR {
                // Nothing was looked at: GOAWAY with stream 0 as the last.
                let line = greeted(line).await;
                let mut line = frame(line, 7, 0, 0, &[0; 8]).await;
                // Closing with octets unread would take it back.
                while line.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
                return;
            }
            each(number, line, log, move |number, _, request, mut respond| {
                if number == 1 {
                    respond.send_reset(Reason::REFUSED_STREAM);
                    return None;
                }
                running(async move {
                    let mut body = request.into_body();
                    let mut heard = Vec::new();
                    while let Some(octets) = body.data().await {
                        heard.extend_from_slice(&octets.unwrap());
                    }
                    assert_eq!(heard, b"hello");
                    say(respond, "taken");
                })
            })
            .await;
        })
        .await;
        let request = Request { method: "POST".to_owned(), body: body(5, &["hello"]), ..get("/send") };
        assert_eq!(all(server.client.exchange(request).await.unwrap()).await.unwrap(), b"taken", "{reason}");
        assert_eq!(server.log().last().unwrap().0, 2);
    }
}

#[tokio::test]
async fn a_server_that_refuses_for_ever_is_left() {
    let server = Http2::start(LONG, |number, line, log| {
        each(number, line, log, |_, _, _, mut respond| {
            respond.send_reset(Reason::REFUSED_STREAM);
            None
        })
    })
    .await;
    assert_eq!(server.client.exchange(get("/")).await.unwrap_err().kind, Kind::Unreachable);
    assert_eq!(server.log().len(), crate::limits::HTTP_ATTEMPTS);
}

#[tokio::test]
async fn what_may_have_been_processed_is_not_asked_twice() {
    for (reason, method) in [(Reason::INTERNAL_ERROR, "GET"), (Reason::CANCEL, "POST"), (Reason::ENHANCE_YOUR_CALM, "HEAD")] {
        let server = Http2::start(LONG, move |number, line, log| {
            each(number, line, log, move |_, count, _, mut respond| {
                if count == 1 {
                    say(respond, "first");
                } else {
                    respond.send_reset(reason);
                }
                None
            })
        })
        .await;
        // On a connection that had waited, where a lost line would be asked again.
        assert_eq!(all(server.client.exchange(get("/first")).await.unwrap()).await.unwrap(), b"first");
        let request = Request { method: method.to_owned(), ..get("/asked") };
        assert_eq!(server.client.exchange(request).await.unwrap_err().kind, Kind::Unreachable, "{reason}");
        assert_eq!(server.log().iter().filter(|(_, asked)| asked.ends_with("/asked")).count(), 1, "{reason} {method}");
    }
}

#[tokio::test]
async fn half_a_body_is_an_error() {
    let server = Http2::start(LONG, |number, line, log| {
        each(number, line, log, |_, _, _, mut respond| {
            let mut body = respond.send_response(http::Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"half"), false).unwrap();
            running(async move {
                // Flow control has sent it when there is room for more.
                body.reserve_capacity(1);
                let _ = std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
                body.send_reset(Reason::INTERNAL_ERROR);
            })
        })
    })
    .await;
    let fault = all(server.client.exchange(get("/")).await.unwrap()).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TRUNCATED")), "{fault:?}");
}

#[tokio::test]
async fn a_body_longer_or_shorter_than_it_said_is_an_error() {
    for length in ["3", "30"] {
        let server = Http2::start(LONG, move |number, line, log| {
            each(number, line, log, move |_, _, _, mut respond| {
                let head = http::Response::builder().header("content-length", length).body(()).unwrap();
                let mut body = respond.send_response(head, false).unwrap();
                let _ = body.send_data(Bytes::from_static(b"hello"), true);
                None
            })
        })
        .await;
        let outcome = match server.client.exchange(get("/")).await {
            Ok(response) => all(response).await,
            Err(fault) => Err(fault),
        };
        assert_eq!(outcome.unwrap_err().kind, Kind::Malformed, "{length}");
    }
}

#[tokio::test]
async fn a_response_that_is_not_read_is_held_back_by_its_window() {
    let given = Arc::new(AtomicUsize::new(0));
    let server = Http2::start(LONG, {
        let given = Arc::clone(&given);
        move |number, line, log| {
            let given = Arc::clone(&given);
            each(number, line, log, move |_, count, _, mut respond| {
                if count > 1 {
                    say(respond, "other");
                    return None;
                }
                let mut body = respond.send_response(http::Response::new(()), false).unwrap();
                let given = Arc::clone(&given);
                running(async move {
                    loop {
                        body.reserve_capacity(1 << 14);
                        let Some(Ok(room)) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await else { return };
                        given.fetch_add(room, Ordering::SeqCst);
                        if body.send_data(Bytes::from(vec![0; room]), false).is_err() {
                            return;
                        }
                    }
                })
            })
        }
    })
    .await;
    let unread = server.client.exchange(get("/")).await.unwrap();
    // Others go on beside it, on the same connection.
    for _ in 0..10 {
        assert_eq!(all(server.client.exchange(get("/")).await.unwrap()).await.unwrap(), b"other");
    }
    assert!(given.load(Ordering::SeqCst) <= crate::limits::HTTP2_STREAM_WINDOW as usize, "{given:?}");
    drop(unread);
    assert!(server.log().iter().all(|(number, _)| *number == 1));
}

#[tokio::test]
async fn a_window_that_never_opens_is_not_waited_for() {
    let server = Http2::start(SHORT, |number, line, log| {
        each(number, line, log, |_, _, request, respond| {
            running(async move {
                let _held = (request, respond);
                std::future::pending::<()>().await;
            })
        })
    })
    .await;
    let octets = stream::repeat_with(|| Ok(Bytes::from(vec![b'x'; 1 << 14]))).take(64).boxed();
    let request = Request { method: "PUT".to_owned(), body: Some(RequestBody { length: 1 << 20, octets }), ..get("/") };
    let fault = server.client.exchange(request).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TIMEOUT")));
}

#[tokio::test]
async fn an_early_answer_ends_the_upload() {
    let server = Http2::start(LONG, |number, line, log| {
        each(number, line, log, |_, _, request, mut respond| {
            let head = http::Response::builder().status(413).body(()).unwrap();
            respond.send_response(head, true).unwrap();
            running(async move {
                let _held = (request, respond);
                std::future::pending::<()>().await;
            })
        })
    })
    .await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let octets = stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|piece| (Ok(piece), receiver)) });
    let body = RequestBody { length: 1 << 30, octets: octets.boxed() };
    let response = server.client.exchange(Request { method: "PUT".to_owned(), body: Some(body), ..get("/") }).await.unwrap();
    assert_eq!(response.status, 413);
    all(response).await.unwrap();
    sender.closed().await;
}

/// Read the client's preface and its SETTINGS, and give the server's, empty, with an acknowledgement.
async fn greeted(mut line: Line) -> Line {
    let mut preface = [0; 24];
    line.read_exact(&mut preface).await.unwrap();
    let line = frame(line, 4, 0, 0, &[]).await;
    frame(line, 4, 1, 0, &[]).await
}

/// Write one frame (RFC 9113 section 4.1).
async fn frame(mut line: Line, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Line {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let octets = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
    // A client that has had enough is gone.
    let _ = line.write_all(&octets).await;
    let _ = line.flush().await;
    line
}

/// ":status: 200", and ":status: 100" as a literal (RFC 7541).
const STATUS_200: &[u8] = &[0x88];
const STATUS_100: &[u8] = b"\x08\x03100";

/// The same frame for ever, until the client goes.
async fn flood(line: Line, kind: u8, flags: u8, stream: u32, payload: Vec<u8>) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let one = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload.as_slice()].concat();
    let many = one.repeat(64);
    // What the client says is read, so that it never waits for this end.
    let (mut reading, mut writing) = tokio::io::split(line);
    let read = async {
        let mut octets = vec![0; 1 << 16];
        while reading.read(&mut octets).await.is_ok_and(|count| count > 0) {}
    };
    let write = async { while writing.write_all(&many).await.is_ok() && writing.flush().await.is_ok() {} };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}

/// Its name; kind, flags, stream and payload of its frames; whether a head is begun before it.
type Flood = (&'static str, u8, u8, u32, Vec<u8>, bool);

#[tokio::test]
async fn floods_end_in_an_error() {
    // A header in literal form without indexing, of 8 KiB.
    let header = [b"\x00\x01x\x7f\x81\x3f".as_slice(), &[b'y'; 8192]].concat();
    let opening = [STATUS_200, header.as_slice()].concat();
    let floods: [Flood; 6] = [
        ("CONTINUATION", 9, 0, 1, header.clone(), true),
        ("empty CONTINUATION", 9, 0, 1, Vec::new(), true),
        ("PING", 6, 0, 0, vec![0; 8], false),
        ("SETTINGS", 4, 0, 0, vec![0, 3, 0, 0, 0, 9], false),
        ("interim answers", 1, 4, 1, STATUS_100.to_vec(), false),
        ("RST_STREAM of none", 3, 0, 2, vec![0, 0, 0, 8], false),
    ];
    for (name, kind, flags, stream, payload, is_opened) in floods {
        let opening = opening.clone();
        let server = Http2::start(SHORT, move |_, line, _| {
            let (payload, opening) = (payload.clone(), opening.clone());
            async move {
                let mut line = greeted(line).await;
                // Not before the request: its HEADERS come after SETTINGS and WINDOW_UPDATE.
                let mut head = [0; 9];
                loop {
                    if line.read_exact(&mut head).await.is_err() {
                        return;
                    }
                    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                    let mut skipped = vec![0; length as usize];
                    line.read_exact(&mut skipped).await.unwrap();
                    if head[3] == 1 {
                        break;
                    }
                }
                if is_opened {
                    line = frame(line, 1, 0, 1, &opening).await;
                }
                flood(line, kind, flags, stream, payload).await;
            }
        })
        .await;
        let fault = server.client.exchange(get("/")).await.unwrap_err();
        assert!(matches!(fault.kind, Kind::Malformed | Kind::Unreachable), "{name}: {fault:?}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let server = Http2::start(LONG, |number, line, log| {
        each(number, line, log, |_, _, _, mut respond| {
            let mut head = http::Response::builder();
            for _ in 0..20 {
                head = head.header("x", "y".repeat(8_000));
            }
            let _ = respond.send_response(head.body(()).unwrap(), true);
            None
        })
    })
    .await;
    assert_eq!(server.client.exchange(get("/")).await.unwrap_err().kind, Kind::Malformed);
}
