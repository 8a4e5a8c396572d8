//! See `postrider::net::fuzz::smtp_preamble`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::net::fuzz::smtp_preamble(octets));
