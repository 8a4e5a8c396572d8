//! See `postrider::store::fuzz::keyring`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::store::fuzz::keyring(octets));
