//! A session resource in a running instance, and what every call on it has in common: how it is opened, how long it may do
//! nothing, whose fault its errors are, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::{Accessor, InstancePre, ResourceAny};

use super::bindings::types::Error;
use super::contract;
use super::host::Guest;
use super::instance::{Instance, Running};
use super::session::Session;
use super::ticker::Pulse;
use crate::fault::{Fault, Kind};
use crate::limits::contract::{ABILITIES, ABILITY_OCTETS};

/// A session that a component opened; its exports are `E`. Dropping it ends the instance at once.
pub(super) struct Handle<E> {
    instance: Instance<E>,
    session: ResourceAny,
}

impl<E: Send + Sync + 'static> Handle<E> {
    /// Start an instance and have it open a session; `load` finds its exports, `open` calls `open` with the account's settings.
    pub(super) async fn open(
        pulse: Pulse,
        component: InstancePre<Guest>,
        session: Arc<Session>,
        load: impl FnOnce(&mut Store<Guest>, &wasmtime::component::Instance) -> wasmtime::Result<E> + Send + 'static,
        open: impl for<'a> FnOnce(&'a Accessor<Guest>, &'a E, String) -> Running<'a, Result<ResourceAny, Error>> + Send + 'static,
    ) -> Result<Self, Fault> {
        let operation = format!("open a session of account {} with {}", session.context.account, session.connector);
        let settings = session.context.settings.clone();
        let limit = session.limits().open_ms;
        let instance = Instance::start(pulse, component, session, load);
        let opening = instance.call(move |accessor, exports| open(accessor, exports, settings));
        match tokio::time::timeout(Duration::from_millis(limit), opening).await {
            Ok(Ok(Ok(session))) => Ok(Self { instance, session }),
            Ok(Ok(Err(error))) => Err(reported(instance.session(), &error, operation)),
            Ok(Err(fault)) => Err(fault.within(operation)),
            Err(_) => Err(Fault::new(Kind::ConnectorFailed, operation)
                .because_words(format!("it was not ready after {limit} ms"))
                .with_remedy("if the server is that slow, raise the limit: `--set limit.open-ms=`")),
        }
    }

    /// Call an export that has work to do. Where nothing comes of it for `idle-ms`, the session is stopped. Dropping the returned
    /// future does not end the call; [`stop`](Self::stop) does.
    pub(super) async fn call<R: Send + 'static>(
        &self,
        operation: String,
        job: impl for<'a> FnOnce(&'a Accessor<Guest>, &'a E, ResourceAny) -> Running<'a, Result<R, Error>> + Send + 'static,
    ) -> Result<R, Fault> {
        let limit = self.session().limits().idle_ms;
        let activity = &self.session().meter.activity;
        activity.touch();
        tokio::select! {
            biased;
            outcome = self.wait(operation.clone(), job) => outcome,
            () = activity.idle(Duration::from_millis(limit)) => {
                self.stop();
                let cause = format!("{} did nothing for {limit} ms (limit `idle-ms`): it hangs and is stopped", self.session().connector);
                Err(Fault::new(Kind::ConnectorFailed, operation).because_words(cause))
            }
        }
    }

    /// Call an export that may wait for as long as it was told to.
    pub(super) async fn wait<R: Send + 'static>(
        &self,
        operation: String,
        job: impl for<'a> FnOnce(&'a Accessor<Guest>, &'a E, ResourceAny) -> Running<'a, Result<R, Error>> + Send + 'static,
    ) -> Result<R, Fault> {
        let session = self.session;
        match self.instance.call(move |accessor, exports| job(accessor, exports, session)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(reported(self.session(), &error, operation)),
            Err(fault) => Err(fault.within(operation)),
        }
    }

    /// What the server can do now, in words that the contract lists.
    pub(super) async fn abilities(
        &self,
        job: impl for<'a> FnOnce(&'a Accessor<Guest>, &'a E, ResourceAny) -> Running<'a, Result<Vec<String>, Error>> + Send + 'static,
    ) -> Result<Vec<String>, Fault> {
        let operation = self.operation("ask what the server can do");
        let abilities = self.call(operation.clone(), job).await?;
        contract::at_most("`abilities` (in words)", abilities.len(), ABILITIES)
            .and_then(|()| abilities.iter().try_for_each(|word| contract::at_most("an ability (in octets)", word.len(), ABILITY_OCTETS)))
            .map_err(|breach| self.broken(&breach, operation))?;
        Ok(abilities)
    }

    /// Say goodbye to the server, and end. A component that takes longer than `stop-grace-ms` is not waited for.
    pub(super) async fn close(self, job: impl for<'a> FnOnce(&'a Accessor<Guest>, &'a E, ResourceAny) -> Running<'a, ()> + Send + 'static) {
        let session = self.session;
        let grace = Duration::from_millis(self.session().limits().stop_grace_ms);
        let closing = self.instance.call(move |accessor, exports| job(accessor, exports, session));
        if !matches!(tokio::time::timeout(grace, closing).await, Ok(Ok(()))) {
            tracing::debug!(account = %self.session().context.account, "The session ended without a goodbye.");
        }
    }

    /// Ask the session to stop: every pending import answers `cancelled`, no further one does anything, and after `stop-grace-ms`
    /// the instance is dropped. Returns at once; calls under way return.
    pub(super) fn stop(&self) {
        self.instance.stop();
    }

    pub(super) const fn session(&self) -> &Arc<Session> {
        self.instance.session()
    }

    /// What is being done, and for whom.
    pub(super) fn operation(&self, what: &str) -> String {
        format!("{what} for account {}", self.session().context.account)
    }

    /// An answer that the contract does not allow.
    pub(super) fn broken(&self, breach: &contract::Breach, operation: String) -> Fault {
        broken(self.session(), breach, operation)
    }
}

/// What a component reported. Where it hands on a failure of the host's, the operator sees that one, with its words and remedy.
pub(super) fn reported(session: &Session, error: &Error, operation: String) -> Fault {
    let fault = contract::fault_of_component(error, operation.clone());
    match session.remembered(fault.kind) {
        // A code of its own means that this is another failure.
        Some(known) if known.code == fault.code || fault.code.is_none() => known.within(operation),
        _ => fault,
    }
}

/// An answer that the contract does not allow.
pub(super) fn broken(session: &Session, breach: &contract::Breach, operation: String) -> Fault {
    Fault::new(Kind::ConnectorFailed, operation).because_words(format!("{} broke the contract: {breach}", session.connector))
}
