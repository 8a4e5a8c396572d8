//! What the store takes for much at once: syncs and memory, each measured in a process of its own.

use std::process::Command;

use super::*;
use crate::store::failpoint::Failpoint;

const ACCOUNTS: u32 = 1_000;

/// Larger than any buffer by far.
const LARGE: usize = 150 << 20;

/// Run an ignored test of this file alone, and give what it printed behind `word`.
fn alone(test: &str, word: &str) -> u64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args([&format!("store::tests::load::{test}"), "--exact", "--ignored", "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let number = text.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_else(|| panic!("no `{word}` in {text}"));
    number.trim().parse().unwrap()
}

#[test]
fn a_thousand_accounts_that_commit_at_once_share_syncs() {
    let syncs = alone("commit_at_once", "syncs:");
    println!("{syncs} syncs for {ACCOUNTS} checkpoints");
    // A group takes up to 256 callers, and each syncs a segment or two, the tree and the watermark.
    assert!(syncs <= 100, "{syncs} syncs for {ACCOUNTS} checkpoints");
}

#[test]
#[ignore = "measured in a process of its own"]
fn commit_at_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let home = Home::new().await;
        let accounts: Vec<_> = (1..=ACCOUNTS)
            .map(|id| {
                let store = home.store.clone();
                tokio::spawn(async move { store.put_account(account(id, &format!("a{id}")), Vec::new()).await.unwrap() })
            })
            .collect();
        for account in accounts {
            account.await.unwrap();
        }
        let mut intakes = Vec::new();
        for id in 1..=ACCOUNTS {
            let intake = home.store.intake(AccountId(id));
            deliver(&intake, &scope("INBOX", "1"), arrival("1"), b"x").await;
            intakes.push(intake);
        }
        let before = syncs();
        let begin = std::sync::Arc::new(tokio::sync::Barrier::new(intakes.len()));
        let checkpoints: Vec<_> = intakes
            .into_iter()
            .map(|intake| {
                let begin = std::sync::Arc::clone(&begin);
                tokio::spawn(async move {
                    begin.wait().await;
                    intake.checkpoint(scope("INBOX", "1"), vec![1]).await.unwrap();
                })
            })
            .collect();
        for checkpoint in checkpoints {
            checkpoint.await.unwrap();
        }
        println!("\nsyncs:{}", syncs() - before);
        assert_eq!(home.messages().await.len(), ACCOUNTS as usize);
    });
}

/// Every call that waits for the disk.
fn syncs() -> u64 {
    use Failpoint::{FolderSync, SegmentSync, TreeFlush, TreeSync, WatermarkSync};
    [FolderSync, SegmentSync, TreeFlush, TreeSync, WatermarkSync].into_iter().map(Failpoint::passed).sum()
}

#[test]
fn a_large_message_passes_through_little_memory() {
    let octets = alone("pass_through", "octets:");
    println!("{} MB more memory for a message of {} MB", octets >> 20, LARGE >> 20);
    assert!(octets < 48 << 20, "{octets} octets more memory for a message of {LARGE}");
}

#[test]
#[ignore = "measured in a process of its own"]
fn pass_through() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let home = Home::with_account().await;
        let intake = home.intake();
        let mut delivery = intake.begin(scope("INBOX", "1"), arrival("1")).await.unwrap();
        let piece = Bytes::from((0..1 << 20).map(|at: u32| (at % 251) as u8).collect::<Vec<_>>());
        let before = peak();
        for _ in 0..LARGE / piece.len() {
            delivery.write(piece.clone()).await.unwrap();
        }
        delivery.finish().await.unwrap();
        intake.checkpoint(scope("INBOX", "1"), Vec::new()).await.unwrap();
        let message = home.messages().await[0].message;
        let (mut reader, mut read) = (home.store.body(message).await.unwrap().unwrap(), 0);
        while let Some(octets) = reader.next().await.unwrap() {
            assert_eq!(octets, piece.slice(read % piece.len()..read % piece.len() + octets.len()));
            read += octets.len();
        }
        assert_eq!(read, LARGE);
        println!("\noctets:{}", peak() - before);
    });
}

/// The most memory that this process has had, in octets (proc(5): `VmHWM`).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}
