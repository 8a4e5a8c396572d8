//! What the behaviours do.

use std::hint::black_box;

use wit_bindgen::{FutureReader, StreamReader};

use crate::behaviour::Behaviour;
use crate::bindings::mailbox::{self, Arrival, Part, Scope};
use crate::bindings::transport::Connection;
use crate::bindings::types::{Error, Failure};
use crate::bindings::{http, runtime, state, wit_future, wit_stream};
use crate::session::error;

/// What the settings ask for.
pub(crate) struct Plan {
    pub(crate) behaviour: Behaviour,
    pub(crate) messages: u64,
    pub(crate) size: usize,
    origin: String,
}

impl Plan {
    pub(crate) fn read(settings: &str) -> Option<Self> {
        let settings: serde_json::Value = serde_json::from_str(settings).ok()?;
        let number = |name: &str| settings.get(name).and_then(serde_json::Value::as_u64);
        Some(Self {
            behaviour: Behaviour::named(settings.get("behaviour")?.as_str()?)?,
            messages: number("messages").unwrap_or(3),
            size: usize::try_from(number("size").unwrap_or(1_000)).ok()?,
            origin: settings.get("origin").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned(),
        })
    }
}

/// The message with this id: `size` octets of it repeated.
pub(crate) fn message(id: &str, size: usize) -> Vec<u8> {
    format!("Subject: {id}\r\n\r\n").bytes().cycle().take(size).collect()
}

/// Octets with an honest end.
pub(crate) fn whole(octets: Vec<u8>) -> (StreamReader<u8>, FutureReader<Result<u64, Error>>) {
    let (mut writer, reader) = wit_stream::new();
    let (finished, end) = wit_future::new(|| Err(error(Failure::Cancelled, "given up")));
    let count = octets.len();
    wit_bindgen::spawn_local(async move {
        let rest = writer.write_all(octets).await;
        drop(writer);
        // The host may have lost interest.
        let _ = finished.write(Ok((count - rest.len()) as u64)).await;
    });
    (reader, end)
}

