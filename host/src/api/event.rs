//! What happens while a request is carried out, on its way to whoever asked.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::reply::{MessageView, SentView, StageView};
use crate::fault::{Fault, Kind};
use crate::flow::event::{Event as FlowEvent, Watcher};
use crate::model::account::RoleKind;

/// Events on their way; more make the request wait, so that a slow reader costs no memory.
const QUEUED: usize = 64;

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "kebab-case")]
pub enum Event {
    /// On a journey.
    Flow(FlowEvent),
    /// A stage of a test is over.
    Stage(StageView),
    /// A page of the messages that were asked for, in the order asked for.
    Messages(Vec<MessageView>),
    /// How far a check of the store has come.
    Checked {
        /// Messages read and verified.
        done: u64,
        /// Messages in all.
        total: u64,
    },
    /// How far a repair of the store has come.
    Repairing {
        /// Messages read.
        done: u64,
        /// Messages in all.
        total: u64,
    },
    /// How far a rotation of the keys has come.
    Rotating {
        /// Messages that are sealed with the new key.
        done: u64,
        /// Messages in all.
        total: u64,
    },
    /// The next message to send is wanted; see [`Upload`](super::Upload).
    Wanted,
    /// What became of a message.
    Sent(Box<SentView>),
    /// Something that a person wants to know: a sentence without a full stop.
    Note(String),
    /// The next octets of what is exported. Has a frame of its own on the control socket.
    #[serde(skip)]
    Octets(Bytes),
}

/// Where a request's events go.
#[derive(Debug, Clone)]
pub struct Events(mpsc::Sender<Event>);

impl Events {
    /// A sender and the end at which its events come out.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        (Self(sender), receiver)
    }

    /// Say how something goes on. Dropped where the reader is slow: the next one says more.
    pub fn progress(&self, event: Event) {
        // Full or without a reader, either is no reason to stop.
        let _ = self.0.try_send(event);
    }

    /// Send an event, and wait while the reader is slow.
    ///
    /// # Errors
    /// [`Kind::Cancelled`] where nobody listens any more.
    pub async fn send(&self, event: Event) -> Result<(), Fault> {
        self.0.send(event).await.map_err(|_| Fault::new(Kind::Cancelled, "report to the one who asked"))
    }

    /// Send a note; nobody listening is no fault.
    pub async fn note(&self, words: impl Into<String>) {
        let _ = self.send(Event::Note(words.into())).await;
    }
}

/// Watches a journey for one request: hands its events on, and keeps the stages for the answer.
#[derive(Debug)]
pub(super) struct RequestWatcher {
    events: Events,
    stages: Mutex<Vec<StageView>>,
}

impl RequestWatcher {
    pub(super) const fn new(events: Events) -> Self {
        Self { events, stages: Mutex::new(Vec::new()) }
    }

    /// The stages so far.
    pub(super) fn stages(&self) -> Vec<StageView> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Watcher for RequestWatcher {
    fn event(&self, event: FlowEvent) {
        let stage = match event {
            FlowEvent::Stage { account, role, report } => StageView::of(role, report, &account),
            FlowEvent::Probed { role, took, outcome, .. } => {
                let stage = match role {
                    RoleKind::Receive => "folders",
                    RoleKind::Send => "abilities",
                };
                StageView::new(role, stage, took, outcome)
            }
            FlowEvent::Note { words } => return self.events.progress(Event::Note(words)),
            event @ (FlowEvent::Folders { .. } | FlowEvent::Progress { .. } | FlowEvent::Delivered { .. }) => {
                return self.events.progress(Event::Flow(event));
            }
        };
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).push(stage.clone());
        self.events.progress(Event::Stage(stage));
    }
}
