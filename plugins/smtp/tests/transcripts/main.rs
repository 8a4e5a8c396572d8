//! Dialogues as servers hold them, played whole, cut at every octet, with late answers, and closed after every line.

mod ending;
mod extensions;
mod lines;
mod lmtp;
mod odd;
mod recipients;
mod sending;

use postrider_connector::testing::{Player, Script, World};
use postrider_connector::types::{Envelope, Error, Extra, Failure, Recipient, Verdict};
use postrider_smtp::mailing::Mailing;
use postrider_smtp::send::{Send, Sent};
use postrider_smtp::session::{Dialect, Session};
use postrider_smtp::settings::Settings;

/// What Postfix 3.7 offers, as far as it matters here.
const POSTFIX: &[&str] = &["PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"];

/// The same without CHUNKING: the message goes with DATA.
const PIPELINED: &[&str] = &["PIPELINING", "SIZE 10240000", "8BITMIME"];

/// A server that knows RFC 821 and nothing else.
const PLAIN: &[&str] = &[];

/// A message of 16 octets.
const MESSAGE: &str = "A: b\r\n\r\n.text\r\nx";

/// One message, its way and its server.
#[derive(Clone)]
struct Scene {
    dialect: Dialect,
    capabilities: Vec<String>,
    settings: Settings,
    envelope: Envelope,
    pieces: Vec<Vec<u8>>,
    /// The line served before.
    is_used: bool,
    holds_back: Option<Error>,
}

/// `MESSAGE` from a@b to `recipients`, on a new line to a server with these capabilities.
fn scene(capabilities: &[&str], recipients: &[&str]) -> Scene {
    let recipients = recipients.iter().map(|&address| Recipient { address: address.to_owned(), extra: Extra::new() }).collect();
    let envelope = Envelope { id: "7".to_owned(), sender: "a@b".to_owned(), recipients, size: 0, extra: Extra::new() };
    let scene = Scene {
        dialect: Dialect::Smtp,
        capabilities: capabilities.iter().map(|&line| line.to_owned()).collect(),
        settings: Settings::default(),
        envelope,
        pieces: Vec::new(),
        is_used: false,
        holds_back: None,
    };
    scene.message(&[MESSAGE.as_bytes()])
}

impl Scene {
    fn message(mut self, pieces: &[&[u8]]) -> Self {
        self.pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        self.envelope.size = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        self
    }

    fn extra(mut self, pairs: &[(&str, &str)]) -> Self {
        self.envelope.extra = extra(pairs);
        self
    }

    fn session(&self) -> Session {
        let mut session = Session::new(self.dialect, &self.capabilities, self.settings.clone());
        session.is_fresh = !self.is_used;
        session
    }

    fn world(&self) -> World {
        World { brought: self.pieces.iter().cloned().collect(), holds_back: self.holds_back.clone(), ..World::default() }
    }

    /// Play `text` once, behind which the line is of no use; one word a recipient, and whether the host made its mark.
    fn play_once(&self, text: &str) -> (String, bool) {
        let converse = |player: &mut Player<'_>| {
            let mut session = self.session();
            let mut mailing = Mailing::new(self.envelope.clone())?;
            let result = player.run(&mut Send::new(&mut session, &mut mailing));
            assert!(session.is_broken, "such a line is used again");
            Ok(match result {
                Ok(Sent::Verdicts(verdicts)) => verdicts.iter().map(word).collect::<Vec<_>>().join(", "),
                Ok(Sent::Stale) => "stale".to_owned(),
                Err(error) => format!("error {} {}", kind(&error), error.code.as_deref().unwrap_or_default()).trim_end().to_owned(),
            })
        };
        let (words, world) = Script::parse(text).play(&self.world(), converse);
        (words, !world.committed.is_empty())
    }

    /// Play `text` in every manner, and closed everywhere; one word a recipient. A line that is lost is held to what may be said of it then.
    fn play(&self, text: &str) -> Vec<String> {
        self.play_with(text, |_| {})
    }

    /// The same, and look at the session behind it.
    fn play_with(&self, text: &str, look: impl Fn(&Session)) -> Vec<String> {
        let converse = |player: &mut Player<'_>| {
            let mut session = self.session();
            let mut mailing = Mailing::new(self.envelope.clone())?;
            let result = player.run(&mut Send::new(&mut session, &mut mailing));
            let committed = player.world.committed.len();
            match result {
                Ok(Sent::Stale) => {
                    assert!(committed == 0 && session.is_broken, "nothing was said on a stale line");
                    Ok(vec!["stale".to_owned()])
                }
                Ok(Sent::Verdicts(verdicts)) => match verdicts.iter().find_map(lost) {
                    Some(error) => {
                        assert!(session.is_broken, "a lost line is used again");
                        let is_unknown = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Unknown(_)));
                        assert_eq!(is_unknown, committed > 0, "{verdicts:?}");
                        Err(error.clone())
                    }
                    // Whoever has a verdict already does not mind that the line is lost.
                    None if session.is_broken => Err(Error::new(Failure::Unreachable, "the line is lost")),
                    None => {
                        look(&session);
                        Ok(verdicts.iter().map(word).collect())
                    }
                },
                Err(error) => {
                    assert_eq!(committed, 0, "an error means that nobody got it: {error:?}");
                    if error.kind == Failure::Unreachable { Err(error) } else { Ok(vec![format!("error {}", kind(&error))]) }
                }
            }
        };
        Script::parse(text).check(&self.world(), converse).0
    }
}

fn extra(pairs: &[(&str, &str)]) -> Extra {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The error of a verdict that is one because the line was lost.
fn lost(verdict: &Verdict) -> Option<&Error> {
    match verdict {
        Verdict::Deferred(error) | Verdict::Unknown(error) if error.kind == Failure::Unreachable => Some(error),
        _ => None,
    }
}

/// "Unreachable", ...
fn kind(error: &Error) -> String {
    format!("{:?}", error.kind).trim_start_matches("Failure::").to_owned()
}

/// A verdict in short: "accepted queued", "refused 5.1.1".
fn word(verdict: &Verdict) -> String {
    let code = |error: &Error| error.code.clone().unwrap_or_else(|| kind(error));
    match verdict {
        Verdict::Accepted(words) => format!("accepted {}", words.as_deref().unwrap_or_default()).trim_end().to_owned(),
        Verdict::Refused(error) => format!("refused {}", code(error)),
        Verdict::Deferred(error) => match error.retry_after_ms {
            Some(ms) => format!("deferred {} for {ms} ms", code(error)),
            None => format!("deferred {}", code(error)),
        },
        Verdict::Unknown(error) => format!("unknown {}", kind(error)),
    }
}
