//! From a name to a clear line: resolve, admit, connect, and through the account's proxy where there is one.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::admission::Admission;
use super::dial::{self, DialError, Resolve, SystemResolver};
use super::observe::Stage;
use super::proxy::{Destination, Proxy, ProxyError, Scheme, Step};
use super::stage::{Stages, late};
use super::wire::{Socket, Wire};
use crate::fault::{Fault, Kind};
use crate::model::endpoint::Endpoint;
use crate::model::network::Network;

/// Where to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) server: &'a str,
    pub(super) port: u16,
    /// "server:port".
    pub(super) authority: &'a str,
    /// Which ports are usual; ends the remedy of a refused connection.
    pub(super) usual_ports: &'a str,
    /// Whether the operator named the server, and not a connector's manifest.
    pub(super) is_operators: bool,
}

/// How an account gets there.
#[derive(Clone, Copy)]
pub(super) struct Route<'a> {
    proxy: Option<&'a Proxy>,
    local_address: Option<IpAddr>,
    networks: &'a [Network],
    resolver: &'a dyn Resolve,
}

impl<'a> Route<'a> {
    /// As the account of `endpoint` goes, through its `proxy`.
    pub(super) fn of(endpoint: &'a Endpoint, proxy: Option<&'a Proxy>) -> Self {
        Self { proxy, local_address: endpoint.local_address, networks: &endpoint.networks, resolver: &SystemResolver }
    }

    /// With other names.
    #[cfg(test)]
    pub(super) fn with_resolver(self, resolver: &'a dyn Resolve) -> Self {
        Self { resolver, ..self }
    }
}

/// A clear line to `target` by `route`.
///
/// # Errors
/// `Unreachable` where nobody answers, `RefusedByHost` for a near place that the account does not name, `Misconfigured` for a proxy or
/// a local address that cannot be meant.
pub(super) async fn reach(target: Target<'_>, route: Route<'_>, stages: Stages<'_>) -> Result<Wire, Fault> {
    match route.proxy {
        None => {
            let addresses = resolve(target.server, target.port, target.is_operators, "--server", route, stages).await?;
            connect(&addresses, target.authority, target.usual_ports, route, stages).await
        }
        Some(proxy) => through(proxy, target, route, stages).await,
    }
}

/// The addresses of `host` that the account may reach, in the order in which they are tried.
async fn resolve(
    host: &str,
    port: u16,
    is_operators: bool,
    option: &str,
    route: Route<'_>,
    stages: Stages<'_>,
) -> Result<Vec<SocketAddr>, Fault> {
    let operation = format!("resolve {host} for {}", authority(host, port));
    let remedy = format!("check the spelling of `{option}`, and that this machine's DNS works");
    let work = async {
        let found = dial::resolve(route.resolver, host)
            .await
            .map_err(|error| Fault::new(Kind::Unreachable, operation.clone()).because(&error).with_remedy(remedy.clone()))?;
        let addresses = admitted(&found, host, is_operators, route, &operation)?;
        let listed: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        Ok((addresses, listed.join(", ")))
    };
    stages.run(Stage::Name, || late(operation.clone()).with_remedy(remedy.clone()), work).await
}

fn admitted(found: &[IpAddr], host: &str, is_operators: bool, route: Route<'_>, operation: &str) -> Result<Vec<IpAddr>, Fault> {
    let admission = Admission { host, is_operators, networks: route.networks };
    let (mut addresses, mut refused) = (Vec::new(), None);
    for address in found {
        match admission.admit(*address) {
            Ok(()) => addresses.push(*address),
            Err(not) => refused = refused.or(Some(not)),
        }
    }
    if let (true, Some(refused)) = (addresses.is_empty(), refused) {
        return Err(refused.into_fault(operation));
    }
    // Through a proxy on the way, the address that the line goes out from says nothing about the server's family.
    if let (Some(from), None) = (route.local_address, route.proxy) {
        addresses.retain(|address| address.is_ipv4() == from.is_ipv4());
        if addresses.is_empty() {
            let family = if from.is_ipv4() { "IPv4" } else { "IPv6" };
            return Err(Fault::new(Kind::Misconfigured, operation)
                .because_words(format!("the server has no {family} address, and lines of this account go out from {from}"))
                .with_remedy("choose another address of this machine: `postrider account edit NAME --local-address ADDRESS`"));
        }
    }
    Ok(addresses)
}

