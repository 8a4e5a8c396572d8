//! `postrider:http`: exchanges with the approved origins; the host puts the credential on.

use wasmtime::component::{Accessor, StreamReader};

use super::{Guest, Imports, Refusal, session};
use crate::connector::bindings::http::{Host, HostWithStore, Request, Response};
use crate::fault::{Fault, Kind};

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn exchange(accessor: &Accessor<T, Self>, request: Request, body: Option<(u64, StreamReader<u8>)>) -> Result<Response, Refusal> {
        let session = session(accessor);
        let _ = (request, body);
        session.import(async { Err(Fault::new(Kind::Unsupported, "speak HTTP").into()) }).await
    }
}

impl Host for Guest {}
