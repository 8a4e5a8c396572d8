//! Dialogues as servers hold them, played whole, cut at every octet, with late answers, and closed after every line.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking")]

mod deletion;
mod endless;
mod fetch;
mod identity;
mod odd;
mod oversize;
mod reception;

use postrider_connector::testing::{Player, Script, World};
use postrider_connector::types::Error;
use postrider_pop3::limits::Limits;
use postrider_pop3::session::Session;
use postrider_pop3::settings::Settings;
use postrider_pop3::sync::{FOLDER, Sync};

/// What Dovecot 2.3 offers, as far as it matters here.
const DOVECOT: &[&str] = &["CAPA", "TOP", "UIDL", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE"];

/// A server that knows RFC 1939 and nothing else.
const PLAIN: &[&str] = &[];

fn session(capabilities: &[&str], settings: Settings) -> Session {
    Session::new(&owned(capabilities), settings, Limits::default())
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Session after session, as the shell has them; how many there were.
fn sync(player: &mut Player<'_>, capabilities: &[&str], settings: &Settings) -> Result<usize, Error> {
    let mut session = session(capabilities, settings.clone());
    let mut cursor = player.world.cursor(FOLDER);
    for sessions in 1.. {
        let synced = player.run(&mut Sync::new(&mut session, cursor.as_deref()))?;
        if !synced.has_more {
            return Ok(sessions);
        }
        cursor = Some(synced.cursor);
        session = session.next(&owned(capabilities));
    }
    unreachable!()
}

/// Play `text` with one pass over the maildrop, from what `world` has.
fn pass(capabilities: &[&str], settings: Settings, text: &str, world: &World) -> World {
    // A cursor covers nothing: what is not told as had is asked for again. What came whole before the line was lost is kept.
    script(text).check(world, move |player| sync(player, capabilities, &settings)).1
}

/// `text`, of which everything that came whole must be kept when the line is lost.
fn script(text: &str) -> Script {
    Script::parse(text).with_cursor(|_, _| false)
}

/// `text` with a failure at its end; the world, and what the conversation failed with.
fn failing(capabilities: &[&str], settings: Settings, text: &str, world: &World) -> (World, Error) {
    let (error, world) = Script::parse(text).play(world, move |player| Ok(sync(player, capabilities, &settings).unwrap_err()));
    (world, error)
}

fn octets<'w>(world: &'w World, id: &str) -> Option<&'w [u8]> {
    world.octets(FOLDER, "", id)
}

fn ids(world: &World) -> Vec<String> {
    world.ids(FOLDER, "")
}

/// A host that has these, from a former session.
fn having(messages: &[&str]) -> World {
    let mut world = World::default();
    for id in messages {
        world.put(FOLDER, "", id, format!("{id}\r\n").as_bytes(), &[]);
    }
    world
}
