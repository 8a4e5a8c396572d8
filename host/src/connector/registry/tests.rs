use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;
use crate::connector::fixture::receiver;

/// A home and a shipped folder, with a shipped `imap` in the hash list.
struct Folders {
    root: TempDir,
    registry: Registry,
}

impl Folders {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let registry = Registry::new(root.path().join("home"), vec![root.path().join("shipped")]);
        fs::create_dir(root.path().join("shipped")).unwrap();
        Self { root, registry }
    }

    fn put(&self, path: &str, octets: &[u8]) -> PathBuf {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, octets).unwrap();
        path
    }

    fn ship(&self, octets: &[u8]) {
        self.put("shipped/imap.wasm", octets);
        self.put("shipped/SHA256SUMS", format!("{}  imap.wasm\n", sha256(octets)).as_bytes());
    }

    fn approve(&self, approvals: &mut Vec<Approval>) {
        let approval = self.registry.approve(&imap(), approvals).unwrap();
        approvals.retain(|had| had.id != approval.id);
        approvals.push(approval);
    }

    /// One line a file: its name, its version and its state.
    fn listing(&self, approvals: &[Approval]) -> String {
        let mut lines = String::new();
        for listed in self.registry.list(approvals) {
            let path = self.relative(&listed.path.display().to_string());
            let version = listed.version.map_or_else(|| "?".to_owned(), |version| version.to_string());
            let state = match listed.state {
                State::Active => "active".to_owned(),
                State::Inactive { why, beyond: None, .. } => format!("inactive: {why}"),
                State::Inactive { why, beyond: Some(beyond), .. } => format!("inactive: {why}; more: {beyond:?}"),
                State::Broken { fault } => format!("broken: {}", fault.causes().last().unwrap_or_default()),
            };
            lines.push_str(&self.relative(&format!("{path} {version} {state}\n")));
        }
        lines
    }

    fn relative(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.root.path().display()), "")
    }
}

fn imap() -> ConnectorId {
    "imap".parse().unwrap()
}

fn version(version: &str) -> Vec<u8> {
    receiver("version = \"0.1.0\"", &format!("version = \"{version}\""))
}

#[test]
fn a_dropped_file_waits_for_approval() {
    let folders = Folders::new();
    folders.put("home/imap-0.1.wasm", &version("0.1.0"));
    let mut approvals = Vec::new();
    insta::assert_snapshot!(folders.listing(&approvals), @"home/imap-0.1.wasm 0.1.0 inactive: it is not approved");
    let fault = folders.registry.find(&imap(), &approvals).unwrap_err();
    assert_eq!(fault.kind, Kind::Unapproved);
    assert!(fault.remedy.unwrap().contains("`postrider connector approve imap`"));
    folders.approve(&mut approvals);
    let component = folders.registry.find(&imap(), &approvals).unwrap();
    assert_eq!((component.sha256, component.bytes), (sha256(&version("0.1.0")), version("0.1.0")));
}

