//! Backup, restore and export, as an administrator's script runs them.

use std::fs;

use harness::corpus;
use harness::maildir::Maildir;
use harness::postrider::Postrider;

use crate::scene::{Scene, assert_same_contents, with_lf};

#[test]
fn a_backup_of_a_running_daemon_is_restored_into_a_new_home() {
    let scene = Scene::with_corpus(60);
    scene.receive();
    let mut daemon = scene.postrider.spawn(&["run"]);
    daemon.wait_for("running");
    let file = scene.postrider.beside("backup");
    let made = scene.postrider.json(&["backup", file.to_str().unwrap()]);
    assert_eq!(made["octets"].as_u64(), Some(file.metadata().unwrap().len()));
    let piped = scene.postrider.succeed(&["backup", "-"]).stdout;
    assert!(piped.starts_with(b"PRbackup"));
    daemon.kill();

    let other = Postrider::new();
    let key = scene.postrider.home().join("master.key");
    let arguments = ["restore", file.to_str().unwrap(), "--key-file", key.to_str().unwrap()];
    let mut torn = fs::read(&file).unwrap();
    torn.truncate(torn.len() / 2);
    let half = other.beside("half");
    fs::write(&half, torn).unwrap();
    let refused = other.run(&["restore", half.to_str().unwrap(), "--key-file", key.to_str().unwrap()]);
    assert_eq!(refused.code, Some(32), "{}", refused.stderr);
    assert!(refused.stderr.contains("at octet"), "{}", refused.stderr);
    other.succeed(&arguments);
    assert_eq!(other.json(&["store", "check"])["findings"].as_array().map(Vec::len), Some(0));
    assert_eq!(crate::scene::stored(&other), scene.stored());
    for message in scene.stored() {
        assert_eq!(other.succeed(&["message", "export", &message.id]).stdout, scene.export(&message.id));
    }
    assert_eq!(other.run(&arguments).code, Some(4), "a home that is there is refused");
}

#[test]
fn all_mail_is_exported_as_mbox_and_maildir() {
    let scene = Scene::with_corpus(60);
    scene.deliver([corpus::note("one more")]);
    scene.receive();
    let wire: Vec<Vec<u8>> = scene.on_the_wire().into_values().map(|octets| with_lf(&octets)).collect();
    let folder = scene.postrider.beside("export");
    for _ in 0..2 {
        let exported = scene.postrider.json(&["export", "--maildir", folder.to_str().unwrap()]);
        assert_eq!(exported["messages"].as_u64(), Some(wire.len() as u64));
        assert_same_contents("the export", &Maildir::at(&folder), wire.clone());
    }
    let file = scene.postrider.beside("export.mbox");
    scene.postrider.succeed(&["export", "--mbox", file.to_str().unwrap(), "--account", crate::scene::ACCOUNT]);
    let mut expected: Vec<Vec<u8>> = wire;
    let mut found = unquoted(&fs::read(&file).unwrap());
    for message in &mut expected {
        if !message.ends_with(b"\n") {
            message.push(b'\n');
        }
    }
    expected.sort();
    found.sort();
    assert!(found == expected, "{} messages in the mbox, {} on the wire", found.len(), expected.len());
    assert_eq!(scene.postrider.run(&["export"]).code, Some(2));
}

/// The messages of an mboxrd file.
fn unquoted(mbox: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in mbox.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b"From ") {
            messages.push(Vec::new());
            continue;
        }
        let quotes = line.iter().take_while(|octet| **octet == b'>').count();
        let line = if quotes > 0 && line[quotes..].starts_with(b"From ") { &line[1..] } else { line };
        messages.last_mut().unwrap().extend_from_slice(line);
    }
    for message in &mut messages {
        assert_eq!(message.pop(), Some(b'\n'), "an empty line ends a message");
    }
    messages
}
