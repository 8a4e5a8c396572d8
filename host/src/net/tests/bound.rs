//! Servers that prove themselves by SCRAM, and such that cannot: over real TLS, with an end of SCRAM that is not ours.

use data_encoding::BASE64;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::net::sasl::tests::peer::{Bound, server};

/// What a server does that ought to prove that it knows the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conduct {
    Honest,
    /// It makes a signature up.
    Forges,
    /// It says OK where its signature is due.
    SkipsProof,
    /// It wants the password cheap to guess.
    FewIterations,
    /// It wants this host busy.
    ManyIterations,
}

/// An IMAP server under TLS that offers `mechanisms`; gives its port.
async fn imap(identity: &Identity, mechanisms: &'static str, conduct: Conduct) -> (u16, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = identity.acceptor();
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let stream = acceptor.accept(socket).await.unwrap();
            let exporter = stream.get_ref().1.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).unwrap();
            let _ = serve(stream, exporter, mechanisms, conduct).await;
        }
    });
    (port, AbortOnDropHandle::new(task))
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, exporter: [u8; 32], mechanisms: &str, conduct: Conduct) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(format!("* OK [CAPABILITY IMAP4rev1 SASL-IR {mechanisms}] ready\r\n").as_bytes()).await.ok()?;
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let (command, response) = line.trim_end().rsplit_once(' ')?;
    let mechanism: Mechanism = command.rsplit_once(' ')?.1.parse().ok()?;
    let mut response = BASE64.decode(response.as_bytes()).ok()?;
    let mut session = server(mechanism, PASSWORD, Bound("tls-exporter", exporter.to_vec()));
    for step in 0.. {
        let mut challenge = Vec::new();
        let is_refused = session.step(Some(&response), &mut challenge).is_err();
        let text = String::from_utf8_lossy(&challenge).into_owned();
        let challenge = match (conduct, step) {
            (Conduct::FewIterations, 0) => text.replace("i=5000", "i=1"),
            (Conduct::ManyIterations, 0) => text.replace("i=5000", "i=4000000000"),
            (Conduct::Forges, 1) => format!("v={}", BASE64.encode(&[7; 32])),
            (Conduct::SkipsProof, 1) => String::new(),
            _ => text,
        };
        if is_refused || challenge.starts_with("e=") {
            stream.write_all(b"P1 NO [AUTHENTICATIONFAILED] no\r\n").await.ok()?;
            return stream.read_line(&mut line).await.ok().map(|_| ());
        }
        if !challenge.is_empty() {
            stream.write_all(format!("+ {}\r\n", BASE64.encode(challenge.as_bytes())).as_bytes()).await.ok()?;
            line.clear();
            stream.read_line(&mut line).await.ok()?;
            response = BASE64.decode(line.trim_end().as_bytes()).ok()?;
        }
        if step == 1 {
            break;
        }
    }
    stream.write_all(b"P1 OK [CAPABILITY IMAP4rev1] in\r\n").await.ok()?;
    line.clear();
    stream.read_line(&mut line).await.ok().map(|_| ())
}

const BOUND: &str = "AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN";

#[tokio::test]
async fn a_sign_in_is_bound_to_its_tls_session() {
    let identity = Identity::new(Flaw::None);
    for mechanisms in [BOUND, "AUTH=SCRAM-SHA-1-PLUS AUTH=SCRAM-SHA-1"] {
        let (port, _task) = imap(&identity, mechanisms, Conduct::Honest).await;
        let (_, opening) = enter(&believing(port, Security::Tls, &identity)).await.unwrap();
        assert!(opening.signed_in, "{mechanisms}");
    }
}

#[tokio::test]
async fn whoever_opens_tls_in_the_middle_is_found_though_he_is_believed() {
    let identity = Identity::new(Flaw::None);
    let (port, _task) = imap(&identity, BOUND, Conduct::Honest).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let between = listener.local_addr().unwrap().port();
    let acceptor = identity.acceptor();
    let endpoint = believing(port, Security::Tls, &identity);
    let believed = tls::Believed::load(&endpoint, &[]).await.unwrap();
    let _relay = AbortOnDropHandle::new(tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut here = acceptor.accept(socket).await.unwrap();
        let authority = endpoint.authority();
        let target = Target { server: &endpoint.server, port, authority: &authority, usual_ports: "", is_operators: true };
        let wire = reach(target, Route::of(&endpoint, None), Stages::new(&Unobserved, endpoint.timeouts.connect)).await.unwrap();
        let peer = tls::Peer {
            server: &endpoint.server,
            authority: &authority,
            port,
            security: Security::Tls,
            min_version: TlsVersion::default(),
        };
        let (mut there, _) = tls::secure(wire, peer, &believed).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut here, &mut there.socket).await;
    }));
    let fault = enter(&believing(between, Security::Tls, &identity)).await.unwrap_err();
    assert!(matches!(fault.kind, Kind::Untrusted | Kind::Unauthenticated), "{fault:?}");
}

#[tokio::test]
async fn a_server_without_the_password_is_not_believed() {
    let identity = Identity::new(Flaw::None);
    for (conduct, kind) in [
        (Conduct::Forges, Kind::Untrusted),
        (Conduct::SkipsProof, Kind::Untrusted),
        (Conduct::FewIterations, Kind::Untrusted),
        (Conduct::ManyIterations, Kind::RefusedByHost),
    ] {
        for auth in [None, Some(Mechanism::ScramSha256)] {
            let (port, _task) = imap(&identity, BOUND, conduct).await;
            let endpoint = Endpoint { auth, ..believing(port, Security::Tls, &identity) };
            let fault = enter(&endpoint).await.unwrap_err();
            assert_eq!(fault.kind, kind, "{conduct:?} {auth:?}: {fault:?}");
            assert!(fault.operation.starts_with("sign in to") && fault.remedy.is_some(), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_server_notices_that_its_bound_mechanisms_were_taken_out() {
    let identity = Identity::new(Flaw::None);
    let (port, _task) = imap(&identity, "AUTH=SCRAM-SHA-256 AUTH=PLAIN", Conduct::Honest).await;
    assert!(enter(&believing(port, Security::Tls, &identity)).await.is_err());
}
