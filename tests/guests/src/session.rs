//! The exports: they read the settings and leave the rest to `misbehave`.

use crate::behaviour::Behaviour;
use crate::bindings::receiving::{Folder, Item, Outcome};
use crate::bindings::runtime;
use crate::bindings::sending::{Envelope, Verdict};
use crate::bindings::types::{Error, Failure};
use crate::bindings::{profile, receiving, sending, submission};
use crate::misbehave::{self, Plan};

struct Component;

#[expect(unsafe_code, reason = "the exports of a component are raw functions; the macro makes them")]
mod exported {
    use super::Component;
    use crate::bindings;

    bindings::export!(Component with_types_in bindings);
}

/// One session of either kind.
struct Session {
    plan: Plan,
}

/// An error with words.
pub(crate) fn error(kind: Failure, message: &str) -> Error {
    Error { kind, code: None, message: message.to_owned(), retry_after_ms: None }
}

impl Session {
    async fn opened(settings: &str) -> Result<Self, Error> {
        let plan = Plan::read(settings).ok_or_else(|| error(Failure::Misconfigured, "no such behaviour"))?;
        if plan.behaviour == Behaviour::HangInOpen {
            runtime::sleep(u64::MAX).await;
        }
        Ok(Self { plan })
    }
}

impl receiving::Guest for Component {
    type Session = Session;
}

impl receiving::GuestSession for Session {
    async fn open(settings: String) -> Result<receiving::Session, Error> {
        Self::opened(&settings).await.map(receiving::Session::new)
    }

    fn abilities(&self) -> Vec<String> {
        vec!["push".to_owned()]
    }

    async fn folders(&self, after: Option<String>, max: u32) -> Result<Vec<Folder>, Error> {
        let folder = |id: String| Folder { path: vec![id.clone()], id, role: None, selectable: true, extra: Vec::new() };
        if self.plan.behaviour == Behaviour::EndlessFolders {
            let first: u64 = after.and_then(|after| after.parse().ok()).unwrap_or(0);
            return Ok((1..=u64::from(max)).map(|next| folder((first + next).to_string())).collect());
        }
        Ok(if after.is_none() { vec![folder("INBOX".to_owned())] } else { Vec::new() })
    }

    async fn sync(&self, folder: Option<String>, _cursor: Option<Vec<u8>>) -> Result<(), Error> {
        misbehave::sync(&self.plan, folder).await
    }

    async fn watch(&self, _folders: Vec<String>, timeout_ms: u64) -> Result<Vec<String>, Error> {
        runtime::sleep(timeout_ms).await;
        Ok(Vec::new())
    }

    async fn set_keywords(&self, _: Option<String>, ids: Vec<String>, _: Vec<String>, _: Vec<String>) -> Result<Vec<Outcome>, Error> {
        Ok(ids.into_iter().map(|id| Outcome { id, moved_to: None, failed: None }).collect())
    }

    async fn move_(&self, _: Option<String>, _: Vec<String>, _: String) -> Result<Vec<Outcome>, Error> {
        Err(error(Failure::Unsupported, "nothing is moved here"))
    }

    async fn delete(&self, _: Option<String>, ids: Vec<String>) -> Result<Vec<Outcome>, Error> {
        // One answer too few.
        Ok(ids.into_iter().skip(1).map(|id| Outcome { id, moved_to: None, failed: None }).collect())
    }

    async fn append(&self, _: String, item: Item, octets: wit_bindgen::StreamReader<u8>) -> Result<Option<String>, Error> {
        let octets = octets.collect().await;
        if u64::try_from(octets.len()) == Ok(item.size) {
            Ok(Some(octets.len().to_string()))
        } else {
            Err(error(Failure::Malformed, "not the size announced"))
        }
    }

    async fn fetch(
        &self,
        _: Option<String>,
        id: String,
    ) -> Result<(wit_bindgen::StreamReader<u8>, wit_bindgen::FutureReader<Result<u64, Error>>), Error> {
        let octets = misbehave::message(&id, self.plan.size);
        Ok(misbehave::whole(octets))
    }

    async fn close(&self) {}
}

impl sending::Guest for Component {
    type Session = Session;
}

impl sending::GuestSession for Session {
    async fn open(settings: String) -> Result<sending::Session, Error> {
        Self::opened(&settings).await.map(sending::Session::new)
    }

    fn abilities(&self) -> Vec<String> {
        vec!["8bit".to_owned()]
    }

    async fn send(&self, envelope: Envelope, octets: wit_bindgen::StreamReader<u8>) -> Result<Vec<Verdict>, Error> {
        if u64::try_from(octets.collect().await.len()) != Ok(envelope.size) {
            return Err(error(Failure::Malformed, "not the size announced"));
        }
        submission::committing(envelope.id).await?;
        if self.plan.behaviour == Behaviour::WithholdVerdicts {
            return Ok(Vec::new());
        }
        Ok(envelope.recipients.into_iter().map(|recipient| Verdict::Accepted(Some(recipient.address))).collect())
    }

    async fn close(&self) {}
}

impl profile::Guest for Component {
    async fn identities(_settings: String) -> Result<Vec<profile::Identity>, Error> {
        Ok(vec![profile::Identity { address: "help@example.org".to_owned(), name: None, primary: true }])
    }
}
