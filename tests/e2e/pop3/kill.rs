//! kill -9 at random points of receiving and deleting: nothing lost, nothing twice, nothing deleted too early (P1, P2).

use std::time::{Duration, Instant};

use harness::corpus::{self, SEED};

use super::scene::{Scene, assert_octets};
use crate::scene::{ACCOUNT, assert_same_contents};

/// Rounds of every day; `POSTRIDER_SOAK_ROUNDS` asks for more.
const ROUNDS: u64 = 16;
/// Messages that come whenever all are received.
const BATCH: usize = 120;
/// Rounds of one home: every message that ever was on the server is compared at its end.
const ROUNDS_OF_A_HOME: u64 = 16;

#[test]
fn nothing_is_lost_while_a_copy_is_left_and_while_none_is() {
    let rounds = std::env::var("POSTRIDER_SOAK_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let seed = std::env::var("POSTRIDER_SOAK_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    println!("{rounds} rounds; the same again with POSTRIDER_SOAK_SEED={seed}");
    let (mut left, mut seed) = (rounds, seed);
    while left > 0 {
        let here = left.min(ROUNDS_OF_A_HOME);
        for leave_copy in ["forever", "no"] {
            one_home(seed, here.div_ceil(2), leave_copy);
        }
        left -= here;
        seed += 1;
    }
}

fn one_home(seed: u64, rounds: u64, leave_copy: &str) {
    let scene = Scene::with_corpus(0);
    scene.edit(&["--leave-copy", leave_copy, "--set", "session-messages=50", "--set", "checkpoint-messages=20"]);
    let maildir = scene.add_maildir();
    let mut delivered: Vec<Vec<u8>> = Vec::new();
    let mut deliver = |batch: u64| {
        let before = scene.on_the_wire();
        scene.deliver(corpus::messages(seed + batch, BATCH));
        delivered.extend(scene.on_the_wire().into_iter().filter(|(uidl, _)| !before.contains_key(uidl)).map(|(_, octets)| octets));
    };
    deliver(0);
    let mut usual = Duration::from_millis(600);
    let (mut killed, mut moment) = (0, seed);
    for round in 1..=rounds {
        let begin = Instant::now();
        let mut pass = scene.postrider.spawn(&["receive", ACCOUNT]);
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let end = begin + usual.mul_f64((moment >> 33) as f64 / (1u64 << 31) as f64);
        while Instant::now() < end && pass.is_running() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if pass.is_running() {
            pass.kill();
            killed += 1;
            usual = usual * 5 / 4;
        } else {
            pass.wait().succeeded();
            usual = begin.elapsed();
            deliver(round);
        }
    }
    assert!(killed > 0, "no pass lived long enough to be killed");
    scene.receive();
    assert_eq!(scene.on_the_wire().is_empty(), leave_copy == "no");
    assert_octets(&scene.postrider, delivered.iter().cloned());
    assert_same_contents("Maildir", &maildir, delivered);
}
