//! SASLprep (RFC 4013): one spelling for names and passwords that look alike.

use zeroize::Zeroizing;

/// `text` as SASLprep makes it. Where the profile refuses it (control characters, signs that Unicode 3.2 did not know, octets that
/// are no UTF-8), it stays as it is: servers that store such a password did not prepare it either, and a difference is only a
/// refused sign-in.
pub(super) fn saslprep(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let prepared = std::str::from_utf8(text).ok().and_then(|text| stringprep::saslprep(text).ok());
    Zeroizing::new(match prepared {
        Some(std::borrow::Cow::Owned(prepared)) => prepared.into_bytes(),
        Some(std::borrow::Cow::Borrowed(_)) | None => text.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_in_rfc_4013() {
        // Section 3, and what the profile refuses.
        for (given, prepared) in [
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("e\u{301}", "\u{e9}"),
            ("a\u{a0}b", "a b"),
            ("\u{7}", "\u{7}"),
            ("\u{627}1", "\u{627}1"),
            ("horse \u{1f40e}", "horse \u{1f40e}"),
        ] {
            assert_eq!(saslprep(given.as_bytes()).as_slice(), prepared.as_bytes(), "{given:?}");
        }
        assert_eq!(saslprep(b"\xff\xfe").as_slice(), b"\xff\xfe");
    }
}
