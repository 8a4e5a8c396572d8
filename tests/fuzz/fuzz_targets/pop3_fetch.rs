//! See `postrider_pop3::fuzz::pop3_fetch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider_pop3::fuzz::pop3_fetch(octets));
