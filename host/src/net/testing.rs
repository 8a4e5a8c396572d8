//! Servers for tests: certificates of every kind, and scripts that a server plays on loopback.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::observe::{Observe, StageReport};
use super::tls::certificate::Certificate;
use crate::model::endpoint::{Endpoint, Fingerprint, Held, Protocol, Security, Timeouts, Trust};
use crate::secret::Secret;

/// The password of every test.
pub(super) const PASSWORD: &str = "correct horse battery";

/// A server's certificate and key, and the file that makes a client believe it.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
    pub(super) ca_file: PathBuf,
    _folder: tempfile::TempDir,
}

/// How a certificate differs from a good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    Expired,
    NotYetValid,
    WrongHost,
    SelfSigned,
    OtherAuthority,
    ForClients,
    IsAuthority,
}

impl Identity {
    /// A good one for these names.
    pub(super) fn for_names(names: &[&str]) -> Self {
        Self::make(Flaw::None, names)
    }

    pub(super) fn new(flaw: Flaw) -> Self {
        Self::make(flaw, if flaw == Flaw::WrongHost { &["elsewhere.example.com"] } else { &["127.0.0.1", "localhost"] })
    }

    fn make(flaw: Flaw, names: &[&str]) -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "Postrider Test Authority");
        let authority_certificate = authority.self_signed(&authority_key).unwrap();

        let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "mail.example.com");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(if flaw == Flaw::Expired { 2021 } else { 2090 }, 1, 1);
        match flaw {
            Flaw::NotYetValid => params.not_before = rcgen::date_time_ymd(2080, 1, 1),
            Flaw::ForClients => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            Flaw::IsAuthority => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            _ => {}
        }
        let key = KeyPair::generate().unwrap();
        let certificate = match flaw {
            Flaw::SelfSigned => params.self_signed(&key).unwrap(),
            Flaw::OtherAuthority => {
                let other = KeyPair::generate().unwrap();
                params.signed_by(&key, &Issuer::new(authority.clone(), other)).unwrap()
            }
            _ => params.signed_by(&key, &Issuer::new(authority.clone(), authority_key)).unwrap(),
        };
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, authority_certificate.pem()).unwrap();
        Self { chain: vec![certificate.der().clone()], key: key.serialize_der(), ca_file, _folder: folder }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Certificate::read(&self.chain[0]).fingerprint
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor_of(rustls::ALL_VERSIONS)
    }

    /// Of these versions only.
    pub(super) fn acceptor_of(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsAcceptor {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap().with_no_client_auth();
        self.accepting(builder)
    }

    /// For clients with a certificate of the authority of `client` only.
    pub(super) fn acceptor_asking(&self, client: &Self) -> TlsAcceptor {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&client.ca_file).unwrap()).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        self.accepting(builder.with_client_cert_verifier(verifier))
    }

    /// That agrees on one of these protocols (RFC 7301).
    pub(super) fn acceptor_speaking(&self, protocols: &[&[u8]]) -> TlsAcceptor {
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let mut config = builder.with_single_cert(self.chain.clone(), key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    fn accepting(&self, builder: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        TlsAcceptor::from(Arc::new(builder.with_single_cert(self.chain.clone(), key).unwrap()))
    }

    /// Certificate and key, as files hold them.
    pub(super) fn pem(&self) -> (String, String) {
        let pem =
            |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", data_encoding::BASE64.encode(der));
        (pem("CERTIFICATE", &self.chain[0]), pem("PRIVATE KEY", &self.key))
    }
}

/// What a scripted server does next.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Write octets.
    Say(Vec<u8>),
    /// Write one octet at a time, for ever.
    Dribble(&'static str),
    /// Read a line and note it.
    HearLine,
    /// Read so many octets and note them.
    Hear(usize),
    /// Accept TLS on the line.
    Tls,
    /// Do nothing, for ever.
    Stall,
    /// Close without a word, TLS's included.
    Cut,
}

/// A server on loopback that plays one script for every connection.
pub(super) struct Server {
    pub(super) port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    _task: AbortOnDropHandle<()>,
}

/// "S: " says a line, "C:" hears one, "T:" accepts TLS, "Z:" stalls, "X:" cuts.
pub(super) fn script(transcript: &str) -> Vec<Act> {
    transcript
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| match line.split_at(2) {
            ("S:", words) => Act::Say(format!("{}\r\n", words.trim_start()).into_bytes()),
            ("C:", _) => Act::HearLine,
            ("T:", _) => Act::Tls,
            ("Z:", _) => Act::Stall,
            ("X:", _) => Act::Cut,
            other => panic!("{other:?}"),
        })
        .collect()
}

