//! See `postrider::net::fuzz::request_url`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::net::fuzz::request_url(octets));
