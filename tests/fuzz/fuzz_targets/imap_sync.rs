//! See `postrider_imap::fuzz::imap_sync`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider_imap::fuzz::imap_sync(octets));
