//! Transcripts for tests: `S: ` a line of the server, `C: ` a line of ours, `T:` TLS begins, `G:` greeted. Each can be fed whole, cut
//! at every byte and closed at every byte.

use bytes::BytesMut;

use super::{Opening, Preamble, Problem, Step};
use crate::net::sasl::Identity;
use crate::net::sasl::tests::identity;

/// The password of every transcript.
pub(super) const SECRET: &str = "correct horse";

/// What a transcript expects of the machine, piece by piece.
#[derive(Debug)]
enum Line {
    Server(Vec<u8>),
    Client(Vec<u8>),
    Tls,
    Greeted,
}

/// Who signs in in every transcript.
pub(super) fn somebody() -> Option<Identity> {
    Some(identity("me", SECRET))
}

fn lines(transcript: &str) -> Vec<Line> {
    transcript
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| match line.split_at(2) {
            ("S:", rest) => Line::Server(format!("{}\r\n", rest.trim_start()).into_bytes()),
            ("C:", rest) => Line::Client(format!("{}\r\n", rest.trim_start()).into_bytes()),
            ("T:", _) => Line::Tls,
            ("G:", _) => Line::Greeted,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Run the machine against the transcript, with at most `piece` octets of the server's at a time, closing the line after `limit`
/// of them. At the end every line was used, unless it was closed.
pub(super) fn run(machine: &mut dyn Preamble, transcript: &str, piece: usize, limit: usize) -> Result<Opening, Problem> {
    let mut lines = lines(transcript).into_iter().peekable();
    let (mut pending, mut given) = (BytesMut::new(), 0);
    let mut due: Vec<u8> = Vec::new();
    loop {
        match machine.step(&mut pending)? {
            Step::Read => {
                while due.is_empty() {
                    match lines.next() {
                        Some(Line::Server(octets)) => due = octets,
                        Some(other) => panic!("reads where the transcript has {other:?}"),
                        None => return Err(machine.closed(&pending)),
                    }
                }
                // The server's lines in a row come in one piece, when pieces are large.
                while let Some(Line::Server(octets)) = lines.next_if(|line| matches!(line, Line::Server(_))) {
                    due.extend(octets);
                }
                let now = piece.min(due.len()).min(limit - given);
                if now == 0 {
                    return Err(machine.closed(&pending));
                }
                pending.extend(due.drain(..now));
                given += now;
            }
            Step::Write(octets) => {
                assert!(due.is_empty(), "writes before it read `{}`", String::from_utf8_lossy(&due));
                match lines.next() {
                    Some(Line::Client(line)) => {
                        assert_eq!(String::from_utf8_lossy(&octets), String::from_utf8_lossy(&line));
                    }
                    other => panic!("writes `{}` where the transcript has {other:?}", String::from_utf8_lossy(&octets)),
                }
            }
            Step::StartTls => {
                assert!(matches!(lines.next(), Some(Line::Tls)), "TLS begins too early");
                machine.secured(None);
            }
            Step::Greeted => assert!(matches!(lines.next(), Some(Line::Greeted)), "greeted too early"),
            Step::Busy => {}
            Step::Done(opening) => {
                let left: Vec<Line> = lines.collect();
                assert!(left.is_empty(), "ready before {left:?}");
                return Ok(opening);
            }
        }
    }
}

/// Run it in one piece.
pub(super) fn whole(mut machine: impl Preamble, transcript: &str) -> Result<Opening, Problem> {
    run(&mut machine, transcript, usize::MAX, usize::MAX)
}

/// Run a good transcript whole, cut at every byte and closed at every byte; gives what it opens.
pub(super) fn every_way<M: Preamble>(machine: impl Fn() -> M, transcript: &str) -> Opening {
    let opening = whole(machine(), transcript).unwrap();
    for piece in 1..80 {
        assert_eq!(run(&mut machine(), transcript, piece, usize::MAX).as_ref(), Ok(&opening), "{piece}: {transcript}");
    }
    let octets: usize = lines(transcript).iter().map(|line| if let Line::Server(octets) = line { octets.len() } else { 0 }).sum();
    for limit in 0..octets {
        let problem = run(&mut machine(), transcript, usize::MAX, limit).unwrap_err();
        assert!(matches!(problem, Problem::Closed { .. } | Problem::ClosedBeforeGreeting { .. }), "{limit}: {problem:?}");
        assert!(!format!("{problem:?}").contains(SECRET));
    }
    opening
}
