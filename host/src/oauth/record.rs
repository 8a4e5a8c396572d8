//! The sealed record of an account's tokens, as it lies in the vault.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::answer::{Granted, later};
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::secret::Secret;

/// How long before its end a token is renewed, at most; of a token that lives shortly, a fifth of its life.
const RENEWED_BEFORE: Duration = Duration::from_secs(5 * 60);

/// An account's tokens, and how they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The access token.
    pub access: Option<Access>,
    /// What renews it.
    pub refresh: Option<Secret>,
    /// When that expires, where the server says so.
    pub refresh_expires: Option<Timestamp>,
    /// What the tokens are good for.
    pub scopes: Vec<String>,
    /// When the grant was given.
    pub authorized: Option<Timestamp>,
    /// When the tokens were last renewed.
    pub renewed: Option<Timestamp>,
    /// Who signed in, as the provider says.
    pub identity: Option<String>,
    /// Why the last attempt to renew them failed.
    pub failure: Option<Failure>,
}

/// An access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The token.
    pub token: Secret,
    /// When it was asked for.
    pub issued: Timestamp,
    /// When it expires; none: nobody knows.
    pub expires: Option<Timestamp>,
}

/// Why tokens could not be renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What failed last.
    pub fault: Fault,
    /// Since when.
    pub since: Timestamp,
    /// Whether the grant is over, so that nothing is asked again.
    pub is_final: bool,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    access: Option<WrittenAccess>,
    refresh: Option<Text>,
    refresh_expires: Option<Timestamp>,
    scopes: Vec<String>,
    authorized: Option<Timestamp>,
    renewed: Option<Timestamp>,
    identity: Option<String>,
    failure: Option<Failure>,
}

/// A token in the record; nothing else writes a secret.
struct Text(Secret);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_str().unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An error would repeat what it does not understand.
        String::deserialize(deserializer).map(|text| Self(Secret::from(text))).map_err(|_| D::Error::custom("a token is no text"))
    }
}

#[derive(Serialize, Deserialize)]
struct WrittenAccess {
    token: Text,
    issued: Timestamp,
    expires: Option<Timestamp>,
}

impl Access {
    /// Whether it may be used at `now` and for a while. A clock that was set back behind its making says nothing of its end.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let Some(expires) = self.expires else { return true };
        let life = Duration::from_millis(expires.0.saturating_sub(self.issued.0));
        now >= self.issued && later(now, RENEWED_BEFORE.min(life / 5)) < expires
    }

    /// Whether it has not yet expired.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now >= self.issued && now < expires)
    }
}

impl Record {
    /// Take over what a grant gave. A server that gives no new refresh token means the former one (RFC 6749 section 6).
    pub fn take(&mut self, granted: &Granted) {
        self.access = Some(Access { token: granted.access.clone(), issued: granted.issued, expires: granted.expires });
        if granted.refresh.is_some() {
            self.refresh.clone_from(&granted.refresh);
            self.refresh_expires = granted.refresh_expires;
        } else if granted.refresh_expires.is_some() {
            self.refresh_expires = granted.refresh_expires;
        }
        if let Some(scopes) = &granted.scopes {
            self.scopes.clone_from(scopes);
        }
        self.renewed = Some(granted.issued);
        self.failure = None;
    }

    /// As octets for the vault.
    ///
    /// # Errors
    /// A token that is not text.
    pub fn encode(&self) -> Result<Secret, Fault> {
        let tokens = self.access.iter().map(|access| &access.token).chain(&self.refresh);
        if tokens.into_iter().any(|token| token.expose_str().is_none()) {
            return Err(Fault::new(Kind::Malformed, "write down the tokens").because_words("a token is no text"));
        }
        let access = self.access.as_ref();
        let access =
            access.map(|access| WrittenAccess { token: Text(access.token.clone()), issued: access.issued, expires: access.expires });
        let refresh = self.refresh.clone().map(Text);
        let written = Written {
            format: 1,
            access,
            refresh,
            refresh_expires: self.refresh_expires,
            scopes: self.scopes.clone(),
            authorized: self.authorized,
            renewed: self.renewed,
            identity: self.identity.clone(),
            failure: self.failure.clone(),
        };
        // Reserved in full: a buffer that grows leaves copies behind.
        let mut octets = Vec::with_capacity(64 << 10);
        serde_json::to_writer(&mut octets, &written).map_err(|error| Fault::new(Kind::Bug, "write down the tokens").because(&error))?;
        Ok(Secret::new(octets))
    }

