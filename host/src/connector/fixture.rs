//! Tiny components and their manifests, for tests.

use crate::connector::section;

/// A `connector.toml` for a connector that receives over IMAP.
pub(super) const RECEIVER_TOML: &str = r#"
format = 1
id = "imap"
version = "0.1.0"
contract = "0.1"
name = "IMAP"
description = "Receives mail over IMAP."
abilities = ["receive", "push"]

[[endpoints]]
name = "receive"
protocol = "imap"
credential = "mailbox"

[[credentials]]
name = "mailbox"
kind = "password"
placement = "line"

[settings.properties.window-days]
type = "integer"
minimum = 1
maximum = 3650
default = 30
title = "Days to look back"
"#;

/// Imports and exports of a component that receives.
pub(super) const RECEIVER_WAT: &str = r#"(component
    (import "postrider:transport/transport@0.1.0" (instance))
    (import "postrider:mailbox/mailbox@0.1.0" (instance))
    (import "wasi:cli/environment@0.2.6" (instance))
    (instance $i)
    (export "postrider:receiving/receiving@0.1.0" (instance $i)))"#;

/// The component that this text describes.
pub(super) fn component(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

/// The component with this manifest, packed without a look at whether they fit.
pub(super) fn packed(wat: &str, toml: &str) -> Vec<u8> {
    let value: serde_json::Value = toml::from_str(toml).unwrap();
    section::replace(&component(wat), &serde_json::to_vec(&value).unwrap()).unwrap()
}

/// The receiver with one thing of its manifest changed.
pub(super) fn receiver(from: &str, to: &str) -> Vec<u8> {
    assert!(RECEIVER_TOML.contains(from), "{from}");
    packed(RECEIVER_WAT, &RECEIVER_TOML.replace(from, to))
}
