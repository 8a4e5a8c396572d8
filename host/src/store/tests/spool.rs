//! Bodies of many chunks, many writers, many segments.

use super::*;

fn octets(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed) ^ (at >> 8) as u8).collect()
}

#[tokio::test]
async fn interleaved_bodies_of_every_length_come_back() {
    let home = Home::with_account().await;
    let (intake, inbox) = (home.intake(), scope("INBOX", "1"));
    let lengths = [0, 1, 65_535, 65_536, 65_537, 131_072, 400_000, 7];
    let mut deliveries = Vec::new();
    for at in 0..lengths.len() {
        deliveries.push(intake.begin(inbox.clone(), arrival(&at.to_string())).await.unwrap());
    }
    let mut sent = [0; 8];
    while sent != lengths {
        for (at, delivery) in deliveries.iter_mut().enumerate() {
            let piece = (lengths[at] - sent[at]).min(10_000 + at * 1_000);
            let all = octets(at as u8, lengths[at]);
            delivery.write(Bytes::copy_from_slice(&all[sent[at]..sent[at] + piece])).await.unwrap();
            sent[at] += piece;
        }
    }
    for delivery in deliveries {
        delivery.finish().await.unwrap();
    }
    intake.checkpoint(inbox, Vec::new()).await.unwrap();
    let expected: Vec<_> = lengths.iter().enumerate().map(|(at, length)| octets(at as u8, *length)).collect();
    assert_eq!(home.bodies().await, expected);
    let home = home.reopen().await;
    assert_eq!(home.bodies().await, expected);
    assert!(home.store.status().await.unwrap().segments >= 3);
    let report = home.store.check(|_| {}).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.messages, report.unreferenced_octets), (8, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_share_commits() {
    let home = Home::new().await;
    for id in 1..=20 {
        home.store.put_account(account(id, &format!("a{id}")), Vec::new()).await.unwrap();
    }
    let before = home.store.status().await.unwrap().commits;
    let sessions: Vec<_> = (1..=20)
        .map(|id| {
            let store = home.store.clone();
            tokio::spawn(async move {
                let intake = store.intake(AccountId(id));
                for round in 0..10_u8 {
                    let body = octets(round, 3_000 * id as usize);
                    deliver(&intake, &scope("INBOX", "1"), arrival(&round.to_string()), &body).await;
                    intake.checkpoint(scope("INBOX", "1"), vec![round]).await.unwrap();
                }
            })
        })
        .collect();
    for session in sessions {
        session.await.unwrap();
    }
    let commits = home.store.status().await.unwrap().commits - before;
    assert!(commits < 200, "{commits} commits for 200 checkpoints");
    let messages = home.messages().await;
    assert_eq!(messages.iter().map(|message| message.sequence).collect::<Vec<_>>(), (1..=200).collect::<Vec<_>>());
    for message in &messages {
        let round = message.locations[0].id.parse().unwrap();
        assert_eq!(body(&home.store, message.message).await.unwrap(), octets(round, 3_000 * message.account.0 as usize));
    }
    assert_eq!(home.check().await, "");
}

#[tokio::test]
async fn listings_keep_their_order() {
    let home = Home::with_account().await;
    home.store.put_account(account(2, "other"), Vec::new()).await.unwrap();
    for at in 0..10_u8 {
        let intake = home.store.intake(AccountId(1 + u32::from(at % 2)));
        let received = Some(Timestamp(1_000 - u64::from(at)));
        let octets = format!("From: A@Example.com\r\nCc: {}@example.com\r\n\r\n", at % 5);
        deliver(&intake, &scope("INBOX", "1"), Arrival { received, ..arrival(&at.to_string()) }, octets.as_bytes()).await;
        intake.checkpoint(scope("INBOX", "1"), Vec::new()).await.unwrap();
    }
    let sequences = |found: &[Summary]| found.iter().map(|message| message.sequence).collect::<Vec<_>>();
    let store = &home.store;
    assert_eq!(sequences(&store.messages(None, 3, 4).await.unwrap()), [4, 5, 6, 7]);
    assert_eq!(sequences(&store.messages(Some(AccountId(2)), 3, 2).await.unwrap()), [4, 6]);
    assert_eq!(sequences(&store.messages_newest_first(None, Some(9), 3).await.unwrap()), [8, 7, 6]);
    assert_eq!(sequences(&store.messages_newest_first(Some(AccountId(1)), None, 2).await.unwrap()), [9, 7]);
    assert_eq!(sequences(&store.messages_with_address(None, "3@EXAMPLE.com ", None, 9).await.unwrap().messages), [4, 9]);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.messages_with_address(Some(AccountId(1)), "a@example.com", after, 2).await.unwrap();
        found.extend(sequences(&page.messages));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, [1, 3, 5, 7, 9]);
}