#[test]
fn a_changed_file_is_another_component() {
    let folders = Folders::new();
    folders.put("home/imap.wasm", &version("0.1.0"));
    let mut approvals = Vec::new();
    folders.approve(&mut approvals);
    let wider = receiver("description", "origins = [\"https://elsewhere.example\"]\ndescription");
    folders.put("home/imap.wasm", &wider);
    insta::assert_snapshot!(folders.listing(&approvals), @r#"home/imap.wasm 0.1.0 inactive: version 0.1.0 was approved, and this file is not the same; more: ["send HTTP requests to https://elsewhere.example"]"#);
    assert_eq!(folders.registry.find(&imap(), &approvals).unwrap_err().kind, Kind::Unapproved);
    let proposal = folders.registry.proposal(&imap(), &approvals).unwrap();
    assert_eq!(proposal.beyond.unwrap(), ["send HTTP requests to https://elsewhere.example"]);
}

#[test]
fn shipped_components_are_active_and_not_shadowed() {
    let folders = Folders::new();
    folders.ship(&version("0.1.0"));
    let mut approvals = Vec::new();
    assert_eq!(folders.registry.find(&imap(), &approvals).unwrap().bytes, version("0.1.0"));
    folders.put("home/imap.wasm", &version("6.6.6"));
    insta::assert_snapshot!(folders.listing(&approvals), @r#"
    home/imap.wasm 6.6.6 inactive: it is not approved, and shipped/imap.wasm is used until it is
    shipped/imap.wasm 0.1.0 active
    "#);
    assert_eq!(folders.registry.find(&imap(), &approvals).unwrap().bytes, version("0.1.0"));
    let proposal = folders.registry.proposal(&imap(), &approvals).unwrap();
    assert!(proposal.instead_of.unwrap().ends_with("shipped/imap.wasm"));
    folders.approve(&mut approvals);
    insta::assert_snapshot!(folders.listing(&approvals), @r#"
    home/imap.wasm 6.6.6 active
    shipped/imap.wasm 0.1.0 inactive: home/imap.wasm is used in its place; more: []
    "#);
    assert_eq!(folders.registry.find(&imap(), &approvals).unwrap().bytes, version("6.6.6"));
    folders.registry.remove(&imap()).unwrap();
    assert_eq!(folders.registry.find(&imap(), &approvals).unwrap().bytes, version("0.1.0"));
    assert_eq!(folders.registry.remove(&imap()).unwrap_err().kind, Kind::RefusedByHost);
}

#[test]
fn a_shipped_file_outside_the_hash_list_waits() {
    let folders = Folders::new();
    folders.ship(&version("0.1.0"));
    folders.put("shipped/imap.wasm", &version("0.1.1"));
    let mut approvals = Vec::new();
    insta::assert_snapshot!(folders.listing(&approvals), @"shipped/imap.wasm 0.1.1 inactive: it is not in the hash list beside it, and not approved");
    folders.approve(&mut approvals);
    assert_eq!(folders.registry.find(&imap(), &approvals).unwrap().bytes, version("0.1.1"));
}

#[test]
fn the_approved_file_stays_until_its_successor_is_approved() {
    let folders = Folders::new();
    let mut approvals = Vec::new();
    let first = folders.put("first.wasm", &version("0.1.0"));
    let installed = folders.registry.install(&first, &approvals).unwrap();
    assert_eq!(fs::metadata(&installed.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(folders.root.path().join("home")).unwrap().permissions().mode() & 0o777, 0o700);
    folders.approve(&mut approvals);

    let second = folders.put("second.wasm", &version("0.2.0"));
    folders.registry.install(&second, &approvals).unwrap();
    let third = folders.put("third.wasm", &version("0.3.0"));
    folders.registry.install(&third, &approvals).unwrap();
    insta::assert_snapshot!(folders.listing(&approvals), @r#"
    home/imap+new.wasm 0.3.0 inactive: it is not approved, and home/imap.wasm is used until it is; more: []
    home/imap.wasm 0.1.0 active
    "#);
    assert_eq!(folders.registry.find(&imap(), &approvals).unwrap().bytes, version("0.1.0"));

    folders.approve(&mut approvals);
    assert_eq!(folders.registry.find(&imap(), &approvals).unwrap().bytes, version("0.3.0"));
    // Approving again approves the same, and gives the file its own name.
    folders.approve(&mut approvals);
    insta::assert_snapshot!(folders.listing(&approvals), @"home/imap.wasm 0.3.0 active");
    assert_eq!(folders.registry.find(&imap(), &approvals).unwrap().bytes, version("0.3.0"));
    // Installing what is approved already changes nothing.
    folders.registry.install(&third, &approvals).unwrap();
    assert_eq!(fs::read_dir(folders.root.path().join("home")).unwrap().count(), 1);
}

#[test]
fn oddities_are_said_and_stop_nothing() {
    let folders = Folders::new();
    folders.put("home/a.wasm", b"#!/bin/sh");
    folders.put("home/b.wasm", b"\0asm\x01\0\0\0");
    folders.put("home/c/inside.wasm", b"");
    folders.put("home/e.wasm", b"");
    File::options().write(true).open(folders.root.path().join("home/e.wasm")).unwrap().set_len((64 << 20) + 1).unwrap();
    folders.put("home/notes.txt", b"not looked at");
    folders.put("home/.imap.wasm.1.tmp", b"not looked at");
    folders.put("elsewhere.wasm", &version("0.1.0"));
    symlink(folders.root.path().join("elsewhere.wasm"), folders.root.path().join("home/d.wasm")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, folders.root.path().join("home/f.wasm"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    folders.put("home/g.wasm", &version("0.1.0"));
    insta::assert_snapshot!(folders.listing(&[]), @r#"
    home/a.wasm ? broken: this is not WebAssembly: it does not begin with the octets 00 61 73 6D
    home/b.wasm ? broken: this is a core module, not a component: build with `--target wasm32-wasip2`
    home/c ? broken: it is a folder
    home/d.wasm ? broken: it is a symbolic link, and what it leads to may change unseen
    home/e.wasm ? broken: the file takes 67108865 octets, and 67108864 are allowed
    home/f.wasm ? broken: it is no regular file
    home/g.wasm 0.1.0 inactive: it is not approved
    "#);
    assert_eq!(folders.registry.find(&imap(), &[]).unwrap_err().kind, Kind::Unapproved);
}

#[test]
fn two_files_of_one_id_are_told_apart() {
    let folders = Folders::new();
    folders.put("home/a.wasm", &version("0.1.0"));
    folders.put("home/b.wasm", &version("0.2.0"));
    let fault = folders.registry.approve(&imap(), &[]).unwrap_err();
    assert_eq!(fault.kind, Kind::Conflict);
    insta::assert_snapshot!(folders.relative(fault.causes().next().unwrap()), @"several files could be meant: home/a.wasm, home/b.wasm");
    folders.put("home/b.wasm", &version("0.1.0"));
    let mut approvals = Vec::new();
    folders.approve(&mut approvals);
    insta::assert_snapshot!(folders.listing(&approvals), @r#"
    home/a.wasm 0.1.0 active
    home/b.wasm 0.1.0 inactive: it is the same as home/a.wasm, which is used; more: []
    "#);
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let folders = Folders::new();
    folders.ship(&version("0.1.0"));
    let fault = folders.registry.find(&"pop3".parse().unwrap(), &[]).unwrap_err();
    assert_eq!(fault.kind, Kind::NotFound);
    insta::assert_snapshot!(folders.relative(fault.causes().next().unwrap()), @"there are imap; looked in home, shipped");
    assert!(fault.remedy.unwrap().contains("cargo xtask connectors"));
}

#[test]
fn a_folder_with_too_many_files_is_said() {
    let folders = Folders::new();
    for number in 0..=folder::FILES {
        folders.put(&format!("home/{number}.wasm"), b"");
    }
    insta::assert_snapshot!(folders.listing(&[]), @"home ? broken: it holds more than 1000 files, and none of them is looked at");
}

#[test]
fn a_broken_file_of_that_id_says_what_is_wrong() {
    let folders = Folders::new();
    folders.put("home/imap.wasm", &receiver("contract = \"0.1\"", "contract = \"0.2\""));
    let fault = folders.registry.find(&imap(), &[]).unwrap_err();
    assert_eq!(fault.kind, Kind::Unsupported);
    assert!(fault.causes().any(|cause| cause.contains("this host speaks 0.1")), "{fault:?}");
}

#[test]
fn listings_cross_the_control_socket() {
    let folders = Folders::new();
    folders.ship(&version("0.1.0"));
    folders.put("home/a.wasm", b"?");
    folders.put("home/imap.wasm", &version("0.2.0"));
    let listed = folders.registry.list(&[]);
    let json = serde_json::to_string(&listed).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Listed>>(&json).unwrap(), listed);
}
