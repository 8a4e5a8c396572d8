//! The engine that compiles and runs components: made once, shared by all accounts.

use std::sync::Arc;

use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Config, PoolingAllocationConfig};

use super::bindings::{self, profile, receiving, sending};
use super::cache::{Cache, CacheFolder};
use super::host::{Guest, Imports};
use super::seam::Committing;
use super::session::{Named, Session, SessionContext};
use super::ticker::{Pulse, Ticker};
use super::{ReceivingSession, SendingSession};
use crate::fault::{Fault, Kind};
use crate::limits::{COMPONENT_INSTANCES, COMPONENT_MEMORIES, COMPONENT_TABLES, SESSIONS, TABLE};
use crate::model::name::ConnectorId;

/// Compiles and runs connectors. Cheap to clone; the epoch thread ends with the last clone and the last session.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    engine: wasmtime::Engine,
    linker: Linker<Guest>,
    cache: Cache,
    ticker: Ticker,
}

/// A component that is compiled and linked, ready to be instantiated in microseconds. Cheap to clone.
#[derive(Clone)]
pub struct Prepared {
    engine: Engine,
    named: Named,
    component: InstancePre<Guest>,
}

/// What a component can do: which of the contract's interfaces it exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `postrider:receiving`.
    Receiving,
    /// `postrider:sending`.
    Sending,
    /// `postrider:profile`.
    Profile,
}

impl Engine {
    /// Make an engine.
    ///
    /// # Errors
    /// A processor or system that wasmtime cannot serve, or no thread to be had.
    pub fn new(cache: &CacheFolder) -> Result<Self, Fault> {
        let failed =
            |error: wasmtime::Error| Fault::new(Kind::Bug, "make the engine that runs connectors").because_words(format!("{error:#}"));
        let engine = match wasmtime::Engine::new(&config(true)) {
            Ok(engine) => engine,
            Err(error) => {
                // The pool reserves addresses for thousands of sessions; `ulimit -v` or a small machine may refuse them.
                tracing::warn!(error = format!("{error:#}"), "Cannot reserve addresses for connectors; memory is taken as it is needed.");
                wasmtime::Engine::new(&config(false)).map_err(failed)?
            }
        };
        let linker = linker(&engine).map_err(failed)?;
        let ticker = Ticker::start(engine.clone())?;
        Ok(Self(Arc::new(Shared { engine, linker, cache: Cache::new(cache), ticker })))
    }

    /// Compile a component, or take it from the cache; on a thread of its own, for it may take seconds.
    ///
    /// # Errors
    /// `ConnectorFailed` where the octets are no component, or one that wants what this host does not offer.
    pub async fn prepare(&self, component: &[u8], sha256: [u8; 32], id: &ConnectorId, version: &str) -> Result<Prepared, Fault> {
        let named = Named { id: id.clone(), version: version.to_owned() };
        let operation = format!("load {named}");
        let shared = Arc::clone(&self.0);
        let octets = component.to_vec();
        let linked = tokio::task::spawn_blocking(move || {
            let component = match shared.cache.take(&shared.engine, &sha256) {
                Some(component) => component,
                None => {
                    let component = Component::new(&shared.engine, octets)?;
                    shared.cache.put(&shared.engine, &sha256, &component);
                    component
                }
            };
            shared.linker.instantiate_pre(&component)
        });
        match linked.await {
            Ok(Ok(component)) => Ok(Prepared { engine: self.clone(), named, component }),
            Ok(Err(error)) => Err(Fault::new(Kind::ConnectorFailed, operation)
                .because_words(format!("{error:#}"))
                .with_remedy("look at what it asks for with `postrider connector inspect`")),
            Err(error) => Err(Fault::new(Kind::Bug, operation).because(&error)),
        }
    }
}

