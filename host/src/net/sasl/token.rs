//! The mechanisms that carry an OAuth access token (RFC 7628; Google's and Microsoft's XOAUTH2), and the error that a server gives
//! before it refuses.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Identity, SaslError};

/// The error of RFC 7628 section 3.2.2; XOAUTH2 has the same fields.
#[derive(Deserialize)]
struct Refused {
    status: String,
    #[serde(default)]
    scope: Option<String>,
}

/// The initial response of OAUTHBEARER (RFC 7628 section 3.1).
pub(super) fn bearer(identity: &Identity) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    let user = identity.user.replace('=', "=3D").replace(',', "=2C");
    let (server, port) = (&identity.server, identity.port);
    message(identity, &format!("n,a={user},\x01host={server}\x01port={port}"))
}

/// The initial response of XOAUTH2.
pub(super) fn xoauth2(identity: &Identity) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    message(identity, &format!("user={}", identity.user))
}

/// What the server says of the token, in words; empty where it cannot be understood.
pub(super) fn error(challenge: &[u8]) -> String {
    serde_json::from_slice(challenge).map_or_else(
        |_| String::new(),
        |Refused { status, scope }| match scope {
            Some(scope) if !scope.is_empty() => format!("token refused: {status}, scope {scope}"),
            _ => format!("token refused: {status}"),
        },
    )
}

fn message(identity: &Identity, head: &str) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    let token = identity.secret.expose();
    // RFC 6750 section 2.1: tokens are made of printable ASCII; anything else could end the field.
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) || identity.user.contains(['\0', '\x01']) {
        return Err(SaslError::Unspeakable);
    }
    // Reserved in full: a buffer that grows leaves copies behind.
    let mut whole = Zeroizing::new(Vec::with_capacity(head.len() + token.len() + 16));
    for part in [head.as_bytes(), b"\x01auth=Bearer ", token, b"\x01\x01"] {
        whole.extend_from_slice(part);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::sasl::tests::identity;

    #[test]
    fn as_in_rfc_7628() {
        // Section 4.1, without its port 587 example's line breaks.
        let mut identity = identity("user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
        (identity.server, identity.port) = ("server.example.com".to_owned(), 143);
        assert_eq!(
            bearer(&identity).unwrap().as_slice(),
            b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
        );
        assert_eq!(
            xoauth2(&identity).unwrap().as_slice(),
            b"user=user@example.com\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
        );
        assert!(bearer(&tests::identity("me", "to\x01ken")).is_err());
        assert!(xoauth2(&tests::identity("m\x01e", "token")).is_err());
    }

    #[test]
    fn errors_in_words() {
        let known = br#"{"status":"invalid_token","scope":"example_scope","openid-configuration":"https://example.com/x"}"#;
        assert_eq!(error(known), "token refused: invalid_token, scope example_scope");
        assert_eq!(error(br#"{"status":"400","schemes":"Bearer","scope":""}"#), "token refused: 400");
        for odd in [&b""[..], b"no", b"{}", br#"{"status":1}"#, b"\xff"] {
            assert_eq!(error(odd), "");
        }
    }
}
