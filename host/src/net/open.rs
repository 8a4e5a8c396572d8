//! The way in: dial, secure, greet, sign in, stage by stage; at its end stands a [`Line`].

use super::line::Line;
use super::observe::{Observe, Stage};
use super::preamble::imap::Imap;
use super::preamble::pop3::Pop3;
use super::preamble::smtp::{Dialect, Smtp};
use super::preamble::{Opening, Preamble, Problem, Quirks, Step, problem};
use super::proxy::Proxy;
use super::reach::{Route, Target, reach};
use super::sasl::{ChannelBinding, Identity};
use super::stage::{Stages, late};
use super::tls::{self, Believed, Peer};
use super::wire::Wire;
use crate::fault::{Fault, Kind};
use crate::model::endpoint::{Endpoint, Protocol, Security};
use crate::model::mechanism::Mechanism;
use crate::secret::Secret;

/// Open, secure and sign in to `endpoint`: everything before the first octet that a connector may write. Each stage may take the
/// endpoint's connect time-out, and is reported to `observer`. Without a `secret` nobody signs in.
///
/// # Errors
/// Each stage's own kind of [`Fault`], with the operation, the cause and what to do next. The words of a refused sign-in are in
/// `words` and nowhere else, with the secret taken out; components must not get them.
pub async fn open(endpoint: &Endpoint, secret: Option<&Secret>, observer: &dyn Observe) -> Result<(Line, Opening), Fault> {
    let authority = endpoint.authority();
    let identity = identity(endpoint, secret, &authority)?;
    let proxy = Proxy::of(endpoint)?;
    let believed = if endpoint.security == Security::None { None } else { Some(Believed::load(endpoint, &[]).await?) };
    let stages = Stages::new(observer, endpoint.timeouts.connect);
    let target = Target {
        server: &endpoint.server,
        port: endpoint.port,
        authority: &authority,
        usual_ports: problem::usual_ports(endpoint.protocol),
        is_operators: true,
    };
    let mut wire = reach(target, Route::of(endpoint, proxy.as_ref()), stages).await?;
    if let (Security::Tls, Some(believed)) = (endpoint.security, &believed) {
        wire = secure(wire, endpoint, &authority, believed, stages).await?;
    }
    let Some(mut machine) = preamble(endpoint, identity) else {
        return Ok((Line::new(wire, authority, endpoint.timeouts), Opening::default()));
    };
    let (wire, opening) = greet(wire, &mut *machine, endpoint, &authority, believed.as_ref(), stages).await?;
    Ok((Line::new(wire, authority, endpoint.timeouts), opening))
}

/// The machine that speaks first; none: the connector does.
fn preamble(endpoint: &Endpoint, identity: Option<Identity>) -> Option<Box<dyn Preamble>> {
    let (security, quirks) = (endpoint.security, Quirks::of(endpoint));
    Some(match endpoint.protocol {
        Protocol::Imap => Box::new(Imap::new(security, identity, quirks)),
        Protocol::Pop3 => Box::new(Pop3::new(security, identity, &quirks)),
        Protocol::Smtp => Box::new(Smtp::new(Dialect::Smtp, security, identity, quirks)),
        Protocol::Lmtp => Box::new(Smtp::new(Dialect::Lmtp, security, identity, quirks)),
        Protocol::Stream => return None,
    })
}

/// Who signs in; and what cannot be, before anything is dialled.
fn identity(endpoint: &Endpoint, secret: Option<&Secret>, authority: &str) -> Result<Option<Identity>, Fault> {
    // A secret never goes to a protocol that the host does not speak.
    if endpoint.protocol == Protocol::Stream {
        return match endpoint.security {
            Security::Tls | Security::None => Ok(None),
            Security::Starttls => Err(Fault::new(Kind::Misconfigured, format!("open {authority}"))
                .because_words("there is no STARTTLS on a bare stream")
                .with_remedy("use `--security tls`")),
        };
    }
    let identity = |user: &str, secret: &Secret| {
        Ok(Some(Identity {
            user: user.to_owned(),
            secret: secret.clone(),
            auth: endpoint.auth,
            has_certificate: endpoint.trust.client_certificate.is_some(),
            server: endpoint.server.clone(),
            port: endpoint.port,
        }))
    };
    match (&endpoint.user, secret) {
        // The certificate says who it is.
        (user, None) if endpoint.auth == Some(Mechanism::External) => {
            identity(user.as_deref().unwrap_or_default(), &Secret::new(Vec::new()))
        }
        (_, None) => Ok(None),
        (Some(user), Some(secret)) => identity(user, secret),
        (None, Some(_)) => Err(Fault::new(Kind::Misconfigured, format!("sign in to {authority}"))
            .because_words("there is a password, but no user")
            .with_remedy("name the user: `postrider account edit NAME --user USER`")),
    }
}

