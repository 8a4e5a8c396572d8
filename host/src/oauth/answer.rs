//! The answer of a token endpoint (RFC 6749 section 5.1), as servers really write it.

use std::time::Duration;

use oauth2::basic::BasicTokenType;
use oauth2::{AccessToken, RefreshToken, Scope, TokenResponse};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;
use crate::secret::Secret;

/// What is assumed of a token whose lifetime the server does not say: the shortest that providers of mail give. It is looked at only to
/// renew in time; a token that is refused earlier is renewed then.
const LIFETIME_ASSUMED: Duration = Duration::from_secs(3600);

/// The longest lifetime that is believed.
const LIFETIME_MOST: Duration = Duration::from_secs(400 * 24 * 3600);

/// A token endpoint's answer, for the `oauth2` crate.
#[derive(Debug, Deserialize)]
pub(super) struct TokenAnswer {
    access_token: AccessToken,
    /// Told apart before: see [`wrong_type`].
    #[serde(skip, default = "bearer")]
    token_type: BasicTokenType,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
    /// Microsoft's name for it is not the one of others.
    #[serde(default, alias = "refresh_token_expires_in", deserialize_with = "seconds")]
    refresh_expires_in: Option<u64>,
    #[serde(rename = "scope", default, deserialize_with = "scopes")]
    scopes: Option<Vec<Scope>>,
    #[serde(default)]
    id_token: Option<AccessToken>,
}

/// What a grant gave.
pub struct Granted {
    /// The access token.
    pub access: Secret,
    /// When it was asked for.
    pub issued: Timestamp,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// What renews it.
    pub refresh: Option<Secret>,
    /// When that expires, where the server says so.
    pub refresh_expires: Option<Timestamp>,
    /// What it is good for, where the server says so.
    pub scopes: Option<Vec<String>>,
    /// Who signed in, as a signed statement (OpenID Connect Core 1.0 section 2).
    pub id_token: Option<Secret>,
}

impl TokenAnswer {
    /// The lifetimes are counted from `asked`, when the request went out: what the server's clock says has no part in it.
    pub(super) fn granted(self, asked: Timestamp) -> Granted {
        let after = |seconds: u64| later(asked, Duration::from_secs(seconds).min(LIFETIME_MOST));
        Granted {
            access: Secret::from(self.access_token.into_secret()),
            issued: asked,
            expires: Some(self.expires_in.map_or_else(|| later(asked, LIFETIME_ASSUMED), after)),
            refresh: self.refresh_token.map(|token| Secret::from(token.into_secret())).filter(|token| !token.is_empty()),
            refresh_expires: self.refresh_expires_in.filter(|seconds| *seconds > 0).map(after),
            scopes: self.scopes.map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect()),
            id_token: self.id_token.map(|token| Secret::from(token.into_secret())),
        }
    }
}

impl TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        self.scopes.as_ref()
    }
}

/// The crate wants it; nothing of an answer is ever written.
impl Serialize for TokenAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

/// `at` and so much later.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp(at.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
}

/// What is wrong with a good answer, before it is taken; its values are never repeated.
pub(super) fn wrong(body: &[u8]) -> Option<String> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(body) else {
        return Some(match body.trim_ascii_start().first() {
            Some(b'<') => "it answers with a web page where a token belongs".to_owned(),
            None => "its answer is empty".to_owned(),
            Some(_) => "its answer is no JSON object".to_owned(),
        });
    };
    let text = |name: &str| fields.get(name).and_then(serde_json::Value::as_str);
    if text("access_token").is_none_or(|token| token.is_empty() || !token.bytes().all(|octet| octet.is_ascii_graphic())) {
        return Some("its answer holds no access token".to_owned());
    }
    // RFC 6749 section 7.1: a token of another type is not to be used. Without a type, servers mean this one.
    match fields.get("token_type") {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(kind)) if kind.eq_ignore_ascii_case("bearer") => None,
        Some(_) => Some("its token is of another type than `Bearer`, which is the only one that mail servers take".to_owned()),
    }
}

fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

/// A number, or one that is written as text (Microsoft's older endpoints), or nothing that can be meant.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Option::<serde_json::Value>::deserialize(deserializer)? {
        Some(serde_json::Value::Number(number)) => number.as_u64().or_else(|| number.as_f64().filter(|n| *n >= 0.0).map(whole)),
        Some(serde_json::Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is not negative, and a cast of floats saturates")]
fn whole(number: f64) -> u64 {
    number as u64
}

/// Separated by spaces as in RFC 6749 section 3.3, by commas, or as a list.
fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Scope>>, D::Error> {
    let words = match Option::<serde_json::Value>::deserialize(deserializer)? {
        Some(serde_json::Value::String(text)) => text.split([' ', ',']).map(str::to_owned).collect::<Vec<_>>(),
        Some(serde_json::Value::Array(list)) => list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => return Ok(None),
    };
    Ok(Some(words.into_iter().filter(|word| !word.is_empty()).map(Scope::new).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Granted {
        assert_eq!(wrong(json.as_bytes()), None, "{json}");
        serde_json::from_str::<TokenAnswer>(json).unwrap().granted(Timestamp(1_000_000))
    }

    #[test]
    fn as_servers_write_it() {
        let plain = read(r#"{"access_token":"a","token_type":"bearer","expires_in":60,"refresh_token":"r","scope":"one two"}"#);
        assert_eq!((plain.expires, plain.issued), (Some(Timestamp(1_060_000)), Timestamp(1_000_000)));
        assert!(plain.refresh == Some(Secret::new("r")) && plain.access == Secret::new("a"));
        assert_eq!(plain.scopes.unwrap(), ["one", "two"]);
        let odd =
            read(r#"{"access_token":"a","expires_in":"3599","refresh_token":"","scope":["x"],"refresh_token_expires_in":10,"other":{}}"#);
        assert_eq!(odd.expires, Some(Timestamp(4_599_000)));
        assert!(odd.refresh.is_none());
        assert_eq!((odd.scopes.unwrap(), odd.refresh_expires), (vec!["x".to_owned()], Some(Timestamp(1_010_000))));
        for silent in [
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","expires_in":"soon","scope":7}"#,
            r#"{"access_token":"a","expires_in":null}"#,
        ] {
            assert_eq!(read(silent).expires, Some(Timestamp(4_600_000)), "{silent}");
        }
        let long = read(r#"{"access_token":"a","expires_in":1e300}"#).expires.unwrap();
        assert!(long.0 < 1_000_000 + 401 * 24 * 3_600_000);
    }

    #[test]
    fn what_is_no_token_is_said_without_its_values() {
        for (body, words) in [
            ("", "empty"),
            ("  \n<!DOCTYPE html><p>hunter2", "web page"),
            ("hunter2", "no JSON object"),
            ("[\"hunter2\"]", "no JSON object"),
            ("{}", "no access token"),
            (r#"{"access_token":7}"#, "no access token"),
            (r#"{"access_token":"hunt\ner2"}"#, "no access token"),
            (r#"{"access_token":"a","token_type":"hunter2"}"#, "another type"),
            (r#"{"access_token":"a","token_type":["bearer"]}"#, "another type"),
        ] {
            let wrong = wrong(body.as_bytes()).unwrap();
            assert!(wrong.contains(words) && !wrong.contains("hunt"), "{wrong}");
        }
    }
}
