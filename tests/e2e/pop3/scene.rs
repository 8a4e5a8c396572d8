//! What these tests begin with: a server with a maildrop, a home with an account for it, and the two compared.

use std::collections::{BTreeMap, BTreeSet};

use harness::corpus::{self, Message};
use harness::dovecot::{Dovecot, PASSWORD, Setup, USER};
use harness::maildir::Maildir;
use harness::pop3::Pop3;
use harness::postrider::Postrider;
use harness::scripted::{Scripted, SharedMaildrop};
use serde_json::Value;

use crate::scene::{ACCOUNT, assert_same};

/// Time-outs short enough for a server that says nothing.
pub(super) const QUICK: &[&str] = &["--connect-timeout-ms", "2000", "--read-timeout-ms", "2000"];

/// The most messages that one `message list` shows.
const LISTED: usize = 10_000;

/// A Dovecot and a home.
pub(super) struct Scene {
    pub(super) dovecot: Dovecot,
    pub(super) postrider: Postrider,
}

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) content: String,
    /// What the server calls it, where it has it.
    pub(super) uidl: Option<String>,
}

impl Scene {
    /// A Dovecot with the first `count` messages of the corpus, and an account for it over TLS that has received nothing yet.
    #[track_caller]
    pub(super) fn with_corpus(count: usize) -> Self {
        Self::with(Setup::default(), count)
    }

    /// A Dovecot as `setup` says.
    #[track_caller]
    pub(super) fn with(setup: Setup, count: usize) -> Self {
        let scene = Self { dovecot: setup.start(), postrider: Postrider::new() };
        scene.deliver(corpus::messages(corpus::SEED, count));
        let ca = scene.dovecot.ca_file();
        add_account(&scene.postrider, scene.dovecot.pop3s, "tls", &["--ca", ca.to_str().unwrap()]);
        scene
    }

    /// Put messages into the maildrop.
    pub(super) fn deliver(&self, messages: impl IntoIterator<Item = Message>) {
        let messages: Vec<_> = messages.into_iter().collect();
        self.dovecot.deliver(USER, "INBOX", &messages);
    }

    /// Change the account.
    #[track_caller]
    pub(super) fn edit(&self, options: &[&str]) {
        self.postrider.succeed(&[&["account", "edit", ACCOUNT], options].concat());
    }

    /// A pass that must succeed; gives its row.
    #[track_caller]
    pub(super) fn receive(&self) -> Value {
        receive(&self.postrider)
    }

    /// A Maildir that gets everything as it is on the wire.
    #[track_caller]
    pub(super) fn add_maildir(&self) -> Maildir {
        let path = self.postrider.beside("files");
        self.postrider.succeed(&["sink", "add", "files", "--maildir", path.to_str().unwrap(), "--line-endings", "crlf"]);
        Maildir::at(&path)
    }

    /// What the wire shows, by UIDL.
    #[track_caller]
    pub(super) fn on_the_wire(&self) -> BTreeMap<String, Vec<u8>> {
        let mut pop3 = Pop3::connect(self.dovecot.pop3);
        pop3.log_in(USER, PASSWORD);
        let messages = pop3.messages();
        // Without this the maildrop stays locked a moment longer.
        pop3.command("QUIT");
        messages
    }

    /// The store holds what is on the server: every message, once, and the same octets.
    #[track_caller]
    pub(super) fn assert_stored_as_on_the_wire(&self) {
        assert_stored(&self.postrider, &self.on_the_wire());
    }
}

/// Add the account.
#[track_caller]
pub(super) fn add_account(postrider: &Postrider, port: u16, security: &str, options: &[&str]) {
    let port = port.to_string();
    let mut arguments = vec!["account", "add", ACCOUNT, "--receive", "pop3", "--server", "localhost", "--port", &port];
    arguments.extend(["--security", security, "--user", USER, "--password-stdin"]);
    arguments.extend(options);
    postrider.run_with_input(&arguments, PASSWORD.as_bytes()).succeeded();
}

/// A home with an account for a scripted server.
#[track_caller]
pub(super) fn home_for(server: &Scripted, options: &[&str]) -> Postrider {
    let postrider = Postrider::new();
    add_account(&postrider, server.port, "none", &[QUICK, options].concat());
    postrider
}

/// A pass that must succeed; gives its row.
#[track_caller]
pub(super) fn receive(postrider: &Postrider) -> Value {
    postrider.json(&["receive", ACCOUNT])[0].clone()
}

/// Every stored message.
#[track_caller]
pub(super) fn stored(postrider: &Postrider) -> Vec<Stored> {
    let list = postrider.json(&["message", "list", "--limit", &LISTED.to_string()]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let message = |value: &Value| {
        let places = value["locations"].as_array().unwrap();
        assert!(places.len() <= 1, "a message stands twice in the maildrop: {value}");
        let uidl = places.first().map(|place| text(&place["id"]));
        Stored { id: text(&value["id"]), content: text(&value["content"]), uidl }
    };
    let stored: Vec<Stored> = list.as_array().unwrap().iter().map(message).collect();
    let ids: BTreeSet<_> = stored.iter().map(|message| &message.id).collect();
    assert_eq!(ids.len(), stored.len(), "an id stands twice in the list");
    stored
}

/// The octets of a stored message.
#[track_caller]
pub(super) fn export(postrider: &Postrider, id: &str) -> Vec<u8> {
    postrider.succeed(&["message", "export", id]).stdout
}

/// The store holds exactly these, by UIDL, and is whole.
#[track_caller]
pub(super) fn assert_stored(postrider: &Postrider, expected: &BTreeMap<String, Vec<u8>>) {
    let stored: BTreeMap<String, Stored> =
        stored(postrider).into_iter().filter_map(|message| Some((message.uidl.clone()?, message))).collect();
    assert_eq!(stored.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "the UIDLs of the maildrop");
    for (uidl, octets) in expected {
        assert_same(uidl, &export(postrider, &stored[uidl].id), octets);
    }
    assert_clean(postrider);
}

/// The store holds messages with these octets, each as often as it is given, wherever they stand, and nothing else.
#[track_caller]
pub(super) fn assert_octets(postrider: &Postrider, expected: impl IntoIterator<Item = Vec<u8>>) {
    let found = harness::maildir::count(stored(postrider).iter().map(|message| export(postrider, &message.id)));
    let expected = harness::maildir::count(expected);
    assert_eq!(found.values().sum::<usize>(), expected.values().sum::<usize>(), "how many messages are stored");
    assert!(found == expected, "other octets are stored");
    assert_clean(postrider);
}

/// What a scripted server's maildrop holds, by UIDL.
pub(super) fn held(maildrop: &SharedMaildrop) -> BTreeMap<String, Vec<u8>> {
    maildrop.lock().unwrap().messages.iter().map(|kept| (kept.uidl.clone(), kept.octets.clone())).collect()
}

/// `store check` finds nothing.
#[track_caller]
pub(super) fn assert_clean(postrider: &Postrider) {
    let checked = postrider.json(&["store", "check"]);
    assert_eq!(checked["findings"], Value::Array(Vec::new()), "{checked}");
}
