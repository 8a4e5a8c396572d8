//! A transcript, and the ways to play it.

use std::fmt::Debug;

use super::player::{Manner, Player};
use super::promises::{Covers, check_cursors, check_kept};
use super::world::World;
use crate::types::{Error, Failure};

/// A dialogue.
///
/// ```
/// use postrider_connector::machine::{Actions, Input, Machine, Step};
/// use postrider_connector::testing::{Script, World};
/// use postrider_connector::types::{Error, Failure};
///
/// /// Counts what the server sends until it says that it is over.
/// struct Count(u64);
///
/// impl Machine for Count {
///     type Output = u64;
///
///     fn step(&mut self, input: Input, _: &mut Actions) -> Result<Step<u64>, Error> {
///         match input {
///             Input::Octets(octets) => self.0 += octets.len() as u64,
///             Input::End => return Err(Error::new(Failure::Unreachable, "the server closed the line")),
///             Input::Lost(error) => return Err(error),
///             _ => {}
///         }
///         Ok(if self.0 < 8 { Step::Read } else { Step::Done(self.0) })
///     }
/// }
///
/// let (count, world) = Script::parse("S: abcdef").check(&World::default(), |player| player.run(&mut Count(0)));
/// assert_eq!(count, 8);
/// assert!(world.checkpoints.is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) lines: Vec<Line>,
    covers: Option<Covers>,
}

/// A step of a dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Client(Vec<u8>),
    /// A client's line that makes the server responsible.
    Commit(Vec<u8>),
    /// A client's line that deletes this message.
    Delete(String, Vec<u8>),
    Server(Vec<u8>),
    Signal(Signal),
}

/// What happens besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Wanted,
    Timer,
    TimeUp,
}

impl Script {
    /// Read a transcript.
    ///
    /// # Panics
    /// On a line that is none of the known ones.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut lines: Vec<Line> = Vec::new();
        for line in text.lines() {
            let line = line.trim_start();
            let next = match line.split_at_checked(2) {
                None => continue,
                _ if line.starts_with('#') => continue,
                Some(("C:", rest)) => Line::Client([spaced(rest).as_bytes(), b"\r\n"].concat()),
                Some(("K:", rest)) => Line::Commit([spaced(rest).as_bytes(), b"\r\n"].concat()),
                Some(("D:", rest)) => match spaced(rest).split_once(' ') {
                    Some((id, command)) => Line::Delete(id.to_owned(), [command.as_bytes(), b"\r\n"].concat()),
                    None => panic!("`{line}` names no id and no command"),
                },
                Some(("S:", rest)) => Line::Server([unescape(spaced(rest)).as_slice(), b"\r\n"].concat()),
                Some(("C<", rest)) => Line::Client(unescape(spaced(rest))),
                Some(("S<", rest)) => Line::Server(unescape(spaced(rest))),
                Some(("! ", "wanted")) => Line::Signal(Signal::Wanted),
                Some(("! ", "timer")) => Line::Signal(Signal::Timer),
                Some(("! ", "time-up")) => Line::Signal(Signal::TimeUp),
                Some(_) => panic!("`{line}` is no line of a transcript"),
            };
            lines.push(next);
        }
        Self { lines, covers: None }
    }

    /// Hold every checkpoint against this rule: where `covers(cursor, id)`, the message must have been handed over before the
    /// checkpoint was asked for.
    #[must_use]
    pub fn with_cursor(mut self, covers: fn(cursor: &[u8], id: &str) -> bool) -> Self {
        self.covers = Some(covers);
        self
    }

    /// Play it once, as it stands.
    ///
    /// # Panics
    /// Where the transcript is not followed, or the conversation fails.
    pub fn play<T>(&self, world: &World, converse: impl Fn(&mut Player<'_>) -> Result<T, Error>) -> (T, World) {
        let mut player = Player::new(self, world.clone(), Manner::default());
        match converse(&mut player) {
            Ok(outcome) => {
                player.finish();
                (outcome, player.world)
            }
            Err(error) => panic!("the conversation failed: {error:?}\n{}", player.place()),
        }
    }

    /// Play it in every manner. `converse` makes its machines, runs them with [`Player::run`], and gives what shall not depend on
    /// the manner; it also gets each closed line as an error, and passes it on.
    ///
    /// # Panics
    /// Where the transcript is not followed, an outcome differs, a closed line is not told as one, or a cursor covers a message
    /// that was not handed over.
    pub fn check<T: Debug>(&self, world: &World, converse: impl Fn(&mut Player<'_>) -> Result<T, Error>) -> (T, World) {
        let (outcome, whole) = self.play(world, &converse);
        let expected = format!("{outcome:?} {:?} {:?}", whole.messages, whole.retired);
        check_cursors(self.covers, &whole, &whole);
        let length: usize = self.lines.iter().map(|line| if let Line::Server(octets) = line { octets.len() } else { 0 }).sum();
        let cuts = (1..length).map(|cut| Manner { cut: Some(cut), ..Manner::default() });
        let others = [
            Manner { single: true, ..Manner::default() },
            Manner { late: true, ..Manner::default() },
            Manner { single: true, late: true, ..Manner::default() },
        ];
        for manner in cuts.chain(others) {
            let mut player = Player::new(self, world.clone(), manner);
            let outcome = converse(&mut player).unwrap_or_else(|error| panic!("{manner:?}: the conversation failed: {error:?}"));
            player.finish();
            let found = format!("{outcome:?} {:?} {:?}", player.world.messages, player.world.retired);
            assert_eq!(found, expected, "{manner:?}: another outcome");
            check_cursors(self.covers, &player.world, &whole);
        }
        self.check_closed(world, &whole, &converse);
        (outcome, whole)
    }

    fn check_closed<T: Debug>(&self, world: &World, whole: &World, converse: &impl Fn(&mut Player<'_>) -> Result<T, Error>) {
        let mut sent = 0;
        for line in &self.lines {
            let Line::Server(octets) = line else { continue };
            for (close, late, fails) in
                [(sent, false, false), (sent + octets.len() / 2, false, false), (sent, true, false), (sent, true, true)]
            {
                let manner = Manner { close: Some(close), late, fails, ..Manner::default() };
                let mut player = Player::new(self, world.clone(), manner);
                match converse(&mut player) {
                    Err(error) => assert_eq!(error.kind, Failure::Unreachable, "{manner:?}: a closed line is told as {error:?}"),
                    Ok(outcome) => assert!(!player.was_closed(), "{manner:?}: the end of the line is not told: {outcome:?}"),
                }
                check_cursors(self.covers, &player.world, whole);
                check_kept(self.covers, world, &player.world);
            }
            sent += octets.len();
        }
    }
}

pub(super) fn spaced(rest: &str) -> &str {
    rest.strip_prefix(' ').unwrap_or(rest)
}

pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        let (value, length) = match rest.first() {
            Some(b'r') => (b'\r', 1),
            Some(b'n') => (b'\n', 1),
            Some(b'0') => (0, 1),
            Some(b'\\') => (b'\\', 1),
            Some(b'x') => {
                let digits = rest.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
                (digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(b'x'), 3)
            }
            // `\Seen` and the like stand for themselves.
            _ => (b'\\', 0),
        };
        octets.push(value);
        rest = rest.get(length..).unwrap_or_default();
    }
    octets
}

#[cfg(test)]
mod tests;
