//! TCP: names to addresses, and to the first address that answers (RFC 8305), through the system's resolver.
#![expect(clippy::disallowed_types, reason = "this module owns TCP for the whole host")]

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpSocket, TcpStream};

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

/// Where names become addresses.
pub(super) trait Resolve: Send + Sync {
    /// The addresses of `host`, those first that the system's policy prefers (RFC 6724).
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver, which asks for both families at once and knows about files, mDNS and the rest.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// The addresses of `host` with the families taking turns (RFC 8305 section 4), at most [`DIAL_ADDRESSES`]. An address in numbers is
/// itself, without asking anybody.
///
/// # Errors
/// What the resolver says, and `NotFound` where it gave no address.
pub(super) async fn resolve(resolver: &dyn Resolve, host: &str) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![address]);
    }
    let addresses = take_turns(resolver.resolve(host).await?);
    if addresses.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")) } else { Ok(addresses) }
}

/// Connect to the first of `addresses` that answers, going out `from` an address of this machine where there is one.
///
/// # Errors
/// Every address failed.
pub async fn connect(addresses: &[SocketAddr], from: Option<IpAddr>) -> Result<TcpStream, DialError> {
    let begin = |address: SocketAddr| async move {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(from) = from {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        socket.connect(address).await
    };
    let socket = race(addresses, begin, || tokio::time::sleep(DIAL_STAGGER)).await?;
    prepare(&socket);
    Ok(socket)
}

/// The first attempt that succeeds (RFC 8305 section 5): they begin in order, the next one when the one before failed or `stagger` is
/// over; those under way go on meanwhile and are dropped when one has won.
async fn race<T, A, S>(addresses: &[SocketAddr], begin: impl Fn(SocketAddr) -> A, stagger: impl Fn() -> S) -> Result<T, DialError>
where
    A: Future<Output = io::Result<T>>,
    S: Future<Output = ()>,
{
    let mut waiting: VecDeque<SocketAddr> = addresses.iter().copied().collect();
    let mut attempts = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = waiting.pop_front() {
            let attempt = begin(address);
            attempts.push(async move { (address, attempt.await) });
        }
        let pause = async { if waiting.is_empty() { std::future::pending().await } else { stagger().await } };
        tokio::select! {
            attempt = attempts.next() => match attempt {
                Some((_, Ok(socket))) => return Ok(socket),
                Some((address, Err(error))) => failures.push((address, error)),
                None if waiting.is_empty() => return Err(DialError { failures }),
                None => {}
            },
            () = pause => {}
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

fn take_turns(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_family = addresses.first().is_some_and(IpAddr::is_ipv6);
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
        self.is_all(io::ErrorKind::ConnectionRefused)
    }

    /// Whether the address to go out from is none of this machine's.
    #[must_use]
    pub fn is_from_elsewhere(&self) -> bool {
        self.is_all(io::ErrorKind::AddrNotAvailable)
    }

    fn is_all(&self, kind: io::ErrorKind) -> bool {
        !self.failures.is_empty() && self.failures.iter().all(|(_, error)| error.kind() == kind)
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
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;

    fn addresses(given: &[&str]) -> Vec<SocketAddr> {
        given.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let given: Vec<IpAddr> = ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2", "::1"].map(|a| a.parse().unwrap()).to_vec();
        let turns: Vec<String> = take_turns(given).iter().map(ToString::to_string).collect();
        assert_eq!(turns, ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"]);
        let many = (0..=255).map(|n| IpAddr::from([127, 0, 0, n])).collect();
        assert_eq!(take_turns(many).len(), DIAL_ADDRESSES);
        assert!(take_turns(Vec::new()).is_empty());
    }

    /// Counts itself while it lives.
    struct Alive(Arc<AtomicUsize>);

    impl Alive {
        fn new(count: &Arc<AtomicUsize>) -> Self {
            count.fetch_add(1, Ordering::SeqCst);
            Self(Arc::clone(count))
        }
    }

    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn the_first_answer_wins_and_the_others_are_given_up() {
        let (alive, begun) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let begin = |address: SocketAddr| {
            begun.lock().unwrap().push(address.port());
            let alive = Alive::new(&alive);
            async move {
                match address.port() {
                    3 => Ok(alive.0.load(Ordering::SeqCst)),
                    _ => std::future::pending().await,
                }
            }
        };
        let four = addresses(&["[::1]:1", "127.0.0.1:2", "[::2]:3", "127.0.0.2:4"]);
        // Each stagger is over at once, so that the third begins beside two that never answer.
        let beside = race(&four, begin, || std::future::ready(())).await.unwrap();
        assert_eq!(begun.lock().unwrap().get(..3), Some(&[1, 2, 3][..]));
        assert!(beside >= 3, "{beside} were under way");
        assert_eq!(alive.load(Ordering::SeqCst), 0, "a loser goes on");
    }

    #[tokio::test]
    async fn nobody_is_asked_before_the_stagger_is_over_or_the_one_before_failed() {
        let begun = Mutex::new(Vec::new());
        let begin = |address: SocketAddr| {
            begun.lock().unwrap().push(address.port());
            async move {
                match address.port() {
                    1 => Err(io::ErrorKind::ConnectionRefused.into()),
                    // Has all the time it wants: the stagger never ends.
                    2 => {
                        for _ in 0..100 {
                            tokio::task::yield_now().await;
                        }
                        Ok(2)
                    }
                    other => panic!("{other} is asked too early"),
                }
            }
        };
        let three = addresses(&["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
        assert_eq!(race(&three, begin, std::future::pending::<()>).await.unwrap(), 2);
        assert_eq!(*begun.lock().unwrap(), [1, 2]);
    }

    #[tokio::test]
    async fn the_next_address_is_tried() {
        let nobody = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let socket = connect(&[nobody, there], None).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), there);
        assert!(socket.nodelay().unwrap());
        assert!(rustix::net::sockopt::socket_keepalive(&socket).unwrap());
        let refused = connect(&[nobody], None).await.unwrap_err();
        assert!(refused.is_refused(), "{refused}");
        assert!(refused.to_string().starts_with(&nobody.to_string()), "{refused}");
        assert!(!connect(&[], None).await.unwrap_err().is_refused());
    }

    #[tokio::test]
    async fn a_line_goes_out_from_the_address_that_was_chosen() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let from = "127.0.0.9".parse().unwrap();
        let socket = connect(&[there], Some(from)).await.unwrap();
        assert_eq!(socket.local_addr().unwrap().ip(), from);
        // RFC 5737: nobody's.
        let elsewhere = connect(&[there], Some("192.0.2.1".parse().unwrap())).await.unwrap_err();
        assert!(elsewhere.is_from_elsewhere(), "{elsewhere}");
    }

    #[tokio::test]
    async fn numbers_are_themselves() {
        struct Nobody;
        impl Resolve for Nobody {
            fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
                panic!("{host} is asked for")
            }
        }
        for address in ["::1", "127.0.0.1"] {
            assert_eq!(resolve(&Nobody, address).await.unwrap(), [address.parse::<IpAddr>().unwrap()]);
        }
    }
}
