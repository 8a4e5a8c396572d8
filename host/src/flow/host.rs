//! An opened home with all that the journeys need: the store, the connectors' files, and the engine once something runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, OnceCell, watch};

use super::credentials::VaultBroker;
use super::event::{Event, Watcher};
use super::mailroom::{AccountMailroom, Tally};
use super::standing::{LastPass, SinkFailure, Standings};
use super::submission::Marks;
use crate::clock::Timestamp;
use crate::connector::approval::{Approval, Wishes};
use crate::connector::manifest::Manifest;
use crate::connector::registry::Registry;
use crate::connector::seam::Committing;
use crate::connector::{CacheFolder, Engine, HttpAccess, Prepared, ReceivingSession, SendingSession, SessionContext};
use crate::fault::{Fault, Kind};
use crate::model::account::{Account, Role, RoleKind};
use crate::model::endpoint::{Endpoint, Held};
use crate::model::name::{AccountId, AccountName, ConnectorId, SinkName};
use crate::model::sink::Sink;
use crate::net::http::Clients;
use crate::net::{Observe, StageReport};
use crate::secret::Secret;
use crate::store::Store;

/// The store's collection of approvals, by connector id.
pub const APPROVALS: &str = "approval";

/// The store's collection of sinks, by name.
pub const SINKS: &str = "sink";

/// The store's collection of each account's last pass, by account id.
const LAST_PASSES: &str = "last-pass";

/// The store's collection of sinks that cannot be delivered to, by name.
const SINK_FAILURES: &str = "sink-failure";

/// The store's collection of keys that this machine made for itself.
const KEYS: &str = "key";

/// An opened home.
pub struct Host {
    /// The sealed store.
    pub store: Store,
    /// The connectors' files.
    pub registry: Arc<Registry>,
    /// How each account stands while a daemon runs.
    pub standings: Standings,
    /// What servers may have become responsible for.
    pub marks: Arc<Marks>,
    cache: PathBuf,
    engine: OnceCell<Engine>,
    prepared: Mutex<HashMap<[u8; 32], Prepared>>,
    edited: watch::Sender<Edits>,
    http: Clients,
}

/// What was edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// This account, or its password.
    Account(AccountName),
    /// Connectors, or their approvals.
    Connectors,
    /// Sinks.
    Sinks,
}

/// How often what was edited since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    accounts: BTreeMap<AccountName, u64>,
    connectors: u64,
    sinks: u64,
}

impl Edits {
    /// How often this account was edited.
    #[must_use]
    pub fn of_account(&self, account: &AccountName) -> u64 {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    /// How often connectors or their approvals were edited.
    #[must_use]
    pub const fn of_connectors(&self) -> u64 {
        self.connectors
    }
}

impl Host {
    /// Over an opened store; compiled connectors are cached in the folder `cache`.
    #[must_use]
    pub fn new(store: Store, registry: Arc<Registry>, cache: PathBuf) -> Self {
        Self {
            marks: Arc::new(Marks::new(store.clone())),
            store,
            registry,
            standings: Standings::default(),
            cache,
            engine: OnceCell::new(),
            prepared: Mutex::new(HashMap::new()),
            edited: watch::Sender::new(Edits::default()),
            http: Clients::default(),
        }
    }

    /// Something was edited: whoever runs on it looks again.
    pub fn note_edit(&self, edit: Edit) {
        self.edited.send_modify(|edits| match edit {
            Edit::Account(name) => *edits.accounts.entry(name).or_default() += 1,
            Edit::Connectors => edits.connectors += 1,
            Edit::Sinks => edits.sinks += 1,
        });
    }

    /// Tells of every edit.
    #[must_use]
    pub fn edits(&self) -> watch::Receiver<Edits> {
        self.edited.subscribe()
    }

    /// The approvals that the operator gave.
    ///
    /// # Errors
    /// Whatever keeps the store from reading them.
    pub async fn approvals(&self) -> Result<Vec<Approval>, Fault> {
        self.read_documents(APPROVALS).await
    }

    /// The sinks, by name.
    ///
    /// # Errors
    /// Whatever keeps the store from reading them.
    pub async fn sinks(&self) -> Result<Vec<Sink>, Fault> {
        self.read_documents(SINKS).await
    }

    /// How the last pass over an account ended; none: there was none.
    ///
    /// # Errors
    /// Whatever keeps the store from reading it.
    pub async fn last_pass(&self, account: AccountId) -> Result<Option<LastPass>, Fault> {
        let octets = self.store.document(LAST_PASSES, &account.to_string()).await?;
        octets.map(|octets| parse_document(LAST_PASSES, &octets)).transpose()
    }

