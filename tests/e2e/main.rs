//! The built binary from outside: one module a promise.

mod harness_itself;
