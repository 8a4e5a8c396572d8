//! Every problem that a certificate can have, as a person reads it.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, NameConstraints};
use rustls::RootCertStore;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::super::verifier::{Anchors, Pins, Verifier};
use super::*;

/// 2030-01-01, whenever the test runs.
const NOW: Duration = Duration::from_secs(1_893_456_000);

fn params(names: &[&str], name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2090, 1, 1);
    params
}

fn with(mut params: CertificateParams, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    change(&mut params);
    params
}

fn authority(name: &str) -> CertificateParams {
    with(params(&[], name), |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
}

fn server() -> CertificateParams {
    params(&["mail.example.com"], "mail.example.com")
}

/// A chain from an authority through the intermediates to the certificate, the last of `made` first; and the authority's own.
fn chain(mut root: CertificateParams, made: Vec<CertificateParams>) -> (Vec<CertificateDer<'static>>, CertificateDer<'static>) {
    let mut key = KeyPair::generate().unwrap();
    let believed = root.self_signed(&key).unwrap().der().clone();
    let mut chain = Vec::new();
    for params in made {
        let own = KeyPair::generate().unwrap();
        chain.insert(0, params.signed_by(&own, &Issuer::new(root, key)).unwrap().der().clone());
        (root, key) = (params, own);
    }
    (chain, believed)
}

/// The fault of a handshake in which `chain` is presented, as words without what differs from run to run.
fn words(anchors: &Anchors, chain: &[CertificateDer<'static>]) -> String {
    let (end, others) = chain.split_first().unwrap();
    let name = ServerName::try_from("mail.example.com").unwrap();
    let verifier = Verifier::new(anchors).unwrap();
    let error = verifier.verify_server_cert(end, others, &name, &[], UnixTime::since_unix_epoch(NOW)).unwrap_err();
    let peer = Peer {
        server: "mail.example.com",
        authority: "mail.example.com:993",
        port: 993,
        security: Security::Tls,
        min_version: TlsVersion::default(),
    };
    let fault = handshake(&io::Error::other(error), peer, Fault::new(Kind::Untrusted, "secure the line"));
    assert_eq!(fault.kind, Kind::Untrusted);
    let text = format!("{}\n{}", fault.causes().next().unwrap(), fault.remedy.as_deref().unwrap());
    let shown = Certificate::read(end);
    text.replace(&shown.fingerprint.to_string(), "[CERTIFICATE]").replace(&shown.key_fingerprint.unwrap().to_string(), "[KEY]")
}

fn believing(authority: &CertificateDer<'static>) -> Anchors {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    Anchors::Roots(Arc::new(roots))
}

fn made(params: CertificateParams) -> String {
    let (chain, authority) = chain(authority("Test Authority"), vec![params]);
    words(&believing(&authority), &chain)
}

fn fixture(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[test]
fn expired() {
    insta::assert_snapshot!(made(with(server(), |params| params.not_after = rcgen::date_time_ymd(2021, 1, 1))));
}

#[test]
fn not_yet_valid() {
    insta::assert_snapshot!(made(with(server(), |params| params.not_before = rcgen::date_time_ymd(2080, 1, 1))));
}

#[test]
fn wrong_host() {
    insta::assert_snapshot!(made(params(&["imap.example.org", "*.example.org", "192.0.2.7"], "imap.example.org")));
}

#[test]
fn self_signed() {
    let certificate = server().self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
    let (_, other) = chain(authority("Test Authority"), Vec::new());
    insta::assert_snapshot!(words(&believing(&other), &[certificate]));
}

#[test]
fn unknown_authority() {
    let (presented, _) = chain(authority("Another Authority"), vec![server()]);
    let (_, believed) = chain(authority("Test Authority"), Vec::new());
    insta::assert_snapshot!(words(&believing(&believed), &presented));
}

#[test]
fn wrong_key_usage() {
    insta::assert_snapshot!(made(with(server(), |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])));
}

#[test]
fn an_authority_as_a_server() {
    insta::assert_snapshot!(made(with(server(), |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))));
}

#[test]
fn a_weak_key() {
    let anchors = believing(&fixture(include_str!("../testdata/authority.pem")));
    let weak = fixture(include_str!("../testdata/rsa1024.pem"));
    insta::assert_snapshot!(words(&anchors, std::slice::from_ref(&weak)));
    // Not even a pin accepts it.
    let pins = Pins { certificates: vec![Certificate::read(&weak).fingerprint], keys: Vec::new() };
    assert!(words(&Anchors::Pins(pins), &[weak]).contains("too weak"));
}

#[test]
fn a_weak_signature() {
    let anchors = believing(&fixture(include_str!("../testdata/authority.pem")));
    insta::assert_snapshot!(words(&anchors, &[fixture(include_str!("../testdata/sha1.pem"))]));
}

#[test]
fn a_chain_too_long() {
    let mut made: Vec<_> = (1..=8).map(|n| authority(&format!("Intermediate {n}"))).collect();
    made.push(server());
    let (chain, believed) = chain(authority("Test Authority"), made);
    insta::assert_snapshot!(words(&believing(&believed), &chain));
}

#[test]
fn an_authority_for_other_names_only() {
    let permitted_subtrees = vec![GeneralSubtree::DnsName("example.org".to_owned())];
    let narrow = with(authority("Narrow Authority"), |params| {
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    });
    let (chain, believed) = chain(authority("Test Authority"), vec![narrow, server()]);
    insta::assert_snapshot!(words(&believing(&believed), &chain));
}

#[test]
fn not_the_pinned_one() {
    let (presented, _) = chain(authority("Test Authority"), vec![server()]);
    let (other, _) = chain(authority("Test Authority"), vec![server()]);
    let other = Certificate::read(&other[0]);
    let pins = Pins { certificates: vec![other.fingerprint], keys: vec![other.key_fingerprint.unwrap()] };
    insta::assert_snapshot!(words(&Anchors::Pins(pins), &presented));
}

#[test]
fn a_pinned_key_outlasts_a_renewal() {
    let key = KeyPair::generate().unwrap();
    let [first, renewed] = [2021, 2022].map(|year| {
        let params = with(params(&["elsewhere.example"], "elsewhere"), |params| params.not_after = rcgen::date_time_ymd(year, 1, 1));
        params.self_signed(&key).unwrap().der().clone()
    });
    let pin = Certificate::read(&first).key_fingerprint.unwrap();
    let verifier = Verifier::new(&Anchors::Pins(Pins { certificates: Vec::new(), keys: vec![pin] })).unwrap();
    let name = ServerName::try_from("mail.example.com").unwrap();
    for certificate in [first, renewed] {
        verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::since_unix_epoch(NOW)).unwrap();
    }
}