    /// Keep how a pass ended.
    ///
    /// # Errors
    /// Whatever keeps the store from writing it.
    pub async fn put_last_pass(&self, account: AccountId, pass: &LastPass) -> Result<(), Fault> {
        let octets = serde_json::to_vec(pass).map_err(|error| Fault::new(Kind::Bug, "write down how a pass ended").because(&error))?;
        Ok(self.store.put_document(LAST_PASSES, &account.to_string(), &octets).await?)
    }

    /// Why a sink gets nothing; none: it does, or there was nothing for it yet.
    ///
    /// # Errors
    /// Whatever keeps the store from reading it.
    pub async fn sink_failure(&self, sink: &SinkName) -> Result<Option<SinkFailure>, Fault> {
        let octets = self.store.document(SINK_FAILURES, sink.as_str()).await?;
        octets.map(|octets| parse_document(SINK_FAILURES, &octets)).transpose()
    }

    /// Keep that a delivery to a sink failed, and since when they do.
    ///
    /// # Errors
    /// Whatever keeps the store from writing it.
    pub async fn note_sink_failure(&self, sink: &SinkName, fault: &Fault) -> Result<(), Fault> {
        let since = self.sink_failure(sink).await?.map_or_else(Timestamp::now, |failure| failure.since);
        let failure = SinkFailure { fault: fault.clone(), since };
        let octets =
            serde_json::to_vec(&failure).map_err(|error| Fault::new(Kind::Bug, "write down how a delivery ended").because(&error))?;
        Ok(self.store.put_document(SINK_FAILURES, sink.as_str(), &octets).await?)
    }

    /// The sink works, or is gone.
    ///
    /// # Errors
    /// Whatever keeps the store from writing it.
    pub async fn forget_sink_failure(&self, sink: &SinkName) -> Result<(), Fault> {
        if self.store.document(SINK_FAILURES, sink.as_str()).await?.is_some() {
            self.store.remove_document(SINK_FAILURES, sink.as_str()).await?;
        }
        Ok(())
    }

    /// The accounts of these names, or all that receive where there are none.
    ///
    /// # Errors
    /// `NotFound` for a name that no account has.
    pub async fn receiving_accounts(&self, names: &[AccountName]) -> Result<Vec<Account>, Fault> {
        let all = self.store.accounts().await?;
        if names.is_empty() {
            return Ok(all.into_iter().filter(|account| account.receive.is_some()).collect());
        }
        // An account that is named twice is received once: it has one place in each folder.
        let mut named = BTreeSet::new();
        names
            .iter()
            .filter(|name| named.insert(*name))
            .map(|name| {
                let found = all.iter().find(|account| account.name == *name).cloned();
                found.ok_or_else(|| no_such_account(name, &all))
            })
            .collect()
    }

    /// Open a session that receives for `account`.
    ///
    /// # Errors
    /// An unapproved or broken connector, and everything that can go wrong on the way to the server.
    pub async fn receiving_session(
        &self,
        account: &Account,
        watcher: &Arc<dyn Watcher>,
        tally: &Arc<Tally>,
    ) -> Result<ReceivingSession, Fault> {
        let (prepared, context) = self.session_context(account, receiving_role(account)?, RoleKind::Receive, watcher, tally).await?;
        prepared.receive(context).await
    }

    /// Open a session that sends for `account`; `marks` takes the durable mark before a server becomes responsible.
    ///
    /// # Errors
    /// As of [`receiving_session`](Self::receiving_session).
    pub async fn sending_session(
        &self,
        account: &Account,
        watcher: &Arc<dyn Watcher>,
        marks: Arc<dyn Committing>,
    ) -> Result<SendingSession, Fault> {
        let role = sending_role(account)?;
        let (prepared, context) = self.session_context(account, role, RoleKind::Send, watcher, &Arc::default()).await?;
        prepared.send(context, marks).await
    }

    /// All that a session of `account` in this role may reach.
    async fn session_context(
        &self,
        account: &Account,
        role: &Role,
        kind: RoleKind,
        watcher: &Arc<dyn Watcher>,
        tally: &Arc<Tally>,
    ) -> Result<(Prepared, SessionContext), Fault> {
        let (prepared, manifest) = self.prepare(&role.connector).await?;
        let limits = role.limits.apply();
        let intake = self.store.intake(account.id);
        let endpoint = self.with_held(account, role, kind).await?;
        let context = SessionContext {
            account: account.name.clone(),
            http: HttpAccess::granted(&Wishes::of(&manifest), &endpoint, &role.origins, &limits, &self.http)?,
            // What its manifest does not ask for was approved by nobody.
            endpoints: manifest.endpoint(kind.word()).map(|_| (kind.word().to_owned(), endpoint)).into_iter().collect(),
            mailroom: Arc::new(AccountMailroom::new(intake, account.name.clone(), role.leave_copy, Arc::clone(watcher), Arc::clone(tally))),
            credentials: Arc::new(VaultBroker::new(self.store.clone(), account, kind)),
            limits,
            settings: role.settings.clone(),
            observer: Arc::new(StageWatcher { account: account.name.clone(), role: kind, watcher: Arc::clone(watcher) }),
        };
        Ok((prepared, context))
    }

