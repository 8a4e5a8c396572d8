//! From a name to a clear line: resolve, connect, and through the account's proxy where there is one.

use std::io;

use super::dial::{self, DialError};
use super::observe::Stage;
use super::proxy::{Destination, Proxy, ProxyError, Scheme, Step};
use super::stage::{Stages, late};
use super::wire::{Socket, Wire};
use crate::fault::{Fault, Kind};

/// Where to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) server: &'a str,
    pub(super) port: u16,
    /// "server:port".
    pub(super) authority: &'a str,
    /// Which ports are usual; ends the remedy of a refused connection.
    pub(super) usual_ports: &'a str,
}

/// A clear line to `target`, through `proxy` where there is one.
pub(super) async fn reach(target: Target<'_>, proxy: Option<&Proxy>, stages: Stages<'_>) -> Result<Wire, Fault> {
    match proxy {
        None => {
            let addresses = resolve(target.server, target.port, "--server", stages).await?;
            connect(&addresses, target.authority, target.usual_ports, stages).await
        }
        Some(proxy) => through(proxy, target, stages).await,
    }
}

async fn resolve(host: &str, port: u16, option: &str, stages: Stages<'_>) -> Result<Vec<std::net::SocketAddr>, Fault> {
    let operation = format!("resolve {host} for {host}:{port}");
    let remedy = format!("check the spelling of `{option}`, and that this machine's DNS works");
    let work = async {
        let addresses = dial::resolve(host, port)
            .await
            .map_err(|error| Fault::new(Kind::Unreachable, operation.clone()).because(&error).with_remedy(remedy.clone()))?;
        let listed: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
        Ok((addresses, listed.join(", ")))
    };
    stages.run(Stage::Name, || late(operation.clone()).with_remedy(remedy.clone()), work).await
}

async fn connect(addresses: &[std::net::SocketAddr], authority: &str, usual_ports: &str, stages: Stages<'_>) -> Result<Wire, Fault> {
    let operation = format!("connect to {authority}");
    let work = async {
        let socket = dial::connect(addresses).await.map_err(|error| refused(&error, &operation, usual_ports))?;
        let finding = socket.peer_addr().map_or_else(|_| String::new(), |address| address.to_string());
        Ok((Wire::new(Socket::Clear(socket)), finding))
    };
    let silent = || late(operation.clone()).with_remedy(format!("is the port right, and does a firewall let it through? {usual_ports}"));
    stages.run(Stage::Connect, silent, work).await
}

fn refused(error: &DialError, operation: &str, usual_ports: &str) -> Fault {
    let fault = Fault::new(Kind::Unreachable, operation).because(error);
    if error.is_refused() {
        fault.with_remedy(format!("nothing listens there: is the port right? {usual_ports}"))
    } else {
        fault.with_remedy("check the network between this machine and the server")
    }
}

async fn through(proxy: &Proxy, target: Target<'_>, stages: Stages<'_>) -> Result<Wire, Fault> {
    let proxy_authority = format!("the proxy {proxy}");
    let proxy_addresses = resolve(&proxy.host, proxy.port, "--proxy", stages).await?;
    let destinations: Vec<Destination> = match (proxy.scheme, target.server.parse()) {
        (_, Ok(address)) => vec![Destination::Address(std::net::SocketAddr::new(address, target.port))],
        (Scheme::Socks5, Err(_)) => {
            let addresses = resolve(target.server, target.port, "--server", stages).await?;
            addresses.into_iter().map(Destination::Address).collect()
        }
        (Scheme::Socks5h | Scheme::Http, Err(_)) => vec![Destination::Name(target.server.to_owned(), target.port)],
    };
    let operation = format!("reach {} through {proxy_authority}", target.authority);
    let silent = || late(operation.clone()).with_remedy("check scheme and port of `--proxy`");
    // The first connection is dialled as a stage of its own; further addresses of the server get further connections to the proxy.
    let mut wire = connect(&proxy_addresses, &proxy_authority, "Check `--proxy`", stages).await?;
    let work = async {
        let last = destinations.len().saturating_sub(1);
        for (at, destination) in destinations.into_iter().enumerate() {
            match negotiate(&mut wire, proxy, destination.clone()).await {
                Ok(()) => return Ok((wire, format!("{proxy} reaches {destination}"))),
                Err(Negotiation::Refused(error)) if error.is_about_the_address() && at < last => {
                    let again = dial::connect(&proxy_addresses).await.map_err(|error| refused(&error, &operation, "Check `--proxy`"))?;
                    wire = Wire::new(Socket::Clear(again));
                }
                Err(Negotiation::Refused(error)) => return Err(error.into_fault(operation.clone())),
                Err(Negotiation::Lost(error)) => return Err(Fault::new(Kind::Unreachable, operation.clone()).because(&error)),
            }
        }
        Err(Fault::new(Kind::Unreachable, operation.clone()).because_words("the server's name has no address"))
    };
    stages.run(Stage::Proxy, silent, work).await
}

enum Negotiation {
    Refused(ProxyError),
    Lost(io::Error),
}

async fn negotiate(wire: &mut Wire, proxy: &Proxy, destination: Destination) -> Result<(), Negotiation> {
    let mut machine = proxy.negotiation(destination);
    loop {
        match machine.step(&mut wire.pending).map_err(Negotiation::Refused)? {
            Step::Done => return Ok(()),
            Step::Write(octets) => wire.send(&octets).await.map_err(Negotiation::Lost)?,
            Step::Read => {
                if !wire.fill().await.map_err(Negotiation::Lost)? {
                    return Err(Negotiation::Refused(ProxyError::Closed));
                }
            }
        }
    }
}
