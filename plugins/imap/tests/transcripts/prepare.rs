//! What is said before anything else.

use postrider_connector::testing::{Script, World};
use postrider_imap::list::List;
use postrider_imap::prepare::Prepare;
use postrider_imap::session::Session;

use super::session;

fn prepared(capabilities: &str, text: &str) -> Session {
    let begin = |player: &mut postrider_connector::testing::Player<'_>| {
        let mut session = session(capabilities);
        player.run(&mut Prepare::new(&mut session))?;
        Ok(session)
    };
    // What a session is does not depend on how its octets were cut; its buffers may.
    Script::parse(text).check(&World::default(), |player| begin(player).map(|session| (session.enabled, session.namespaces)));
    Script::parse(text).play(&World::default(), begin).0
}

#[test]
fn a_plain_server_is_asked_nothing() {
    assert!(prepared("IMAP4rev1 QRESYNC", "").enabled.is_empty());
}

#[test]
fn what_is_refused_is_done_without() {
    let text = r"
        C: A1 ENABLE QRESYNC UTF8=ACCEPT
        C: A2 NAMESPACE
        S: A1 BAD what
        S: A2 NO not now
    ";
    let session = prepared("IMAP4rev1 ENABLE QRESYNC UTF8=ACCEPT NAMESPACE", text);
    assert!(session.enabled.is_empty() && !session.utf8);
    assert_eq!(session.name("Entw&APw-rfe").unwrap(), b"Entw&APw-rfe");
}

#[test]
fn names_are_utf8_where_the_server_agrees_and_ids_stay() {
    let text = r#"
        C: A1 ENABLE UTF8=ACCEPT
        S: * ENABLED UTF8=ACCEPT
        S: A1 OK done
        C: A2 LIST "" "*"
        S: * LIST () "/" "Entw\xc3\xbcrfe/R&D"
        S: A2 OK done
    "#;
    let (found, _) = Script::parse(text).check(&World::default(), |player| {
        let mut session = session("IMAP4rev1 ENABLE UTF8=ACCEPT");
        player.run(&mut Prepare::new(&mut session))?;
        let folders = player.run(&mut List::new(&mut session))?;
        Ok((folders[0].id.clone(), folders[0].path.clone(), session.name(&folders[0].id)?))
    });
    assert_eq!(found.0, "Entw&APw-rfe/R&-D");
    assert_eq!(found.1, ["Entwürfe", "R&D"]);
    assert_eq!(found.2, "Entwürfe/R&D".as_bytes());
    // IMAP4rev2 alone is UTF-8 from its first word.
    assert!(session("IMAP4rev2").utf8 && !session("IMAP4rev1 IMAP4rev2").utf8);
}

#[test]
fn other_peoples_folders_are_left_out_unless_they_are_asked_for() {
    let begin = r##"
        C: A1 NAMESPACE
        S: * NAMESPACE (("INBOX." ".")) (("user." ".")) (("#shared." "."))
        S: A1 OK done
        C: A2 LIST "" "*"
    "##;
    let all = r##"
        S: * LIST () "." INBOX
        S: * LIST () "." INBOX.Sent
        S: * LIST (\Noselect) "." "#shared"
        S: * LIST () "." user.fred
    "##;
    let found = |shared: bool, text: &str| {
        let list = |player: &mut postrider_connector::testing::Player<'_>| {
            let mut session = session("IMAP4rev1 NAMESPACE");
            session.settings.shared_folders = shared;
            player.run(&mut Prepare::new(&mut session))?;
            player.run(&mut List::new(&mut session))
        };
        let (folders, _) = Script::parse(text).check(&World::default(), list);
        folders.into_iter().map(|folder| folder.id).collect::<Vec<_>>()
    };
    assert_eq!(found(false, &format!("{begin}{all}S: A2 OK done")), ["INBOX", "INBOX.Sent"]);
    let text = format!(
        "{begin}C: A3 LIST \"\" \"user.*\"\nC: A4 LIST \"\" \"#shared.*\"\n{all}S: A2 OK done\nS: A3 NO not yours\nS: * LIST () \".\" \"#shared.news\"\nS: A4 OK done"
    );
    assert_eq!(found(true, &text), ["INBOX", "INBOX.Sent", "#shared", "user.fred", "#shared.news"]);
}
