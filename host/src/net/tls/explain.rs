//! A refused handshake in words: the problem, the certificate's facts, and the option that would accept it.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use super::Peer;
use super::certificate::{Certificate, Facts};
use super::verifier::{Distrust, Problem};
use crate::fault::{Fault, Kind};
use crate::model::endpoint::{Security, TlsVersion};

/// Why the handshake with `peer` ended in `error`, on top of `fault`, whose kind stands for distrust.
pub(super) fn handshake(error: &io::Error, peer: Peer<'_>, fault: Fault) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    if let Some(distrust) = inner.and_then(Distrust::within) {
        return certificate(distrust, peer, fault);
    }
    match inner {
        Some(inner @ Error::InvalidMessage(message)) => not_tls(inner, message, peer, fault),
        Some(inner @ Error::AlertReceived(alert)) => {
            let remedy = alerted(*alert, peer.min_version);
            fault.because(inner).with_remedy(remedy.unwrap_or("tell the server's operator"))
        }
        Some(inner @ Error::PeerIncompatible(_)) => fault.because(inner).with_remedy(too_old(peer.min_version)),
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

/// Every refusal of the certificate in `der`, whatever stands in it.
pub(in crate::net) fn refusals_of(der: &[u8]) -> Vec<Fault> {
    let min_version = TlsVersion::default();
    let peer = Peer { server: "mail.example.com", authority: "mail.example.com:993", port: 993, security: Security::Tls, min_version };
    let web = [
        CertificateError::Expired,
        CertificateError::NotValidYet,
        CertificateError::UnknownIssuer,
        CertificateError::NotValidForName,
        CertificateError::InvalidPurpose,
        CertificateError::BadEncoding,
    ];
    let problems = web.into_iter().map(Problem::Web).chain([Problem::NotPinned, Problem::WeakKey(512), Problem::KeyNotHeld]);
    let distrust = |problem| Distrust { problem, presented: Certificate::read(der) };
    problems.map(|problem| certificate(&distrust(problem), peer, Fault::new(Kind::Untrusted, "secure the line"))).collect()
}

/// What to try where TLS does not come about.
pub(in crate::net) fn mind_the_port(peer: Peer<'_>) -> String {
    match peer.security {
        Security::Tls => format!(
            "check that port {} speaks TLS from the first octet, as 993, 995 and 465 do; if it wants STARTTLS, as 143, 110 and 587 do, try \
             `--security starttls`",
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
            "the server does not speak TLS on port {}: try `--security starttls`, or the server's TLS port (IMAP 993, POP3 995, submission 465)",
            peer.port
        )),
        Security::Starttls if clear_text => fault.because(error).with_remedy(
            "there was clear text where TLS had to begin: the server is broken, or somebody sits on the line; tell its operator",
        ),
        _ => Fault { kind: Kind::Malformed, ..fault }.because(error).with_remedy(mind_the_port(peer)),
    }
}

/// What to do about an alert that came after the handshake, as under TLS 1.3 those about the client's certificate do.
pub(in crate::net) fn late_alert(error: &io::Error) -> Option<&'static str> {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(alert)) => alerted(*alert, TlsVersion::default()),
        _ => None,
    }
}

fn alerted(alert: AlertDescription, min_version: TlsVersion) -> Option<&'static str> {
    match alert {
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            Some(too_old(min_version))
        }
        AlertDescription::UnrecognisedName => Some("the server knows no host of this name: check `--server`"),
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::AccessDenied => {
            Some("the server wants a certificate of the client that it believes: `--client-cert FILE --client-key FILE`")
        }
        _ => None,
    }
}

fn too_old(min_version: TlsVersion) -> &'static str {
    match min_version {
        TlsVersion::V1_2 => "the server's TLS is too old (this host speaks 1.2 and 1.3 with forward secrecy): its operator has to renew it",
        TlsVersion::V1_3 => "the server cannot do TLS 1.3, which this account demands: `--tls-min 1.2` would take an older one",
    }
}

