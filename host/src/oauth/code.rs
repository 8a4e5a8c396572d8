//! The authorization code grant with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 8252). Nothing of an attempt is kept by the host: whoever
//! began it carries [`Attempt`] until the answer is there.

use oauth2::{AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope};

use super::answer::Granted;
use super::callback::{self, Callback};
use super::party::Party;
use super::server::Server;
use super::{grant, refusal};
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::secret::Secret;

/// One attempt to have somebody consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where the person goes.
    pub url: String,
    /// Where the answer comes to.
    pub redirect: String,
    /// What the answer has to bring back (RFC 6749 section 10.12).
    pub state: Secret,
    /// What proves that whoever redeems the code began the attempt (RFC 7636 section 4.1).
    pub verifier: Secret,
    /// Who was asked, where that is known.
    pub issuer: Option<String>,
}

/// Begin: the answer will come to `redirect`.
///
/// # Errors
/// `Misconfigured` where there is no authorization endpoint.
pub fn begin(party: &Party, redirect: &str, hint: Option<&str>) -> Result<Attempt, Fault> {
    let operation = format!("begin the sign-in of `{}`", party.name);
    let server = Server::new(party, operation.clone());
    let wrong = |error: url::ParseError| Fault::new(Kind::Misconfigured, operation.clone()).because(&error);
    let host = party.oauth.provider.oauth().map_or("127.0.0.1", |preset| preset.loopback);
    let redirect = &redirect.replacen("127.0.0.1", host, 1);
    let client = server.client()?.set_redirect_uri(RedirectUrl::new(redirect.clone()).map_err(wrong)?);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = client
        .authorize_url(CsrfToken::new_random)
        .map_err(|_| party.unnamed("authorization endpoint", "--authorization-url URL"))?
        .add_scopes(party.scopes.iter().cloned().map(Scope::new))
        .set_pkce_challenge(challenge);
    for (name, value) in party.oauth.provider.oauth().map(|preset| preset.consent).unwrap_or_default() {
        request = request.add_extra_param(*name, *value);
    }
    if let Some(hint) = hint {
        // OpenID Connect Core 1.0 section 3.1.2.1: the right one of several signed-in accounts.
        request = request.add_extra_param("login_hint", hint.to_owned());
    }
    let (url, state) = request.url();
    Ok(Attempt {
        url: party.rewritten(url).to_string(),
        redirect: redirect.clone(),
        state: Secret::from(state.into_secret()),
        verifier: Secret::from(verifier.into_secret()),
        issuer: party.addresses().issuer,
    })
}

/// Redeem what came back: the query of the redirect.
///
/// # Errors
/// `Untrusted` for an answer to another attempt or from another server; the server's refusal.
pub async fn finish(party: &Party, attempt: &Attempt, query: &Secret) -> Result<Granted, Fault> {
    let query = query.expose_str().unwrap_or_default();
    let operation = format!("sign in for `{}`", party.name);
    let code = match callback::read(query, &attempt.state, attempt.issuer.as_deref()).map_err(|error| party.naming(error.into()))? {
        Callback::Code(code) => code,
        Callback::Refused { code, words } => return Err(party.naming(refusal::explain(&operation, &code, words.as_deref()).0)),
    };
    let server = Server::new(party, operation.clone());
    for secret in [&code, &attempt.verifier, &attempt.state] {
        server.sends(secret);
    }
    let wrong = |error: url::ParseError| Fault::new(Kind::Misconfigured, operation.clone()).because(&error);
    let client = server.client()?.set_redirect_uri(RedirectUrl::new(attempt.redirect.clone()).map_err(wrong)?);
    let text = |secret: &Secret| secret.expose_str().unwrap_or_default().to_owned();
    let mut request =
        client.exchange_code(AuthorizationCode::new(text(&code))).set_pkce_verifier(PkceCodeVerifier::new(text(&attempt.verifier)));
    for (name, value) in grant::client_assertion(party, &server)? {
        request = request.add_extra_param(name, value);
    }
    let asked = Timestamp::now();
    server.granted(request.request_async(&server).await, asked)
}
