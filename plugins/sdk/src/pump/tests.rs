use std::cell::RefCell;
use std::future::{pending, ready};
use std::pin::pin;
use std::task::Waker;

use super::*;
use crate::testing::block_on;
use crate::types::{Arrival, Level, Scope};

/// Something that others wait for until it is opened.
#[derive(Default)]
struct Gate {
    is_open: Cell<bool>,
    wakers: RefCell<Vec<Waker>>,
}

impl Gate {
    fn open(&self) {
        self.is_open.set(true);
        self.wakers.take().into_iter().for_each(Waker::wake);
    }

    async fn pass(&self) {
        poll_fn(|context| {
            if self.is_open.get() {
                return Poll::Ready(());
            }
            self.wakers.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A message that was handed over: its id, its octets, and how it ended.
type Taken = (String, Vec<u8>, Result<u64, Error>);

/// The world of a test: what is read stands in a list, the host answers when its gate is open.
#[derive(Default)]
struct World {
    reads: RefCell<VecDeque<Result<Vec<u8>, Error>>>,
    /// Which reads were asked for: the time-out of each.
    asked_to_read: RefCell<Vec<Option<u64>>>,
    written: RefCell<Vec<Vec<u8>>>,
    write_fails: Cell<bool>,
    /// Open: writes end.
    line: Gate,
    /// Open: the host answers.
    host: Gate,
    calls: Cell<usize>,
    most_calls: Cell<usize>,
    taken: RefCell<Vec<Taken>>,
    brought: RefCell<VecDeque<Vec<u8>>>,
    /// Open: the shorter timers go off.
    clock: Gate,
    /// Where there is one, checkpoints wait for it.
    store: Option<Gate>,
}

impl World {
    /// Everything answers at once.
    fn open() -> Self {
        let world = Self::default();
        world.line.open();
        world.host.open();
        world.clock.open();
        world
    }

    fn reads(self, reads: impl IntoIterator<Item = Result<Vec<u8>, Error>>) -> Self {
        self.reads.borrow_mut().extend(reads);
        self
    }

    async fn call(&self) {
        self.calls.set(self.calls.get() + 1);
        self.most_calls.set(self.most_calls.get().max(self.calls.get()));
        self.host.pass().await;
        self.calls.set(self.calls.get() - 1);
    }
}

impl Outside for World {
    async fn read(&self, _: u32, timeout_ms: Option<u64>) -> Result<Vec<u8>, Error> {
        self.asked_to_read.borrow_mut().push(timeout_ms);
        let next = self.reads.borrow_mut().pop_front();
        match next {
            Some(result) => result,
            None => pending().await,
        }
    }

    async fn write(&self, octets: Vec<u8>) -> Result<(), Error> {
        self.line.pass().await;
        if self.write_fails.get() {
            return Err(Error::new(Failure::Unreachable, "the write failed"));
        }
        self.written.borrow_mut().push(octets);
        Ok(())
    }

    async fn ask(&self, question: Question) -> Answer {
        self.call().await;
        if let (Question::Checkpoint(..), Some(store)) = (question, &self.store) {
            store.pass().await;
        }
        Answer::Done(Ok(()))
    }

    async fn deliver(&self, _: Scope, arrival: Arrival, parcel: &Parcel) -> Result<(), Error> {
        self.call().await;
        let mut octets = Vec::new();
        while let Some(piece) = parcel.next().await {
            parcel.settle(piece.len());
            octets.extend(piece);
        }
        let count = parcel.count().expect("an end");
        self.taken.borrow_mut().push((arrival.id, octets, count.clone()));
        count.map(drop)
    }

    async fn draw(&self, _: usize) -> Option<Vec<u8>> {
        self.brought.borrow_mut().pop_front()
    }

    async fn sleep(&self, ms: u64) {
        if ms < 1_000 { self.clock.pass().await } else { pending().await }
    }

    fn progress(&self, _: &Scope, _: u64, _: Option<u64>) {}

    fn log(&self, _: Level, _: &str) {}
}

/// A machine that is a closure.
struct Steps<F>(F);

impl<T, F: FnMut(Input, &mut Actions) -> Result<Step<T>, Error>> Machine for Steps<F> {
    type Output = T;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<T>, Error> {
        self.0(input, actions)
    }
}

async fn run_on<T>(world: &World, steps: impl FnMut(Input, &mut Actions) -> Result<Step<T>, Error>) -> Result<T, Error> {
    drive(&mut Steps(steps), Pump::new(world), pin!(pending()), pin!(pending())).await
}

fn scope() -> Scope {
    Scope { folder: None, generation: String::new() }
}

fn checkpoint() -> Question {
    Question::Checkpoint(scope(), Vec::new())
}

fn time_out() -> Error {
    Error::new(Failure::Unreachable, "nothing came").with_code("TIMEOUT")
}

/// Poll once: who is waited for then is not ready.
fn begin<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn octets_are_read_until_the_line_ends() {
    let world = World::open().reads([Ok(b"one".to_vec()), Ok(b"two".to_vec()), Ok(Vec::new())]);
    let mut seen = Vec::new();
    let outcome = block_on(run_on(&world, |input, _| {
        match input {
            Input::Octets(octets) => seen.push(octets),
            Input::End => return Ok(Step::Done("over")),
            _ => {}
        }
        Ok(Step::Read)
    }));
    assert_eq!((outcome.unwrap(), seen), ("over", vec![b"one".to_vec(), b"two".to_vec()]));
}

#[test]
fn a_long_write_goes_out_in_order_and_in_pieces_that_the_host_takes() {
    let world = World::open();
    let long: Vec<u8> = (0..WRITE_OCTETS * 2 + 5).map(|at| (at % 251) as u8).collect();
    block_on(run_on(&world, |_, actions| {
        actions.write(long[..10].to_vec());
        actions.write(long[10..].to_vec());
        Ok(Step::Done(()))
    }))
    .unwrap();
    let written = world.written.take();
    assert_eq!(written.iter().map(Vec::len).collect::<Vec<_>>(), [WRITE_OCTETS, WRITE_OCTETS, 5]);
    assert_eq!(written.concat(), long);
}

#[test]
fn a_write_that_fails_at_the_end_is_told() {
    let world = World::open();
    world.write_fails.set(true);
    let outcome = block_on(run_on(&world, |_, actions| {
        actions.write(b"QUIT\r\n".to_vec());
        Ok(Step::Done(()))
    }));
    assert_eq!(outcome.unwrap_err().message, "the write failed");
}

#[test]
fn an_idle_line_is_read_again_and_a_silent_one_is_lost() {
    let world = World::open().reads([Err(time_out()), Err(time_out()), Ok(b"news".to_vec()), Err(time_out())]);
    let outcome = block_on(run_on(&world, |input, _| match input {
        Input::Start => Ok(Step::<()>::Idle),
        Input::Octets(_) => Ok(Step::Read),
        Input::Lost(error) => Err(error),
        other => panic!("{other:?}"),
    }));
    assert_eq!(outcome.unwrap_err().code.as_deref(), Some("TIMEOUT"));
    assert_eq!(world.asked_to_read.take(), [Some(IDLE_READ_MS), Some(IDLE_READ_MS), Some(IDLE_READ_MS), None]);
}

#[test]
fn a_lost_line_is_told_once_and_answers_still_come() {
    let world = World::open().reads([Err(Error::new(Failure::Unreachable, "the read failed"))]);
    world.write_fails.set(true);
    let mut lost = 0;
    block_on(run_on(&world, |input, actions| match input {
        Input::Start => {
            actions.write(b"x".to_vec());
            Ok(Step::Read)
        }
        Input::Lost(_) => {
            lost += 1;
            // Both the read and the write have failed by the time of the answer.
            actions.put(Action::Timer(Some(1)));
            Ok(Step::Wait)
        }
        Input::Timer => {
            actions.ask(checkpoint());
            Ok(Step::Wait)
        }
        Input::Answer(..) => Ok(Step::Done(())),
        other => panic!("{other:?}"),
    }))
    .unwrap();
    assert_eq!(lost, 1);
}

#[test]
fn reading_a_lost_line_is_a_fault_of_the_machine() {
    let world = World::open().reads([Err(Error::new(Failure::Unreachable, "the read failed"))]);
    let outcome = block_on(run_on(&world, |_, _| Ok(Step::<()>::Read)));
    assert_eq!(outcome.unwrap_err().kind, Failure::Malformed);
}

#[test]
fn a_machine_that_waits_for_nothing_is_told_so() {
    let outcome = block_on(run_on(&World::open(), |_, _| Ok(Step::<()>::Wait)));
    assert_eq!(outcome.unwrap_err().kind, Failure::Malformed);
}

#[test]
fn a_former_timer_does_not_go_off() {
    let world = World::default();
    let mut timers = 0;
    let mut run = pin!(run_on(&world, |input, actions| {
        match input {
            Input::Start => actions.put(Action::Timer(Some(1))),
            Input::Answer(..) => return Ok(Step::Done(timers)),
            Input::Timer => timers += 1,
            _ => {}
        }
        if timers == 0 {
            // The one before goes off later all the same, and means nothing.
            actions.put(Action::Timer(Some(2)));
        } else {
            actions.ask(checkpoint());
        }
        Ok(Step::Wait)
    }));
    assert!(begin(run.as_mut()).is_pending());
    world.clock.open();
    world.host.open();
    assert_eq!(block_on(run).unwrap(), 1);
}

#[test]
fn wanted_and_time_up_are_given_once_each() {
    let world = World::open();
    let (mut wanted, mut time_up) = (0, 0);
    let steps = |input: Input, actions: &mut Actions| {
        match input {
            Input::Wanted => wanted += 1,
            Input::TimeUp => time_up += 1,
            Input::Answer(..) => return Ok(Step::Done(())),
            _ => {}
        }
        if wanted + time_up == 2 {
            actions.ask(checkpoint());
        }
        Ok(Step::Idle)
    };
    block_on(drive(&mut Steps(steps), Pump::new(&world), pin!(ready(())), pin!(ready(())))).unwrap();
    assert_eq!((wanted, time_up), (1, 1));
}

#[test]
fn so_many_calls_are_under_way_and_the_others_follow_in_order() {
    let world = World::default();
    let mut answered = Vec::new();
    let mut asked = Vec::new();
    let mut run = pin!(run_on(&world, |input, actions| {
        match input {
            Input::Start => asked.extend((0..CALLS * 3).map(|_| actions.ask(checkpoint()))),
            Input::Answer(token, _) => answered.push(token),
            _ => {}
        }
        Ok(if answered.len() == asked.len() { Step::Done(answered == asked) } else { Step::Wait })
    }));
    assert!(begin(run.as_mut()).is_pending());
    assert_eq!(world.calls.get(), CALLS);
    world.host.open();
    assert!(block_on(run).unwrap(), "answers come in the order of the questions");
    assert_eq!(world.most_calls.get(), CALLS);
}

#[test]
fn nothing_is_read_while_the_host_is_behind() {
    let half = vec![b'x'; BACKLOG_OCTETS / 2 + 1];
    let world = World::default().reads([Ok(half.clone()), Ok(half.clone()), Ok(half.clone()), Ok(Vec::new())]);
    world.line.open();
    let mut token = None;
    let mut count = 0;
    let mut run = pin!(run_on(&world, |input, actions| match (input, token) {
        (Input::Start, _) => {
            token = Some(actions.begin(scope(), Arrival::new("1")));
            Ok(Step::Read)
        }
        (Input::Octets(octets), Some(token)) => {
            count += octets.len() as u64;
            actions.put(Action::Piece(token, octets));
            Ok(Step::Read)
        }
        (Input::End, Some(token)) => {
            actions.put(Action::Finish(token, Ok(count)));
            Ok(Step::Wait)
        }
        (Input::Answer(..), _) => Ok(Step::Done(())),
        other => panic!("{other:?}"),
    }));
    assert!(begin(run.as_mut()).is_pending());
    assert_eq!(world.asked_to_read.borrow().len(), 2, "with two halves waiting, no third is read");
    world.host.open();
    block_on(run).unwrap();
    let taken = world.taken.take();
    assert_eq!(taken[0].1.len(), half.len() * 3, "and none is lost");
    assert_eq!(taken[0].2.as_ref().ok(), Some(&(half.len() as u64 * 3)));
}

#[test]
fn nothing_is_read_while_many_messages_wait() {
    let world = World::default().reads([Ok(b"next".to_vec())]);
    let mut run = pin!(run_on(&world, |input, actions| match input {
        Input::Start => {
            for id in 0..=BACKLOG_MESSAGES {
                let token = actions.begin(scope(), Arrival::new(&id.to_string()));
                actions.put(Action::Finish(token, Ok(0)));
            }
            Ok(Step::Read)
        }
        Input::Octets(_) => Ok(Step::Done(())),
        _ => Ok(Step::Read),
    }));
    assert!(begin(run.as_mut()).is_pending());
    assert!(world.asked_to_read.borrow().is_empty());
    world.host.open();
    block_on(run).unwrap();
    assert!(!world.taken.borrow().is_empty());
}

#[test]
fn nothing_is_read_while_a_checkpoint_is_not_answered_and_much_came_behind_it() {
    let reads = (0..AHEAD_MESSAGES + 10).map(|id| Ok(id.to_string().into_bytes()));
    let world = World { store: Some(Gate::default()), ..World::open() }.reads(reads);
    let mut run = pin!(run_on(&world, |input, actions| match input {
        Input::Start => {
            actions.ask(checkpoint());
            Ok(Step::Read)
        }
        Input::Octets(_) if world.reads.borrow().is_empty() => Ok(Step::Done(())),
        Input::Octets(id) => {
            let token = actions.begin(scope(), Arrival::new(&String::from_utf8(id).unwrap()));
            actions.put(Action::Finish(token, Ok(0)));
            Ok(Step::Read)
        }
        _ => Ok(Step::Read),
    }));
    for _ in 0..AHEAD_MESSAGES * 2 {
        assert!(begin(run.as_mut()).is_pending());
    }
    assert_eq!(world.taken.borrow().len(), AHEAD_MESSAGES);
    world.store.as_ref().unwrap().open();
    block_on(run).unwrap();
}

#[test]
fn what_the_call_brought_is_drawn_after_what_was_written() {
    let world = World { brought: RefCell::new(VecDeque::from([b"a".to_vec(), b"b".to_vec()])), ..World::default() };
    let drawn = RefCell::new(Vec::new());
    let mut run = pin!(run_on(&world, |input, actions| {
        match input {
            Input::Start => actions.write(b"APPEND".to_vec()),
            Input::Answer(_, Answer::Octets(None)) => return Ok(Step::Done(())),
            Input::Answer(_, Answer::Octets(Some(piece))) => drawn.borrow_mut().extend(piece),
            _ => {}
        }
        actions.ask(Question::Draw);
        Ok(Step::Wait)
    }));
    assert!(begin(run.as_mut()).is_pending());
    assert_eq!(world.brought.borrow().len(), 2, "the command is not out yet");
    world.line.open();
    block_on(run).unwrap();
    assert_eq!(*drawn.borrow(), b"ab");
}

#[test]
fn the_mark_is_asked_for_behind_everything_that_was_written_and_not_on_a_line_that_failed() {
    for write_fails in [false, true] {
        let world = World::default();
        world.host.open();
        world.write_fails.set(write_fails);
        let mut run = pin!(run_on(&world, |input, actions| {
            match input {
                Input::Start => {
                    actions.write(b"the message".to_vec());
                    actions.ask(Question::Committing("7".to_owned()));
                }
                Input::Answer(_, Answer::Done(answer)) => {
                    assert_eq!(answer.is_err(), write_fails);
                    return Ok(Step::Done(()));
                }
                _ => {}
            }
            Ok(Step::Wait)
        }));
        assert!(begin(run.as_mut()).is_pending());
        assert_eq!(world.most_calls.get(), 0, "the message is not out yet");
        world.line.open();
        block_on(run).unwrap();
        assert_eq!(world.most_calls.get(), usize::from(!write_fails));
    }
}

#[test]
fn what_a_call_gives_back_holds_up_reading_until_it_is_taken() {
    let half = vec![b'x'; BACKLOG_OCTETS / 2 + 1];
    let world = World::open().reads([Ok(half.clone()), Ok(half.clone()), Ok(half.clone()), Ok(Vec::new())]);
    let given = Rc::new(Parcel::new(Rc::default()));
    let pump = Pump { backlog: Rc::clone(&given.backlog), given: Some(Rc::clone(&given)), ..Pump::new(&world) };
    let mut steps = Steps(|input, actions: &mut Actions| match input {
        Input::Octets(octets) => {
            actions.put(Action::Give(octets));
            Ok(Step::Read)
        }
        Input::End => Ok(Step::Done(())),
        _ => Ok(Step::Read),
    });
    let (wanted, time_up) = (pin!(pending()), pin!(pending()));
    let mut run = pin!(drive(&mut steps, pump, wanted, time_up));
    assert!(begin(run.as_mut()).is_pending());
    assert_eq!(world.asked_to_read.borrow().len(), 2);
    let take = || {
        let piece = block_on(given.next()).unwrap();
        given.settle(piece.len());
    };
    take();
    assert!(begin(run.as_mut()).is_pending());
    assert_eq!(world.asked_to_read.borrow().len(), 3, "one half was taken, so another is read");
    take();
    block_on(run).unwrap();
    assert_eq!(world.asked_to_read.borrow().len(), 4);
}
