//! What most tests begin with: a Dovecot with mail, a home with an account for it, and the two compared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use harness::corpus::{self, Message};
use harness::dovecot::{Dovecot, PASSWORD, Setup, USER};
use harness::maildir::{self, Maildir};
use harness::postrider::{Outcome, Postrider};
use serde_json::Value;

/// What the account is called.
pub(crate) const ACCOUNT: &str = "desk";

/// The most messages that one `message list` shows.
const LISTED: usize = 10_000;

/// A server and a home.
pub(crate) struct Scene {
    pub(crate) dovecot: Dovecot,
    pub(crate) postrider: Postrider,
}

/// A stored message, as `message list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) content: String,
    pub(crate) size: Option<u64>,
    pub(crate) places: Vec<Place>,
}

/// Where a stored message stands on the server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) folder: String,
    pub(crate) generation: String,
    pub(crate) uid: u32,
    pub(crate) keywords: BTreeSet<String>,
}

impl Scene {
    /// A server with the first `count` messages of the corpus, and an account for it over TLS that has received nothing yet.
    #[track_caller]
    pub(crate) fn with_corpus(count: usize) -> Self {
        let scene = Self::with(Setup::default());
        scene.deliver(corpus::messages(corpus::SEED, count));
        scene
    }

    /// A server as `setup` says, and an account for it over TLS.
    #[track_caller]
    pub(crate) fn with(setup: Setup) -> Self {
        let scene = Self { dovecot: setup.start(), postrider: Postrider::new() };
        add_account(&scene.postrider, ACCOUNT, &scene.dovecot, scene.dovecot.imaps, "tls").succeeded();
        scene
    }

    /// Put messages into the inbox.
    pub(crate) fn deliver(&self, messages: impl IntoIterator<Item = Message>) {
        let messages: Vec<_> = messages.into_iter().collect();
        self.dovecot.deliver(USER, "INBOX", &messages);
    }

    /// What the wire shows of the inbox, by UID.
    #[track_caller]
    pub(crate) fn on_the_wire(&self) -> BTreeMap<u32, Vec<u8>> {
        self.folder_on_the_wire("INBOX")
    }

    /// What the wire shows of `folder`, by UID.
    #[track_caller]
    pub(crate) fn folder_on_the_wire(&self, folder: &str) -> BTreeMap<u32, Vec<u8>> {
        let mut imap = self.dovecot.sign_in(USER, PASSWORD);
        imap.select(folder);
        imap.bodies()
    }

    /// A pass that must succeed; gives its row.
    #[track_caller]
    pub(crate) fn receive(&self) -> Value {
        self.postrider.json(&["receive", ACCOUNT])[0].clone()
    }

    /// A Maildir that gets everything.
    #[track_caller]
    pub(crate) fn add_maildir(&self, name: &str, options: &[&str]) -> Maildir {
        let path = self.postrider.beside(name);
        let arguments = [&["sink", "add", name, "--maildir", path.to_str().unwrap()], options].concat();
        self.postrider.succeed(&arguments);
        Maildir::at(&path)
    }

    /// Every stored message.
    #[track_caller]
    pub(crate) fn stored(&self) -> Vec<Stored> {
        stored(&self.postrider)
    }

    /// Every stored message that stands in the inbox, by UID.
    ///
    /// # Panics
    /// When two share a UID.
    #[track_caller]
    pub(crate) fn stored_by_uid(&self) -> BTreeMap<u32, Stored> {
        let mut by_uid = BTreeMap::new();
        for message in self.stored() {
            for place in message.places.iter().filter(|place| place.folder == "INBOX") {
                let twice = by_uid.insert(place.uid, message.clone());
                assert!(twice.is_none(), "UID {} is stored twice", place.uid);
            }
        }
        by_uid
    }

    /// The octets of a stored message.
    #[track_caller]
    pub(crate) fn export(&self, id: &str) -> Vec<u8> {
        self.postrider.succeed(&["message", "export", id]).stdout
    }

    /// The store holds exactly what the wire shows of the inbox: every message, once, and the same octets.
    #[track_caller]
    pub(crate) fn assert_stored_as_on_the_wire(&self) {
        let wire = self.on_the_wire();
        let stored = self.stored_by_uid();
        assert_eq!(stored.keys().collect::<Vec<_>>(), wire.keys().collect::<Vec<_>>(), "the UIDs of the inbox");
        for (uid, octets) in &wire {
            assert_same(&format!("UID {uid}"), &self.export(&stored[uid].id), octets);
        }
    }

