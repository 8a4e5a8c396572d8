//! Mailboxes with ids (RFC 8474): a renamed one stays the folder that it was.

use postrider_connector::testing::{Player, Script, World};
use postrider_connector::types::Error;
use postrider_imap::list::List;
use postrider_imap::mailboxes::Mailboxes;

use super::{session, sync};

/// List twice, the second time in a new session that knows what the first left, and receive the folder `Old`.
fn listed_twice(player: &mut Player<'_>, capabilities: &str) -> Result<Vec<String>, Error> {
    let mut first = session(capabilities);
    player.run(&mut List::new(&mut first))?;
    let mut second = session(capabilities);
    second.mailboxes = Mailboxes::decode(&first.mailboxes.encode().unwrap());
    let folders = player.run(&mut List::new(&mut second))?;
    sync(player, &mut second, "Old")?;
    Ok(folders.into_iter().map(|folder| format!("{} | {}", folder.id, folder.path.join(" > "))).collect())
}

const RECEIVE: &str = r#"
    C: A2 EXAMINE "New"
    S: * 1 EXISTS
    S: * OK [UIDVALIDITY 7] ok
    S: * OK [UIDNEXT 2] ok
    S: * OK [MAILBOXID (F2)] ok
    S: A2 OK done
    C: A3 UID SEARCH RETURN (ALL) UID 1:*
    S: * ESEARCH (TAG "A3") UID ALL 1
    S: A3 OK done
    C: A4 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE EMAILID THREADID)
    S: * 1 FETCH (UID 1 FLAGS () EMAILID (M1) THREADID NIL)
    S: A4 OK done
    C: A5 UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE EMAILID THREADID BODY.PEEK[])
    S: * 1 FETCH (UID 1 FLAGS () EMAILID (M1) BODY[] {1}
    S: a)
    S: A5 OK done
"#;

#[test]
fn a_renamed_folder_keeps_its_id_and_shows_its_new_name() {
    let text = format!(
        r#"
        C: A1 LIST "" "*" RETURN (STATUS (MAILBOXID))
        S: * LIST () "/" INBOX
        S: * STATUS INBOX (MAILBOXID (F1))
        S: * STATUS Old (MAILBOXID (F2))
        S: * LIST () "/" Old
        S: A1 OK done
        C: A1 LIST "" "*" RETURN (STATUS (MAILBOXID))
        S: * LIST () "/" INBOX
        S: * STATUS INBOX (MAILBOXID (F1))
        S: * LIST () "/" New
        S: * STATUS "New" (MAILBOXID (F2))
        S: * LIST () "/" Old
        S: * STATUS Old (MAILBOXID (F3))
        S: A1 OK done
        {RECEIVE}
        "#
    );
    let (folders, world) =
        Script::parse(&text).check(&World::default(), |player| listed_twice(player, "IMAP4rev1 ESEARCH LIST-STATUS OBJECTID"));
    assert_eq!(folders, ["INBOX | INBOX", "Old | New", "Old#1 | Old"]);
    assert_eq!(world.ids("Old", "7"), ["1"], "under the id that it had");
}

#[test]
fn servers_without_list_status_are_asked_for_each_id_and_may_refuse() {
    let list = |names: &str, first: u32| {
        names
            .split(' ')
            .enumerate()
            .map(|(at, name)| format!("C: A{} STATUS \"{name}\" (MAILBOXID)\n", first + at as u32))
            .collect::<String>()
    };
    let text = format!(
        r#"
        C: A1 LIST "" "*"
        S: * LIST () "/" INBOX
        S: * LIST () "/" Old
        S: * LIST (\Noselect) "/" lists
        S: A1 OK done
        {}
        S: A2 NO not yours
        S: * STATUS Old (MAILBOXID (F2))
        S: A3 OK done
        C: A1 LIST "" "*"
        S: * LIST () "/" INBOX
        S: * LIST () "/" New
        S: A1 OK done
        {}
        S: * STATUS New (MAILBOXID (F2))
        S: A3 OK done
        S: A2 NO not yours
        {}
        "#,
        list("INBOX Old", 2),
        list("INBOX New", 2),
        RECEIVE.replace("A5", "A7").replace("A4", "A6").replace("A3", "A5").replace("A2", "A4"),
    );
    let (folders, _) = Script::parse(&text).check(&World::default(), |player| listed_twice(player, "IMAP4rev1 ESEARCH OBJECTID"));
    assert_eq!(folders, ["INBOX | INBOX", "Old | New"]);
}

#[test]
fn a_listing_that_cannot_be_read_whole_proves_no_mailbox_gone() {
    let list = |second: &str| {
        format!(
            r#"
            C: A1 LIST "" "*" RETURN (STATUS (MAILBOXID))
            S: * LIST () "/" Old
            S: * STATUS Old (MAILBOXID (F2))
            S: A1 OK done
            C: A1 LIST "" "*" RETURN (STATUS (MAILBOXID))
            {second}
            S: A1 OK done
            "#
        )
    };
    let kept = |second: &str| {
        Script::parse(&list(second))
            .check(&World::default(), |player| {
                let mut first = session("IMAP4rev1 LIST-STATUS OBJECTID");
                player.run(&mut List::new(&mut first))?;
                let mut second = session("IMAP4rev1 LIST-STATUS OBJECTID");
                second.mailboxes = first.mailboxes.clone();
                player.run(&mut List::new(&mut second))?;
                Ok(second.mailboxes == first.mailboxes)
            })
            .0
    };
    assert!(kept("S: * LIST ((("), "a response that is none");
    assert!(!kept("S: * LIST () \"/\" Other"), "a mailbox that is not listed is gone");
}
