//! The device authorization grant (RFC 8628): somebody enters a code elsewhere while the host asks now and then.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use oauth2::{AsyncHttpClient, EmptyExtraDeviceAuthorizationFields, HttpRequest, HttpResponse, Scope};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::answer::Granted;
use super::party::Party;
use super::server::Server;
use super::{answer, grant};
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::secret::Secret;

/// The longest time in which a code is waited for, whatever the server says.
const WAIT_MOST: Duration = Duration::from_secs(30 * 60);

/// The longest pause between two questions, after failures and whatever the server says.
const PAUSE_MOST: Duration = Duration::from_secs(60);

/// What a person has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The page to go to.
    pub address: String,
    /// The code to enter there.
    pub code: String,
    /// A page that has the code already, where the server has one.
    pub whole_address: Option<String>,
    /// Until when.
    pub until: Timestamp,
}

/// Have somebody enter a code; `tell` is told which, once.
///
/// # Errors
/// `Misconfigured` where the provider has no device codes, `Unauthenticated` where nobody enters the code in time, `Forbidden` where the
/// consent is denied.
pub async fn authorize(party: &Party, tell: impl AsyncFnOnce(Prompt) -> Result<(), Fault>) -> Result<Granted, Fault> {
    let server = Server::new(party, format!("get a device code for `{}`", party.name));
    let client = server.client()?;
    let unnamed = || {
        party.unnamed("device authorization endpoint", "--device-url URL").with_remedy(format!(
            "sign in with a browser: `postrider account authorize {} --browser`, or `--paste` where there is none",
            party.name
        ))
    };
    let mut request = client.exchange_device_code().map_err(|_| unnamed())?;
    request = request.add_scopes(party.scopes.iter().cloned().map(Scope::new));
    for (name, value) in grant::client_assertion(party, &server)? {
        request = request.add_extra_param(name, value);
    }
    let asked = Timestamp::now();
    let answer: oauth2::DeviceAuthorizationResponse<EmptyExtraDeviceAuthorizationFields> =
        request.request_async(&server).await.map_err(|error| server.failed(error))?;
    let wait = answer.expires_in().min(WAIT_MOST);
    tell(Prompt {
        address: shown(answer.verification_uri().as_str()),
        code: shown(answer.user_code().secret()),
        whole_address: answer.verification_uri_complete().map(|address| shown(address.secret())),
        until: answer::later(asked, wait),
    })
    .await?;
    let poll = Server::new(party, format!("sign in for `{}` by device code", party.name)).letting_pend();
    poll.sends(&Secret::new(answer.device_code().secret().as_bytes()));
    let (lasting, mut failures) = mpsc::unbounded_channel();
    let poll = Poll { server: poll, lasting };
    let mut request = client.exchange_device_access_token(&answer);
    for (name, value) in grant::client_assertion(party, &poll.server)? {
        request = request.add_extra_param(name, value);
    }
    let asked = Timestamp::now();
    let request = request.set_max_backoff_interval(PAUSE_MOST);
    let polling = request.request_async(&poll, |pause| tokio::time::sleep(pause.min(PAUSE_MOST)), Some(wait));
    tokio::select! {
        biased;
        Some(fault) = failures.recv() => Err(party.naming(fault)),
        outcome = polling => {
            // A token's life is counted from when it was asked for, which was within the last pause.
            let asked = Timestamp(Timestamp::now().0.saturating_sub(1000).max(asked.0));
            poll.server.granted(outcome, asked)
        }
    }
}

/// Asks whether the code was entered.
struct Poll {
    server: Server,
    /// The crate takes every failure of a request for a passing one; what will not pass ends the wait by this.
    lasting: mpsc::UnboundedSender<Fault>,
}

impl<'c> AsyncHttpClient<'c> for Poll {
    type Error = Fault;
    type Future = BoxFuture<'c, Result<HttpResponse, Fault>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let asked = async {
            let outcome = self.server.answer(request).await;
            if let Err(fault) = &outcome
                && !matches!(fault.kind, Kind::Unreachable | Kind::Transient | Kind::Throttled)
            {
                // Nobody listens any more where the wait is over.
                let _ = self.lasting.send(fault.clone());
            }
            outcome
        };
        asked.boxed()
    }
}

/// What a server wants people to see, without what would move their cursor.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}
