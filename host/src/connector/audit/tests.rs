use std::path::Path;

use super::*;
use crate::connector::fixture::{RECEIVER_TOML, RECEIVER_WAT, component};

fn manifest(from: &str, to: &str) -> Manifest {
    Manifest::from_toml(&RECEIVER_TOML.replace(from, to)).unwrap().0
}

fn refused(wat: &str) -> String {
    audit(&component(wat), &manifest("", "")).unwrap_err().to_string()
}

#[test]
fn the_table_is_what_the_contract_says() {
    let deps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/deps");
    let mut said: Vec<String> = std::fs::read_dir(deps)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .map(|wit| wit.lines().find_map(|line| line.strip_prefix("package postrider:")).unwrap().trim_end_matches(';').to_owned())
        .collect();
    let mut known: Vec<String> = INTERFACES.iter().map(|interface| format!("{}@{}", interface.name, interface.version)).collect();
    said.sort();
    known.sort();
    assert_eq!(said, known);
}

#[test]
fn a_receiver_passes() {
    let audit = audit(&component(RECEIVER_WAT), &manifest("", "")).unwrap();
    assert_eq!(audit.exports, ["receiving"]);
    assert!(audit.imports("mailbox") && !audit.imports("http"));
    assert_eq!(audit.imports[2], Import { name: "wasi:cli/environment@0.2.6".to_owned(), reach: Reach::Linked });
    assert!(audit.notes(&manifest("", "")).is_empty());
}

#[test]
fn all_that_cannot_be_had_is_named_at_once() {
    let wat = r#"(component
        (import "wasi:http/outgoing-handler@0.2.0" (instance))
        (import "wasi:clocks/monotonic-clock@0.3.0" (instance))
        (import "postrider:vault/vault@0.1.0" (instance))
        (import "system" (func))
        (import "wasi:filesystem/types@0.2.0" (instance)))"#;
    insta::assert_snapshot!(refused(wat), @"connector imap 0.1.0 wants what no connector gets: wasi:http/outgoing-handler@0.2.0 (use postrider:http, whose requests carry the account's credentials), wasi:clocks/monotonic-clock@0.3.0 (of WASI, this host links 0.2: build with `--target wasm32-wasip2`), postrider:vault/vault@0.1.0 (no such interface in the contract), system (no such interface in the contract)");
}

#[test]
fn another_contract_is_one_sentence() {
    let wants = |name: &str| refused(&format!(r#"(component (import "{name}" (instance)))"#));
    insta::assert_snapshot!(wants("postrider:mailbox/mailbox@0.2.0"), @"connector imap 0.1.0 wants contract mailbox 0.2.0, this host speaks mailbox 0.1.0: update the host or install an older connector");
    insta::assert_snapshot!(wants("postrider:mailbox/mailbox@0.1.7"), @"connector imap 0.1.0 wants contract mailbox 0.1.7, this host speaks mailbox 0.1.0: update the host or install an older connector");
    insta::assert_snapshot!(wants("postrider:mailbox/mailbox@0.0.9"), @"connector imap 0.1.0 wants contract mailbox 0.0.9, this host speaks mailbox 0.1.0: update the host or install a newer connector");
    let later = manifest("contract = \"0.1\"", "contract = \"0.2\"");
    let error = audit(&component(RECEIVER_WAT), &later).unwrap_err();
    insta::assert_snapshot!(error, @"connector imap 0.1.0 wants contract 0.2, this host speaks 0.1: update the host or install an older connector");
    assert_eq!(Fault::from(error).kind, Kind::Unsupported);
}

#[test]
fn exports_and_abilities_go_together() {
    insta::assert_snapshot!(refused("(component)"), @"connector imap 0.1.0: its manifest's `abilities` name `receive`, but it exports no postrider:receiving/receiving");
    let both = r#"(component (instance $i)
        (export "postrider:receiving/receiving@0.1.0" (instance $i)) (export "postrider:sending/sending@0.1.3" (instance $i)))"#;
    insta::assert_snapshot!(refused(both), @"connector imap 0.1.0: it exports postrider:sending/sending, but its manifest's `abilities` do not name `send`");
    let only_push = RECEIVER_TOML.replace("[\"receive\", \"push\"]", "[\"push\"]").replace("name = \"receive\"", "name = \"feed\"");
    let error = audit(&component("(component)"), &Manifest::from_toml(&only_push).unwrap().0).unwrap_err();
    assert!(error.to_string().contains("exports neither"), "{error}");
}

#[test]
fn names_of_nested_components_are_not_the_components_own() {
    let wat = r#"(component
        (component (import "secrets" (func)))
        (core module (import "env" "abort" (func)))
        (instance $i)
        (export "postrider:receiving/receiving@0.1.0" (instance $i)))"#;
    assert!(audit(&component(wat), &manifest("", "")).unwrap().imports.is_empty());
}

#[test]
fn what_is_odd_is_noted() {
    let wat = r#"(component
        (import "postrider:http/http@0.1.0" (instance))
        (import "wasi:sockets/tcp@0.2.0" (instance))
        (instance $i)
        (export "more" (instance $i))
        (export "postrider:receiving/receiving@0.1.0" (instance $i)))"#;
    let audit = audit(&component(wat), &manifest("", "")).unwrap();
    insta::assert_snapshot!(audit.notes(&manifest("", "")).join("\n"), @r"
    imports 1 of files and sockets, inert: nothing can be reached through them
    imports http, but names no origin: every request will be refused
    exports what nobody will call: more
    ");
}

#[test]
fn a_torn_component_is_not_valid() {
    let mut torn = component(RECEIVER_WAT);
    torn.pop();
    assert!(matches!(audit(&torn, &manifest("", "")), Err(AuditError::Invalid(_))));
}
