//! What comes back from the authorization endpoint (RFC 6749 section 4.1.2, RFC 9207), as a pure function of the query.

use url::form_urlencoded;

use crate::fault::{Fault, Kind};
use crate::secret::Secret;

/// The longest query, or pasted text, that is looked at.
const QUERY_OCTETS: usize = 16 << 10;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callback {
    /// The authorization code.
    Code(Secret),
    /// A refusal: the error code and the server's words.
    Refused {
        /// As registered.
        code: String,
        /// In the server's words.
        words: Option<String>,
    },
}

/// Why it is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// No query of a redirect.
    #[error("it holds neither a code nor an error")]
    Nothing,
    /// More than one of a parameter, or an overlong one.
    #[error("it is not as an authorization server writes it")]
    Malformed,
    /// Of another attempt, or made up by somebody.
    #[error("its `state` is not the one of this sign-in: it belongs to another attempt, or somebody made it up")]
    State,
    /// RFC 9207.
    #[error("it comes from another authorization server than the one that was asked")]
    Issuer,
}

/// Read the query of a redirect. `state` is what was sent; `issuer` who was asked, where that is known.
///
/// # Errors
/// Whatever is not to be believed. A refusal is no error.
pub fn read(query: &str, state: &Secret, issuer: Option<&str>) -> Result<Callback, CallbackError> {
    if query.len() > QUERY_OCTETS {
        return Err(CallbackError::Malformed);
    }
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    // RFC 6749 section 3.1: no parameter twice.
    let one = |name: &str| {
        let mut found = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_ref());
        match (found.next(), found.next()) {
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
            _ => Err(CallbackError::Malformed),
        }
    };
    let (code, error) = (one("code")?, one("error")?);
    if code.is_none() && error.is_none() {
        return Err(CallbackError::Nothing);
    }
    let given = one("state")?.unwrap_or_default();
    // Hashes compare in a time that says nothing of how far both are the same.
    if state.is_empty() || blake3::hash(given.as_bytes()) != blake3::hash(state.expose()) {
        return Err(CallbackError::State);
    }
    if let (Some(named), Some(issuer)) = (one("iss")?, issuer)
        && named != issuer
    {
        return Err(CallbackError::Issuer);
    }
    match (code, error) {
        (Some(code), None) if code.bytes().all(|octet| (0x20..0x7f).contains(&octet)) => Ok(Callback::Code(Secret::new(code))),
        (None, Some(code)) => Ok(Callback::Refused { code: code.to_owned(), words: one("error_description")?.map(str::to_owned) }),
        _ => Err(CallbackError::Malformed),
    }
}

/// The query in what somebody pasted: the whole address, its query, or the code alone, which then stands for itself.
#[must_use]
pub fn pasted(text: &str, state: &Secret) -> String {
    let text = text.trim();
    if let Some((_, query)) = text.split_once('?') {
        return query.split('#').next().unwrap_or_default().to_owned();
    }
    if text.contains("code=") || text.contains("error=") {
        return text.to_owned();
    }
    // Who copies a code by hand has it from the page that this sign-in opened.
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("code", text).append_pair("state", state.expose_str().unwrap_or_default());
    query.finish()
}

impl From<CallbackError> for Fault {
    fn from(error: CallbackError) -> Self {
        let kind = if error == CallbackError::Nothing { Kind::Usage } else { Kind::Untrusted };
        Self::new(kind, "take the answer to the sign-in").because(&error).with_remedy("begin again: `postrider account authorize NAME`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> Secret {
        Secret::new("s1")
    }

    #[test]
    fn only_the_answer_to_this_attempt_is_believed() {
        let code = |query: &str| read(query, &state(), Some("https://id.example"));
        assert_eq!(code("code=abc&state=s1"), Ok(Callback::Code(Secret::new("abc"))));
        assert_eq!(code("code=a%2Fb&state=s1&iss=https%3A%2F%2Fid.example"), Ok(Callback::Code(Secret::new("a/b"))));
        let refused = Callback::Refused { code: "access_denied".to_owned(), words: Some("no way".to_owned()) };
        assert_eq!(code("error=access_denied&error_description=no+way&state=s1"), Ok(refused));
        for (query, error) in [
            ("", CallbackError::Nothing),
            ("state=s1", CallbackError::Nothing),
            ("code=&state=s1", CallbackError::Nothing),
            ("code=abc", CallbackError::State),
            ("code=abc&state=s2", CallbackError::State),
            ("code=abc&state=s1x", CallbackError::State),
            ("error=access_denied", CallbackError::State),
            ("code=abc&state=s1&iss=https://evil.example", CallbackError::Issuer),
            ("code=abc&code=def&state=s1", CallbackError::Malformed),
            ("code=abc&state=s1&state=s1", CallbackError::Malformed),
            ("code=abc&error=x&state=s1", CallbackError::Malformed),
            ("code=a%00b&state=s1", CallbackError::Malformed),
        ] {
            assert_eq!(code(query), Err(error), "{query}");
        }
        assert_eq!(read(&"x".repeat(QUERY_OCTETS + 1), &state(), None), Err(CallbackError::Malformed));
        assert_eq!(read("code=abc&state=", &Secret::new(""), None), Err(CallbackError::State));
    }

    #[test]
    fn people_paste_addresses_queries_and_codes() {
        for text in ["http://127.0.0.1:7/?code=a%2Bb&state=s1#x", " code=a%2Bb&state=s1\n", "a+b"] {
            assert_eq!(read(&pasted(text, &state()), &state(), None), Ok(Callback::Code(Secret::new("a+b"))), "{text}");
        }
        assert_eq!(read(&pasted("http://127.0.0.1:7/?code=a&state=other", &state()), &state(), None), Err(CallbackError::State));
    }
}
