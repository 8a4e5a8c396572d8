//! A store that was damaged on disk: found, repaired, and its mail fetched again.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use crate::scene::{ACCOUNT, Scene};

#[test]
fn a_flipped_bit_is_found_repaired_and_the_mail_comes_again() {
    let scene = Scene::with_corpus(40);
    scene.receive();
    let before = scene.stored_by_uid();
    let segment = scene.postrider.home().join("store/spool/0000000000000001.segment");
    let file = OpenOptions::new().read(true).write(true).open(&segment).unwrap();
    let at = file.metadata().unwrap().len() / 2;
    let mut octet = [0];
    file.read_exact_at(&mut octet, at).unwrap();
    file.write_all_at(&[octet[0] ^ 0x20], at).unwrap();

    let checked = scene.postrider.run(&["store", "check"]);
    assert_eq!(checked.code, Some(32), "{}", checked.stderr);
    assert!(checked.text().contains("message ") && checked.text().contains("segment 1 offset"), "{}", checked.text());
    let dry = scene.postrider.json(&["store", "repair"]);
    assert_eq!((dry["is_applied"].as_bool(), dry["actions"].as_array().map(Vec::is_empty)), (Some(false), Some(false)));
    assert_eq!(scene.postrider.run(&["store", "check"]).code, Some(32), "a dry run changes nothing");

    let repaired = scene.postrider.succeed(&["store", "repair", "--yes"]);
    assert!(repaired.text().contains("fetches the server's copy"), "{}", repaired.text());
    assert!(repaired.stderr.contains("damaged"), "{}", repaired.stderr);
    scene.assert_clean();
    assert_eq!(scene.receive()["received"].as_u64(), Some(1));
    scene.assert_stored_as_on_the_wire();
    let after = scene.stored_by_uid();
    let ids =
        |stored: &std::collections::BTreeMap<u32, crate::scene::Stored>| stored.values().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before), "every message keeps its id");
    scene.assert_clean();
    assert_eq!(scene.postrider.json(&["store", "repair"])["actions"].as_array().map(Vec::len), Some(0));
}

#[test]
fn the_daemon_is_stopped_before_a_repair() {
    let scene = Scene::with_corpus(1);
    let mut daemon = scene.postrider.spawn(&["run"]);
    daemon.wait_for("running");
    assert_eq!(scene.postrider.run(&["store", "repair", "--yes"]).code, Some(30));
    scene.postrider.succeed(&["store", "repair"]);
    assert_eq!(scene.postrider.json(&["account", "show", ACCOUNT])["name"], ACCOUNT);
}
