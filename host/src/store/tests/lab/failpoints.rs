//! A child ended before and after each step that changes what is on disk, and one in which the step fails.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// Steps of each account: enough to pass every failpoint several times.
const STEPS: u64 = 6;
const RECEIVE: Task = Task::Receive { steps: STEPS, upkeep: None };

/// Calls that change what is on disk. In the sources of the store they stand inside a failpoint.
const CALLS: &[&str] = &[
    ".sync_data()",
    ".sync_all()",
    "fs::rename(",
    "hard_link(",
    "remove_file(",
    "remove_dir",
    "set_len(",
    ".write_all_at(",
    ".write_all(",
    "options.open(",
    "apply_batch(",
    ".flush()",
    "config.open()",
    "File::create(",
    "fs::write(",
    "DirBuilder::new()",
];

#[test]
fn a_child_killed_before_and_after_every_step() {
    let mut random = Random(7);
    for point in Failpoint::ALL {
        for (moment, passing) in ["before", "after"].into_iter().flat_map(|moment| first_passings(point).map(move |at| (moment, at))) {
            let laboratory = Laboratory::new(random.next());
            let first = format!("{point:?} {moment} kill {passing}");
            if laboratory.run(RECEIVE, Some(&first)).success() {
                // Only a store that is there passes it.
                assert!(laboratory.run(RECEIVE, Some(&first)).signal() == Some(9), "{first}: no child passes it");
            }
            laboratory.verify(&first);
            let later = format!("{point:?} {moment} kill {}", 1 + random.below(4));
            laboratory.run(RECEIVE, Some(&later));
            laboratory.verify(&format!("{first}, then {later}"));
        }
    }
}

/// The passings at which a new store is looked at: all of those of its making, of which each is another file or folder.
fn first_passings(point: Failpoint) -> std::ops::RangeInclusive<u64> {
    match point {
        Failpoint::FolderMake | Failpoint::FolderSync => 1..=4,
        Failpoint::DraftWrite | Failpoint::DraftSync | Failpoint::DraftRename => 1..=3,
        _ => 1..=1,
    }
}

#[test]
fn a_step_that_fails_loses_nothing_else() {
    let mut random = Random(11);
    for point in Failpoint::ALL {
        for moment in ["before", "after"] {
            let laboratory = Laboratory::new(random.next());
            for passing in [1, 2 + random.below(8)] {
                let words = format!("{point:?} {moment} fail {passing}");
                laboratory.run(RECEIVE, Some(&words));
                laboratory.verify(&words);
            }
            laboratory.run(RECEIVE, None);
            laboratory.verify(&format!("{point:?} {moment} fail, then to the end"));
            let progress = laboratory.progress();
            assert!((1..=ACCOUNTS).all(|id| progress.done(id) >= STEPS), "{point:?} {moment}: {progress:?}");
        }
    }
}

#[test]
fn every_step_that_changes_the_disk_has_a_failpoint() {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let (mut bare, mut named) = (Vec::new(), BTreeSet::new());
    let mut folders = vec![store.clone()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let relative = path.strip_prefix(&store).unwrap().to_str().unwrap().to_owned();
            // What a nameless file holds is gone with its process, wherever that ends.
            let is_left_out = ["failpoint.rs", "scratch.rs"].contains(&relative.as_str());
            if relative.starts_with("tests") || relative.ends_with("/tests.rs") || is_left_out {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            named.extend(Failpoint::ALL.map(|point| format!("{point:?}")).into_iter().filter(|point| is_named(code, point)));
            let lines: Vec<_> = code.lines().collect();
            for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
                // The closure may stand some lines above the failpoint that it is given to.
                let near = lines[at.saturating_sub(3)..lines.len().min(at + 4)].join("\n");
                if CALLS.iter().any(|call| line.contains(call)) && !near.contains("at(Failpoint::") {
                    bare.push(format!("{relative}:{}: {}", at + 1, line.trim()));
                }
            }
        }
    }
    assert!(bare.is_empty(), "steps without a failpoint:\n{}", bare.join("\n"));
    assert_eq!(named.len(), Failpoint::ALL.len(), "failpoints that no step passes");
}

fn is_named(code: &str, point: &str) -> bool {
    let name = format!("Failpoint::{point}");
    code.match_indices(&name).any(|(at, _)| code.get(at + name.len()..).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)))
}
