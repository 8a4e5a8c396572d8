//! Entries for fuzzers: what reads octets from disk, given any octets. None may panic, or take more memory than it was given.

use super::record::{
    AccountRecord, CountsRecord, FolderRecord, HeadRecord, HeaderFields, IdentityRecord, MessageRecord, Record, SecretRecord, ValueRecord,
};
use super::spool::frame::FrameHeader;
use super::{headers, keyring, seal, spool};

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
        }
    }

    proptest! {
        #[test]
        fn any_octets(mut octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            record(&octets);
            frame(&octets);
            header_section(&octets);
            // Past the version octet.
            if let Some(first) = octets.first_mut() {
                *first = 1;
                record(&octets);
            }
        }
    }
}
