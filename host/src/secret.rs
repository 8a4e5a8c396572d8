//! Secrets as types that cannot print: no `Display`, a `Debug` that says nothing, no `Serialize`, wiped when dropped.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// A password, token or key in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Take over `octets`.
    #[must_use]
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// The octets themselves; the one way in, so that every use can be found by its name.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The octets as text, where they are UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `text` with every occurrence of this secret taken out: plain, in base64 with and without padding (at each of the three
    /// alignments, as it appears inside a longer SASL response), and percent-encoded. Servers echo what they were sent.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        // Secrets this short occur in ordinary words; taking them out would only tell where they are.
        if self.0.len() < 4 {
            return clean;
        }
        for needle in self.spellings() {
            clean = clean.replace(needle.as_str(), "[redacted]");
        }
        clean
    }

    /// The ways in which this secret may stand in a text.
    #[must_use]
    pub fn spellings(&self) -> Vec<Zeroizing<String>> {
        use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
        let mut spellings = Vec::new();
        if let Some(text) = self.expose_str() {
            spellings.push(Zeroizing::new(text.to_owned()));
            let percent = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
            spellings.push(Zeroizing::new(percent));
        }
        for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
            // Digits that mix in a neighbour's bits are left out at both ends.
            for (alignment, first) in [(0, 0), (1, 2), (2, 3)] {
                let mut shifted = Zeroizing::new(vec![0; alignment]);
                shifted.extend_from_slice(&self.0);
                let whole = shifted.len() / 3 * 4;
                let encoded = Zeroizing::new(encoding.encode(&shifted));
                if let Some(middle) = encoded.get(first..whole).filter(|middle| middle.len() >= 5) {
                    spellings.push(Zeroizing::new(middle.to_owned()));
                }
            }
        }
        spellings.retain(|spelling| !spelling.is_empty());
        spellings
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl Zeroize for Secret {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_prints() {
        assert_eq!(format!("{:?}", Secret::new("correct horse")), "Secret([redacted])");
    }

    #[test]
    fn redacts_every_spelling() {
        let secret = Secret::new("correct horse");
        for alignment in 0..3 {
            let response = format!("{}\0{}", "u".repeat(alignment), "correct horse");
            let echoed = format!("cannot decode {}", data_encoding::BASE64.encode(response.as_bytes()));
            let clean = secret.redact(&echoed);
            assert!(clean.contains("[redacted]"), "{clean}");
            for spelling in secret.spellings() {
                assert!(!clean.contains(spelling.as_str()), "{clean}");
            }
        }
        assert_eq!(secret.redact("LOGIN me correct horse!"), "LOGIN me [redacted]!");
        assert_eq!(secret.redact("pass=correct%20horse"), "pass=[redacted]");
    }
}
