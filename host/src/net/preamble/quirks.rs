//! What single servers need and no standard asks for; each row names its server.

/// How a server wants to be treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quirks {
    /// IMAP: the client names itself (RFC 2971) before a mailbox is opened.
    pub says_id: bool,
}

/// NetEase (Coremail) refuses SELECT with "Unsafe Login. Please contact kefu@188.com for help" to clients without a name.
const NETEASE: &[&str] = &["163.com", "126.com", "yeah.net", "188.com", "netease.com"];

impl Quirks {
    /// Those of the server with this name.
    #[must_use]
    pub fn of(server: &str) -> Self {
        let server = server.trim_end_matches('.').to_ascii_lowercase();
        let is_of = |domain: &str| server.strip_suffix(domain).is_some_and(|host| host.is_empty() || host.ends_with('.'));
        Self { says_id: NETEASE.iter().any(|domain| is_of(domain)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_domain() {
        for server in ["imap.163.com", "imap.vip.126.com", "IMAP.yeah.net.", "188.com", "imap.qiye.163.com"] {
            assert!(Quirks::of(server).says_id, "{server}");
        }
        for server in ["imap.example163.com", "163.com.example.org", "imap.qq.com", "", "127.0.0.1"] {
            assert_eq!(Quirks::of(server), Quirks::default(), "{server}");
        }
    }
}