fn certificate(distrust: &Distrust, peer: Peer<'_>, fault: Fault) -> Fault {
    let presented = &distrust.presented;
    let (what, remedy) = match &distrust.problem {
        Problem::Web(problem) => by_the_rules_of_the_web(problem, presented, peer),
        Problem::NotPinned => (
            "the certificate is none of those that this account is pinned to".to_owned(),
            format!("if the server's operator confirms that it was changed, and that this is its fingerprint: {}", pin_of(presented)),
        ),
        Problem::WeakKey(bits) => (
            format!("the certificate's RSA key is too weak: {bits} bits, of which 2048 are the least"),
            "the server's operator has to make a new key; no option accepts this one".to_owned(),
        ),
        Problem::KeyNotHeld => (
            "the server does not prove that it holds the certificate's key".to_owned(),
            "somebody shows a certificate that is not theirs, or the server is broken: tell its operator; no option accepts this"
                .to_owned(),
        ),
    };
    fault.because_words(format!("{what}: {presented}")).with_remedy(remedy)
}

fn by_the_rules_of_the_web(problem: &CertificateError, presented: &Certificate, peer: Peer<'_>) -> (String, String) {
    let pin = format!("if you have compared the fingerprint with the server's operator: {}", pin_of(presented));
    let facts = presented.facts.as_ref();
    let names = facts.map_or_else(String::new, Facts::listed_names);
    let operator_must = |what: &str| format!("the server's operator has to {what}; {pin}");
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the certificate has expired".to_owned(),
            format!("the server's operator has to renew it (or check this machine's clock); {pin}"),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("the certificate is not valid yet".to_owned(), format!("check this machine's clock; {pin}"))
        }
        CertificateError::UnknownIssuer if facts.is_some_and(|facts| facts.self_issued) => (
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
            ("the certificate is not made for a server".to_owned(), operator_must("change it"))
        }
        CertificateError::Revoked => (
            "the certificate was revoked by its authority".to_owned(),
            "the server's operator has to change it; do not accept it".to_owned(),
        ),
        _ if facts.is_some_and(|facts| facts.signed_weakly) => (
            "the certificate's signature is too weak: over MD5 or SHA-1, of which others can be made that look alike".to_owned(),
            operator_must("have it signed anew"),
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            ("the certificate, or one above it, is signed in a way that is not believed".to_owned(), operator_must("have it signed anew"))
        }
        other => {
            // webpki's own kinds come as words only.
            let words = other.to_string();
            let known = [
                ("CaUsedAsEndEntity", "the certificate is that of an authority, not of a server", "change it"),
                ("MaximumPathDepthExceeded", "the chain of certificates is longer than six between server and authority", "shorten it"),
                ("MaximumPathBuildCallsExceeded", "the certificates are too many to find a way through", "send only its own chain"),
                ("MaximumSignatureChecksExceeded", "the certificates are too many to find a way through", "send only its own chain"),
                ("PathLenConstraintViolated", "an authority in the chain may not have made the one below it", "change it"),
                ("NameConstraintViolation", "an authority in the chain may not vouch for this name", "change it"),
                ("UnsupportedCriticalExtension", "the certificate demands something that is not known here", "change it"),
            ];
            match known.iter().find(|(kind, ..)| words.contains(kind)) {
                Some((_, what, must)) => ((*what).to_owned(), operator_must(must)),
                None => (format!("the certificate will not do: {words}"), pin),
            }
        }
    }
}

/// The options that accept `presented`.
fn pin_of(presented: &Certificate) -> String {
    let certificate = format!("`--pin {}`", presented.fingerprint);
    match presented.key_fingerprint {
        Some(key) => format!("{certificate}, or `--pin-key {key}`, which outlasts renewals"),
        None => certificate,
    }
}

#[cfg(test)]
mod tests;
