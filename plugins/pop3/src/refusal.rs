//! What a server's `-ERR` is to the host (RFC 2449 section 8, RFC 3206, RFC 6856 section 5).

use postrider_connector::types::{Error, Failure};

use crate::reply::Status;

/// The contract's error for a status that is not `+OK`.
#[must_use]
pub fn error(status: &Status) -> Error {
    let kind = match status.code.as_deref() {
        // Another session has the maildrop; or the server has trouble that passes.
        Some("IN-USE" | "SYS/TEMP") => Failure::Transient,
        Some("LOGIN-DELAY") => Failure::Throttled,
        Some("AUTH") => Failure::Unauthenticated,
        // The message cannot be shown without the UTF8 mode, which the server does not offer.
        Some("UTF8") => Failure::Unsupported,
        // SYS/PERM, codes of providers', and none.
        _ => Failure::Permanent,
    };
    let error = Error::new(kind, status.words.clone());
    match &status.code {
        Some(code) => error.with_code(code.clone()),
        None => error,
    }
}

/// Whether the server refuses for now only, so that nothing may be concluded about a message.
#[must_use]
pub fn is_passing(error: &Error) -> bool {
    matches!(error.kind, Failure::Transient | Failure::Throttled | Failure::Unreachable | Failure::Unauthenticated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kinds() {
        for (line, kind, is_passing_one) in [
            ("-ERR [IN-USE] x", Failure::Transient, true),
            ("-ERR [SYS/TEMP] x", Failure::Transient, true),
            ("-ERR [LOGIN-DELAY] x", Failure::Throttled, true),
            ("-ERR [AUTH] x", Failure::Unauthenticated, true),
            ("-ERR [SYS/PERM] x", Failure::Permanent, false),
            ("-ERR [UTF8] x", Failure::Unsupported, false),
            ("-ERR [X-ODD] x", Failure::Permanent, false),
            ("-ERR no such message", Failure::Permanent, false),
        ] {
            let error = error(&Status::parse(line.as_bytes()).unwrap());
            assert_eq!((error.kind, is_passing(&error)), (kind, is_passing_one), "{line}");
        }
        assert_eq!(error(&Status::parse(b"-ERR [IN-USE] x").unwrap()).code.as_deref(), Some("IN-USE"));
    }
}
