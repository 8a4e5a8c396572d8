//! What a server's NO, BAD or BYE is to the host (RFC 5530, RFC 9051 section 7.1).

use postrider_connector::types::{Error, Failure};

use crate::response::parse::{Condition, Status};

/// The contract's error for a status that is not OK.
#[must_use]
pub fn error(status: &Status) -> Error {
    let name = status.code.as_ref().map(super::response::code::Code::name);
    let kind = match (status.condition, name) {
        (Condition::Bye, _) => Failure::Unreachable,
        (_, Some("UNAVAILABLE" | "INUSE" | "SERVERBUG" | "CONTACTADMIN")) => Failure::Transient,
        (_, Some("LIMIT" | "THROTTLED" | "OVERQUOTA")) => Failure::Throttled,
        (_, Some("NOPERM" | "PRIVACYREQUIRED")) => Failure::Forbidden,
        (_, Some("AUTHENTICATIONFAILED" | "AUTHORIZATIONFAILED" | "EXPIRED")) => Failure::Unauthenticated,
        (_, Some("NONEXISTENT" | "TRYCREATE" | "EXPUNGEISSUED")) => Failure::Gone,
        (_, Some("ALREADYEXISTS")) => Failure::Conflict,
        (_, Some("TOOBIG")) => Failure::TooLarge,
        (_, Some("CANNOT")) => Failure::Unsupported,
        _ => Failure::Permanent,
    };
    let error = Error::new(kind, status.words.clone());
    match name {
        Some(name) => error.with_code(name),
        None => error,
    }
}

/// Whether the server refuses for now only, so that nothing may be concluded about a message.
#[must_use]
pub fn is_passing(error: &Error) -> bool {
    matches!(error.kind, Failure::Transient | Failure::Throttled | Failure::Unreachable | Failure::Unauthenticated | Failure::Forbidden)
}
