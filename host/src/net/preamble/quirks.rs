//! Which quirks a server has: those that the operator named, and those that its name or its greeting tells.

use crate::model::endpoint::Endpoint;
use crate::model::quirk::Quirk;

/// How one server wants to be treated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quirks {
    /// The operator's, and those of the server's name.
    known: Vec<Quirk>,
    /// Those of its greeting.
    greeted: Vec<Quirk>,
}

/// Domains whose servers are known. Only what gives nothing away is found like this: how strong a sign-in is, the operator decides.
const BY_NAME: &[(&[&str], &[Quirk])] = &[
    (&["163.com", "126.com", "yeah.net", "188.com", "netease.com"], &[Quirk::IdAfterSignIn, Quirk::NoInitialResponse]),
    (&["office365.com", "outlook.com"], &[Quirk::NoImap4rev2]),
    (&["smtp.strato.de", "smtp.strato.com", "smtp-relay.brevo.com", "smtp-relay.sendinblue.com"], &[Quirk::NoEhloAfterSignIn]),
];

/// Words of greetings that tell the server's make: it runs under its owners' own names.
const BY_GREETING: &[(&str, &[Quirk])] = &[
    ("Coremail System IMap Server", &[Quirk::IdAfterSignIn, Quirk::NoInitialResponse]),
    ("Microsoft Exchange Server 2003 IMAP4rev1", &[Quirk::StrayLines]),
];

impl Quirks {
    /// Those of `endpoint`: the operator's, and those of the server's name, as far as its protocol has them.
    #[must_use]
    pub fn of(endpoint: &Endpoint) -> Self {
        Self { known: [endpoint.quirks.clone(), Self::known(endpoint)].concat(), greeted: Vec::new() }
    }

    /// Those that the name of the server tells.
    #[must_use]
    pub fn known(endpoint: &Endpoint) -> Vec<Quirk> {
        let server = endpoint.server.trim_end_matches('.').to_ascii_lowercase();
        let is_of = |domain: &str| server.strip_suffix(domain).is_some_and(|host| host.is_empty() || host.ends_with('.'));
        let rows = BY_NAME.iter().filter(|(domains, _)| domains.iter().any(|domain| is_of(domain)));
        rows.flat_map(|(_, quirks)| *quirks).copied().filter(|quirk| quirk.is_of(endpoint.protocol)).collect()
    }

    /// Take those that `greeting` tells, and no others from an earlier one: what was said in clear counts no more under TLS.
    pub(super) fn greeted(&mut self, greeting: &str) {
        let rows = BY_GREETING.iter().filter(|(words, _)| greeting.contains(words));
        self.greeted = rows.flat_map(|(_, quirks)| *quirks).copied().collect();
    }

    /// Whether `quirk` is one of them.
    #[must_use]
    pub fn has(&self, quirk: Quirk) -> bool {
        self.known.contains(&quirk) || self.greeted.contains(&quirk)
    }
}

impl From<&[Quirk]> for Quirks {
    fn from(quirks: &[Quirk]) -> Self {
        Self { known: quirks.to_vec(), greeted: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::{Protocol, Security};
    use crate::net::testing;

    fn endpoint(protocol: Protocol, server: &str) -> Endpoint {
        Endpoint { protocol, server: server.to_owned(), ..testing::endpoint(993, Security::Tls) }
    }

    #[test]
    fn a_server_is_known_by_its_domain() {
        for server in ["imap.163.com", "imap.vip.126.com", "IMAP.yeah.net.", "188.com", "imap.qiye.163.com"] {
            assert_eq!(Quirks::known(&endpoint(Protocol::Imap, server)), [Quirk::IdAfterSignIn, Quirk::NoInitialResponse], "{server}");
        }
        for server in ["imap.example163.com", "163.com.example.org", "imap.qq.com", "", "127.0.0.1"] {
            assert_eq!(Quirks::of(&endpoint(Protocol::Imap, server)), Quirks::default(), "{server}");
        }
        // No quirk of another protocol's.
        assert_eq!(Quirks::known(&endpoint(Protocol::Pop3, "pop.163.com")), []);
        assert_eq!(Quirks::known(&endpoint(Protocol::Imap, "outlook.office365.com")), [Quirk::NoImap4rev2]);
        assert_eq!(Quirks::known(&endpoint(Protocol::Smtp, "smtp.strato.de")), [Quirk::NoEhloAfterSignIn]);
        assert_eq!(Quirks::known(&endpoint(Protocol::Imap, "imap.strato.de")), []);
    }

    #[test]
    fn the_operators_come_beside_the_known_ones() {
        let mut endpoint = endpoint(Protocol::Imap, "imap.163.com");
        endpoint.quirks = vec![Quirk::PlainUnderTls, Quirk::IdAfterSignIn];
        let quirks = Quirks::of(&endpoint);
        assert!([Quirk::PlainUnderTls, Quirk::IdAfterSignIn, Quirk::NoInitialResponse].into_iter().all(|quirk| quirks.has(quirk)));
        assert!(!quirks.has(Quirk::NoSasl));
    }

    /// Whoever sits on a clear line can choose the greeting: what weakens a sign-in is never found by itself.
    #[test]
    fn nothing_that_weakens_a_sign_in_is_found_by_itself() {
        let found = BY_NAME.iter().map(|(_, quirks)| *quirks).chain(BY_GREETING.iter().map(|(_, quirks)| *quirks));
        for quirk in found.flatten() {
            assert!(!matches!(quirk, Quirk::NoSasl | Quirk::PlainUnderTls), "{quirk}");
            assert!(quirk.purpose().contains("found by itself"), "{quirk}");
        }
    }
}
