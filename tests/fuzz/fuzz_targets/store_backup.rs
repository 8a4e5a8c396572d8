//! See `postrider::store::fuzz::backup`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::store::fuzz::backup(octets));
