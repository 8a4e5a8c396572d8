//! What a status other than 2xx is to the host (RFC 9110 section 15, RFC 6585).

use serde_json::Value;

use super::Response;
use super::retry::retry_after_ms;
use crate::types::{Error, Failure};

/// Octets of a refusal's body that are looked at for words.
const BODY_OCTETS: usize = 64 << 10;

/// The contract's error for a response that is no success.
pub(super) async fn error(response: Response) -> Error {
    let Response { status, headers, body } = response;
    let retry_after_ms = retry_after_ms(&headers);
    let kind = match status {
        401 => Failure::Unauthenticated,
        403 if retry_after_ms.is_some() => Failure::Throttled,
        403 => Failure::Forbidden,
        404 => Failure::Gone,
        405 | 406 | 415 | 501 => Failure::Unsupported,
        409 | 412 => Failure::Conflict,
        410 => Failure::StaleCursor,
        413 => Failure::TooLarge,
        429 => Failure::Throttled,
        408 | 425 | 500 | 502 | 503 | 504 | 507 => Failure::Transient,
        _ => Failure::Permanent,
    };
    // Words are a courtesy: a body that is cut short or too long has none.
    let words = body.octets(BODY_OCTETS).await.ok().and_then(|octets| words(&octets));
    let message = words.unwrap_or_else(|| format!("the service answers with status {status}"));
    Error { retry_after_ms, ..Error::new(kind, message).with_code(status.to_string()) }
}

/// What a service says in JSON: `detail` and `title` (RFC 9457), `error_description` (RFC 6749 section 5.2), `error.message` (Google, Microsoft),
/// `message`, `error`.
fn words(octets: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(octets).ok()?;
    let places = ["/error/message", "/error_description", "/detail", "/title", "/message", "/error"];
    let found = places.iter().find_map(|place| value.pointer(place)?.as_str().filter(|text| !text.trim().is_empty()));
    // One line, as the operator is shown it.
    found.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
}