impl Server {
    pub(super) async fn start(identity: Option<&Identity>, acts: Vec<Act>) -> Self {
        Self::start_with(identity.map(Identity::acceptor), acts).await
    }

    /// With an acceptor that shares its sessions over all connections.
    pub(super) async fn start_with(acceptor: Option<TlsAcceptor>, acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn({
            let heard = Arc::clone(&heard);
            async move {
                let mut lines = tokio::task::JoinSet::new();
                while let Ok((socket, _)) = listener.accept().await {
                    lines.spawn(play(Box::new(socket), acceptor.clone(), acts.clone(), Arc::clone(&heard)));
                }
            }
        });
        Self { port, heard, _task: AbortOnDropHandle::new(task) }
    }

    /// All that was heard, over all connections.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A line of either kind.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

async fn play(mut line: Box<dyn Duplex>, acceptor: Option<TlsAcceptor>, acts: Vec<Act>, heard: Arc<Mutex<Vec<String>>>) -> Option<()> {
    for act in acts {
        match act {
            Act::Say(octets) => {
                line.write_all(&octets).await.ok()?;
                line.flush().await.ok()?;
            }
            Act::Dribble(octets) => {
                for octet in octets.bytes().cycle() {
                    line.write_all(&[octet]).await.ok()?;
                    line.flush().await.ok()?;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            Act::HearLine => {
                let mut words = Vec::new();
                while !words.ends_with(b"\n") {
                    words.push(line.read_u8().await.ok()?);
                }
                heard.lock().unwrap().push(String::from_utf8_lossy(&words).trim_end().to_owned());
            }
            Act::Hear(count) => {
                let mut octets = vec![0; count];
                line.read_exact(&mut octets).await.ok()?;
                heard.lock().unwrap().push(String::from_utf8_lossy(&octets).into_owned());
            }
            Act::Tls => line = Box::new(acceptor.as_ref().expect("an identity").accept(line).await.ok()?),
            Act::Stall => std::future::pending().await,
            Act::Cut => return None,
        }
    }
    line.shutdown().await.ok()?;
    // Closing with octets unread would reset the line and take back what was said.
    while line.read_u8().await.is_ok() {}
    None
}

/// An IMAP account on `port`.
pub(super) fn endpoint(port: u16, security: Security) -> Endpoint {
    Endpoint {
        protocol: Protocol::Imap,
        server: "127.0.0.1".to_owned(),
        port,
        security,
        user: Some("me".to_owned()),
        auth: None,
        trust: Trust::default(),
        proxy: None,
        local_address: None,
        networks: Vec::new(),
        quirks: Vec::new(),
        timeouts: Timeouts { connect: Duration::from_secs(20), read: Duration::from_secs(20), ..Timeouts::default() },
        held: Held::default(),
    }
}

pub(super) fn secret() -> Secret {
    Secret::new(PASSWORD)
}

/// Keeps the reports.
#[derive(Default)]
pub(super) struct Reports(pub(super) Mutex<Vec<StageReport>>);

impl Observe for Reports {
    fn stage(&self, report: StageReport) {
        self.0.lock().unwrap().push(report);
    }
}
