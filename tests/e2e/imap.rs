//! The IMAP connector in the sandbox, against servers.

mod calls;
mod large;
mod stable;

use std::sync::OnceLock;

use futures_util::StreamExt as _;
use harness::dovecot::Dovecot;
use postrider::connector::{Appended, Prepared, ReceivingSession};
use postrider::model::endpoint::Protocol;

use crate::sandbox::fake::{Setting, prepare};

/// The connector's file as `cargo xtask connectors` builds it, compiled once.
fn component() -> &'static Prepared {
    static COMPONENT: OnceLock<Prepared> = OnceLock::new();
    COMPONENT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        // target/debug/deps/e2e-...
        let path = test.ancestors().nth(2).unwrap().join("connectors/imap.wasm");
        prepare("imap", std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask connectors`", path.display())))
    })
}

/// An account on a Dovecot, in clear.
fn setting(dovecot: &Dovecot) -> Setting {
    Setting::plain().with_server("receive", Protocol::Imap, dovecot.imap)
}

async fn open(setting: &Setting) -> ReceivingSession {
    component().receive(setting.context()).await.unwrap()
}

/// A message of `size` octets to be stored, that comes in pieces of up to 10,000.
fn appended(size: u64, octets: &[u8]) -> Appended {
    let pieces: Vec<_> = octets.chunks(10_000).map(|piece| Ok(bytes::Bytes::copy_from_slice(piece))).collect();
    Appended { size, keywords: vec!["\\Seen".to_owned()], received: None, octets: futures_util::stream::iter(pieces).boxed() }
}
