//! SOCKS5 (RFC 1928) with no sign-in or user and password (RFC 1929).

use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use zeroize::Zeroizing;

use super::{Credentials, Destination, Negotiate, ProxyError, Step, speaker};

const VERSION: u8 = 5;
const NO_SIGN_IN: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;

/// The machine.
#[derive(Debug)]
pub struct Socks5 {
    destination: Destination,
    credentials: Option<Credentials>,
    state: State,
}

#[derive(Debug)]
enum State {
    Begin,
    Method,
    SignIn,
    Reply,
}

impl Socks5 {
    /// Ask for `destination`; with credentials, both ways to sign in are offered and the proxy chooses.
    #[must_use]
    pub fn new(destination: Destination, credentials: Option<Credentials>) -> Self {
        Self { destination, credentials, state: State::Begin }
    }

    fn password(&self) -> Result<Step, ProxyError> {
        let Some(Credentials { user, password }) = &self.credentials else { return Err(ProxyError::PasswordWanted) };
        let length = |octets: &[u8]| u8::try_from(octets.len()).map_err(|_| ProxyError::PasswordTooLong);
        let mut message = Zeroizing::new(Vec::with_capacity(3 + user.len() + password.expose().len()));
        message.extend_from_slice(&[1, length(user)?]);
        message.extend_from_slice(user);
        message.push(length(password.expose())?);
        message.extend_from_slice(password.expose());
        Ok(Step::Write(message))
    }

    fn request(&self) -> Result<Step, ProxyError> {
        let mut message = vec![VERSION, 1, 0];
        let port = match &self.destination {
            Destination::Address(SocketAddr::V4(address)) => {
                message.push(1);
                message.extend_from_slice(&address.ip().octets());
                address.port()
            }
            Destination::Address(SocketAddr::V6(address)) => {
                message.push(4);
                message.extend_from_slice(&address.ip().octets());
                address.port()
            }
            Destination::Name(name, port) => {
                let length = u8::try_from(name.len()).map_err(|_| ProxyError::CannotReach("the name is too long".to_owned()))?;
                message.extend_from_slice(&[3, length]);
                message.extend_from_slice(name.as_bytes());
                *port
            }
        };
        message.extend_from_slice(&port.to_be_bytes());
        Ok(Step::Write(Zeroizing::new(message)))
    }
}

impl Negotiate for Socks5 {
    fn step(&mut self, pending: &mut BytesMut) -> Result<Step, ProxyError> {
        match (&self.state, pending.first()) {
            (State::Begin, _) => {
                self.state = State::Method;
                let methods: &[u8] =
                    if self.credentials.is_some() { &[VERSION, 2, NO_SIGN_IN, PASSWORD] } else { &[VERSION, 1, NO_SIGN_IN] };
                return Ok(Step::Write(Zeroizing::new(methods.to_vec())));
            }
            (State::Method | State::Reply, Some(version)) if *version != VERSION => {
                return Err(ProxyError::NotAProxy { wanted: "SOCKS5", found: speaker(pending) });
            }
            _ => {}
        }
        match (&self.state, &pending[..]) {
            (State::Method, [_, method, ..]) => {
                let method = *method;
                pending.advance(2);
                match method {
                    NO_SIGN_IN => {
                        self.state = State::Reply;
                        self.request()
                    }
                    PASSWORD if self.credentials.is_some() => {
                        self.state = State::SignIn;
                        self.password()
                    }
                    NONE_ACCEPTABLE if self.credentials.is_some() => Err(ProxyError::PasswordRefused),
                    NONE_ACCEPTABLE => Err(ProxyError::PasswordWanted),
                    other => Err(ProxyError::Malformed(format!("method {other} was not offered"))),
                }
            }
            (State::SignIn, [_, status, ..]) => {
                let status = *status;
                pending.advance(2);
                if status != 0 {
                    return Err(ProxyError::PasswordRefused);
                }
                self.state = State::Reply;
                self.request()
            }
            (State::Reply, [_, code, ..]) if *code != 0 => Err(refused(*code)),
            (State::Reply, [_, _, _, kind, length, ..]) => {
                let bound = match kind {
                    1 => 4,
                    3 => 1 + usize::from(*length),
                    4 => 16,
                    other => return Err(ProxyError::Malformed(format!("address type {other}"))),
                };
                if pending.len() < 4 + bound + 2 {
                    return Ok(Step::Read);
                }
                pending.advance(4 + bound + 2);
                Ok(Step::Done)
            }
            _ => Ok(Step::Read),
        }
    }
}