    /// From the vault's octets.
    ///
    /// # Errors
    /// `Damaged` where they are none of ours, `Unsupported` where a later version wrote them; neither repeats them.
    pub fn decode(secret: &Secret) -> Result<Self, Fault> {
        let damaged = || Fault::new(Kind::Damaged, "read the tokens in the vault");
        let written: Written =
            serde_json::from_slice(secret.expose()).map_err(|_| damaged().because_words("they are not as they were written"))?;
        if written.format != 1 {
            return Err(Fault { kind: Kind::Unsupported, ..damaged() }.because_words("a later version of this program wrote them"));
        }
        Ok(Self {
            access: written.access.map(|access| Access { token: access.token.0, issued: access.issued, expires: access.expires }),
            refresh: written.refresh.map(|text| text.0),
            refresh_expires: written.refresh_expires,
            scopes: written.scopes,
            authorized: written.authorized,
            renewed: written.renewed,
            identity: written.identity,
            failure: written.failure,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(issued: u64, expires: Option<u64>) -> Access {
        Access { token: Secret::new("a"), issued: Timestamp(issued), expires: expires.map(Timestamp) }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let fault = Fault::new(Kind::Unauthenticated, "renew").with_code("invalid_grant");
        let record = Record {
            access: Some(access(1, Some(2))),
            refresh: Some(Secret::new("r\"\\ü")),
            scopes: vec!["mail".to_owned()],
            authorized: Some(Timestamp(7)),
            identity: Some("me@example.com".to_owned()),
            failure: Some(Failure { fault, since: Timestamp(8), is_final: true }),
            ..Record::default()
        };
        assert_eq!(Record::decode(&record.encode().unwrap()).unwrap(), record);
        assert!(!format!("{record:?}").contains("r\\\""), "no token is shown");
        for odd in ["", "{}", r#"{"format":1}"#, "hunter2"] {
            let fault = Record::decode(&Secret::new(odd)).unwrap_err();
            assert!(fault.kind == Kind::Damaged && !fault.causes().any(|cause| cause.contains("hunter2")));
        }
    }

    #[test]
    fn tokens_are_renewed_before_their_end_and_when_the_clock_was_set_back() {
        let hour = access(1_000_000, Some(4_600_000));
        assert!(hour.is_fresh(Timestamp(1_000_000)) && hour.is_fresh(Timestamp(4_299_999)));
        assert!(!hour.is_fresh(Timestamp(4_300_000)), "five minutes before its end");
        assert!(hour.is_alive(Timestamp(4_599_999)) && !hour.is_alive(Timestamp(4_600_000)));
        assert!(!hour.is_fresh(Timestamp(999_999)), "made in the future: the clock was set back");
        let brief = access(0, Some(10_000));
        assert!(brief.is_fresh(Timestamp(7_999)) && !brief.is_fresh(Timestamp(8_000)), "a fifth of its life");
        assert!(access(5, None).is_fresh(Timestamp(0)) && access(5, None).is_alive(Timestamp(u64::MAX)));
    }

    #[test]
    fn without_a_new_refresh_token_the_former_one_goes_on() {
        let mut record = Record { refresh: Some(Secret::new("one")), scopes: vec!["a".to_owned()], ..Record::default() };
        let granted = |refresh: Option<&str>| Granted {
            access: Secret::new("x"),
            issued: Timestamp(5),
            expires: None,
            refresh: refresh.map(Secret::new),
            refresh_expires: None,
            scopes: None,
            id_token: None,
        };
        record.take(&granted(None));
        assert!(record.refresh == Some(Secret::new("one")) && record.scopes == ["a"] && record.renewed == Some(Timestamp(5)));
        record.take(&granted(Some("two")));
        assert!(record.refresh == Some(Secret::new("two")));
    }
}
