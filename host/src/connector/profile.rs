//! Who is signed in: `postrider:profile` as the host calls it, an instance a question.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::InstancePre;

use super::bindings::profile::GuestIndices;
use super::contract;
use super::handle::{broken, reported};
use super::host::Guest;
use super::instance::Instance;
use super::session::Session;
use super::ticker::Pulse;
use crate::fault::{Fault, Kind};
use crate::limits::contract::{IDENTITIES, MESSAGE_OCTETS};

/// An address that an account may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// RFC 5322 addr-spec.
    pub address: String,
    /// The display name, where the provider has one.
    pub name: Option<String>,
    /// Whether it is the account's own.
    pub primary: bool,
}

pub(super) async fn identities(
    pulse: Pulse,
    component: InstancePre<Guest>,
    indices: GuestIndices,
    session: Arc<Session>,
) -> Result<Vec<Identity>, Fault> {
    let operation = format!("ask who is signed in for account {} with {}", session.context.account, session.connector);
    let settings = session.context.settings.clone();
    let limit = session.limits().open_ms;
    let instance = Instance::start(pulse, component, session, move |store, instance| indices.load(store, instance));
    let asking = instance.call(move |accessor, exports| Box::pin(async move { exports.call_identities(accessor, settings).await }));
    let identities = match tokio::time::timeout(Duration::from_millis(limit), asking).await {
        Ok(Ok(Ok(identities))) => identities,
        Ok(Ok(Err(error))) => return Err(reported(instance.session(), &error, operation)),
        Ok(Err(fault)) => return Err(fault.within(operation)),
        Err(_) => return Err(Fault::new(Kind::ConnectorFailed, operation).because_words(format!("no answer came within {limit} ms"))),
    };
    contract::at_most("a list of identities", identities.len(), IDENTITIES)
        .and_then(|()| {
            identities.iter().try_for_each(|identity| {
                contract::at_most("an address (in octets)", identity.address.len(), MESSAGE_OCTETS)?;
                contract::at_most("a name (in octets)", identity.name.as_deref().unwrap_or_default().len(), MESSAGE_OCTETS)
            })
        })
        .map_err(|breach| broken(instance.session(), &breach, operation))?;
    Ok(identities
        .into_iter()
        .map(|identity| Identity { address: identity.address, name: identity.name, primary: identity.primary })
        .collect())
}