async fn secure(wire: Wire, endpoint: &Endpoint, authority: &str, believed: &Believed, stages: Stages<'_>) -> Result<Wire, Fault> {
    let peer = Peer {
        server: &endpoint.server,
        authority,
        port: endpoint.port,
        security: endpoint.security,
        min_version: endpoint.trust.min_version,
    };
    let silent = || late(format!("secure the line to {authority} by TLS")).with_remedy(tls::mind_the_port(peer));
    stages.run(Stage::Tls, silent, tls::secure(wire, peer, believed)).await
}

async fn greet(
    mut wire: Wire,
    machine: &mut dyn Preamble,
    endpoint: &Endpoint,
    authority: &str,
    believed: Option<&Believed>,
    stages: Stages<'_>,
) -> Result<(Wire, Opening), Fault> {
    let silent = || late(format!("greet {authority}")).with_remedy(problem::mind_the_mode(endpoint));
    machine.secured(binding(&wire));
    let pause = stages
        .run(Stage::Greeting, silent, async {
            let pause = pump(&mut wire, machine, endpoint).await?;
            let finding = match &pause {
                Step::StartTls => "the server offers STARTTLS".to_owned(),
                _ => machine.greeting().to_owned(),
            };
            Ok((pause, finding))
        })
        .await?;
    match (pause, believed) {
        (Step::Done(opening), _) => return Ok((wire, opening)),
        (Step::StartTls, Some(believed)) => {
            wire = secure(wire, endpoint, authority, believed, stages).await?;
            machine.secured(binding(&wire));
        }
        (Step::StartTls, None) => {
            return Err(Fault::new(Kind::Bug, format!("secure the line to {authority}")).because_words("nothing is believed here"));
        }
        _ => {}
    }
    let sign_in = format!("sign in to {authority} as {}", endpoint.user.as_deref().unwrap_or("nobody"));
    let silent = || late(sign_in.clone()).with_remedy("the server takes long to answer: raise `--connect-timeout-ms`");
    let opening = stages
        .run(Stage::SignIn, silent, async {
            loop {
                if let Step::Done(opening) = pump(&mut wire, machine, endpoint).await? {
                    let finding = match (&endpoint.user, opening.signed_in) {
                        (Some(user), true) => format!("signed in as {user}"),
                        (None, true) => "the server says that the line is signed in".to_owned(),
                        (_, false) => "nobody signs in".to_owned(),
                    };
                    return Ok((opening, finding));
                }
            }
        })
        .await?;
    Ok((wire, opening))
}

/// What a sign-in over `wire` can be bound to: the session where TLS has it, else the server's certificate.
fn binding(wire: &Wire) -> Option<ChannelBinding> {
    wire.channel_bindings().as_ref().and_then(ChannelBinding::strongest)
}

/// Run the machine until it wants something other than octets.
async fn pump(wire: &mut Wire, machine: &mut dyn Preamble, endpoint: &Endpoint) -> Result<Step, Fault> {
    let lost = |error: &std::io::Error, problem: Problem| {
        let fault = problem.into_fault(endpoint).because(error);
        match tls::late_alert(error) {
            Some(remedy) => Fault { kind: Kind::Untrusted, ..fault }.with_remedy(remedy),
            None => fault,
        }
    };
    loop {
        match machine.step(&mut wire.pending).map_err(|problem| problem.into_fault(endpoint))? {
            Step::Read => match wire.fill().await {
                Ok(true) => {}
                Ok(false) => return Err(machine.closed(&wire.pending).into_fault(endpoint)),
                Err(error) => return Err(lost(&error, machine.closed(&wire.pending))),
            },
            Step::Write(octets) => wire.send(&octets).await.map_err(|error| lost(&error, machine.closed(&wire.pending)))?,
            Step::Busy => tokio::task::yield_now().await,
            pause @ (Step::StartTls | Step::Greeted | Step::Done(_)) => return Ok(pause),
        }
    }
}
