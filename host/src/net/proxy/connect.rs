//! HTTP CONNECT (RFC 9110 section 9.3.6) with Basic (RFC 7617) where there is a password.

use bytes::{Buf, BytesMut};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::{Credentials, Destination, Negotiate, ProxyError, Step, speaker};
use crate::limits::PROXY_HEAD_OCTETS;

/// The machine.
#[derive(Debug)]
pub struct Connect {
    /// What is still to be written.
    request: Option<Zeroizing<Vec<u8>>>,
    credentials: Option<Credentials>,
}

impl Connect {
    /// Ask for `destination`.
    #[must_use]
    pub fn new(destination: &Destination, credentials: Option<Credentials>) -> Self {
        let authority = match destination {
            Destination::Name(name, port) if name.contains(':') => format!("[{name}]:{port}"),
            other => other.to_string(),
        };
        let basic = credentials.as_ref().map(|Credentials { user, password }| {
            let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.expose().len()));
            pair.extend_from_slice(user);
            pair.push(b':');
            pair.extend_from_slice(password.expose());
            Zeroizing::new(BASE64.encode(&pair))
        });
        let before = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        let room = before.len() + basic.as_ref().map_or(0, |basic| basic.len()) + 64;
        let mut request = Zeroizing::new(Vec::with_capacity(room));
        request.extend_from_slice(before.as_bytes());
        if let Some(basic) = &basic {
            request.extend_from_slice(b"Proxy-Authorization: Basic ");
            request.extend_from_slice(basic.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        Self { request: Some(request), credentials }
    }

    fn answered(&self, head: &str) -> Result<Step, ProxyError> {
        let status_line = head.split("\r\n").next().unwrap_or_default();
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok());
        let said = || {
            let clean = self.credentials.as_ref().map_or_else(|| status_line.to_owned(), |own| own.password.redact(status_line));
            clean.chars().filter(|c| !c.is_control()).take(200).collect::<String>()
        };
        match status {
            Some(200..=299) => Ok(Step::Done),
            Some(407) if !offers_basic(head) => Err(ProxyError::OtherSignIn(offered(head))),
            Some(407) if self.credentials.is_some() => Err(ProxyError::PasswordRefused),
            Some(407) => Err(ProxyError::PasswordWanted),
            // tinyproxy says 401 to a wrong password, and 407 to none.
            Some(401) if self.credentials.is_some() => Err(ProxyError::PasswordRefused),
            Some(401 | 403 | 405) => Err(ProxyError::Forbidden(said())),
            Some(_) => Err(ProxyError::CannotReach(said())),
            None => Err(ProxyError::Malformed(said())),
        }
    }
}

impl Negotiate for Connect {
    fn step(&mut self, pending: &mut BytesMut) -> Result<Step, ProxyError> {
        if let Some(request) = self.request.take() {
            return Ok(Step::Write(request));
        }
        let sign = b"HTTP/1.";
        let begun = sign.len().min(pending.len());
        if pending.get(..begun) != sign.get(..begun) {
            return Err(ProxyError::NotAProxy { wanted: "HTTP", found: speaker(pending) });
        }
        let Some(end) = pending.windows(4).position(|four| four == b"\r\n\r\n") else {
            let too_long = pending.len() > PROXY_HEAD_OCTETS;
            return if too_long { Err(ProxyError::Malformed("its head does not end".to_owned())) } else { Ok(Step::Read) };
        };
        let head = pending.split_to(end);
        pending.advance(4);
        self.answered(&String::from_utf8_lossy(&head))
    }
}

/// The schemes in which the proxy signs in (RFC 9110 section 11.7.1).
fn challenges(head: &str) -> impl Iterator<Item = &str> {
    let headers = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let challenges = headers.filter(|(name, _)| name.trim().eq_ignore_ascii_case("proxy-authenticate"));
    challenges.filter_map(|(_, challenge)| challenge.trim().split([' ', ',']).next()).filter(|scheme| !scheme.is_empty())
}