    /// `store check` finds nothing.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let checked = self.postrider.json(&["store", "check"]);
        assert_eq!(checked["findings"], Value::Array(Vec::new()), "{checked}");
    }
}

/// Add an account for a server on a port of loopback.
#[track_caller]
pub(crate) fn add_account(postrider: &Postrider, name: &str, dovecot: &Dovecot, port: u16, security: &str) -> Outcome {
    let ca = dovecot.ca_file();
    let options: &[&str] = if security == "none" { &[] } else { &["--ca", ca.to_str().unwrap()] };
    add_account_with(postrider, name, port, security, options)
}

/// Add an account for a server on a port of loopback, with further options.
#[track_caller]
pub(crate) fn add_account_with(postrider: &Postrider, name: &str, port: u16, security: &str, options: &[&str]) -> Outcome {
    let port = port.to_string();
    let mut arguments = vec!["account", "add", name, "--receive", "imap", "--port", &port, "--security", security, "--user", USER];
    if !options.contains(&"--server") {
        arguments.extend(["--server", "localhost"]);
    }
    arguments.push("--password-stdin");
    arguments.extend(options);
    postrider.run_with_input(&arguments, PASSWORD.as_bytes())
}

/// Every stored message of a home.
#[track_caller]
pub(crate) fn stored(postrider: &Postrider) -> Vec<Stored> {
    let list = postrider.json(&["message", "list", "--limit", &LISTED.to_string()]);
    let list: Vec<Stored> = list.as_array().unwrap().iter().map(Stored::from_json).collect();
    let ids: BTreeSet<_> = list.iter().map(|message| &message.id).collect();
    assert_eq!(ids.len(), list.len(), "an id stands twice in the list");
    list
}

/// Both are the same octets; where not, the words say where they part instead of showing megabytes.
#[track_caller]
pub(crate) fn assert_same(what: &str, stored: &[u8], wire: &[u8]) {
    if stored == wire {
        return;
    }
    let at = stored.iter().zip(wire).take_while(|(one, other)| one == other).count();
    let near = |octets: &[u8]| String::from_utf8_lossy(&octets[at.saturating_sub(20)..octets.len().min(at + 40)]).into_owned();
    panic!(
        "{what}: {} octets stored, {} on the wire; they part at {at}: {:?} and {:?}",
        stored.len(),
        wire.len(),
        near(stored),
        near(wire)
    );
}

/// Both hold the same octets equally often.
#[track_caller]
pub(crate) fn assert_same_contents(what: &str, maildir: &Maildir, expected: impl IntoIterator<Item = Vec<u8>>) {
    let (found, expected) = (maildir.contents(), maildir::count(expected));
    let show = |octets: &[u8]| String::from_utf8_lossy(&octets[..octets.len().min(200)]).into_owned();
    for (octets, times) in &expected {
        assert_eq!(found.get(octets), Some(times), "{what}: how often {:?} ({} octets) is there", show(octets), octets.len());
    }
    for octets in found.keys() {
        assert!(expected.contains_key(octets), "{what}: {:?} ({} octets) is there and should not", show(octets), octets.len());
    }
    assert_eq!(maildir.leftovers(), Vec::<PathBuf>::new(), "{what}: files in tmp");
}

/// With LF for every CRLF, as a Maildir is read.
pub(crate) fn with_lf(octets: &[u8]) -> Vec<u8> {
    let mut lf = Vec::with_capacity(octets.len());
    for (at, &octet) in octets.iter().enumerate() {
        if octet != b'\r' || octets.get(at + 1) != Some(&b'\n') {
            lf.push(octet);
        }
    }
    lf
}

impl Stored {
    fn from_json(value: &Value) -> Self {
        Self {
            id: value["id"].as_str().unwrap().to_owned(),
            content: value["content"].as_str().unwrap().to_owned(),
            size: value["size"].as_u64(),
            places: value["locations"].as_array().unwrap().iter().map(Place::from_json).collect(),
        }
    }
}

impl Place {
    fn from_json(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            folder: text(&value["scope"]["folder"]),
            generation: text(&value["scope"]["generation"]),
            uid: text(&value["id"]).parse().unwrap(),
            keywords: value["keywords"].as_array().unwrap().iter().map(text).collect(),
        }
    }
}
