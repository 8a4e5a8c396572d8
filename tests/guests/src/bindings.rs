//! The contract as Rust, generated from `wit/`; nothing else stands here.

#![expect(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::allow_attributes,
    reason = "generated; the documentation stands in `wit/`"
)]

wit_bindgen::generate!({
    world: "postrider:connector/connector",
    path: "../../wit",
    generate_all,
    pub_export_macro: true,
});

pub(crate) use exports::postrider::{profile::profile, receiving::receiving, sending::sending};
pub(crate) use postrider::{
    http::http, mailbox::mailbox, runtime::runtime, state::state, submission::submission, transport::transport, types::types,
};
