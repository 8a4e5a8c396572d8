//! TCP: names to addresses, and to the first address that answers (RFC 8305 in its simple form).
#![expect(clippy::disallowed_types, reason = "this module owns TCP for the whole host")]

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

use crate::limits::{DIAL_ADDRESSES, DIAL_STAGGER};

/// The one name under which the rest of `net` knows a TCP connection.
pub(super) type Tcp = TcpStream;

/// How long a line may be idle before the kernel asks whether the peer still lives, and how often it asks again.
const KEEP_ALIVE_IDLE: Duration = Duration::from_mins(2);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_PROBES: u32 = 4;

/// No address answered: each with its reason, in the order in which they failed.
#[derive(Debug)]
pub struct DialError {
    /// Address and reason.
    pub failures: Vec<(SocketAddr, io::Error)>,
}

/// The addresses of `host`, in the order in which they are tried: the resolver's, with the families taking turns (RFC 8305
/// section 4), and at most [`DIAL_ADDRESSES`]. An address in numbers is itself.
///
/// # Errors
/// What the resolver says, and `NotFound` where it gave no address.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let addresses = tokio::net::lookup_host((host, port)).await?.collect();
    let addresses = take_turns(addresses);
    if addresses.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")) } else { Ok(addresses) }
}

/// Connect to the first of `addresses` that answers. They are tried in turn, the next one when the one before failed or has
/// not answered within [`DIAL_STAGGER`]; the others go on meanwhile and are closed when one has won.
///
/// # Errors
/// Every address failed.
pub async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, DialError> {
    let mut waiting: VecDeque<SocketAddr> = addresses.iter().copied().collect();
    let mut attempts = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = waiting.pop_front() {
            attempts.push(async move { (address, TcpStream::connect(address).await) });
        }
        let stagger = async { if waiting.is_empty() { std::future::pending().await } else { tokio::time::sleep(DIAL_STAGGER).await } };
        tokio::select! {
            attempt = attempts.next() => match attempt {
                Some((_, Ok(socket))) => {
                    prepare(&socket);
                    return Ok(socket);
                }
                Some((address, Err(error))) => failures.push((address, error)),
                None if waiting.is_empty() => return Err(DialError { failures }),
                None => {}
            },
            () = stagger => {}
        }
    }
}

/// No Nagle (a pipelined line stalls against delayed acknowledgements otherwise) and keep-alive, so that a peer that vanished
/// is noticed under IDLE. A kernel that refuses either costs speed, not correctness.
fn prepare(socket: &TcpStream) {
    use rustix::net::sockopt;
    let set = socket
        .set_nodelay(true)
        .and_then(|()| Ok(sockopt::set_socket_keepalive(socket, true)?))
        .and_then(|()| Ok(sockopt::set_tcp_keepidle(socket, KEEP_ALIVE_IDLE)?))
        .and_then(|()| Ok(sockopt::set_tcp_keepintvl(socket, KEEP_ALIVE_INTERVAL)?))
        .and_then(|()| Ok(sockopt::set_tcp_keepcnt(socket, KEEP_ALIVE_PROBES)?));
    if let Err(error) = set {
        tracing::debug!(%error, "Cannot set an option of the socket");
    }
}

fn take_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_family = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first_family);
    let mut turns = Vec::new();
    while turns.len() < DIAL_ADDRESSES {
        let Some(address) = first.pop_front().or_else(|| second.pop_front()) else { break };
        if !turns.contains(&address) {
            turns.push(address);
        }
        std::mem::swap(&mut first, &mut second);
    }
    turns
}

impl DialError {
    /// Whether every address said that nobody listens there.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        !self.failures.is_empty() && self.failures.iter().all(|(_, error)| error.kind() == io::ErrorKind::ConnectionRefused)
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (address, error)) in self.failures.iter().enumerate() {
            write!(f, "{}{address}: {error}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for DialError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:1"].map(|a| a.parse().unwrap());
        let turns: Vec<String> = take_turns(given.to_vec()).iter().map(ToString::to_string).collect();
        assert_eq!(turns, ["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "[::3]:1"]);
        let many = (0..=255).map(|n| SocketAddr::new(IpAddr::from([127, 0, 0, n]), 1)).collect();
        assert_eq!(take_turns(many).len(), DIAL_ADDRESSES);
        assert!(take_turns(Vec::new()).is_empty());
    }

    #[tokio::test]
    async fn the_next_address_is_tried() {
        let nobody = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let socket = connect(&[nobody, there]).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), there);
        assert!(socket.nodelay().unwrap());
        assert!(rustix::net::sockopt::socket_keepalive(&socket).unwrap());
        let refused = connect(&[nobody]).await.unwrap_err();
        assert!(refused.is_refused(), "{refused}");
        assert!(refused.to_string().starts_with(&nobody.to_string()), "{refused}");
        assert!(!connect(&[]).await.unwrap_err().is_refused());
    }

    #[tokio::test]
    async fn numbers_are_themselves() {
        assert_eq!(resolve("::1", 993).await.unwrap(), ["[::1]:993".parse().unwrap()]);
        assert_eq!(resolve("127.0.0.1", 993).await.unwrap(), ["127.0.0.1:993".parse().unwrap()]);
    }
}
