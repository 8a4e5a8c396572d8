//! kill -9 at random points of receiving: nothing lost, nothing twice (P1, P2).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::corpus::{self, SEED};
use harness::dovecot::USER;

use crate::scene::{ACCOUNT, Scene, assert_same_contents, with_lf};

/// Rounds of every day; `POSTRIDER_SOAK_ROUNDS` asks for more.
const ROUNDS: u64 = 25;
/// Messages that the server has at first, and that come again whenever all are received.
const BATCH: usize = 250;
/// A home is looked through and left for a new one after so many rounds, so that a soak does not grow without bound.
const ROUNDS_OF_A_HOME: u64 = 25;
/// Every so many rounds the server gets a new UIDVALIDITY: the pass that is killed then is one that recognises messages.
const NEW_VALIDITY_EVERY: u64 = 9;

#[test]
fn nothing_is_lost_and_nothing_is_there_twice() {
    let rounds = std::env::var("POSTRIDER_SOAK_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let seed = std::env::var("POSTRIDER_SOAK_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let mut random = Random(seed);
    println!("{rounds} rounds; the same again with POSTRIDER_SOAK_SEED={seed}");
    let mut left = rounds;
    while left > 0 {
        let here = left.min(ROUNDS_OF_A_HOME);
        one_home(&mut random, here);
        left -= here;
        println!("{left} rounds left");
    }
}

fn one_home(random: &mut Random, rounds: u64) {
    let scene = Scene::with_corpus(BATCH);
    let maildir = scene.add_maildir("files", &[]);
    // Follows what passes take, which have more to do at one time than at another.
    let mut usual = time_of_a_pass();
    let (mut killed, mut batches, mut known) = (0, 1, BTreeSet::new());
    for round in 1..=rounds {
        if round % NEW_VALIDITY_EVERY == 0 {
            scene.dovecot.doveadm(&["mailbox", "update", "--uid-validity", &(10_000 + round).to_string(), "-u", USER, "INBOX"]);
        }
        let begin = Instant::now();
        let mut pass = scene.postrider.spawn(&["receive", ACCOUNT]);
        let moment = begin + Duration::from_micros(random.below(u64::try_from(usual.as_micros()).unwrap()));
        while Instant::now() < moment && pass.is_running() {
            std::thread::sleep(Duration::from_micros(500));
        }
        if pass.is_running() {
            pass.kill();
            killed += 1;
            usual = usual * 5 / 4;
        } else {
            pass.wait().succeeded();
            usual = usual.min(begin.elapsed());
            scene.deliver(corpus::messages(SEED + batches, BATCH / 5));
            batches += 1;
        }
        let now: BTreeSet<String> = scene.stored().into_iter().map(|message| message.id).collect();
        assert!(now.is_superset(&known), "round {round}: {} messages that were there are gone", known.difference(&now).count());
        known = now;
    }
    assert!(killed * 3 >= rounds, "only {killed} of {rounds} passes lived long enough to be killed");

    scene.receive();
    scene.assert_clean();
    scene.assert_stored_as_on_the_wire();
    let wire = scene.on_the_wire();
    assert_eq!(scene.stored().len(), wire.len(), "what the server has, and nothing else");
    assert_same_contents("Maildir", &maildir, wire.values().map(|octets| with_lf(octets)));
}

/// How long a pass over [`BATCH`] messages takes here and now.
fn time_of_a_pass() -> Duration {
    let scene = Scene::with_corpus(BATCH);
    scene.add_maildir("files", &[]);
    let begin = Instant::now();
    scene.receive();
    begin.elapsed()
}

/// SplitMix64: the same moments for the same seed, as far as the machine lets them be.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}
