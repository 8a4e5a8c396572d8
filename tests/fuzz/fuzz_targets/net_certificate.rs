//! See `postrider::net::fuzz::certificate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::net::fuzz::certificate(octets));