/// RFC 1928 section 6.
fn refused(code: u8) -> ProxyError {
    match code {
        2 => ProxyError::Forbidden("not allowed by its ruleset".to_owned()),
        1 => ProxyError::CannotReach("general failure".to_owned()),
        3 => ProxyError::CannotReach("network unreachable".to_owned()),
        4 => ProxyError::CannotReach("host unreachable, or the name does not resolve there".to_owned()),
        5 => ProxyError::CannotReach("connection refused: is the port right?".to_owned()),
        6 => ProxyError::CannotReach("time to live expired".to_owned()),
        8 => ProxyError::CannotReach("it cannot do this kind of address".to_owned()),
        7 => ProxyError::CannotReach("it does not connect, which is all that a client of mail needs".to_owned()),
        other => ProxyError::Malformed(format!("reply {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    /// Feed `answers`, one for each write, a byte at a time; gives all that was written, the outcome, and what was left over.
    fn speak(mut machine: Socks5, answers: &[&[u8]]) -> (Vec<Vec<u8>>, Result<Step, ProxyError>, Vec<u8>) {
        let mut answers = answers.iter().flat_map(|answer| answer.iter());
        let (mut written, mut pending) = (Vec::new(), BytesMut::new());
        loop {
            match machine.step(&mut pending) {
                Ok(Step::Write(octets)) => written.push(octets.to_vec()),
                Ok(Step::Read) => match answers.next() {
                    Some(octet) => pending.extend_from_slice(&[*octet]),
                    None => return (written, Ok(Step::Read), pending.to_vec()),
                },
                over => {
                    pending.extend(answers.copied());
                    return (written, over, pending.to_vec());
                }
            }
        }
    }

    fn named() -> Destination {
        Destination::Name("mail.example".to_owned(), 993)
    }

    fn credentials() -> Option<Credentials> {
        Some(Credentials { user: b"me".to_vec(), password: Secret::new("correct horse") })
    }

    #[test]
    fn a_name_without_a_password() {
        let (written, over, left) = speak(Socks5::new(named(), None), &[&[5, 0], &[5, 0, 0, 1, 1, 2, 3, 4, 0, 80], b"* OK"]);
        assert_eq!(over, Ok(Step::Done));
        assert_eq!(written, [&[5, 1, 0][..], b"\x05\x01\x00\x03\x0cmail.example\x03\xe1"]);
        assert_eq!(left, b"* OK");
    }

    #[test]
    fn an_address_with_a_password() {
        for (address, request, reply) in [
            ("10.0.0.1:143", &b"\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x8f"[..], &[5, 0, 0, 3, 2, b'a', b'b', 0, 1][..]),
            (
                "[::1]:143",
                b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x8f",
                &[5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            ),
        ] {
            let machine = Socks5::new(Destination::Address(address.parse().unwrap()), credentials());
            let (written, over, left) = speak(machine, &[&[5, 2], &[1, 0], reply]);
            assert_eq!(over, Ok(Step::Done));
            assert_eq!(written, [&[5, 2, 0, 2][..], b"\x01\x02me\x0dcorrect horse", request]);
            assert!(left.is_empty());
        }
    }

    #[test]
    fn refusals() {
        let none: Option<Credentials> = None;
        for (credentials, answers, error) in [
            (none.clone(), &[&b"HTTP/1.1 400"[..]][..], ProxyError::NotAProxy { wanted: "SOCKS5", found: None }),
            (none.clone(), &[&[5, 0xff]], ProxyError::PasswordWanted),
            (none.clone(), &[&[5, 2]], ProxyError::Malformed("method 2 was not offered".to_owned())),
            (credentials(), &[&[5, 0xff]], ProxyError::PasswordRefused),
            (credentials(), &[&[5, 2], &[1, 1]], ProxyError::PasswordRefused),
            (none.clone(), &[&[5, 0], &[5, 2]], ProxyError::Forbidden("not allowed by its ruleset".to_owned())),
            (none.clone(), &[&[5, 0], &[5, 0, 0, 9, 0]], ProxyError::Malformed("address type 9".to_owned())),
        ] {
            assert_eq!(speak(Socks5::new(named(), credentials), answers).1, Err(error));
        }
        let (_, over, _) = speak(Socks5::new(named(), none), &[&[5, 0], &[5, 5]]);
        assert!(over.unwrap_err().is_about_the_address());
        let long = Some(Credentials { user: vec![b'x'; 256], password: Secret::new("x") });
        assert_eq!(speak(Socks5::new(named(), long), &[&[5, 2]]).1, Err(ProxyError::PasswordTooLong));
    }
}
