//! How many commands are sent ahead of their answers.

use postrider_connector::machine::{Action, Actions, Answer, Input, Machine as _, Question, Step};
use postrider_imap::sync::Sync;

use super::session;

/// How many FETCH commands were ever ahead of their answers, where a read brings what `reads` says of each answer.
fn most_ahead(read_past_the_answer: bool) -> usize {
    let mut session = session("IMAP4rev1 ESEARCH");
    session.settings.batch_messages = 1;
    let mut machine = Sync::new(&mut session, "INBOX", None).unwrap();
    let (mut actions, mut input, mut most, mut answered) = (Actions::default(), Input::Start, 0, 0);
    let mut sent: Vec<u32> = Vec::new();
    loop {
        let step = machine.step(input, &mut actions).unwrap();
        let mut next = None;
        while let Some(action) = actions.pop() {
            match action {
                Action::Write(octets) => {
                    let line = String::from_utf8(octets).unwrap();
                    match line.split_once(" UID FETCH ") {
                        Some((_, rest)) => sent.push(rest.split(' ').next().unwrap().parse().unwrap()),
                        None if line.contains("EXAMINE") => {
                            next = Some(Input::Octets(
                                b"* 100 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 101] ok\r\nA1 OK x\r\n".to_vec(),
                            ));
                        }
                        None => next = Some(Input::Octets(b"* ESEARCH (TAG \"A2\") UID ALL 1:100\r\nA2 OK x\r\n".to_vec())),
                    }
                }
                Action::Ask(token, Question::Unseen(_, ids)) => next = Some(Input::Answer(token, Answer::Ids(Ok(ids)))),
                Action::Ask(token, Question::Known(..)) => {
                    let page = postrider_connector::types::Page { ids: Vec::new(), next: None };
                    next = Some(Input::Answer(token, Answer::Page(Ok(page))));
                }
                _ => {}
            }
        }
        most = most.max(sent.len() - answered);
        if matches!(step, Step::Done(())) || answered == 40 {
            return most;
        }
        input = next.unwrap_or_else(|| {
            let uid = *sent.get(answered).unwrap();
            answered += 1;
            // Of the next answer the beginning, where the line is full.
            let (head, tail) = if read_past_the_answer {
                (if uid == 1 { "* 1 FETCH (" } else { "" }, format!("* {} FETCH (", uid + 1))
            } else {
                ("* 1 FETCH (", String::new())
            };
            Input::Octets(format!("{head}UID {uid} FLAGS () BODY[] NIL)\r\nA{} OK x\r\n{tail}", uid + 2).into_bytes())
        });
    }
}

#[test]
fn as_many_commands_are_ahead_as_the_line_needs() {
    assert_eq!(most_ahead(true), 3, "a line that is never idle needs no more");
    assert_eq!(most_ahead(false), 12, "one that runs dry after every answer gets them all");
}