pub(crate) async fn sync(plan: &Plan, folder: Option<String>) -> Result<(), Error> {
    let scope = Scope { folder, generation: "1".to_owned() };
    match plan.behaviour {
        Behaviour::Good | Behaviour::EndlessFolders | Behaviour::HangInOpen | Behaviour::WithholdVerdicts => good(plan, scope).await,
        Behaviour::Loop => loop {
            black_box(0);
        },
        Behaviour::LoopThroughNow => loop {
            runtime::now();
        },
        Behaviour::LoopThroughLog => loop {
            runtime::log(runtime::Level::Info, "again");
        },
        Behaviour::LoopThroughProgress => loop {
            mailbox::progress(&scope, 1, None);
        },
        Behaviour::LoopThroughUnseen => loop {
            mailbox::unseen(scope.clone(), Vec::new()).await?;
        },
        Behaviour::HoardMemory => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        Behaviour::HoardStreams => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(wit_stream::new::<u8>());
            }
        }
        Behaviour::HoardCalls => {
            let mut hoard = Vec::new();
            loop {
                let mut call = Box::pin(runtime::sleep(3_600_000));
                // Polled once, it is under way.
                std::future::poll_fn(|cx| {
                    let _ = call.as_mut().poll(cx);
                    std::task::Poll::Ready(())
                })
                .await;
                hoard.push(call);
            }
        }
        Behaviour::Trap => core::arch::wasm32::unreachable(),
        #[expect(clippy::panic, reason = "it is what this behaviour is")]
        Behaviour::Panic => panic!("as I was told: {}", plan.behaviour.name()),
        #[expect(clippy::disallowed_methods, reason = "it is what this behaviour is")]
        Behaviour::Exit => std::process::exit(7),
        Behaviour::FloodLog => {
            for line in 0..plan.messages {
                runtime::log(runtime::Level::Info, &format!("line {line}\r\n\u{1b}[31mERROR forged{}", "x".repeat(10_000)));
            }
            Ok(())
        }
        Behaviour::OpenUndeclaredEndpoint => Connection::open("elsewhere".to_owned()).await.map(drop),
        Behaviour::OpenTooManyConnections => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(Connection::open("receive".to_owned()).await?);
            }
        }
        Behaviour::NameAnotherAccount => name_another_account().await,
        Behaviour::LookAround => {
            let found = look_around().join("\n").into_bytes();
            let (octets, finished) = whole(found);
            mailbox::deliver(scope, arrival("found"), octets, finished).await
        }
        Behaviour::HangInSync => {
            let (mut writer, octets) = wit_stream::new();
            let (finished, end) = wit_future::new(|| Err(error(Failure::Cancelled, "given up")));
            wit_bindgen::spawn_local(async move {
                writer.write_all(vec![b'x'; 100]).await;
                runtime::sleep(u64::MAX).await;
                drop(writer);
                let _ = finished.write(Ok(100)).await;
            });
            mailbox::deliver(scope, arrival("1"), octets, end).await
        }
        Behaviour::DropFinished => {
            let (mut writer, octets) = wit_stream::new();
            let (finished, end) = wit_future::new(|| Err(error(Failure::Cancelled, "given up")));
            wit_bindgen::spawn_local(async move {
                writer.write_all(vec![b'x'; 100]).await;
                drop(finished);
            });
            mailbox::deliver(scope, arrival("1"), octets, end).await
        }
        Behaviour::LieAboutCount => {
            let (mut writer, octets) = wit_stream::new();
            let (finished, end) = wit_future::new(|| Err(error(Failure::Cancelled, "given up")));
            wit_bindgen::spawn_local(async move {
                writer.write_all(vec![b'x'; 100]).await;
                drop(writer);
                let _ = finished.write(Ok(101)).await;
            });
            mailbox::deliver(scope, arrival("1"), octets, end).await
        }
        Behaviour::EndlessOctets => {
            let (mut writer, octets) = wit_stream::new();
            let (_finished, end) = wit_future::new(|| Err(error(Failure::Cancelled, "given up")));
            wit_bindgen::spawn_local(async move { while writer.write_all(vec![b'x'; 1 << 16]).await.is_empty() {} });
            mailbox::deliver(scope, arrival("1"), octets, end).await
        }
        Behaviour::NeverCheckpoint => {
            for id in 0_u64.. {
                deliver(&scope, &id.to_string(), plan.size).await?;
            }
            Ok(())
        }
        Behaviour::HugeCursor => mailbox::checkpoint(scope, vec![0; 1 << 20]).await,
        Behaviour::TooManyIds => mailbox::unseen(scope, (0..20_000).map(|id| id.to_string()).collect()).await.map(drop),
        Behaviour::IgnoreStop => loop {
            runtime::sleep(1).await;
        },
        Behaviour::AskUnapprovedOrigin => exchange("https://elsewhere.example/", Vec::new()).await.map(drop),
        Behaviour::SetAuthorization => {
            exchange(&format!("{}/", plan.origin), vec![("Authorization".to_owned(), "Bearer mine".to_owned())]).await.map(drop)
        }
        Behaviour::SetCookie => exchange(&format!("{}/", plan.origin), vec![("cookie".to_owned(), "a=b".to_owned())]).await.map(drop),
        Behaviour::HideTokenInQuery => exchange(&format!("{}/?a=b&Access%5Ftoken=mine", plan.origin), Vec::new()).await.map(drop),
        Behaviour::HideTokenInBatchPart => {
            let inner = "GET /me HTTP/1.1\r\nAuthorization: Bearer mine\r\n\r\n";
            let batch = format!("--b\r\nContent-Type: application/http\r\n\r\n{inner}\r\n--b--\r\n");
            send(plan, "/batch", "multipart/mixed; boundary=b", batch.into_bytes(), 0).await.map(drop)
        }
        Behaviour::HideOriginInBatch => {
            let batch = r#"{"requests":[{"id":"1","method":"GET","url":"https://elsewhere.example/"}]}"#;
            send(plan, "/v1.0/$batch", "application/json", batch.into(), 0).await.map(drop)
        }
        Behaviour::FollowRedirect | Behaviour::Fetch => {
            let url = format!("{}/fetched", plan.origin);
            let request =
                http::Request { method: "GET".to_owned(), url, headers: Vec::new(), credential: Some("password".to_owned()), cost: 1 };
            keep(scope, http::exchange(request, None).await?).await
        }
        Behaviour::Upload => keep(scope, send(plan, "/upload", "message/rfc822", vec![b'x'; plan.size], 0).await?).await,
        Behaviour::DeclareFalseLength => send(plan, "/upload", "message/rfc822", vec![b'x'; plan.size], 1).await.map(drop),
        Behaviour::HoardExchanges => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(exchange(&format!("{}/", plan.origin), Vec::new()).await?);
            }
        }
        Behaviour::NeverReadBody => {
            let response = exchange(&format!("{}/", plan.origin), Vec::new()).await?;
            let status = response.status;
            std::mem::forget(response);
            if status == 200 { Ok(()) } else { Err(error(Failure::Permanent, "not 200")) }
        }
        Behaviour::DumpMemory => dump_memory(scope).await,
    }
}

async fn good(plan: &Plan, scope: Scope) -> Result<(), Error> {
    let ids: Vec<_> = (1..=plan.messages).map(|id| id.to_string()).collect();
    let unseen = mailbox::unseen(scope.clone(), ids).await?;
    for id in &unseen {
        deliver(&scope, id, plan.size).await?;
    }
    mailbox::progress(&scope, plan.messages, Some(plan.messages));
    state::put("synced".to_owned(), Some(plan.messages.to_string().into_bytes())).await?;
    mailbox::checkpoint(scope, plan.messages.to_string().into_bytes()).await
}

async fn deliver(scope: &Scope, id: &str, size: usize) -> Result<(), Error> {
    let (octets, finished) = whole(message(id, size));
    mailbox::deliver(scope.clone(), arrival(id), octets, finished).await
}

fn arrival(id: &str) -> Arrival {
    Arrival {
        id: id.to_owned(),
        stable: None,
        folders: vec!["INBOX".to_owned()],
        keywords: vec!["\\Seen".to_owned()],
        thread: None,
        received: Some(runtime::now()),
        size: None,
        part: Part::Whole,
        extra: Vec::new(),
    }
}

