//! Dialogues as servers hold them, played whole, cut at every octet, with late answers, and closed after every line.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking")]

mod ahead;
mod append;
mod fetch;
mod list;
mod mutate;
mod odd;
mod prepare;
mod renamed;
mod resync;
mod rev2;
mod stable;
mod sync;
mod watch;

use postrider_connector::testing::{Player, Script, World};
use postrider_connector::types::Error;
use postrider_imap::cursor::Cursor;
use postrider_imap::limits::Limits;
use postrider_imap::session::Session;
use postrider_imap::settings::Settings;
use postrider_imap::sync::Sync;

/// What Dovecot 2.3 offers, as far as it matters here.
const DOVECOT: &str = "IMAP4rev1 IDLE ENABLE UIDPLUS LIST-EXTENDED CONDSTORE QRESYNC ESEARCH SPECIAL-USE MOVE";

fn session(capabilities: &str) -> Session {
    let capabilities: Vec<String> = capabilities.split(' ').map(str::to_owned).collect();
    Session::new(&capabilities, Settings::default(), Limits::default())
}

fn script(text: &str) -> Script {
    Script::parse(text).with_cursor(|cursor, id| {
        let cursor = Cursor::decode(cursor).unwrap();
        id.parse::<u32>().unwrap() < cursor.next
    })
}

fn sync(player: &mut Player<'_>, session: &mut Session, folder: &str) -> Result<(), Error> {
    let cursor = player.world.cursor(folder);
    player.run(&mut Sync::new(session, folder, cursor.as_deref())?)
}

/// Play `text` with one sync of INBOX, from what `world` has.
fn sync_inbox(capabilities: &str, text: &str, world: &World) -> World {
    script(text).check(world, |player| sync(player, &mut session(capabilities), "INBOX")).1
}

fn cursor(world: &World) -> Cursor {
    Cursor::decode(&world.cursor("INBOX").unwrap()).unwrap()
}

/// A host whose last checkpoint of INBOX left this cursor.
fn world_at(cursor: &Cursor, ids: &[(&str, &[&str])]) -> World {
    let mut world = World::default();
    for (id, keywords) in ids {
        world.put("INBOX", &cursor.validity.to_string(), id, id.as_bytes(), keywords);
    }
    world.checkpoints.push(postrider_connector::testing::Checkpoint {
        folder: "INBOX".into(),
        generation: cursor.validity.to_string(),
        cursor: cursor.encode(),
        had: ids.iter().map(|(id, _)| (*id).to_owned()).collect(),
        answered: true,
    });
    world
}
