//! The control socket against clients that behave and clients that do not.

use std::future::Future;

use bytes::{BufMut, Bytes, BytesMut};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

use super::*;
use crate::api::client::Client as ApiClient;
use crate::api::request::{AccountChange, RoleSecrets};
use crate::home::Owner;
use crate::secret::Secret;

/// Far longer than anything here takes: only what hangs runs into it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers `Status` at once, holds `StoreCheck` until it is cancelled, and knows one password.
struct Scripted {
    begun: mpsc::UnboundedSender<()>,
    cancelled: mpsc::UnboundedSender<()>,
}

#[async_trait]
impl Execute for Scripted {
    async fn execute(&self, request: Request, events: Events, _: Uploads, stop: CancellationToken) -> Result<Reply, Fault> {
        match request {
            Request::Status => {
                events.note("one\u{1b}").await;
                events.send(Event::Octets(Bytes::from_static(b"\0\xff"))).await?;
                Ok(Reply::Done)
            }
            Request::StoreCheck => {
                self.begun.send(()).unwrap();
                stop.cancelled().await;
                self.cancelled.send(()).unwrap();
                Err(Fault::new(Kind::Cancelled, "check the store"))
            }
            Request::AccountEdit { change, .. } if change.receive.secret == Some(Secret::new("correct horse")) => Ok(Reply::Done),
            other => Err(Fault::new(Kind::NotFound, format!("{other:?}")).with_remedy("look elsewhere")),
        }
    }
}

struct Daemon {
    _directory: TempDir,
    paths: Paths,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    begun: mpsc::UnboundedReceiver<()>,
    cancelled: mpsc::UnboundedReceiver<()>,
}

impl Daemon {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::in_directory(directory.path()).unwrap();
        let (begun_sender, begun) = mpsc::unbounded_channel();
        let (cancelled_sender, cancelled) = mpsc::unbounded_channel();
        let executor = Arc::new(Scripted { begun: begun_sender, cancelled: cancelled_sender });
        let server = Server::bind(&paths, executor).await.unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(stop.clone()));
        Self { _directory: directory, paths, stop, serving, begun, cancelled }
    }

    async fn client(&self) -> ApiClient {
        ApiClient::connect(&self.paths, &owner(&self.paths)).await.unwrap().unwrap()
    }

    async fn ask(&self, request: Request) -> (Result<Reply, Fault>, Vec<Event>) {
        let (events, mut queue) = Events::channel();
        let ended = self.client().await.call(request, events, Uploads::none(), CancellationToken::new()).await;
        let mut heard = Vec::new();
        while let Some(event) = queue.recv().await {
            heard.push(event);
        }
        (ended, heard)
    }

    /// A connection that has been greeted by hand.
    async fn raw(&self, protocol: u32) -> (FrameReader<OwnedReadHalf>, OwnedWriteHalf, Frame) {
        let (reader, mut writer) = socket::connect(&self.paths.control_socket).await.unwrap().into_split();
        let hello = Hello { protocol, program: "0.0.0".to_owned(), home: self.paths.true_name() };
        writer.write_all(&encoded(&Frame::Hello(hello))).await.unwrap();
        let mut reader = FrameReader::new(reader);
        let answer = reader.next().await.unwrap();
        (reader, writer, answer)
    }

    async fn assert_still_serves(&self) {
        assert!(matches!(soon(self.ask(Request::Status)).await.0, Ok(Reply::Done)));
    }

    async fn end(self) {
        self.stop.cancel();
        soon(self.serving).await.unwrap();
        assert!(!self.paths.control_socket.exists());
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("hangs")
}

fn owner(paths: &Paths) -> Owner {
    Owner { pid: std::process::id(), command: "test".to_owned(), control_socket: paths.control_socket.clone() }
}

fn encoded(frame: &Frame) -> BytesMut {
    let mut wire = BytesMut::new();
    frame.encode(&mut wire).unwrap();
    wire
}

#[tokio::test]
async fn a_request_gets_its_events_and_its_answer() {
    let daemon = Daemon::start().await;
    let (ended, events) = soon(daemon.ask(Request::Status)).await;
    assert_eq!(ended, Ok(Reply::Done));
    assert!(
        matches!(&events[..], [Event::Note(words), Event::Octets(octets)] if words == "one\u{1b}" && octets[..] == *b"\0\xff"),
        "{events:?}"
    );
    let (ended, _) = soon(daemon.ask(Request::SinkList)).await;
    assert_eq!(ended, Err(Fault::new(Kind::NotFound, "SinkList").with_remedy("look elsewhere")));
    daemon.end().await;
}

