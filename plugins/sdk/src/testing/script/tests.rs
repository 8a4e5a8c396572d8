use super::*;
use crate::line::{Line as Read, LineReader};
use crate::machine::{Action, Actions, Answer, Input, Machine, Question, Step, Token};
use crate::types::{Arrival, Scope};

const SCRIPT: &str = r"
    C: GET
    S: text
    D: 1 DELETE
    S: gone
";

/// Fetches a message of one line, makes it durable, and deletes it on the server; how long it waits before that is what is tested.
struct Remove {
    reader: LineReader,
    lines: u32,
    message: Option<Token>,
    checkpoint: Option<Token>,
    patience: Patience,
}

#[derive(Clone, Copy, PartialEq)]
enum Patience {
    /// Until the checkpoint is answered.
    Answer,
    /// Until it is asked for.
    Question,
    /// Not at all: the command stands behind the one that fetches.
    None,
}

fn scope() -> Scope {
    Scope { folder: None, generation: String::new() }
}

impl Machine for Remove {
    type Output = ();

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<()>, Error> {
        match input {
            Input::Start => {
                actions.write("GET\r\n");
                if self.patience == Patience::None {
                    actions.write("DELETE\r\n");
                }
            }
            Input::Octets(octets) => self.reader.feed(octets),
            Input::End => return Err(Error::new(Failure::Unreachable, "closed")),
            Input::Lost(error) => return Err(error),
            Input::Answer(token, Answer::Done(Ok(()))) if Some(token) == self.message => {
                self.checkpoint = Some(actions.ask(Question::Checkpoint(scope(), Vec::new())));
                if self.patience == Patience::Question {
                    actions.write("DELETE\r\n");
                }
            }
            Input::Answer(token, _) if Some(token) == self.checkpoint && self.patience == Patience::Answer => actions.write("DELETE\r\n"),
            _ => {}
        }
        if let Some(Read::Whole(line)) = self.reader.line() {
            self.lines += 1;
            if self.lines == 1 {
                let token = actions.begin(scope(), Arrival::new("1"));
                actions.put(Action::Piece(token, line.to_vec()));
                actions.put(Action::Finish(token, Ok(line.len() as u64)));
                self.message = Some(token);
            }
        }
        Ok(if self.lines < 2 { Step::Read } else { Step::Done(()) })
    }
}

fn play(patience: Patience) {
    let machine = || Remove { reader: LineReader::new(80), lines: 0, message: None, checkpoint: None, patience };
    Script::parse(SCRIPT).play(&World::default(), |player| player.run(&mut machine()));
}

#[test]
fn what_is_durable_may_be_deleted() {
    play(Patience::Answer);
}

#[test]
#[should_panic(expected = "message 1 is deleted on the server before a checkpoint")]
fn a_deletion_before_the_answer_is_found() {
    play(Patience::Question);
}

#[test]
#[should_panic(expected = "message 1 is deleted on the server before a checkpoint")]
fn a_deletion_that_was_written_ahead_is_found() {
    play(Patience::None);
}

#[test]
#[should_panic(expected = "names no id and no command")]
fn a_deletion_names_its_message() {
    drop(Script::parse("D: DELETE"));
}
