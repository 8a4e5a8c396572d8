//! See `postrider_smtp::fuzz::smtp_reply`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider_smtp::fuzz::smtp_reply(octets));
