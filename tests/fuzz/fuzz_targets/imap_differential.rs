//! See `postrider_imap::differential::imap_differential`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider_imap::differential::imap_differential(octets));
