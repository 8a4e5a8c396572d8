//! `postrider:submission`: the mark before a server becomes responsible.

use wasmtime::component::Accessor;

use super::{Guest, Imports, Refusal, session};
use crate::connector::bindings::submission::{Host, HostWithStore};
use crate::connector::contract::{id as checked, refusal};

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn committing(accessor: &Accessor<T, Self>, id: String) -> Result<(), Refusal> {
        let session = session(accessor);
        session
            .import(async {
                checked(&id)?;
                match &session.committing {
                    Some(committing) => Ok(committing.committing(id).await.inspect_err(|fault| session.remember(fault))?),
                    None => Err(Refusal::Answer(refusal("ROLE", "this session does not send"))),
                }
            })
            .await
    }
}

impl Host for Guest {}