/// There is no word for another account in the contract; these are the nearest to one.
async fn name_another_account() -> Result<(), Error> {
    for folder in ["other", "../other/INBOX", "/accounts/other"] {
        let scope = Scope { folder: Some(folder.to_owned()), generation: "other".to_owned() };
        deliver(&scope, "1", 100).await?;
        mailbox::removed(scope, vec!["1".to_owned()]).await?;
    }
    for key in ["other", "../other/token", "account/other"] {
        if state::get(key.to_owned()).await?.is_some() {
            return Err(error(Failure::Conflict, "found another account's state"));
        }
        state::put(key.to_owned(), Some(b"mine".to_vec())).await?;
    }
    Ok(())
}

/// Everything outside the contract that can be had, a line each.
#[expect(clippy::disallowed_types, reason = "it tries what a connector must not get")]
fn look_around() -> Vec<String> {
    let mut found = Vec::new();
    found.extend(std::env::args().map(|argument| format!("argument {argument}")));
    found.extend(std::env::vars().map(|(name, value)| format!("environment {name}={value}")));
    for path in ["/", ".", "/etc/passwd", "/proc/self/environ"] {
        if std::fs::read_dir(path).is_ok() || std::fs::read(path).is_ok() {
            found.push(format!("file {path}"));
        }
    }
    if std::fs::write("/tmp/planted", "x").is_ok() {
        found.push("file written".to_owned());
    }
    if std::net::TcpListener::bind("127.0.0.1:0").is_ok() {
        found.push("socket listening".to_owned());
    }
    if std::net::TcpStream::connect("127.0.0.1:22").is_ok() {
        found.push("socket connected".to_owned());
    }
    if std::net::UdpSocket::bind("127.0.0.1:0").is_ok() {
        found.push("socket bound".to_owned());
    }
    found
}

async fn exchange(url: &str, headers: Vec<(String, String)>) -> Result<http::Response, Error> {
    let request = http::Request { method: "GET".to_owned(), url: url.to_owned(), headers, credential: None, cost: 1 };
    http::exchange(request, None).await
}

/// Send a body, and say that it is longer by so many octets.
async fn send(plan: &Plan, path: &str, kind: &str, body: Vec<u8>, beyond: u64) -> Result<http::Response, Error> {
    let request = http::Request {
        method: "POST".to_owned(),
        url: format!("{}{path}", plan.origin),
        headers: vec![("Content-Type".to_owned(), kind.to_owned())],
        credential: Some("password".to_owned()),
        cost: 1,
    };
    let length = body.len() as u64 + beyond;
    let (octets, _) = whole(body);
    http::exchange(request, Some((length, octets))).await
}

/// Deliver a response: its status, and its body, if that was whole.
async fn keep(scope: Scope, response: http::Response) -> Result<(), Error> {
    let mut kept = format!("{}\n", response.status).into_bytes();
    let body = response.body.collect().await;
    let count = response.finished.await?;
    if u64::try_from(body.len()) != Ok(count) {
        return Err(error(Failure::Malformed, "another number of octets than told"));
    }
    kept.extend(body);
    let (octets, finished) = whole(kept);
    mailbox::deliver(scope.clone(), arrival("fetched"), octets, finished).await?;
    mailbox::checkpoint(scope, Vec::new()).await
}

/// A real conversation first, so that everything that the host would ever hand over has passed through here.
async fn dump_memory(scope: Scope) -> Result<(), Error> {
    let (connection, opening) = Connection::open("receive".to_owned()).await?;
    connection.write(b"a1 NOOP\r\n".to_vec()).await?;
    let answer = connection.read(4_096, Some(10_000)).await?;
    // A second, failing one: the words that answer a refused sign-in must not come here either.
    let refusal = Connection::open("refused".to_owned()).await.err();
    // Kept as it came, so that the search has something to find.
    Box::leak(Box::new((opening, answer, refusal)));
    let (mut writer, octets) = wit_stream::new();
    let (finished, end) = wit_future::new(|| Err(error(Failure::Cancelled, "given up")));
    wit_bindgen::spawn_local(async move {
        let mut count = 0;
        let pages = core::arch::wasm32::memory_size::<0>();
        for page in 0..pages {
            // From 1, for there is nothing at the null pointer that Rust would let us look at.
            let start = (page << 16).max(1);
            let copy = memory(start, (page + 1) << 16);
            count += copy.len();
            writer.write_all(copy).await;
        }
        drop(writer);
        let _ = finished.write(Ok(count as u64)).await;
    });
    mailbox::deliver(scope, arrival("memory"), octets, end).await
}

#[expect(unsafe_code, reason = "the whole of linear memory is what a hostile component can read; here it does")]
fn memory(start: usize, end: usize) -> Vec<u8> {
    (start..end)
        .map(|address| {
            // SAFETY: The address lies below `memory.size`, so it can be read; the read is volatile, so nothing is assumed of what is there.
            unsafe { std::ptr::read_volatile(address as *const u8) }
        })
        .collect()
}