async fn connect(
    addresses: &[SocketAddr],
    authority: &str,
    usual_ports: &str,
    route: Route<'_>,
    stages: Stages<'_>,
) -> Result<Wire, Fault> {
    let operation = format!("connect to {authority}");
    let work = async {
        let socket = dial::connect(addresses, route.local_address).await.map_err(|error| refused(&error, &operation, usual_ports))?;
        let finding = socket.peer_addr().map_or_else(|_| String::new(), |address| address.to_string());
        Ok((Wire::new(Socket::Clear(socket)), finding))
    };
    let silent = || late(operation.clone()).with_remedy(format!("is the port right, and does a firewall let it through? {usual_ports}"));
    stages.run(Stage::Connect, silent, work).await
}

fn refused(error: &DialError, operation: &str, usual_ports: &str) -> Fault {
    let fault = Fault::new(Kind::Unreachable, operation).because(error);
    if error.is_from_elsewhere() {
        Fault { kind: Kind::Misconfigured, ..fault }
            .with_remedy("the address to go out from is none of this machine's: `postrider account edit NAME --local-address ADDRESS`")
    } else if error.is_refused() {
        fault.with_remedy(format!("nothing listens there: is the port right? {usual_ports}"))
    } else {
        fault.with_remedy("check the network between this machine and the server")
    }
}

async fn through(proxy: &Proxy, target: Target<'_>, route: Route<'_>, stages: Stages<'_>) -> Result<Wire, Fault> {
    let proxy_authority = format!("the proxy {proxy}");
    let near = Route { proxy: None, ..route };
    let proxy_addresses = resolve(&proxy.host, proxy.port, true, "--proxy", near, stages).await?;
    let destinations = destinations(proxy, target, route, stages).await?;
    let operation = format!("reach {} through {proxy_authority}", target.authority);
    let silent = || late(operation.clone()).with_remedy("check scheme and port of `--proxy`");
    // The first connection is dialled as a stage of its own; further addresses of the server get further connections to the proxy.
    let mut wire = connect(&proxy_addresses, &proxy_authority, "Check `--proxy`", route, stages).await?;
    let work = async {
        let last = destinations.len().saturating_sub(1);
        for (at, destination) in destinations.into_iter().enumerate() {
            match negotiate(&mut wire, proxy, destination.clone()).await {
                Ok(()) => return Ok((wire, format!("{proxy} reaches {destination}"))),
                Err(Negotiation::Refused(error)) if error.is_about_the_address() && at < last => {
                    let again = dial::connect(&proxy_addresses, route.local_address);
                    wire = Wire::new(Socket::Clear(again.await.map_err(|error| refused(&error, &operation, "Check `--proxy`"))?));
                }
                Err(Negotiation::Refused(error)) => return Err(error.into_fault(operation.clone())),
                Err(Negotiation::Lost(error)) => {
                    let fault = Fault::new(Kind::Unreachable, operation.clone()).because(&error);
                    return Err(fault.with_remedy("check scheme, host and port of `--proxy`"));
                }
            }
        }
        Err(Fault::new(Kind::Unreachable, operation.clone()).because_words("the server's name has no address"))
    };
    stages.run(Stage::Proxy, silent, work).await
}

/// What the proxy is asked for: the server's addresses where they are resolved here, else its name.
async fn destinations(proxy: &Proxy, target: Target<'_>, route: Route<'_>, stages: Stages<'_>) -> Result<Vec<Destination>, Fault> {
    let admission = Admission { host: target.server, is_operators: target.is_operators, networks: route.networks };
    let operation = || format!("reach {} through the proxy {proxy}", target.authority);
    if let Ok(address) = target.server.parse() {
        admission.admit(address).map_err(|not| not.into_fault(operation()))?;
        return Ok(vec![Destination::Address(SocketAddr::new(address, target.port))]);
    }
    match proxy.scheme {
        Scheme::Socks5 => {
            let addresses = resolve(target.server, target.port, target.is_operators, "--server", route, stages).await?;
            Ok(addresses.into_iter().map(Destination::Address).collect())
        }
        Scheme::Socks5h | Scheme::Http => {
            admission.admit_name().map_err(|not| not.into_fault(operation()))?;
            Ok(vec![Destination::Name(target.server.to_owned(), target.port)])
        }
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
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

#[cfg(test)]
mod tests;
