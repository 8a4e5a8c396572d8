//! See `postrider::net::fuzz::imap_preamble`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| postrider::net::fuzz::imap_preamble(octets));
