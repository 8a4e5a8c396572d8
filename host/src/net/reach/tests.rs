//! The way to a server by names that a test makes up, against listeners on loopback.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::*;
use crate::model::endpoint::Security;
use crate::net::Unobserved;
use crate::net::testing::{Act, Server, endpoint, script};

/// Every name leads to the same addresses.
struct Names(Vec<IpAddr>);

impl Names {
    fn of(addresses: &[&str]) -> Self {
        Self(addresses.iter().map(|address| address.parse().unwrap()).collect())
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

/// What somebody dials.
struct Dialled<'a> {
    host: &'a str,
    port: u16,
    is_operators: bool,
    proxy: Option<String>,
    networks: &'a [&'a str],
    local_address: Option<&'a str>,
}

impl Dialled<'_> {
    async fn reach(&self, names: &Names) -> Result<Wire, Fault> {
        let mut endpoint = endpoint(self.port, Security::None);
        endpoint.networks = self.networks.iter().map(|network| network.parse().unwrap()).collect();
        endpoint.local_address = self.local_address.map(|address| address.parse().unwrap());
        let proxy = self.proxy.as_deref().map(|proxy| Proxy::parse(proxy).unwrap());
        let authority = authority(self.host, self.port);
        let target = Target { server: self.host, port: self.port, authority: &authority, usual_ports: "", is_operators: self.is_operators };
        let stages = Stages::new(&Unobserved, Duration::from_secs(20));
        reach(target, Route::of(&endpoint, proxy.as_ref()).with_resolver(names), stages).await
    }
}

fn dialled(host: &str, port: u16) -> Dialled<'_> {
    Dialled { host, port, is_operators: true, proxy: None, networks: &[], local_address: None }
}

#[tokio::test]
async fn a_name_leads_near_only_where_the_account_says_so() {
    let server = Server::start(None, script("C: hello\nZ:")).await;
    let near = Names::of(&["127.0.0.1"]);
    for (host, is_operators, networks, is_reached) in [
        ("localhost", true, &[][..], true),
        ("localhost", false, &[], false),
        ("127.0.0.1", true, &[], true),
        ("127.0.0.1", false, &[], false),
        ("mail.example.com", true, &[], false),
        ("mail.example.com", false, &[], false),
        ("mail.example.com", true, &["127.0.0.0/8"], true),
        ("mail.example.com", true, &["10.0.0.0/8"], false),
        ("api.example.com", false, &["127.0.0.1"], true),
        ("mailhost", true, &[], true),
        ("mailhost", false, &[], false),
    ] {
        let reached = Dialled { is_operators, networks, ..dialled(host, server.port) }.reach(&near).await;
        match reached {
            Ok(_) => assert!(is_reached, "{host} {is_operators} {networks:?} is reached"),
            Err(fault) => {
                assert!(!is_reached, "{host} {is_operators} {networks:?}: {fault:?}");
                assert_eq!(fault.kind, Kind::RefusedByHost, "{fault:?}");
                assert!(fault.remedy.unwrap().contains("--network 127.0.0.1"), "{host}");
            }
        }
    }
}

#[tokio::test]
async fn an_address_that_is_not_admitted_is_passed_over() {
    let server = Server::start(None, script("Z:")).await;
    // Were they dialled, nobody would answer there in time.
    let names = Names::of(&["10.255.255.1", "169.254.169.254", "0.0.0.0", "127.0.0.1"]);
    let dialled = Dialled { networks: &["127.0.0.1"], ..dialled("mail.example.com", server.port) };
    dialled.reach(&names).await.unwrap_or_else(|fault| panic!("{fault:?}"));
}

#[tokio::test]
async fn a_line_goes_out_from_an_address_of_the_servers_family() {
    let server = Server::start(None, script("Z:")).await;
    let from = |address| Dialled { local_address: Some(address), ..dialled("localhost", server.port) };
    from("127.0.0.7").reach(&Names::of(&["::1", "127.0.0.1"])).await.unwrap_or_else(|fault| panic!("{fault:?}"));
    for (address, names, words) in [
        ("127.0.0.7", &["::1"][..], "the server has no IPv4 address"),
        ("::1", &["127.0.0.1"], "the server has no IPv6 address"),
        ("192.0.2.1", &["127.0.0.1"], "127.0.0.1"),
    ] {
        let fault = from(address).reach(&Names::of(names)).await.map(drop).unwrap_err();
        assert_eq!(fault.kind, Kind::Misconfigured, "{fault:?}");
        assert!(fault.causes().any(|cause| cause.contains(words)), "{fault:?}");
        assert!(fault.remedy.unwrap().contains("--local-address"));
    }
}

/// What a proxy gets to hear, and what it does not: rows of scheme, host, whether the operator named it, and what the name leads to.
#[tokio::test]
async fn a_proxy_is_no_way_around_the_rule() {
    for (scheme, host, is_operators, leads_to, is_asked) in [
        ("socks5", "mail.example.com", true, "8.8.8.8", true),
        ("socks5", "mail.example.com", true, "127.0.0.1", false),
        ("socks5", "mail.example.com", false, "169.254.169.254", false),
        ("socks5", "mailhost", true, "10.0.0.1", true),
        ("socks5", "10.0.0.1", false, "8.8.8.8", false),
        ("socks5h", "mail.example.com", false, "127.0.0.1", true),
        ("socks5h", "localhost", false, "8.8.8.8", false),
        ("socks5h", "localhost", true, "8.8.8.8", true),
        ("socks5h", "169.254.169.254", false, "8.8.8.8", false),
        ("socks5h", "metadata.google.internal", false, "8.8.8.8", false),
        ("http", "mail.example.com", false, "127.0.0.1", true),
        ("http", "2130706433", false, "8.8.8.8", false),
        ("http", "intranet", false, "8.8.8.8", false),
        ("http", "::1", false, "8.8.8.8", false),
        ("http", "::1", true, "8.8.8.8", true),
    ] {
        let proxy = Server::start(None, vec![Act::Hear(3), Act::Cut]).await;
        let dialled = Dialled { is_operators, proxy: Some(format!("{scheme}://127.0.0.1:{}", proxy.port)), ..dialled(host, 993) };
        let fault = dialled.reach(&Names::of(&[leads_to])).await.map(drop).unwrap_err();
        let kind = if is_asked { Kind::Unreachable } else { Kind::RefusedByHost };
        assert_eq!(fault.kind, kind, "{scheme} {host} {is_operators}: {fault:?}");
        assert_eq!(!proxy.heard().is_empty(), is_asked, "{scheme} {host} {is_operators}: {:?}", proxy.heard());
    }
}
