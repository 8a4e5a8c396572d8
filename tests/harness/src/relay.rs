//! A line between a client and a server that counts the octets each way, records what the client says, and can be cut.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The most octets of what clients say that are kept.
const RECORD_OCTETS: usize = 1 << 20;

/// A listening relay; dropping it cuts every line.
pub struct Relay {
    /// Where it listens on loopback.
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: u16,
    /// Octets from clients to the server.
    up: AtomicU64,
    /// Octets from the server to clients.
    down: AtomicU64,
    /// Octets that may still come down before every line is cut.
    left: AtomicU64,
    connections: AtomicUsize,
    refusing: AtomicBool,
    stopped: AtomicBool,
    said: Mutex<Vec<u8>>,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// A relay to a port of loopback.
    #[must_use]
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            target,
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            left: AtomicU64::new(u64::MAX),
            connections: AtomicUsize::new(0),
            refusing: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            said: Mutex::default(),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // `drop` connects once more so that this is seen.
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                accepting.accept(client);
            }
        });
        Self { port, shared }
    }

    /// Octets from clients to the server so far.
    #[must_use]
    pub fn octets_up(&self) -> u64 {
        self.shared.up.load(Ordering::SeqCst)
    }

    /// Octets from the server to clients so far.
    #[must_use]
    pub fn octets_down(&self) -> u64 {
        self.shared.down.load(Ordering::SeqCst)
    }

    /// Connections so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The lines that clients wrote; in clear only without TLS.
    #[must_use]
    pub fn client_lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.shared.said.lock().unwrap()).lines().map(str::to_owned).collect()
    }

    /// Count and record from zero again.
    pub fn reset(&self) {
        self.shared.up.store(0, Ordering::SeqCst);
        self.shared.down.store(0, Ordering::SeqCst);
        self.shared.connections.store(0, Ordering::SeqCst);
        self.shared.said.lock().unwrap().clear();
    }

    /// Cut every line, in the middle of whatever it carries.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Cut every line when this many more octets came down from the server; `u64::MAX`: never.
    pub fn cut_after(&self, octets: u64) {
        self.shared.left.store(octets, Ordering::SeqCst);
    }

    /// Whether new connections are closed at once.
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, client: TcpStream) {
        if self.refusing.load(Ordering::SeqCst) {
            return;
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.target));
        let Ok(server) = TcpStream::connect(address) else { return };
        self.connections.fetch_add(1, Ordering::SeqCst);
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
            self.open.lock().unwrap().push(stream.try_clone().unwrap());
        }
        let (up, down) = ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
        let this = Arc::clone(self);
        thread::spawn(move || this.carry(up.0, up.1, true));
        let this = Arc::clone(self);
        thread::spawn(move || this.carry(down.0, down.1, false));
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, up: bool) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut octets = &buffer[..count];
            if up {
                self.up.fetch_add(count as u64, Ordering::SeqCst);
                let mut said = self.said.lock().unwrap();
                let room = RECORD_OCTETS.saturating_sub(said.len());
                said.extend_from_slice(&octets[..count.min(room)]);
            } else {
                let left = self.left.load(Ordering::SeqCst);
                if left != u64::MAX {
                    octets = &octets[..count.min(usize::try_from(left).unwrap_or(count))];
                    self.left.store(left - octets.len() as u64, Ordering::SeqCst);
                }
                self.down.fetch_add(octets.len() as u64, Ordering::SeqCst);
            }
            let written = to.write_all(octets);
            if octets.len() < count {
                self.cut();
            }
            if written.is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::Scripted;

    #[test]
    fn counts_records_and_cuts() {
        let server = Scripted::start(|line| {
            line.write(b"hello\r\n");
            while let Some(heard) = line.read_line() {
                line.write(heard.as_bytes());
            }
        });
        let relay = Relay::to(server.port);
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port)).unwrap();
        let mut buffer = [0; 7];
        client.read_exact(&mut buffer).unwrap();
        client.write_all(b"one\r\n").unwrap();
        client.read_exact(&mut buffer[..5]).unwrap();
        assert_eq!((relay.octets_up(), relay.connections()), (5, 1));
        assert_eq!(relay.client_lines(), ["one"]);
        relay.cut_after(2);
        client.write_all(b"three\r\n").unwrap();
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest);
        assert_eq!(rest, b"th");
    }
}
