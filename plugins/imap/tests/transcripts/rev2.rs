//! Servers that speak IMAP4rev2 only (RFC 9051): names in UTF-8, no RECENT and no SEARCH response, extended LIST, STATUS with DELETED and SIZE, and every
//! extension that rev2 took in without announcing it.

use postrider_connector::testing::{Player, Script, World};
use postrider_connector::types::Error;
use postrider_imap::append::Append;
use postrider_imap::list::List;
use postrider_imap::mutate::{Mutate, What};
use postrider_imap::prepare::Prepare;
use postrider_imap::session::Session;
use postrider_imap::watch::{Watch, Watched};

use super::{script, session, sync};

const REV2: &str = "IMAP4rev2";

fn prepared(player: &mut Player<'_>) -> Result<Session, Error> {
    let mut session = session(REV2);
    player.run(&mut Prepare::new(&mut session))?;
    Ok(session)
}

const PREPARE: &str = r#"
    C: A1 NAMESPACE
    S: * NAMESPACE (("" "/")) NIL NIL
    S: A1 OK done
"#;

#[test]
fn folders_are_listed_with_roles_and_utf8_names() {
    let text = format!(
        r#"
        {PREPARE}
        C: A2 LIST "" "*" RETURN (SPECIAL-USE)
        S: * LIST (\HasNoChildren) "/" INBOX
        S: * LIST (\HasNoChildren \Drafts) "/" "Entw\xc3\xbcrfe" ("OLDNAME" ("Alt"))
        S: * LIST (\NonExistent \HasChildren) "/" "Ablage" ("CHILDINFO" ("SUBSCRIBED"))
        S: * LIST (\Subscribed \Remote) "/" "Tom & J\xc3\xa9r\xc3\xb4me"
        S: A2 OK done
        "#
    );
    let (folders, _) = Script::parse(&text).check(&World::default(), |player| {
        let mut session = prepared(player)?;
        player.run(&mut List::new(&mut session))
    });
    let shown: Vec<String> = folders
        .iter()
        .map(|folder| {
            format!("{} | {} | {} | {}", folder.id, folder.path.join(">"), folder.role.as_deref().unwrap_or("-"), folder.selectable)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "INBOX | INBOX | inbox | true",
            "Entw&APw-rfe | Entwürfe | drafts | true",
            "Ablage | Ablage | - | false",
            "Tom &- J&AOk-r&APQ-me | Tom & Jérôme | - | true",
        ]
    );
}

#[test]
fn a_folder_is_received_and_followed_without_recent_and_search() {
    let text = format!(
        r#"
        {PREPARE}
        C: A2 EXAMINE "Entwürfe"
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 3857529045] UIDs valid
        S: * OK [UIDNEXT 12] Predicted next UID
        S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
        S: * OK [PERMANENTFLAGS ()] No permanent flags permitted
        S: * LIST () "/" "Entw\xc3\xbcrfe"
        S: A2 OK [READ-ONLY] EXAMINE completed
        C: A3 UID SEARCH RETURN (ALL) UID 1:*
        S: * ESEARCH (TAG "A3") UID ALL 10:11
        S: A3 OK done
        C: A4 UID FETCH 10:11 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])
        S: * 1 FETCH (UID 10 FLAGS (\Seen $Forwarded) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 4 BODY[] ~{{4}}
        S: a\0\r\n)
        S: * 2 FETCH (FLAGS () UID 11 BODY[] {{2}}
        S: \r\n)
        S: A4 OK done
        C: A5 EXAMINE "Entwürfe"
        S: * OK [CLOSED] Previous mailbox is now closed
        S: * 1 EXISTS
        S: * OK [UIDVALIDITY 3857529045] ok
        S: * OK [UIDNEXT 12] ok
        S: A5 OK [READ-ONLY] done
        C: A6 UID FETCH 1:11 (UID FLAGS)
        S: * 1 FETCH (FLAGS (\Flagged) UID 11)
        S: A6 OK done
        C: A7 UID FETCH 1:11 (UID FLAGS)
        S: * 1 FETCH (FLAGS (\Flagged) UID 11)
        S: A7 OK done
        "#
    );
    let folder = "Entw&APw-rfe";
    let (_, world) = script(&text).check(&World::default(), |player| {
        let mut session = prepared(player)?;
        sync(player, &mut session, folder)?;
        sync(player, &mut session, folder)
    });
    assert_eq!(world.ids(folder, "3857529045"), ["11"]);
    assert_eq!(world.octets(folder, "3857529045", "10"), Some(b"a\0\r\n".as_slice()));
    let flags = &world.messages[&(folder.to_owned(), "3857529045".to_owned(), "11".to_owned())].keywords;
    assert_eq!(flags, &["\\Flagged"]);
}