#[tokio::test]
async fn a_secret_crosses_and_is_not_shown() {
    let daemon = Daemon::start().await;
    let edit = |secret: &str| {
        let change = AccountChange {
            receive: RoleSecrets { secret: Some(Secret::new(secret)), ..RoleSecrets::default() },
            ..AccountChange::default()
        };
        Request::AccountEdit { name: "help".parse().unwrap(), change: Box::new(change) }
    };
    assert_eq!(soon(daemon.ask(edit("correct horse"))).await.0, Ok(Reply::Done));
    let refused = soon(daemon.ask(edit("wrong horse"))).await.0.unwrap_err();
    assert!(!refused.operation.contains("horse"), "{}", refused.operation);
    daemon.end().await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_request() {
    let mut daemon = Daemon::start().await;
    let (_reader, mut writer, _) = daemon.raw(VERSION).await;
    writer.write_all(&encoded(&Frame::Request(Box::new(Request::StoreCheck)))).await.unwrap();
    soon(daemon.begun.recv()).await.unwrap();
    drop((_reader, writer));
    soon(daemon.cancelled.recv()).await.unwrap();
    daemon.assert_still_serves().await;
    daemon.end().await;
}

#[tokio::test]
async fn a_client_that_asks_to_stop_still_hears_the_end() {
    let mut daemon = Daemon::start().await;
    let stop = CancellationToken::new();
    let call = tokio::spawn(daemon.client().await.call(Request::StoreCheck, Events::channel().0, Uploads::none(), stop.clone()));
    soon(daemon.begun.recv()).await.unwrap();
    stop.cancel();
    let ended = soon(call).await.unwrap();
    assert_eq!(ended, Err(Fault::new(Kind::Cancelled, "check the store")));
    daemon.end().await;
}

#[tokio::test]
async fn a_server_that_ends_ends_its_requests() {
    let mut daemon = Daemon::start().await;
    let call =
        tokio::spawn(daemon.client().await.call(Request::StoreCheck, Events::channel().0, Uploads::none(), CancellationToken::new()));
    soon(daemon.begun.recv()).await.unwrap();
    daemon.end().await;
    assert_eq!(soon(call).await.unwrap().unwrap_err().kind, Kind::Cancelled);
}

#[tokio::test]
async fn another_version_is_refused_in_words() {
    let daemon = Daemon::start().await;
    let (mut reader, _writer, answer) = daemon.raw(VERSION + 1).await;
    assert!(matches!(answer, Frame::Hello(hello) if hello.protocol == VERSION), "the greeting tells the client what is wrong");
    assert!(matches!(soon(reader.next()).await, Err(LinkError::Closed | LinkError::Io(_))));
    daemon.end().await;

    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::in_directory(directory.path()).unwrap();
    for (protocol, home, kind, words) in [
        (VERSION + 1, paths.true_name(), Kind::Unsupported, "it is postrider 9.9.9 and speaks version 3"),
        (VERSION, "/another/home".to_owned(), Kind::InUse, "`/another/home`"),
    ] {
        let listener = socket::bind(&paths.control_socket).await.unwrap();
        let other = tokio::spawn(async move {
            let (reader, writer) = listener.accept().await.unwrap().0.into_split();
            FrameReader::new(reader).next().await.unwrap();
            let hello = Hello { protocol, program: "9.9.9".to_owned(), home };
            FrameWriter::new(writer).send(&Frame::Hello(hello)).await.unwrap();
        });
        let fault = soon(ApiClient::connect(&paths, &owner(&paths))).await.unwrap_err();
        assert_eq!(fault.kind, kind);
        assert!(fault.causes().any(|cause| cause.contains(words)), "{fault:?}");
        other.await.unwrap();
    }
}

#[tokio::test]
async fn nobody_listens() {
    let directory = tempfile::tempdir().unwrap();
    let paths = Paths::in_directory(directory.path()).unwrap();
    assert!(ApiClient::connect(&paths, &owner(&paths)).await.unwrap().is_none(), "no socket");
    drop(socket::bind(&paths.control_socket).await.unwrap());
    assert!(ApiClient::connect(&paths, &owner(&paths)).await.unwrap().is_none(), "a socket that a killed daemon left");
}

#[tokio::test]
async fn rubbish_harms_nobody() {
    let daemon = Daemon::start().await;
    let mut oversized = BytesMut::new();
    oversized.put_u32(u32::MAX);
    oversized.put_u8(2);
    let (mut reader, mut writer, _) = daemon.raw(VERSION).await;
    writer.write_all(&oversized).await.unwrap();
    let answer = soon(reader.next()).await.unwrap();
    assert!(matches!(&answer, Frame::Fault(fault) if fault.kind == Kind::Usage), "{answer:?}");

    let (mut reader, mut writer, _) = daemon.raw(VERSION).await;
    writer.write_all(b"\0\0\0\x02\x02{}").await.unwrap();
    assert!(matches!(soon(reader.next()).await.unwrap(), Frame::Fault(_)), "no such request");

    for rubbish in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\0\x09", b""] {
        let mut stream = socket::connect(&daemon.paths.control_socket).await.unwrap();
        // It may be refused before all is written.
        let _ = stream.write_all(rubbish).await;
    }
    daemon.assert_still_serves().await;
    daemon.end().await;
}

#[tokio::test]
async fn one_client_too_many_is_refused() {
    let mut daemon = Daemon::start().await;
    let mut held = Vec::new();
    for _ in 0..CLIENTS {
        held.push(tokio::spawn(daemon.client().await.call(
            Request::StoreCheck,
            Events::channel().0,
            Uploads::none(),
            CancellationToken::new(),
        )));
        soon(daemon.begun.recv()).await.unwrap();
    }
    let refused = soon(daemon.ask(Request::Status)).await.0.unwrap_err();
    assert_eq!(refused.kind, Kind::RefusedByHost);
    daemon.end().await;
    for call in held {
        assert_eq!(soon(call).await.unwrap().unwrap_err().kind, Kind::Cancelled);
    }
}
