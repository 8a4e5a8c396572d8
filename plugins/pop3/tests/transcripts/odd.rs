//! Servers and messages that are not as they should be: each costs itself, never the maildrop.

use postrider_connector::machine::{Actions, Input, Step};
use postrider_connector::testing::{Script, World};
use postrider_connector::types::Failure;
use postrider_pop3::settings::Settings;
use postrider_pop3::sync::Sync;

use super::{DOVECOT, PLAIN, failing, ids, octets, pass, sync};

/// Two messages.
fn listing(rest: &str) -> String {
    format!(
        "
        C: STAT
        C: UIDL
        S: +OK 2 20
        S: +OK
        S: 1 a
        S: 2 b
        S: .
        C: RETR 1
        C: RETR 2
        {rest}
        "
    )
}

#[test]
fn a_message_that_is_refused_is_looked_for_and_then_set_aside() {
    let text = listing("S: -ERR cannot read it\n S: +OK\n S: two\n S: .\n C: LIST 1\n S: +OK 1 8");
    let world = pass(DOVECOT, Settings::default(), &text, &World::default());
    assert_eq!((ids(&world).len(), octets(&world, "a"), octets(&world, "b")), (2, None, Some(&b"two\r\n"[..])));
}

#[test]
fn a_message_that_is_gone_is_nothing() {
    let text = listing("S: -ERR no such message\n S: +OK\n S: two\n S: .\n C: LIST 1\n S: -ERR no such message");
    let world = pass(DOVECOT, Settings::default(), &text, &World::default());
    assert_eq!(ids(&world), ["b"]);
    // The listing of that session proves nothing: the next one is compared.
    let again = "
        C: STAT
        C: UIDL
        S: +OK 2 20
        S: +OK
        S: 1 a
        S: 2 b
        S: .
        C: RETR 1
        S: +OK
        S: one
        S: .
    ";
    assert_eq!(ids(&pass(DOVECOT, Settings::default(), again, &world)), ["a", "b"]);
}

#[test]
fn a_server_that_refuses_one_message_after_the_other_is_at_fault_itself() {
    let mut text = String::from("C: STAT\nS: +OK 60 600\nC: UIDL\nS: +OK\n");
    (1..=60).for_each(|number| text.push_str(&format!("S: {number} u{number}\n")));
    text.push_str("S: .\n");
    // Without pipelining, the look for a refused message comes before the next one.
    (1..=51).for_each(|number| text.push_str(&format!("C: RETR {number}\nS: -ERR no\nC: LIST {number}\nS: +OK {number} 8\n")));
    let (world, error) = failing(PLAIN, Settings::default(), &text, &World::default());
    assert_eq!(error.kind, Failure::Transient);
    assert!(error.message.contains("one message after the other"), "{}", error.message);
    assert_eq!(ids(&world).len(), 50, "those were set aside");
}

#[test]
fn dots_and_line_ends_anywhere_are_the_messages_own() {
    let text = listing(
        r"S: +OK
        S< .\r\n
        S: +OK
        S< ..\r\n...\r\n..\r\n\r\n.. \r\n..\rx\r\n\n.\nbare\r\n\0\xff\r\n.\r\n",
    );
    let world = pass(DOVECOT, Settings::default(), &text, &World::default());
    assert_eq!(octets(&world, "a"), Some(&b""[..]));
    assert_eq!(octets(&world, "b"), Some(&b".\r\n..\r\n.\r\n\r\n. \r\n.\rx\r\n\n.\nbare\r\n\0\xff\r\n"[..]));
}

#[test]
fn a_goodbye_in_the_middle_is_no_answer_to_a_command() {
    // It stands where the answer to RETR 1 would: the line is over before anything is concluded of it.
    let text = listing("S: -ERR idle for too long");
    let (_, world) = Script::parse(&text).play(&World::default(), |player| {
        let mut line = super::session(DOVECOT, Settings::default());
        let mut machine = Sync::new(&mut line, None);
        let mut ended = Ended { machine: &mut machine, after: "idle for too long" };
        Ok(player.run(&mut ended).unwrap_err())
    });
    assert!(world.messages.is_empty(), "{:?}", world.messages);
}

/// A line that ends right after the server said this.
struct Ended<'a, 'b> {
    machine: &'a mut Sync<'b>,
    after: &'static str,
}

impl postrider_connector::machine::Machine for Ended<'_, '_> {
    type Output = postrider_pop3::sync::Synced;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<Self::Output>, postrider_connector::types::Error> {
        let ends = matches!(&input, Input::Octets(octets) if String::from_utf8_lossy(octets).contains(self.after));
        let step = self.machine.step(input, actions)?;
        if ends { self.machine.step(Input::End, actions) } else { Ok(step) }
    }
}

#[test]
fn gmail_lists_some_at_a_time_and_is_asked_until_it_has_no_more() {
    let one = |uidl: &str| format!("C: STAT\nC: UIDL\nS: +OK 1 10\nS: +OK\nS: 1 {uidl}\nS: .\nC: RETR 1\nS: +OK\nS: {uidl}\nS: .\n");
    let text = format!("{}{}C: STAT\nC: UIDL\nS: +OK 0 0\nS: +OK\nS: .", one("a"), one("b"));
    let settings = Settings { until_no_news: true, ..Settings::default() };
    let (sessions, world) = Script::parse(&text).play(&World::default(), |player| sync(player, DOVECOT, &settings));
    assert_eq!(sessions, 3);
    assert_eq!((octets(&world, "a"), octets(&world, "b")), (Some(&b"a\r\n"[..]), Some(&b"b\r\n"[..])));
}
