//! Accounts as operators manage them.
