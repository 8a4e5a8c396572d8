//! `postrider:state`: small values that a connector remembers.

use wasmtime::component::Accessor;

use super::{Guest, Imports, Refusal, session};
use crate::connector::bindings::state::{Host, HostWithStore};
use crate::connector::contract::{at_most, refusal};
use crate::fault::{Fault, Kind};
use crate::limits::contract::STATE_KEY_OCTETS;

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn get(accessor: &Accessor<T, Self>, key: String) -> Result<Option<Vec<u8>>, Refusal> {
        let session = session(accessor);
        session
            .import(async {
                checked(&key)?;
                Ok(session.context.mailroom.state_get(key).await.inspect_err(|fault| session.remember(fault))?)
            })
            .await
    }

    async fn put(accessor: &Accessor<T, Self>, key: String, value: Option<Vec<u8>>) -> Result<(), Refusal> {
        let session = session(accessor);
        session
            .import(async {
                checked(&key)?;
                let most = session.limits().state_value_octets;
                if value.as_ref().is_some_and(|value| u64::try_from(value.len()).is_ok_and(|octets| octets > most)) {
                    return Err(Fault::new(
                        Kind::TooLarge,
                        format!("keep a value of more than {most} octets (limit `state-value-octets`)"),
                    )
                    .into());
                }
                Ok(session.context.mailroom.state_put(key, value).await.inspect_err(|fault| session.remember(fault))?)
            })
            .await
    }
}

impl Host for Guest {}

fn checked(key: &str) -> Result<(), Refusal> {
    if key.is_empty() {
        return Err(Refusal::Answer(refusal("KEY", "a key has 1 to 128 octets")));
    }
    Ok(at_most("a key (in octets)", key.len(), STATE_KEY_OCTETS)?)
}
