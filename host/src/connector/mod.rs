//! Running connectors: their files, their approval, their sandbox. The only place that names wasmtime.

mod access;
mod activity;
pub mod approval;
pub mod audit;
mod bindings;
mod bounds;
mod budget;
mod cache;
mod contract;
mod engine;
#[cfg(test)]
mod fixture;
mod folder;
mod handle;
mod host;
pub mod inspection;
mod instance;
pub mod manifest;
pub mod pack;
mod profile;
pub mod project;
mod receiving;
pub mod registry;
pub mod seam;
pub mod section;
mod sending;
mod session;
pub mod settings;
mod streams;
mod ticker;
mod wasi;

pub use access::{HttpAccess, HttpCredential};
pub use cache::CacheFolder;
pub use engine::{Engine, Prepared, Role};
pub use profile::Identity;
pub use receiving::{Appended, Fetched, ReceivingSession};
pub use sending::{Envelope, Recipient, SendingSession, Verdict};
pub use session::SessionContext;
pub use streams::Octets;
