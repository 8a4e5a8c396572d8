//! The contract as Rust: generated from `wit/`, one module a world, the shared interfaces once.
#![expect(missing_docs, reason = "generated; the documentation stands in `wit/`")]

/// The world `receiver`, and every interface that the worlds share.
pub mod receiver {
    wit_bindgen::generate!({
        world: "postrider:connector/receiver",
        path: "wit",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_receiver",
        default_bindings_module: "postrider_connector::bindings::receiver",
    });
}

/// The world `sender`.
pub mod sender {
    wit_bindgen::generate!({
        world: "postrider:connector/sender",
        path: "wit",
        generate_all,
        with: {
            "postrider:types/types@0.1.0": super::receiver::postrider::types::types,
            "postrider:runtime/runtime@0.1.0": super::receiver::postrider::runtime::runtime,
            "postrider:transport/transport@0.1.0": super::receiver::postrider::transport::transport,
            "postrider:http/http@0.1.0": super::receiver::postrider::http::http,
            "postrider:state/state@0.1.0": super::receiver::postrider::state::state,
        },
        pub_export_macro: true,
        export_macro_name: "export_sender",
        default_bindings_module: "postrider_connector::bindings::sender",
    });
}

/// The world `profiled`.
pub mod profiled {
    wit_bindgen::generate!({
        world: "postrider:connector/profiled",
        path: "wit",
        generate_all,
        with: {
            "postrider:types/types@0.1.0": super::receiver::postrider::types::types,
            "postrider:runtime/runtime@0.1.0": super::receiver::postrider::runtime::runtime,
            "postrider:transport/transport@0.1.0": super::receiver::postrider::transport::transport,
            "postrider:http/http@0.1.0": super::receiver::postrider::http::http,
            "postrider:state/state@0.1.0": super::receiver::postrider::state::state,
        },
        pub_export_macro: true,
        export_macro_name: "export_profiled",
        default_bindings_module: "postrider_connector::bindings::profiled",
    });
}
