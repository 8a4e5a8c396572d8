//! A line that serves one message after the other.

use super::*;

/// One message without extensions, to `recipient`.
fn one(recipient: &str) -> String {
    format!(
        "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<{recipient}>\nS: 250 ok\nC: DATA\nS: 354 go\nC: A: b\nC:\nC: ..text\nC: x\nK: .\nS: 250 ok\n"
    )
}

#[test]
fn rset_is_said_only_where_a_transaction_was_left() {
    let refused = "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<no@y>\nS: 550 no\n";
    let text = format!("{}{}{refused}C: RSET\nS: 250 ok\n{}", one("x@y"), one("x@y"), one("x@y"));
    let converse = |player: &mut Player<'_>| {
        let mut session = scene(PLAIN, &[]).session();
        let mut verdicts = Vec::new();
        for recipient in ["x@y", "x@y", "no@y", "x@y"] {
            let scene = scene(PLAIN, &[recipient]);
            let pieces = scene.world().brought;
            player.world.brought.clone_from(&pieces);
            let mut mailing = Mailing::new(scene.envelope)?;
            match player.run(&mut Send::new(&mut session, &mut mailing))? {
                Sent::Verdicts(found) => match found.iter().find_map(lost) {
                    Some(error) => return Err(error.clone()),
                    None => verdicts.extend(found.iter().map(word)),
                },
                Sent::Stale => return Err(Error::new(Failure::Unreachable, "stale")),
            }
        }
        Ok(verdicts)
    };
    let (verdicts, world) = Script::parse(&text).check(&World::default(), converse);
    assert_eq!(verdicts, ["accepted ok", "accepted ok", "refused 550", "accepted ok"]);
    assert_eq!(world.committed.len(), 3);
}

#[test]
fn a_line_that_the_server_gave_up_meanwhile_costs_nothing() {
    for (capabilities, commands) in
        [(PLAIN, "C: MAIL FROM:<a@b>"), (PIPELINED, "C: MAIL FROM:<a@b> SIZE=16 BODY=8BITMIME\nC: RCPT TO:<x@y>\nC: DATA")]
    {
        let mut scene = scene(capabilities, &["x@y"]);
        scene.is_used = true;
        let text = format!("{commands}\nS: 421 4.4.2 idle for too long\n");
        assert_eq!(scene.play_stale(&text), "stale");
    }
    let mut chunked = scene(POSTFIX, &["x@y"]).message(&[b"A: b\r\n\r\n"]);
    chunked.is_used = true;
    let text = "C: MAIL FROM:<a@b> SIZE=8 BODY=8BITMIME\nC: RCPT TO:<x@y>\nC: BDAT 6\nC: A: b\nS: 421 4.4.2 idle for too long";
    assert_eq!(chunked.play_stale(text), "stale", "the chunk is still here");
}

#[test]
fn the_message_goes_on_another_line() {
    let mut scene = scene(PLAIN, &["x@y"]);
    scene.is_used = true;
    let text = format!("C: MAIL FROM:<a@b>\nS: 421 bye\n{}", one("x@y"));
    let converse = |player: &mut Player<'_>| {
        let mut mailing = Mailing::new(scene.envelope.clone())?;
        let stale = player.run(&mut Send::new(&mut scene.session(), &mut mailing))?;
        assert!(matches!(stale, Sent::Stale));
        let mut fresh = Session::new(Dialect::Smtp, &[], Settings::default());
        match player.run(&mut Send::new(&mut fresh, &mut mailing))? {
            Sent::Verdicts(verdicts) => Ok(verdicts.iter().map(word).collect::<Vec<_>>()),
            Sent::Stale => Ok(vec!["stale".to_owned()]),
        }
    };
    let (verdicts, _) = Script::parse(&text).play(&scene.world(), converse);
    assert_eq!(verdicts, ["accepted ok"]);
}

impl Scene {
    /// Play `text`, whole and octet by octet, where the line is stale; a closed line is stale too.
    fn play_stale(&self, text: &str) -> String {
        let converse = |player: &mut Player<'_>| {
            let (mut session, mut mailing) = (self.session(), Mailing::new(self.envelope.clone())?);
            match player.run(&mut Send::new(&mut session, &mut mailing)) {
                Ok(Sent::Stale) => Ok("stale".to_owned()),
                other => Ok(format!("{other:?}")),
            }
        };
        Script::parse(text).play(&self.world(), converse).0
    }
}
