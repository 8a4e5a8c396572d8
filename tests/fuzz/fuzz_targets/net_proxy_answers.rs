//! See `postrider::net::fuzz::proxy_answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::net::fuzz::proxy_answers(octets));
