//! Entries for fuzzers: what reads octets from disk, given any octets. None may panic, or take more memory than it was given.

use super::record::{
    AccountRecord, CountsRecord, FolderRecord, HeadRecord, HeaderFields, IdentityRecord, MessageRecord, Record, SecretRecord, ValueRecord,
};
use super::spool::frame::FrameHeader;
use super::{backup, headers, keyring, seal, spool};

/// Plain contents of every kind of record, and the frame of a sealed one.
pub fn record(octets: &[u8]) {
    let _ = seal::split_record(octets);
    let _ = HeadRecord::decode(octets);
    let _ = CountsRecord::decode(octets);
    let _ = AccountRecord::decode(octets).and_then(|record| record.account().map(drop));
    let _ = FolderRecord::decode(octets);
    let _ = IdentityRecord::decode(octets);
    let _ = MessageRecord::decode(octets);
    let _ = SecretRecord::decode(octets).map(drop);
    let _ = ValueRecord::decode(octets);
}

/// Headers of segments and frames; a frame that is read back must say the same.
pub fn frame(octets: &[u8]) {
    let _ = spool::segment::decode_header(octets);
    if let Ok(header) = FrameHeader::decode(octets) {
        let again = FrameHeader::decode(&header.encode());
        assert_eq!(again, Ok(header));
    }
}

/// A backup's header, and the payloads of its frames; a header that is read back must say the same.
pub fn backup(octets: &[u8]) {
    if let Ok(header) = backup::format::Header::decode(octets) {
        assert_eq!(backup::format::Header::decode(&header.encode()), Ok(header));
    }
    let _ = backup::format::records(octets);
    let _ = backup::format::two_numbers(octets);
}

/// The file that holds the wrapped keys, up to where a seal is tried.
pub fn keyring(octets: &[u8]) {
    keyring::file::read_all(octets);
}

/// The header section of a message.
pub fn header_section(octets: &[u8]) {
    let mut section = headers::HeaderSection::default();
    octets.chunks(7).for_each(|piece| section.push(piece));
    let _: HeaderFields = section.parse();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_troubles() {
        for octets in [
            &[][..],
            &[1],
            &[1; 64],
            &[0xff; 200],
            &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0],
            b"PRfr",
            b"PRspool1",
            b":\n\n",
        ] {
            record(octets);
            frame(octets);
            header_section(octets);
            keyring(octets);
            backup(octets);
        }
    }

    /// What an earlier fuzzing found, and one good example of each kind: the octets of the files in `tests/fuzz/corpus`.
    #[test]
    fn the_corpora() {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
        for (name, target) in
            [("store_record", record as fn(&[u8])), ("store_frame", frame), ("store_keyring", keyring), ("store_backup", backup)]
        {
            let mut replayed = 0;
            for entry in std::fs::read_dir(corpus.join(name)).unwrap() {
                target(&std::fs::read(entry.unwrap().path()).unwrap());
                replayed += 1;
            }
            assert!(replayed > 0, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_octets(mut octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            record(&octets);
            frame(&octets);
            header_section(&octets);
            keyring(&octets);
            backup(&octets);
            // Past the version octet.
            if let Some(first) = octets.first_mut() {
                *first = 1;
                record(&octets);
            }
        }
    }
}
