//! `postrider:transport`: lines to the account's servers, by name. The line arrives secured and signed in; the secret stays here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Access, Accessor, Resource};

use super::runtime::count_call;
use super::{Guest, Imports, Refusal, session};
use crate::connector::bindings::transport::{Host, HostConnection, HostConnectionWithStore, Opening};
use crate::connector::contract::{LIMIT, refusal};
use crate::connector::session::Session;
use crate::fault::{Fault, Kind};
use crate::limits::{READ_OCTETS, WRITE_OCTETS};
use crate::net::{self, Line};

/// One line to one server, as a component holds it. Closed when the last use of it ends.
#[expect(unreachable_pub, reason = "the generated bindings hand it on with `pub use`")]
pub struct Connection {
    line: Arc<Line>,
    _permit: OwnedSemaphorePermit,
}

impl Host for Guest {}

impl<T: Send + 'static> HostConnectionWithStore<T> for Imports {
    async fn open(accessor: &Accessor<T, Self>, endpoint: String) -> Result<(Resource<Connection>, Opening), Refusal> {
        let session = session(accessor);
        let (connection, opening) = session.import(open(&session, &endpoint)).await?;
        let connection = accessor.with(|mut store| store.get().table.push(connection))?;
        Ok((connection, opening))
    }

    async fn read(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        max: u32,
        timeout_ms: Option<u64>,
    ) -> Result<Vec<u8>, Refusal> {
        let (session, line) = (session(accessor), line(accessor, &connection)?);
        session
            .import(async {
                let max = usize::try_from(max.clamp(1, READ_OCTETS)).unwrap_or(1);
                let octets = line.read(max, timeout_ms.map(Duration::from_millis)).await?;
                if !octets.is_empty() {
                    session.meter.moved();
                }
                Ok(octets.into())
            })
            .await
    }

    async fn write(accessor: &Accessor<T, Self>, connection: Resource<Connection>, octets: Vec<u8>) -> Result<(), Refusal> {
        let (session, line) = (session(accessor), line(accessor, &connection)?);
        session
            .import(async {
                if octets.len() > WRITE_OCTETS {
                    return Err(Fault::new(Kind::TooLarge, format!("write more than {WRITE_OCTETS} octets at once")).into());
                }
                line.write(&octets).await?;
                if !octets.is_empty() {
                    session.meter.moved();
                }
                Ok(())
            })
            .await
    }

    fn compress(mut store: Access<'_, T, Self>, connection: Resource<Connection>) -> Result<(), Refusal> {
        let line = Arc::clone(&store.get().table.get(&connection)?.line);
        count_call(store);
        Ok(line.compress()?)
    }

    fn drop(mut store: Access<'_, T, Self>, connection: Resource<Connection>) -> wasmtime::Result<()> {
        store.get().table.delete(connection)?;
        Ok(())
    }
}

impl HostConnection for Guest {}

fn line<T: 'static>(accessor: &Accessor<T, Imports>, connection: &Resource<Connection>) -> Result<Arc<Line>, Refusal> {
    Ok(accessor.with(|mut store| store.get().table.get(connection).map(|connection| Arc::clone(&connection.line)))?)
}

async fn open(session: &Session, endpoint: &str) -> Result<(Connection, Opening), Refusal> {
    let Some((name, server)) = session.context.endpoints.iter().find(|(name, _)| name == endpoint) else {
        return Err(Refusal::Answer(refusal("ENDPOINT", "this account has no endpoint of that name")));
    };
    let Ok(permit) = Arc::clone(&session.connections).try_acquire_owned() else {
        let most = session.limits().connections;
        return Err(Refusal::Answer(refusal(LIMIT, format!("at most {most} connections may be open at once (limit `connections`)"))));
    };
    let secret = session.context.credentials.line_secret(name).await.inspect_err(|fault| session.remember(fault))?;
    let (line, opening) = match net::open(server, secret.as_ref(), session.context.observer.as_ref()).await {
        Ok(opened) => opened,
        Err(fault) => {
            session.remember(&fault);
            // Whatever the stage, what the server said may repeat what it was sent.
            let words = fault.words.as_deref().map(|words| secret.as_ref().map_or_else(|| words.to_owned(), |secret| secret.redact(words)));
            return Err(Fault { words, ..fault }.into());
        }
    };
    let opening = Opening {
        greeting: opening.greeting,
        capabilities: opening.capabilities,
        signed_in: opening.signed_in,
        identity: opening.identity,
    };
    Ok((Connection { line: Arc::new(line), _permit: permit }, opening))
}