impl Prepared {
    /// Whether the component exports what a role needs.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        match role {
            Role::Receiving => receiving::GuestIndices::new(&self.component).is_ok(),
            Role::Sending => sending::GuestIndices::new(&self.component).is_ok(),
            Role::Profile => profile::GuestIndices::new(&self.component).is_ok(),
        }
    }

    /// Instantiate it and open a session that receives, within the account's `open-ms`.
    ///
    /// # Errors
    /// What the component reports; `ConnectorFailed` where it does not receive, traps or breaks the contract.
    pub async fn receive(&self, context: SessionContext) -> Result<ReceivingSession, Fault> {
        let indices = receiving::GuestIndices::new(&self.component).map_err(|error| self.lacks(&error))?;
        ReceivingSession::open(self.pulse(), self.component.clone(), indices, self.session(context, None)).await
    }

    /// Instantiate it and open a session that sends, within the account's `open-ms`.
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    pub async fn send(&self, context: SessionContext, submission: Arc<dyn Committing>) -> Result<SendingSession, Fault> {
        let indices = sending::GuestIndices::new(&self.component).map_err(|error| self.lacks(&error))?;
        SendingSession::open(self.pulse(), self.component.clone(), indices, self.session(context, Some(submission))).await
    }

    /// Who is signed in, and may send as whom; the primary identity first.
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    pub async fn identities(&self, context: SessionContext) -> Result<Vec<super::Identity>, Fault> {
        let indices = profile::GuestIndices::new(&self.component).map_err(|error| self.lacks(&error))?;
        super::profile::identities(self.pulse(), self.component.clone(), indices, self.session(context, None)).await
    }

    fn session(&self, context: SessionContext, submission: Option<Arc<dyn Committing>>) -> Arc<Session> {
        Arc::new(Session::new(self.named.clone(), context, submission))
    }

    fn pulse(&self) -> Pulse {
        self.engine.0.ticker.pulse()
    }

    fn lacks(&self, error: &wasmtime::Error) -> Fault {
        Fault::new(Kind::ConnectorFailed, format!("open a session of {}", self.named)).because_words(format!("{error:#}"))
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prepared({})", self.named)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// How components are compiled and run. Everything that changes code is part of the cache's names.
fn config(pooling: bool) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true).wasm_component_model_async(true).epoch_interruption(true);
    if pooling {
        config.allocation_strategy(pool());
    }
    config
}

/// A pool whose slots take the greatest overrides of `limits.rs`. Only addresses are reserved; memory comes with its use.
fn pool() -> PoolingAllocationConfig {
    let most = |name: &str| TABLE.iter().find(|row| row.name == name).map_or(0, |row| usize::try_from(row.most).unwrap_or(usize::MAX));
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(count(SESSIONS))
        .total_core_instances(count(SESSIONS * 8))
        .total_memories(count(SESSIONS))
        .total_tables(count(SESSIONS * 4))
        .total_stacks(count(SESSIONS * 2))
        .max_core_instances_per_component(count(COMPONENT_INSTANCES))
        .max_memories_per_component(count(COMPONENT_MEMORIES))
        .max_tables_per_component(count(COMPONENT_TABLES))
        .max_tables_per_module(4)
        .max_memory_size(most("memory-octets"))
        .table_elements(most("table-elements"));
    pool
}

fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    let guest: fn(&mut Guest) -> &mut Guest = |guest| guest;
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    bindings::types::add_to_linker::<_, Imports>(&mut linker, guest)?;
    bindings::runtime::add_to_linker::<_, Imports>(&mut linker, guest)?;
    bindings::transport::add_to_linker::<_, Imports>(&mut linker, guest)?;
    bindings::http::add_to_linker::<_, Imports>(&mut linker, guest)?;
    bindings::state::add_to_linker::<_, Imports>(&mut linker, guest)?;
    bindings::mailbox::add_to_linker::<_, Imports>(&mut linker, guest)?;
    bindings::submission::add_to_linker::<_, Imports>(&mut linker, guest)?;
    Ok(linker)
}
