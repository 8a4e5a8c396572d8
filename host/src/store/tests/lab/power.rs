//! Power is cut while a child works: what was not synced is lost, kept or torn, in any subset.

use super::disk::Disk;
use super::*;

/// Operations of the disk, among the first of which power is cut: opening takes some dozens, each commit some ten.
const OPERATIONS: u64 = 400;

#[test]
fn cut_at_random_nothing_is_lost_and_nothing_is_there_twice() {
    let (rounds, seed) = rounds();
    let mut random = Random(seed);
    let mut left = rounds;
    let mut cut = 0;
    while left > 0 {
        let here = left.min(ROUNDS_OF_A_STORE);
        cut += one_disk(random.next(), here);
        left -= here;
    }
    assert!(cut * 2 >= rounds, "only {cut} of {rounds} children had their power cut");
}

/// Rounds on one disk; how often power was cut while the child was at work.
fn one_disk(seed: u64, rounds: u64) -> u64 {
    let disk = Disk::mount();
    println!("disk of seed {seed}");
    let laboratory = Laboratory::on(&disk.path().join("home"), seed);
    let mut random = Random(seed);
    let mut cut = 0;
    for round in 1..=rounds {
        disk.cut_at(random.below(OPERATIONS));
        let upkeep = Upkeep::of_round(random.next());
        let mut child = laboratory.child(Task::Receive { steps: 20, upkeep }, None);
        let end = Instant::now() + HANGS_AFTER;
        while !disk.is_off() && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "a child hangs, round {round} of seed {seed}\n{}", laboratory.words());
            std::thread::sleep(Duration::from_micros(500));
        }
        cut += u64::from(disk.is_off());
        let _ = child.kill();
        child.wait().unwrap();
        disk.cut();
        disk.restore(&mut random);
        laboratory.verify(&format!("round {round} of seed {seed}"));
    }
    cut
}
