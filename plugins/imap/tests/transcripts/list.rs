//! Folders.

use postrider_connector::testing::{Script, World};
use postrider_connector::types::Folder;
use postrider_imap::list::List;

use super::{DOVECOT, session};

fn folders(capabilities: &str, text: &str) -> Vec<Folder> {
    Script::parse(text).check(&World::default(), |player| player.run(&mut List::new(&mut session(capabilities)))).0
}

fn shown(folders: &[Folder]) -> Vec<String> {
    folders
        .iter()
        .map(|folder| {
            format!("{} | {} | {} | {}", folder.id, folder.path.join(" > "), folder.role.as_deref().unwrap_or("-"), folder.selectable)
        })
        .collect()
}

#[test]
fn roles_come_with_the_list() {
    let found = folders(
        DOVECOT,
        r#"
        C: A1 LIST "" "*" RETURN (SPECIAL-USE)
        S: * LIST (\HasNoChildren \Sent) "/" Gesendet
        S: * LIST (\HasNoChildren \Trash) "/" "Gel&APY-scht"
        S: * LIST (\Noselect \HasChildren) "/" lists
        S: * LIST (\HasNoChildren) "/" "lists/R&-D"
        S: * LIST (\NonExistent) "/" gone
        S: * LIST (\HasNoChildren) "/" INBOX
        S: A1 OK List completed (0.001 + 0.000 secs).
        "#,
    );
    assert_eq!(
        shown(&found),
        [
            "Gesendet | Gesendet | sent | true",
            "Gel&APY-scht | Gelöscht | trash | true",
            "lists | lists | - | false",
            "lists/R&-D | lists > R&D | - | true",
            "gone | gone | - | false",
            "INBOX | INBOX | inbox | true",
        ]
    );
}

#[test]
fn odd_names_survive() {
    let found = folders(
        "IMAP4rev1",
        r#"
        C: A1 LIST "" "*"
        S: * OK a word in between
        S: * LIST () NIL Inbox
        # A literal, an escaped quote, octets that are no UTF-8, and a name that Exchange once left unquoted.
        S: * LIST () "." {9}
        S: a (b) "c"
        S: * LIST () "\\\\" "x\\"y\\\\z"
        S: * LIST () "/" "caf\xe9"
        S: * LIST () "/" Sent Items
        # Twice the same, as some servers do when a folder is subscribed.
        S: * LIST () "/" "Sent Items"
        S: * LIST () "/"
        S: * LIST (((( "/" x
        S: A1 OK done
        "#,
    );
    assert_eq!(
        shown(&found),
        [
            "Inbox | Inbox | inbox | true",
            "a (b) \"c\" | a (b) \"c\" | - | true",
            "x\"y\\z | x\"y > z | - | true",
            "raw:636166e9 | caf\u{fffd} | - | true",
            "Sent Items | Sent Items | - | true",
        ]
    );
}

#[test]
fn the_operators_selection_holds() {
    let text = r#"
        C: A1 LIST "" "*"
        S: * LIST () "/" INBOX
        S: * LIST () "/" Spam
        S: * LIST () "/" "Archive"
        S: * LIST () "/" "Archive/2019"
        S: * LIST () "/" "Archive/2024"
        S: * LIST () "/" "Entw&APw-rfe"
        S: * LIST () "/" Other
        S: A1 OK done
    "#;
    let (found, _) = Script::parse(text).check(&World::default(), |player| {
        let mut session = session("IMAP4rev1");
        session.settings.include = ["inbox", "Archive", "Entwürfe", "Spam"].map(str::to_owned).to_vec();
        session.settings.exclude = ["role:junk", "Archive/2019"].map(str::to_owned).to_vec();
        session.settings.roles = ["Spam=junk", "Archive=archive"].map(str::to_owned).to_vec();
        player.run(&mut List::new(&mut session))
    });
    assert_eq!(
        shown(&found),
        [
            "INBOX | INBOX | inbox | true",
            "Archive | Archive | archive | true",
            "Archive/2024 | Archive > 2024 | - | true",
            "Entw&APw-rfe | Entwürfe | - | true",
        ]
    );
}

#[test]
fn extended_data_behind_a_name_is_no_part_of_it() {
    let found = folders(
        "IMAP4rev1",
        r#"
        C: A1 LIST "" "*"
        S: * LIST () "/" INBOX ("OLDNAME" ("inbox"))
        S: * LIST (\HasChildren) "/" "a" ("CHILDINFO" ("SUBSCRIBED"))
        S: * LIST () "/" b ("odd") name
        S: A1 OK done
        "#,
    );
    assert_eq!(shown(&found), ["INBOX | INBOX | inbox | true", "a | a | - | true", "b (\"odd\") name | b (\"odd\") name | - | true"]);
}