#[test]
fn other_folders_are_watched_by_status_beside_idle() {
    let text = format!(
        r#"
        {PREPARE}
        C: A2 EXAMINE "INBOX"
        S: * 0 EXISTS
        S: * OK [UIDVALIDITY 1] ok
        S: * OK [UIDNEXT 1] ok
        S: A2 OK [READ-ONLY] done
        C: A3 STATUS "Entwürfe" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)
        S: * STATUS "Entw\xc3\xbcrfe" (MESSAGES 2 UIDNEXT 12 UIDVALIDITY 7 UNSEEN 1 DELETED 1 SIZE 4294967296)
        S: A3 OK done
        C: A4 IDLE
        S: + idling
        S: * 1 EXISTS
        C: DONE
        S: A4 OK done
        "#
    );
    let (watched, _) = Script::parse(&text).check(&World::default(), |player| {
        let mut session = prepared(player)?;
        player.run(&mut Watch::new(&mut session, &["INBOX".to_owned(), "Entw&APw-rfe".to_owned()]))
    });
    assert_eq!(watched, Watched::Changed(vec!["INBOX".to_owned()]));
}

#[test]
fn messages_are_moved_deleted_and_stored_with_what_rev2_took_in() {
    let text = format!(
        r#"
        {PREPARE}
        C: A2 SELECT "INBOX"
        S: * 2 EXISTS
        S: * OK [UIDVALIDITY 7] ok
        S: A2 OK [READ-WRITE] done
        C: A3 UID MOVE 1 "Müll"
        S: * OK [COPYUID 9 1 31] moved
        S: * 1 EXPUNGE
        S: A3 OK done
        C: A4 SELECT "INBOX"
        S: * OK [CLOSED] closed
        S: * 1 EXISTS
        S: * OK [UIDVALIDITY 7] ok
        S: A4 OK [READ-WRITE] done
        C: A5 UID STORE 2 +FLAGS.SILENT (\Deleted)
        S: A5 OK done
        C: A6 UID EXPUNGE 2
        S: * 1 EXPUNGE
        S: A6 OK done
        C: A7 APPEND "Müll" {{3+}}
        C: a
        C:
        S: A7 OK [APPENDUID 9 32] done
        "#
    );
    let mut world = World::default();
    world.put("INBOX", "7", "1", b"a", &[]);
    world.put("INBOX", "7", "2", b"b", &[]);
    world.brought = [b"a\r\n".to_vec()].into();
    let (outcomes, _) = Script::parse(&text).check(&world, |player| {
        let mut session = prepared(player)?;
        let moved = player.run(&mut Mutate::new(&mut session, "INBOX", vec!["1".into()], What::Move("M&APw-ll".into()))?)?;
        let deleted = player.run(&mut Mutate::new(&mut session, "INBOX", vec!["2".into()], What::Delete)?)?;
        let item = postrider_connector::types::Item { size: 3, keywords: Vec::new(), received: None };
        let stored = player.run(&mut Append::new(&mut session, "M&APw-ll", item)?)?;
        Ok((moved[0].moved_to.clone(), deleted[0].failed.is_none(), stored))
    });
    assert_eq!(outcomes, (Some("31".into()), true, Some("32".into())));
}
