//! A mailroom that only remembers, a broker with one secret, and the component of the tests, compiled once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use postrider::connector::seam::{Committing, CredentialBroker, Delivery, Mailroom};
use postrider::connector::{CacheFolder, Engine, HttpAccess, HttpCredential, Prepared, ReceivingSession, SessionContext};
use postrider::fault::Fault;
use postrider::limits::Limits;
use postrider::model::endpoint::{Endpoint, Held, Protocol, Security, Timeouts, Trust};
use postrider::model::message::{Arrival, Change, Page, Scope};
use postrider::net::allow::{Origin, Origins};
use postrider::net::{Unobserved, http};
use postrider::secret::Secret;

use super::behaviour::Behaviour;

/// The one secret of these tests.
pub(super) const SECRET: &str = harness::dovecot::PASSWORD;

/// The one approved origin.
const ORIGIN: &str = "https://mail.example.org";

/// What a mailroom was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What every checkpoint fails with.
    pub(super) trouble: Option<Fault>,
    pub(super) begun: usize,
    pub(crate) messages: Vec<(Scope, Arrival, Vec<u8>)>,
    pub(super) checkpoints: Vec<(Scope, Vec<u8>)>,
    pub(crate) removed: Vec<String>,
    pub(super) state: HashMap<String, Vec<u8>>,
    pub(super) progress: usize,
    pub(super) committing: Vec<String>,
}

/// Remembers what it was told.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memory(Arc<Mutex<Told>>);

impl Memory {
    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }
}

struct Taking {
    memory: Memory,
    scope: Scope,
    arrival: Arrival,
    octets: Vec<u8>,
}

#[async_trait]
impl Delivery for Taking {
    async fn write(&mut self, octets: Bytes) -> Result<(), Fault> {
        assert!(octets.len() <= 64 << 10, "more than the bound was gathered");
        self.octets.extend_from_slice(&octets);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), Fault> {
        self.memory.told().messages.push((self.scope, self.arrival, self.octets));
        Ok(())
    }
}

#[async_trait]
impl Mailroom for Memory {
    async fn unseen(&self, _: Scope, ids: Vec<String>) -> Result<Vec<String>, Fault> {
        let told = self.told();
        Ok(ids.into_iter().filter(|id| !told.messages.iter().any(|(_, arrival, _)| arrival.id == *id)).collect())
    }

    async fn known(&self, _: Scope, _: Option<String>, _: usize) -> Result<Page, Fault> {
        Ok(Page::default())
    }

    async fn recognise(&self, _: Scope, arrivals: Vec<Arrival>) -> Result<Vec<bool>, Fault> {
        Ok(vec![false; arrivals.len()])
    }

    async fn begin(&self, scope: Scope, arrival: Arrival) -> Result<Box<dyn Delivery>, Fault> {
        self.told().begun += 1;
        Ok(Box::new(Taking { memory: self.clone(), scope, arrival, octets: Vec::new() }))
    }

    async fn set_aside(&self, _: Scope, _: Arrival, _: Fault) -> Result<(), Fault> {
        Ok(())
    }

    async fn changed(&self, _: Scope, _: Vec<Change>) -> Result<(), Fault> {
        Ok(())
    }

    async fn removed(&self, _: Scope, ids: Vec<String>) -> Result<(), Fault> {
        self.told().removed.extend(ids);
        Ok(())
    }

    async fn retired(&self, _: Scope) -> Result<(), Fault> {
        Ok(())
    }

    async fn checkpoint(&self, scope: Scope, cursor: Vec<u8>) -> Result<(), Fault> {
        if let Some(fault) = self.told().trouble.clone() {
            return Err(fault);
        }
        self.told().checkpoints.push((scope, cursor));
        Ok(())
    }

    async fn expendable(&self, _: Scope, _: Option<String>, _: usize) -> Result<Page, Fault> {
        Ok(Page::default())
    }

    fn progress(&self, _: Scope, _: u64, _: Option<u64>) {
        self.told().progress += 1;
    }

    async fn state_get(&self, key: String) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.told().state.get(&key).cloned())
    }

    async fn state_put(&self, key: String, value: Option<Vec<u8>>) -> Result<(), Fault> {
        let mut told = self.told();
        match value {
            Some(value) => told.state.insert(key, value),
            None => told.state.remove(&key),
        };
        Ok(())
    }
}

#[async_trait]
impl Committing for Memory {
    async fn committing(&self, id: String) -> Result<(), Fault> {
        self.told().committing.push(id);
        Ok(())
    }
}

/// What takes the place of [`SECRET`] where a server refused it.
pub(super) const RENEWED: &str = "renewed horse battery staple";

/// Has [`SECRET`] for every endpoint that has a user.
struct Broker;

#[async_trait]
impl CredentialBroker for Broker {
    async fn line_secret(&self, _: &str) -> Result<Option<Secret>, Fault> {
        Ok(Some(Secret::new(SECRET)))
    }

    async fn http_credential(&self, _: &str) -> Result<Secret, Fault> {
        Ok(Secret::new(SECRET))
    }

    async fn renew_http_credential(&self, _: &str, refused: &Secret) -> Result<Option<Secret>, Fault> {
        assert_eq!(refused.expose(), SECRET.as_bytes());
        Ok(Some(Secret::new(RENEWED)))
    }
}

