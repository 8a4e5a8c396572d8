//! SCRAM against a server that is not ours (rsasl's), in every kind of binding.

use std::sync::Arc;

use ring::{digest, hmac, pbkdf2};
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram;
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::prelude::{
    ChannelBindingCallback, Mechanism as Offered, Mechname, Registry, SASLConfig, SASLServer, Session, SessionError, State, Validation,
};
use rsasl::validate::{Validate, ValidationError};

use super::*;

static OFFERED: &[Offered] = &[scram::SCRAM_SHA256_PLUS, scram::SCRAM_SHA256, scram::SCRAM_SHA1_PLUS, scram::SCRAM_SHA1];

/// What the server keeps of a password.
struct Stored {
    salt: &'static [u8],
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

pub(in crate::net) struct Nothing;

impl Validation for Nothing {
    type Value = ();
}

/// The server's end of one TLS session.
pub(in crate::net) struct Bound(pub(in crate::net) &'static str, pub(in crate::net) Vec<u8>);

impl ChannelBindingCallback for Bound {
    fn get_cb_data(&self, name: &str) -> Option<&[u8]> {
        (name == self.0).then_some(&self.1)
    }
}

impl Stored {
    fn of(mechanism: Mechanism, password: &str) -> Self {
        let is_1 = matches!(mechanism, Mechanism::ScramSha1 | Mechanism::ScramSha1Plus);
        let (derivation, algorithm, hash, length) = if is_1 {
            (pbkdf2::PBKDF2_HMAC_SHA1, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &digest::SHA1_FOR_LEGACY_USE_ONLY, 20)
        } else {
            (pbkdf2::PBKDF2_HMAC_SHA256, hmac::HMAC_SHA256, &digest::SHA256, 32)
        };
        let salt = b"a salt for tests";
        let mut salted = vec![0; length];
        pbkdf2::derive(derivation, std::num::NonZeroU32::new(5_000).unwrap(), salt, password.as_bytes(), &mut salted);
        let salted = hmac::Key::new(algorithm, &salted);
        let client_key = hmac::sign(&salted, b"Client Key");
        Self {
            salt,
            stored_key: digest::digest(hash, client_key.as_ref()).as_ref().to_vec(),
            server_key: hmac::sign(&salted, b"Server Key").as_ref().to_vec(),
        }
    }
}

impl SessionCallback for Stored {
    fn callback(&self, _: &SessionData, _: &Context<'_>, request: &mut Request<'_>) -> Result<(), SessionError> {
        let stored = ScramStoredPassword::new(5_000, self.salt, &self.stored_key, &self.server_key);
        request.satisfy::<ScramStoredPassword<'_>>(&stored)?;
        Ok(())
    }

    fn validate(&self, _: &SessionData, _: &Context<'_>, validate: &mut Validate<'_>) -> Result<(), ValidationError> {
        validate.with::<Nothing, _>(|| Ok(()))?;
        Ok(())
    }
}

/// A server that knows this password, at its end of one TLS session.
pub(in crate::net) fn server(mechanism: Mechanism, password: &str, bound: Bound) -> Session<Nothing, Bound> {
    let registry = Registry::with_mechanisms(OFFERED);
    let config: Arc<SASLConfig> = SASLConfig::builder().with_registry(registry).with_callback(Stored::of(mechanism, password)).unwrap();
    let name = Mechname::parse(mechanism.sasl_name().unwrap().as_bytes()).unwrap();
    SASLServer::<Nothing, Bound>::with_cb(config, bound).start_suggested(name).unwrap()
}

/// Let both talk to the end; whether this one has its proof that the other knows the password.
fn talk(exchange: &mut Exchange, server: &mut Session<Nothing, Bound>) -> bool {
    let mut line = exchange.initial_response(10_000).unwrap();
    loop {
        let mut challenge = Vec::new();
        let input = BASE64.decode(line.as_bytes()).unwrap();
        let state = server.step(Some(&input), &mut challenge);
        let challenge = BASE64.encode(&challenge);
        let is_over = match state {
            Ok(state) => !matches!(state, State::Running),
            Err(_) => return exchange.is_complete(),
        };
        let mut answer = exchange.take(&challenge);
        while answer == Ok(Answer::Busy) {
            answer = exchange.work();
        }
        match answer {
            Ok(Answer::Say(next)) if !is_over => line = next,
            _ => return exchange.is_complete(),
        }
    }
}

fn binding(data: u8) -> ChannelBinding {
    ChannelBinding { kind: BindingKind::TlsExporter, data: vec![data; 32] }
}

#[test]
fn both_ends_agree_whatever_the_password() {
    for mechanism in [Mechanism::ScramSha256, Mechanism::ScramSha1] {
        for (user, password, prepared) in [
            ("user", "correct horse", "correct horse"),
            ("a=b,c", "pf\u{e9}rd", "pf\u{e9}rd"),
            // SASLprep: composed, and the soft hyphen gone.
            ("user", "pfe\u{301}r\u{ad}d", "pf\u{e9}rd"),
            ("user", "horse \u{1f40e}", "horse \u{1f40e}"),
        ] {
            let mut exchange = exchange(mechanism, user, password);
            assert!(talk(&mut exchange, &mut server(mechanism, prepared, Bound("", Vec::new()))), "{mechanism} {password}");
            assert!(!exchange.is_unproven());
        }
        let mut wrong = exchange(mechanism, "user", "wrong");
        assert!(!talk(&mut wrong, &mut server(mechanism, "correct horse", Bound("", Vec::new()))));
        assert!(wrong.verdict().starts_with("SCRAM error: "), "{}", wrong.verdict());
    }
}

#[test]
fn a_bound_sign_in_holds_on_its_own_tls_session_only() {
    for mechanism in [Mechanism::ScramSha256Plus, Mechanism::ScramSha1Plus] {
        let identity = identity("user", "correct horse");
        for (theirs, holds) in [(7, true), (8, false)] {
            let mut exchange = Exchange::new(mechanism, &identity, Some(&binding(7)), true).unwrap();
            let mut server = server(mechanism, "correct horse", Bound("tls-exporter", vec![theirs; 32]));
            assert_eq!(talk(&mut exchange, &mut server), holds, "{mechanism} {theirs}");
        }
    }
}

#[test]
fn a_server_notices_that_its_bound_mechanisms_were_taken_out() {
    let mut exchange = Exchange::new(Mechanism::ScramSha256, &identity("user", "correct horse"), Some(&binding(7)), false).unwrap();
    assert!(!talk(&mut exchange, &mut server(Mechanism::ScramSha256, "correct horse", Bound("tls-exporter", vec![7; 32]))));
}
