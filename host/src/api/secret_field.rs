//! A secret inside a request, for the one frame in which it goes from a command to the daemon. [`Secret`] itself has no
//! `Serialize`, so that nothing else can be written by mistake.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// For `#[serde(with)]`: base64, or null.
///
/// # Errors
/// As of the serializer.
pub(super) fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = secret.as_ref().map(|secret| Zeroizing::new(data_encoding::BASE64.encode(secret.expose())));
    text.as_ref().map(|text| text.as_str()).serialize(serializer)
}

/// For `#[serde(with)]`.
///
/// # Errors
/// Text that is not base64; the error does not repeat it.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.map(Zeroizing::new);
    text.map(|text| data_encoding::BASE64.decode(text.as_bytes()).map(Secret::new))
        .transpose()
        .map_err(|_| serde::de::Error::custom("a secret is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Frame {
        #[serde(with = "super")]
        secret: Option<Secret>,
    }

    #[test]
    fn octets_come_back() {
        for secret in [None, Some(Secret::new("correct horse")), Some(Secret::new([0, 255, b'"']))] {
            let json = serde_json::to_vec(&Frame { secret: secret.clone() }).unwrap();
            assert!(serde_json::from_slice::<Frame>(&json).unwrap().secret == secret);
        }
    }

    #[test]
    fn an_error_does_not_repeat_the_text() {
        let error = serde_json::from_str::<Frame>(r#"{"secret":"correct horse"}"#).err().unwrap().to_string();
        assert!(!error.contains("horse"), "{error}");
    }
}