/// A session to be: the component's settings, and what differs from an account without servers.
pub(crate) struct Setting {
    pub(super) account: &'static str,
    pub(crate) memory: Memory,
    pub(super) settings: serde_json::Value,
    pub(super) endpoints: Vec<(String, Endpoint)>,
    pub(super) limits: Limits,
    pub(super) http: Option<HttpAccess>,
    /// For each wait on an exchange.
    pub(super) read_timeout: Duration,
}

impl Setting {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        Self {
            account: "help",
            memory: Memory::default(),
            settings: serde_json::json!({ "behaviour": behaviour.name() }),
            endpoints: Vec::new(),
            limits: Limits::default(),
            http: None,
            read_timeout: Timeouts::default().read,
        }
    }

    /// An account without servers, with no settings of the component's.
    pub(crate) fn plain() -> Self {
        Self { settings: serde_json::json!({}), ..Self::new(Behaviour::Good) }
    }

    /// With another limit.
    pub(super) fn bounded(mut self, bound: impl FnOnce(&mut Limits)) -> Self {
        bound(&mut self.limits);
        self
    }

    /// With a setting of the component's.
    pub(crate) fn set(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.settings[name] = value.into();
        self
    }

    /// With a server on loopback.
    pub(crate) fn with_server(mut self, name: &str, protocol: Protocol, port: u16) -> Self {
        self.endpoints.push((name.to_owned(), endpoint(protocol, port)));
        self
    }

    /// With [`ORIGIN`] approved, which really is a server on loopback.
    pub(super) fn with_origin(self, port: u16) -> Self {
        self.with_origin_at(&format!("http://127.0.0.1:{port}"), Trust::default())
    }

    /// With [`ORIGIN`] approved, which really is a server of HTTPS on loopback whose authority's certificate is in this file.
    pub(super) fn with_secure_origin(self, port: u16, ca_file: PathBuf) -> Self {
        self.with_origin_at(&format!("https://127.0.0.1:{port}"), Trust { ca_file: Some(ca_file), ..Trust::default() })
    }

    fn with_origin_at(mut self, really: &str, trust: Trust) -> Self {
        let origins = Origins::new([ORIGIN], [format!("{ORIGIN}={really}").as_str()]).unwrap();
        let timeouts = Timeouts { read: self.read_timeout, ..Timeouts::default() };
        let server = Endpoint { trust, timeouts, ..endpoint(Protocol::Stream, 443) };
        let client = http::Client::new(http::Settings::new(origins, server, &self.limits));
        let credential = HttpCredential {
            name: "password".to_owned(),
            placement: http::Placement::Bearer,
            origins: vec![Origin::parse(ORIGIN).unwrap()],
        };
        self.http = Some(HttpAccess { client: Arc::new(client), credentials: vec![credential] });
        self.set("origin", ORIGIN)
    }

    pub(crate) fn context(&self) -> SessionContext {
        SessionContext {
            account: self.account.parse().unwrap(),
            endpoints: self.endpoints.clone(),
            http: self.http.clone(),
            mailroom: Arc::new(self.memory.clone()),
            credentials: Arc::new(Broker),
            limits: self.limits.clone(),
            settings: self.settings.to_string(),
            observer: Arc::new(Unobserved),
        }
    }

    pub(super) async fn open(&self) -> Result<ReceivingSession, Fault> {
        component().receive(self.context()).await
    }

    /// Open a session and synchronise INBOX: what comes of it.
    pub(super) async fn sync(&self) -> Result<(), Fault> {
        self.open().await?.sync(Some("INBOX"), None).await
    }
}

fn endpoint(protocol: Protocol, port: u16) -> Endpoint {
    Endpoint {
        protocol,
        server: "127.0.0.1".to_owned(),
        port,
        security: Security::None,
        user: (protocol != Protocol::Stream).then(|| "help".to_owned()),
        trust: Trust::default(),
        proxy: None,
        auth: None,
        local_address: None,
        networks: Vec::new(),
        quirks: Vec::new(),
        timeouts: Timeouts::default(),
        held: Held::default(),
    }
}

/// Run a test's future on one thread, so that an instance that held the thread would hold up everything; a minute is for ever.
pub(crate) fn run<R>(test: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs") })
}

/// The component, compiled once for all tests of this process.
pub(super) fn component() -> &'static Prepared {
    static COMPONENT: OnceLock<Prepared> = OnceLock::new();
    COMPONENT.get_or_init(|| prepare("misbehaving", octets()))
}

/// Compile a component, on a thread of its own: tests may be on a runtime.
pub(crate) fn prepare(id: &'static str, octets: Vec<u8>) -> Prepared {
    let prepare = move || {
        let folder = tempfile::tempdir().unwrap();
        let cache = CacheFolder { dir: folder.path().to_owned(), key: Secret::new(SECRET) };
        run(async { Engine::new(&cache).unwrap().prepare(&octets, [7; 32], &id.parse().unwrap(), "0.1.0").await.unwrap() })
    };
    std::thread::spawn(prepare).join().unwrap()
}

/// The component's file.
pub(super) fn octets() -> Vec<u8> {
    let path = guests().join("misbehaving.wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask test`, which builds it", path.display()))
}

/// Where the guests are: what `POSTRIDER_TEST_GUESTS` names, or `guests` in the target folder.
fn guests() -> PathBuf {
    std::env::var_os("POSTRIDER_TEST_GUESTS").map_or_else(
        || {
            let test = std::env::current_exe().unwrap();
            // target/debug/deps/e2e-...
            test.ancestors().nth(3).unwrap().join("guests")
        },
        PathBuf::from,
    )
}
