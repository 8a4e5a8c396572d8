//! Garbage of the spool is freed, and nobody's mail is hurt by it.

use super::*;

/// Longer than a segment of the tests.
const LARGE: usize = 400_000;

fn octets(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed) ^ (at >> 8) as u8).collect()
}

/// Two accounts whose mail lies mixed in the segments.
async fn mixed(messages: u8, length: usize) -> Home {
    let home = Home::with_account().await;
    home.store.put_account(account(2, "other"), Vec::new()).await.unwrap();
    for at in 0..messages {
        for id in 1..=2 {
            let intake = home.store.intake(AccountId(id));
            deliver(&intake, &scope("INBOX", "1"), arrival(&at.to_string()), &octets(at, length)).await;
            intake.checkpoint(scope("INBOX", "1"), vec![at]).await.unwrap();
        }
    }
    home
}

async fn spool(home: &Home) -> u64 {
    home.store.status().await.unwrap().spool_octets
}

#[tokio::test]
async fn what_is_left_is_proportional_to_what_is_alive() {
    let home = mixed(40, 30_000).await;
    let before = spool(&home).await;
    home.store.remove_account(AccountId(1)).await.unwrap();
    assert_eq!(spool(&home).await, before);
    let report = home.store.compact().await.unwrap();
    let after = spool(&home).await;
    assert!(after < before * 6 / 10, "{before} octets before, {after} after: {report:?}");
    // But for the headers of the new segments.
    assert!(report.freed_octets.abs_diff(before - after) < 1_000, "{before} before, {after} after: {report:?}");
    let expected: Vec<_> = (0..40).map(|at| octets(at, 30_000)).collect();
    assert_eq!(home.bodies().await, expected);
    assert_eq!(home.check().await, "");
    let home = home.reopen().await;
    assert_eq!(home.bodies().await, expected);
    assert_eq!(home.store.compact().await.unwrap().segments, 0, "nothing is left to free");
    home.store.remove_account(AccountId(2)).await.unwrap();
    home.store.compact().await.unwrap();
    assert_eq!(spool(&home).await, 0);
}

#[tokio::test]
async fn it_is_done_by_itself_only_where_it_is_worth_it() {
    let home = mixed(40, 30_000).await;
    assert_eq!(home.store.compact_if_worth().await.unwrap(), None);
    home.store.remove_account(AccountId(1)).await.unwrap();
    let before = spool(&home).await;
    assert!(home.store.compact_if_worth().await.unwrap().unwrap().segments > 0);
    assert!(spool(&home).await < before);
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn a_reader_goes_on_while_its_body_is_moved() {
    let home = mixed(3, LARGE).await;
    let kept = home.store.messages(Some(AccountId(2)), 0, 1).await.unwrap().remove(0).message;
    let mut reader = home.store.body(kept).await.unwrap().unwrap();
    let mut read = reader.next().await.unwrap().unwrap().to_vec();
    home.store.remove_account(AccountId(1)).await.unwrap();
    assert!(home.store.compact().await.unwrap().segments > 1);
    while let Some(piece) = reader.next().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert_eq!(read, octets(0, LARGE));
}

#[tokio::test]
async fn what_is_staged_is_kept() {
    let home = mixed(2, LARGE).await;
    let intake = home.store.intake(AccountId(2));
    deliver(&intake, &scope("INBOX", "1"), arrival("staged"), &octets(9, LARGE)).await;
    let mut half = intake.begin(scope("INBOX", "1"), arrival("half")).await.unwrap();
    half.write(Bytes::from(octets(8, LARGE / 2))).await.unwrap();
    home.store.remove_account(AccountId(1)).await.unwrap();
    home.store.compact().await.unwrap();
    half.write(Bytes::from(octets(7, LARGE / 2))).await.unwrap();
    half.finish().await.unwrap();
    intake.checkpoint(scope("INBOX", "1"), Vec::new()).await.unwrap();
    let bodies = home.bodies().await;
    assert_eq!(bodies[2], octets(9, LARGE));
    assert_eq!(bodies[3], [octets(8, LARGE / 2), octets(7, LARGE / 2)].concat());
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn a_store_with_an_unreadable_record_is_left_alone() {
    let home = mixed(3, 1_000).await;
    home.store.remove_account(AccountId(1)).await.unwrap();
    let open = home.store.shared.open().unwrap();
    let (key, value) = open.records.scan(&[crate::store::layout::kind::MESSAGE], &[]).next().unwrap().unwrap();
    let mut changed = value.clone();
    *changed.last_mut().unwrap() ^= 1;
    open.records.tamper(vec![(key, Some(changed))]);
    let before = spool(&home).await;
    assert!(matches!(home.store.compact().await, Err(Error::Damaged { .. })));
    assert_eq!(spool(&home).await, before);
}

#[tokio::test]
async fn a_part_of_a_body_is_read_without_what_stands_before_it() {
    let home = mixed(1, LARGE).await;
    let message = home.messages().await[0].message;
    let whole = octets(0, LARGE);
    for offset in [0, 1, 65_535, 65_536, 65_537, 131_072, 399_999, 400_000, 500_000] {
        let mut reader = home.store.body(message).await.unwrap().unwrap();
        reader.seek(offset as u64);
        let mut read = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, whole[offset.min(LARGE)..], "from {offset} on");
        reader.seek(3);
        assert_eq!(reader.next().await.unwrap().unwrap(), whole[3..65_536]);
    }
}
