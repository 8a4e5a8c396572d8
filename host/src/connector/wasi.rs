//! WASI 0.2 as components find it here: clocks and randomness are real; standard output goes to the log; there is no file,
//! no environment, no argument and no socket. Everything is linked, for the libraries of some languages import it all, and
//! nothing can be reached through it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use super::bindings::runtime::Level;
use super::contract::escaped;
use super::session::Session;

/// Octets of randomness that one call gives.
const RANDOM_OCTETS: u64 = 64 << 10;

/// Octets of standard output that are taken at once.
const OUTPUT_OCTETS: usize = 4 << 10;

/// What a component of `session` sees of its surroundings.
pub(super) fn surroundings(session: &Arc<Session>) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(ToLog { session: Arc::clone(session), level: Level::Debug })
        .stderr(ToLog { session: Arc::clone(session), level: Level::Warn })
        .max_random_size(RANDOM_OCTETS)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// Standard output as log lines.
struct ToLog {
    session: Arc<Session>,
    level: Level,
}

impl IsTerminal for ToLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for ToLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this form, and it is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Lines { session: Arc::clone(&self.session), level: self.level, begun: Vec::new() })
    }
}

/// Octets cut into lines; a line that grows too long is logged in pieces.
struct Lines {
    session: Arc<Session>,
    level: Level,
    begun: Vec<u8>,
}

impl Lines {
    fn log(&mut self) {
        if !self.begun.is_empty() {
            let line = escaped(&String::from_utf8_lossy(&self.begun));
            if self.level == Level::Warn {
                self.session.said(&line);
            }
            self.session.log(self.level, &line);
            self.begun.clear();
        }
    }
}

#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, octets: Bytes) -> StreamResult<()> {
        for octet in octets {
            if octet == b'\n' || self.begun.len() >= OUTPUT_OCTETS {
                self.log();
            }
            if octet != b'\n' {
                self.begun.push(octet);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(OUTPUT_OCTETS)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.log();
    }
}