/// Whether Basic is among them, or nothing is named.
fn offers_basic(head: &str) -> bool {
    let mut names = challenges(head).peekable();
    names.peek().is_none() || names.any(|scheme| scheme.eq_ignore_ascii_case("basic"))
}

fn offered(head: &str) -> String {
    let names: Vec<_> =
        challenges(head).take(4).map(|scheme| scheme.chars().filter(char::is_ascii_alphanumeric).take(20).collect()).collect();
    let names: Vec<String> = names;
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn destination() -> Destination {
        Destination::Name("mail.example".to_owned(), 993)
    }

    fn answer(credentials: Option<Credentials>, answer: &[u8]) -> (Result<Step, ProxyError>, Vec<u8>) {
        let mut machine = Connect::new(&destination(), credentials);
        let mut pending = BytesMut::new();
        assert!(matches!(machine.step(&mut pending), Ok(Step::Write(_))));
        let mut octets = answer.iter();
        loop {
            match machine.step(&mut pending) {
                Ok(Step::Read) => match octets.next() {
                    Some(octet) => pending.extend_from_slice(&[*octet]),
                    None => return (Ok(Step::Read), pending.to_vec()),
                },
                over => {
                    pending.extend(octets.copied());
                    return (over, pending.to_vec());
                }
            }
        }
    }

    #[test]
    fn requests() {
        let written = |destination: &Destination, credentials| match Connect::new(destination, credentials).step(&mut BytesMut::new()) {
            Ok(Step::Write(octets)) => String::from_utf8(octets.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(written(&destination(), None), "CONNECT mail.example:993 HTTP/1.1\r\nHost: mail.example:993\r\n\r\n");
        let credentials = Credentials { user: b"Aladdin".to_vec(), password: Secret::new("open sesame") };
        let request = written(&Destination::Name("::1".to_owned(), 993), Some(credentials));
        // RFC 7617 section 2.
        assert!(request.starts_with("CONNECT [::1]:993 HTTP/1.1\r\n"), "{request}");
        assert!(request.ends_with("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"), "{request}");
    }

    #[test]
    fn answers() {
        let (over, left) = answer(None, b"HTTP/1.0 200 OK\r\nVia: x\r\n\r\n* OK ready");
        assert_eq!((over, left.as_slice()), (Ok(Step::Done), &b"* OK ready"[..]));
        let own = || Some(Credentials { user: b"me".to_vec(), password: Secret::new("correct horse") });
        assert_eq!(answer(None, b"HTTP/1.1 407 No\r\n\r\n").0, Err(ProxyError::PasswordWanted));
        assert_eq!(answer(own(), b"HTTP/1.1 407 No\r\n\r\n").0, Err(ProxyError::PasswordRefused));
        assert_eq!(answer(own(), b"HTTP/1.0 401 Unauthorized\r\n\r\n").0, Err(ProxyError::PasswordRefused));
        let other = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nproxy-authenticate: NTLM realm=x\r\n\r\n";
        assert_eq!(answer(own(), other).0, Err(ProxyError::OtherSignIn("Negotiate, NTLM".to_owned())));
        let among = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: basic realm=x\r\n\r\n";
        assert_eq!(answer(own(), among).0, Err(ProxyError::PasswordRefused));
        assert_eq!(
            answer(own(), b"HTTP/1.1 403 correct horse\r\n\r\n").0,
            Err(ProxyError::Forbidden("HTTP/1.1 403 [redacted]".to_owned()))
        );
        assert!(answer(None, b"HTTP/1.1 502 Bad Gateway\r\n\r\n").0.unwrap_err().is_about_the_address());
        assert_eq!(answer(None, b"* OK IMAP").0, Err(ProxyError::NotAProxy { wanted: "HTTP", found: None }));
        assert_eq!(answer(None, b"HTTP/1.1 abc\r\n\r\n").0, Err(ProxyError::Malformed("HTTP/1.1 abc".to_owned())));
        assert_eq!(answer(None, b"HTTP/1.1 200").0, Ok(Step::Read));
        let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n".repeat(10_000)].concat();
        assert!(matches!(answer(None, &endless).0, Err(ProxyError::Malformed(_))));
    }
}
