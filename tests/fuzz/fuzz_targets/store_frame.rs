//! See `postrider::store::fuzz::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::store::fuzz::frame(octets));
