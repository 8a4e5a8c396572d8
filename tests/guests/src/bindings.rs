//! The contract as Rust, generated from `wit/`; nothing else stands here.

wit_bindgen::generate!({
    world: "postrider:connector/connector",
    path: "../../wit",
    generate_all,
});

pub(crate) use exports::postrider::{profile::profile, receiving::receiving, sending::sending};
pub(crate) use postrider::{
    http::http, mailbox::mailbox, runtime::runtime, state::state, submission::submission, transport::transport, types::types,
};
