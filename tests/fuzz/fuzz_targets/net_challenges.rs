//! See `postrider::net::fuzz::challenges`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::net::fuzz::challenges(octets));
