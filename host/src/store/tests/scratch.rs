//! Octets put aside and read again, and nothing of them to be found.

use bytes::Bytes;

use super::*;

async fn put_aside(store: &Store, octets: &[u8], piece: usize) -> crate::store::PutAside {
    let mut scratch = store.scratch().unwrap();
    for piece in octets.chunks(piece) {
        scratch.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(scratch.octets(), octets.len() as u64);
    scratch.finish().await.unwrap()
}

#[tokio::test]
async fn what_is_put_aside_is_read_again_and_leaves_no_name() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).await.unwrap();
    let files = || std::fs::read_dir(home.path().join("store")).unwrap().count();
    let before = files();
    for (length, piece) in [(0, 1), (1, 1), (262_143, 1_000), (262_144, 70_000), (262_145, 262_145), (1_000_003, 9_999), (700_000, 700_000)]
    {
        let octets: Vec<u8> = (0..length).map(|at: usize| (at % 251) as u8).collect();
        let aside = put_aside(&store, &octets, piece).await;
        for _ in 0..2 {
            let (mut reader, mut read) = (aside.read(), Vec::new());
            while let Some(octets) = reader.next().await.unwrap() {
                assert!(octets.len() <= 65_536);
                read.extend_from_slice(&octets);
            }
            assert!(read == octets, "{length} octets in pieces of {piece}");
        }
        assert_eq!(files(), before, "a name is left");
    }
}
