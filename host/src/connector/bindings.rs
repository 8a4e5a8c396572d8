//! The contract as Rust, generated from `wit/`; nothing else stands here.

mod generated {

    wasmtime::component::bindgen!({
        path: "../wit",
        world: "postrider:connector/connector",
        imports: { default: store | trappable },
        exports: { default: async | store },
        with: {
            "postrider:transport/transport.connection": crate::connector::host::transport::Connection,
        },
        trappable_error_type: {
            "postrider:types/types.error" => crate::connector::host::Refusal,
        },
    });
}

pub(crate) use generated::exports::postrider::{profile::profile, receiving::receiving, sending::sending};
pub(crate) use generated::postrider::{
    http::http, mailbox::mailbox, runtime::runtime, state::state, submission::submission, transport::transport, types::types,
};
