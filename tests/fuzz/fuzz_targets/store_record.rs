//! See `postrider::store::fuzz::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::store::fuzz::record(octets));
