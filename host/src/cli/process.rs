//! What this process asks of the system for itself: no core dumps, which would hold the master key and mail in clear, and as many
//! descriptors as it may have.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Neither a core file nor another process of the same user may have our memory. Where the system refuses, the log says so.
pub(super) fn keep_memory() {
    let refused = |error: rustix::io::Errno| tracing::warn!(%error, "core dumps could not be turned off: they would hold keys and mail");
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none).map_err(refused);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(refused);
}

/// Raise the limit of open files to the hard one: each account has a connection, each Maildir a file at a time.
pub(super) fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}