    /// The endpoint of `account` for this role with what lies in the vault for it.
    async fn with_held(&self, account: &Account, role: &Role, kind: RoleKind) -> Result<Endpoint, Fault> {
        let held = Held {
            account: Some(account.id),
            proxy_password: self.store.secret(account.id, kind.proxy_secret()).await?,
            client_key: self.store.secret(account.id, kind.client_key_secret()).await?,
        };
        Ok(Endpoint { held, ..account.endpoint(kind).unwrap_or_else(|| role.endpoint.clone()) })
    }

    /// A connector ready to be instantiated: found, approved, compiled; and what was approved.
    async fn prepare(&self, id: &ConnectorId) -> Result<(Prepared, Manifest), Fault> {
        let approvals = self.approvals().await?;
        let registry = Arc::clone(&self.registry);
        let wanted = id.clone();
        let component =
            tokio::task::spawn_blocking(move || registry.find(&wanted, &approvals)).await.map_err(|error| lost_thread(&error))??;
        let engine = self.engine().await?;
        // Held while compiling, so that many accounts of one connector compile it once.
        let mut prepared = self.prepared.lock().await;
        if let Some(ready) = prepared.get(&component.sha256.0) {
            return Ok((ready.clone(), component.manifest));
        }
        let ready = engine.prepare(&component.bytes, component.sha256.0, &component.id, &component.version.to_string()).await?;
        prepared.insert(component.sha256.0, ready.clone());
        Ok((ready, component.manifest))
    }

    async fn engine(&self) -> Result<&Engine, Fault> {
        self.engine
            .get_or_try_init(|| async {
                let cache = CacheFolder { dir: self.cache.clone(), key: self.cache_key().await? };
                tokio::task::spawn_blocking(move || Engine::new(&cache)).await.map_err(|error| lost_thread(&error))?
            })
            .await
    }

    /// The key that this home's compiled components are authenticated with; made on first use.
    async fn cache_key(&self) -> Result<Secret, Fault> {
        const NAME: &str = "compiled-components";
        if let Some(key) = self.store.document(KEYS, NAME).await? {
            return Ok(Secret::new(key));
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| Fault::new(Kind::Bug, "draw a random key").because_words(error.to_string()))?;
        self.store.put_document(KEYS, NAME, &key).await?;
        Ok(Secret::new(key))
    }

    async fn read_documents<T: serde::de::DeserializeOwned>(&self, collection: &str) -> Result<Vec<T>, Fault> {
        let documents = self.store.documents(collection).await?;
        documents.iter().map(|(_, octets)| parse_document(collection, octets)).collect()
    }
}

/// The role in which `account` receives.
///
/// # Errors
/// `Unsupported` where it has none.
pub fn receiving_role(account: &Account) -> Result<&Role, Fault> {
    account.receive.as_ref().ok_or_else(|| {
        Fault::new(Kind::Unsupported, format!("receive for the account `{}`", account.name)).because_words("the account does not receive")
    })
}

/// The role in which `account` sends.
///
/// # Errors
/// `Unsupported` where it has none.
pub fn sending_role(account: &Account) -> Result<&Role, Fault> {
    account.send.as_ref().ok_or_else(|| {
        Fault::new(Kind::Unsupported, format!("send for the account `{}`", account.name))
            .because_words("the account does not send")
            .with_remedy(format!("say how: `postrider account edit {} --send smtp --send-server HOST`", account.name))
    })
}

/// The refusal of a name that no account has.
#[must_use]
pub fn no_such_account(name: &AccountName, all: &[Account]) -> Fault {
    let names: Vec<_> = all.iter().map(|account| format!("`{}`", account.name)).collect();
    let there = if names.is_empty() { "there are no accounts yet".to_owned() } else { format!("there are {}", names.join(", ")) };
    Fault::new(Kind::NotFound, format!("find the account `{name}`"))
        .because_words(there)
        .with_remedy(format!("add it: `postrider account add {name} --receive imap --server HOST --security tls --user USER`"))
}

fn parse_document<T: serde::de::DeserializeOwned>(collection: &str, octets: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(octets)
        .map_err(|error| Fault::new(Kind::Damaged, format!("read a record of the collection `{collection}`")).because(&error))
}

fn lost_thread(error: &tokio::task::JoinError) -> Fault {
    Fault::new(Kind::Bug, "prepare a connector").because(error)
}

/// Passes on what `net` finds on its way.
struct StageWatcher {
    account: AccountName,
    role: RoleKind,
    watcher: Arc<dyn Watcher>,
}

impl Observe for StageWatcher {
    fn stage(&self, report: StageReport) {
        self.watcher.event(Event::Stage { account: self.account.clone(), role: self.role, report });
    }
}
