//! The contract's imports, one file an interface, and what they share: the data of a Store and the way in which a call is refused.

pub(super) mod http;
pub(super) mod mailbox;
pub(super) mod runtime;
pub(super) mod state;
pub(super) mod submission;
pub(super) mod transport;

use std::sync::Arc;

use wasmtime::component::{Accessor, HasData, ResourceTable, ResourceTableError};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::bindings::types;
use super::bounds::Bounds;
use super::contract::{LIMIT, error_for_component, refusal};
use super::session::Session;
use crate::fault::Fault;

/// The data of one Store.
pub(crate) struct Guest {
    pub(super) session: Arc<Session>,
    pub(super) table: ResourceTable,
    pub(super) wasi: WasiCtx,
    pub(super) bounds: Bounds,
}

/// The imports as the linker wants them: a name for how they reach a [`Guest`].
pub(crate) struct Imports;

impl HasData for Imports {
    type Data<'a> = &'a mut Guest;
}

/// Why an import did not do what was asked.
#[derive(Debug)]
#[expect(
    unreachable_pub,
    reason = "the bindings' traits are `pub` and name it: compilers after 1.95, which fuzzing takes, want it as visible"
)]
pub enum Refusal {
    /// The component is told.
    Answer(types::Error),
    /// The component has broken a rule that no honest one can break: it ends.
    Trap(wasmtime::Error),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Answer(error_for_component(&fault))
    }
}

impl From<wasmtime::Error> for Refusal {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<ResourceTableError> for Refusal {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::Answer(refusal(LIMIT, "too many things are held at once (limit `handles`)")),
            error => Self::Trap(error.into()),
        }
    }
}

impl types::Host for Guest {
    fn convert_error(&mut self, refusal: Refusal) -> wasmtime::Result<types::Error> {
        match refusal {
            Refusal::Answer(error) => Ok(error),
            Refusal::Trap(error) => Err(error),
        }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The session that an import was called in.
fn session<T: 'static>(accessor: &Accessor<T, Imports>) -> Arc<Session> {
    accessor.with(|mut store| Arc::clone(&store.get().session))
}
