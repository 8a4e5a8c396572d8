//! What a sign-in mechanism puts on the wire. Every buffer that holds a secret is wiped when it is dropped.

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The mechanisms that this host speaks, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
}

impl Mechanism {
    /// Every mechanism, the strongest first.
    pub const ALL: [Self; 1] = [Self::Plain];

    /// As registered with IANA.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
        }
    }

    /// The strongest one among `offered`, compared without regard to case.
    #[must_use]
    pub fn strongest<'a>(offered: &(impl Iterator<Item = &'a str> + Clone)) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| offered.clone().any(|name| name.eq_ignore_ascii_case(mechanism.name())))
    }

    /// The first response, in base64 (RFC 4648 section 4) as every line protocol carries it; none where the mechanism cannot
    /// carry these octets (a NUL, RFC 4616 section 2).
    #[must_use]
    pub fn initial_response(self, user: &str, secret: &Secret) -> Option<Zeroizing<String>> {
        match self {
            Self::Plain => {
                if user.contains('\0') || secret.expose().contains(&0) {
                    return None;
                }
                // Reserved in full: a buffer that grows leaves copies behind.
                let mut message = Zeroizing::new(Vec::with_capacity(user.len() + secret.expose().len() + 2));
                message.push(0);
                message.extend_from_slice(user.as_bytes());
                message.push(0);
                message.extend_from_slice(secret.expose());
                Some(Zeroizing::new(BASE64.encode(&message)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_as_in_the_rfc() {
        // RFC 4616 section 4.
        let response = Mechanism::Plain.initial_response("tim", &Secret::new("tanstaaftanstaaf"));
        assert_eq!(BASE64.decode(response.unwrap().as_bytes()).unwrap(), b"\0tim\0tanstaaftanstaaf");
        assert!(Mechanism::Plain.initial_response("t\0m", &Secret::new("x")).is_none());
        assert!(Mechanism::Plain.initial_response("tim", &Secret::new("x\0")).is_none());
    }

    #[test]
    fn the_strongest_that_is_offered() {
        assert_eq!(Mechanism::strongest(&["XOAUTH2", "plain"].into_iter()), Some(Mechanism::Plain));
        assert_eq!(Mechanism::strongest(&["XOAUTH2"].into_iter()), None);
    }
}
