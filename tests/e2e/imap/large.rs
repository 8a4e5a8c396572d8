//! Accounts with very many folders, and a folder with very many messages.

use std::collections::BTreeSet;

use harness::corpus::{self, Message};
use harness::dovecot::{PASSWORD, Setup, USER};
use harness::relay::Relay;

use crate::scene::{ACCOUNT, Scene};

/// Folders of the first test; every tenth has a message.
const FOLDERS: usize = 2_000;

/// Messages of the second.
const MESSAGES: usize = 100_000;

/// What a pass over it may read where three went, two changed and one came.
const FEW_OCTETS: u64 = 60_000;

#[test]
fn two_thousand_folders_are_received_and_chosen_from() {
    let scene = Scene::with(Setup::default());
    let mut expected = BTreeSet::new();
    for number in 0..FOLDERS {
        // Deep trees among them; Dovecot parts the names by dots.
        let name = if number % 100 == 50 {
            format!("Deep{}x", ".below".repeat(30)).replace('x', &number.to_string())
        } else {
            format!("Lists.list-{number}")
        };
        if number % 10 == 0 {
            scene.dovecot.deliver(USER, &name, &[corpus::note(&name)]);
            expected.insert(name);
        } else {
            let _ = scene.dovecot.maildir(USER, &name);
        }
    }
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--set", "include=Deep,Lists/list-1?0", "--set", "exclude=Lists/list-150"]);
    let pass = scene.receive();
    let chosen = |name: &str| {
        name.starts_with("Deep") || (name.len() == "Lists.list-1?0".len() && name.starts_with("Lists.list-1") && name != "Lists.list-150")
    };
    let here = || scene.stored().into_iter().map(|message| message.places[0].folder.clone()).collect::<BTreeSet<_>>();
    assert_eq!(here(), expected.iter().filter(|name| chosen(name)).cloned().collect(), "{pass}");

    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--set", "include=", "--set", "exclude="]);
    let pass = scene.receive();
    assert!(pass["folders"].as_u64().unwrap() >= FOLDERS as u64, "{pass}");
    assert_eq!(here(), expected);
}

#[test]
fn a_hundred_thousand_messages_cost_little_when_little_changed() {
    let scene = Scene::with(Setup::default());
    let messages: Vec<Message> = (0..MESSAGES)
        .map(|number| Message { octets: format!("Subject: {number}\r\n\r\n").into_bytes(), flags: "", received: 1_700_000_000 })
        .collect();
    scene.deliver(messages);
    let relay = Relay::to(scene.dovecot.imap);
    scene.postrider.succeed(&["account", "edit", ACCOUNT, "--security", "none", "--port", &relay.port.to_string()]);
    let pass = scene.receive();
    assert_eq!((pass["received"].as_u64(), pass["set_aside"].as_u64()), (Some(MESSAGES as u64), Some(0)), "{pass}");

    let mut imap = scene.dovecot.sign_in(USER, PASSWORD);
    for ignored in ["", "QRESYNC", "QRESYNC,CONDSTORE"] {
        scene.postrider.succeed(&["account", "edit", ACCOUNT, "--set", &format!("ignore-capabilities={ignored}")]);
        imap.select("INBOX");
        let first = imap.command("UID SEARCH 1:3");
        let uids: Vec<&str> = first[0].text().trim_start_matches("* SEARCH ").split(' ').collect();
        imap.command(&format!("UID STORE {} +FLAGS (\\Deleted)", uids.join(",")));
        imap.command(&format!("UID EXPUNGE {}", uids.join(",")));
        imap.command(&format!("STORE 1000:1001 +FLAGS ($Seen{})", ignored.len()));
        // Other octets each time: where messages left the folder, a pass foretells that the same ones are those.
        imap.append("INBOX", "", format!("Subject: one more, without {ignored}\r\n\r\n").as_bytes());
        relay.reset();
        let pass = scene.receive();
        assert_eq!((pass["received"].as_u64(), pass["removed"].as_u64()), (Some(1), Some(3)), "{ignored}: {pass}");
        if ignored.is_empty() {
            assert!(relay.octets_down() < FEW_OCTETS, "with QRESYNC a pass read {} octets", relay.octets_down());
            assert!(!relay.client_lines().iter().any(|line| line.contains(" 1:*")), "{:?}", relay.client_lines());
        }
    }
    scene.assert_clean();
}
