//! See `postrider::net::fuzz::batch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::net::fuzz::batch(octets));
