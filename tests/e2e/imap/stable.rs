//! Servers whose messages have ids of their own (RFC 8474): what the host has is not fetched again.

use std::sync::Arc;

use harness::scripted::{Command, Line, Mailbox, Scripted, Trick};

use crate::hostile::{asks_for_bodies, assert_all_stored, home_for};
use crate::scene::{ACCOUNT, stored};

/// The server offers OBJECTID, and tells ids that outlive a new UIDVALIDITY.
fn with_object_ids(mailbox: &harness::scripted::Shared) -> Scripted {
    let copy = Arc::clone(mailbox);
    Scripted::imap(mailbox, move |command: &Command, line: &mut Line| {
        if command.text == "CAPABILITY" {
            line.write(format!("* CAPABILITY IMAP4rev1 OBJECTID\r\n{} OK done\r\n", command.tag).as_bytes());
            return Trick::Answered;
        }
        if !command.text.contains("EMAILID") || asks_for_bodies(command) {
            return Trick::Honest;
        }
        let mut answer = String::new();
        for (index, held) in copy.lock().unwrap().messages.iter().enumerate() {
            // Not every message has one.
            let id = if held.uid % 5 == 0 { "NIL".to_owned() } else { format!("(M{})", held.uid) };
            answer += &format!("* {} FETCH (UID {} FLAGS (\\Seen) EMAILID {id} THREADID (T1))\r\n", index + 1, held.uid);
        }
        line.write(format!("{answer}{} OK done\r\n", command.tag).as_bytes());
        Trick::Answered
    })
}

#[test]
fn a_new_uidvalidity_fetches_only_what_has_no_id() {
    let mailbox = Mailbox::of(20, 400).shared();
    let server = with_object_ids(&mailbox);
    let postrider = home_for(&server);
    postrider.succeed(&["receive", ACCOUNT]);
    assert_all_stored(&postrider, &mailbox);
    let before: Vec<String> = stored(&postrider).into_iter().map(|message| message.id).collect();
    mailbox.lock().unwrap().validity = 2;
    let heard = server.heard().len();
    postrider.succeed(&["receive", ACCOUNT]);
    let asked: Vec<String> = server.heard().split_off(heard).into_iter().filter(|line| line.contains("BODY.PEEK[]")).collect();
    assert!(matches!(asked.as_slice(), [one] if one.contains("FETCH 5,10,15,20 ")), "{asked:?}");
    assert_eq!(stored(&postrider).into_iter().map(|message| message.id).collect::<Vec<_>>(), before);
    assert_all_stored(&postrider, &mailbox);
}
