//! A refused handshake in words: the problem, the certificate's facts, and the option that would accept it.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use super::Peer;
use super::certificate::Certificate;
use crate::fault::{Fault, Kind};
use crate::model::endpoint::Security;

/// Why the handshake with `peer` ended in `error`, on top of `fault`, whose kind stands for distrust.
pub(super) fn handshake(error: &io::Error, peer: Peer<'_>, presented: Option<&Certificate>, fault: Fault) -> Fault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(problem)) => certificate(problem, peer, presented, fault),
        Some(inner @ Error::InvalidMessage(message)) => not_tls(inner, message, peer, fault),
        Some(inner @ Error::AlertReceived(alert)) => alerted(inner, *alert, fault),
        Some(inner @ Error::PeerIncompatible(_)) => fault
            .because(inner)
            .with_remedy("the server's TLS is too old (this host speaks 1.2 and 1.3 with forward secrecy): its operator has to renew it"),
        Some(inner) => fault.because(inner).with_remedy("tell the server's operator: its TLS is broken, or somebody sits on the line"),
        None => {
            let fault = Fault { kind: Kind::Unreachable, ..fault };
            let fault = if error.kind() == io::ErrorKind::UnexpectedEof {
                fault.because_words("the server closed the line in the middle of the handshake")
            } else {
                fault.because(error)
            };
            fault.with_remedy(mind_the_port(peer))
        }
    }
}

/// What to try where TLS does not come about.
pub(in crate::net) fn mind_the_port(peer: Peer<'_>) -> String {
    match peer.security {
        Security::Tls => format!(
            "check that port {} speaks TLS from the first octet, as 993 does; if it wants STARTTLS, as 143 does, try `--security starttls`",
            peer.port
        ),
        Security::Starttls | Security::None => "the server agreed to STARTTLS and then did not do it: tell its operator".to_owned(),
    }
}

fn not_tls(error: &Error, message: &InvalidMessage, peer: Peer<'_>, fault: Fault) -> Fault {
    // A first record that is none is clear text; anything later is broken TLS.
    let clear_text = matches!(message, InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion);
    match peer.security {
        Security::Tls if clear_text => Fault { kind: Kind::Misconfigured, ..fault }.because(error).with_remedy(format!(
            "the server does not speak TLS on port {}: try `--security starttls`, or the server's TLS port, usually 993",
            peer.port
        )),
        Security::Starttls if clear_text => fault.because(error).with_remedy(
            "there was clear text where TLS had to begin: the server is broken, or somebody sits on the line; tell its operator",
        ),
        _ => Fault { kind: Kind::Malformed, ..fault }.because(error).with_remedy(mind_the_port(peer)),
    }
}

fn alerted(error: &Error, alert: AlertDescription, fault: Fault) -> Fault {
    let remedy = match alert {
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "the server's TLS is too old (this host speaks 1.2 and 1.3 with forward secrecy): its operator has to renew it"
        }
        AlertDescription::UnrecognisedName => "the server knows no host of this name: check `--server`",
        AlertDescription::CertificateRequired | AlertDescription::BadCertificate | AlertDescription::UnknownCA => {
            "the server wants a certificate of the client, which this host cannot show yet"
        }
        _ => "tell the server's operator",
    };
    fault.because(error).with_remedy(remedy)
}

fn certificate(problem: &CertificateError, peer: Peer<'_>, presented: Option<&Certificate>, fault: Fault) -> Fault {
    let facts = presented.map_or_else(|| "the server's certificate".to_owned(), Certificate::to_string);
    let pin = presented.map_or_else(String::new, |presented| {
        format!("if you have compared the fingerprint with the server's operator: `--pin {}`", presented.fingerprint)
    });
    let names = presented.and_then(|presented| presented.facts.as_ref()).map_or_else(String::new, super::certificate::Facts::listed_names);
    let self_issued = presented.and_then(|presented| presented.facts.as_ref()).is_some_and(|facts| facts.self_issued);
    let (what, remedy) = match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the certificate has expired".to_owned(),
            format!("the server's operator has to renew it (or check this machine's clock); {pin}"),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("the certificate is not valid yet".to_owned(), format!("check this machine's clock; {pin}"))
        }
        CertificateError::UnknownIssuer if self_issued => (
            "the certificate is signed by itself and by no authority that is believed".to_owned(),
            format!("{pin}; or, with the certificate in a file: `--ca FILE`"),
        ),
        CertificateError::UnknownIssuer => (
            "the certificate is not signed by an authority that is believed".to_owned(),
            format!("for an authority of your own: `--ca FILE` with its certificate; {pin}"),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (format!("the certificate is not for {}", peer.server), format!("it is valid for {names}: use that name as `--server`; {pin}"))
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ("the certificate is not made for a server".to_owned(), format!("the server's operator has to change it; {pin}"))
        }
        CertificateError::Revoked => (
            "the certificate was revoked by its authority".to_owned(),
            "the server's operator has to change it; do not accept it".to_owned(),
        ),
        CertificateError::ApplicationVerificationFailure => (
            "the certificate is none of those that this account is pinned to".to_owned(),
            format!("if the server's operator confirms that it was changed, and this is its fingerprint: `--pin {}`", pin_of(presented)),
        ),
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            ("the certificate is that of an authority, not of a server".to_owned(), pin)
        }
        other => (format!("the certificate will not do: {other}"), pin),
    };
    fault.because_words(format!("{what}: {facts}")).with_remedy(remedy)
}

fn pin_of(presented: Option<&Certificate>) -> String {
    presented.map_or_else(|| "SHA256".to_owned(), |presented| presented.fingerprint.to_string())
}
