//! See `postrider_pop3::fuzz::pop3_sync`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider_pop3::fuzz::pop3_sync(octets));
