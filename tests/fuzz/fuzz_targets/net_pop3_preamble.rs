//! See `postrider::net::fuzz::pop3_preamble`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::net::fuzz::pop3_preamble(octets));
