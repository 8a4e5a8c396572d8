//! A barrier that holds, in place of one that does not.
//!
//! Sled has each write of its log followed by `sync_file_range`, and takes the octets for durable from then on: it uses segments
//! again whose contents stand in later ones. But that call reaches neither the cache of the device nor the file's size
//! (sync_file_range(2), "Warning"), so that a power cut may lose the later segment and keep what was written over the earlier one.
//! The function below takes the C library's place in every program that this crate is linked into, and syncs the file's data.

#![expect(unsafe_code, reason = "it gives a function the name of one of the C library's; see there")]

use std::ffi::{c_int, c_uint};
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};

unsafe extern "C" {
    // Sound for every argument: a number that is no open file is answered with an error.
    safe fn fdatasync(file: c_int) -> c_int;
}

/// How often somebody asked for a barrier.
#[cfg(test)]
pub(super) static ASKED: AtomicU64 = AtomicU64::new(0);

/// What sync_file_range(2) promises, for the whole file, and that it is durable. Errors are fdatasync(2)'s, by `errno`.
//
// The name is free to be given: the signature is that of the C library's function on every 64-bit Linux, nobody else in this
// program defines it, and syncing more than was asked for breaks nobody's expectation.
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(file: c_int, _offset: i64, _octets: i64, _flags: c_uint) -> c_int {
    #[cfg(test)]
    ASKED.fetch_add(1, Ordering::Relaxed);
    fdatasync(file)
}
