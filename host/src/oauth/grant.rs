//! From a grant to tokens, without a person: refresh token, client credentials, a service account's assertion.

use oauth2::{RefreshToken, Scope};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use url::form_urlencoded;

use super::answer::Granted;
use super::assertion::Signer;
use super::party::Party;
use super::server::{Client, Server};
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::model::oauth::Grant;
use crate::secret::Secret;

/// RFC 7523 section 2.2.
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// RFC 7523 section 2.1.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Renew the tokens of `party` by its refresh token.
///
/// # Errors
/// The server's refusal, and what keeps the request from its answer.
pub(super) async fn renew(party: &Party, refresh: &Secret) -> Result<Granted, Fault> {
    let server = Server::new(party, format!("renew the access token of `{}`", party.name));
    server.sends(refresh);
    let client = server.client()?;
    let token = RefreshToken::new(refresh.expose_str().unwrap_or_default().to_owned());
    // No scope: what was consented to is meant (RFC 6749 section 6), and a narrower wish would make a narrower token of it for good.
    let mut request = client.exchange_refresh_token(&token);
    for (name, value) in client_assertion(party, &server)? {
        request = request.add_extra_param(name, value);
    }
    let asked = Timestamp::now();
    server.granted(request.request_async(&server).await, asked)
}

/// An access token in the application's own name.
///
/// # Errors
/// As of [`renew`].
pub(super) async fn apply(party: &Party) -> Result<Granted, Fault> {
    let server = Server::new(party, format!("get an access token for `{}`", party.name));
    let asked = Timestamp::now();
    match &party.oauth.grant {
        Grant::ServiceAccount { subject } => {
            let endpoint = party.token_endpoint()?;
            let certificate = certificate(party)?;
            let signer = signer(party, certificate.as_deref())?;
            let assertion = signer.grant(&party.oauth.client_id, subject.as_deref(), &endpoint, &party.scopes, asked)?;
            server.sends(&assertion);
            let body = form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", JWT_BEARER)
                .append_pair("assertion", assertion.expose_str().unwrap_or_default())
                .finish();
            let request = http::Request::builder()
                .method("POST")
                .uri(endpoint)
                .header("accept", "application/json")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body.into_bytes())
                .map_err(|error| Fault::new(Kind::Misconfigured, server.operation()).because(&error))?;
            let answer = server.answer(request).await?;
            let answer = serde_json::from_slice::<super::answer::TokenAnswer>(answer.body());
            answer.map(|answer| answer.granted(asked)).map_err(|_| {
                Fault::new(Kind::Malformed, server.operation()).because_words("a field of the provider's answer is not what belongs there")
            })
        }
        _ => {
            let client: Client = server.client()?;
            let scopes = party.scopes.iter().cloned().map(Scope::new);
            let mut request = client.exchange_client_credentials().add_scopes(scopes);
            for (name, value) in client_assertion(party, &server)? {
                request = request.add_extra_param(name, value);
            }
            server.granted(request.request_async(&server).await, asked)
        }
    }
}

/// The parameters by which a client with a signing key says who it is; none: it has a secret, or nothing.
pub(super) fn client_assertion(party: &Party, server: &Server) -> Result<Vec<(&'static str, String)>, Fault> {
    if party.signing_key.is_none() {
        return Ok(Vec::new());
    }
    let certificate = certificate(party)?;
    let assertion = signer(party, certificate.as_deref())?.client(&party.oauth.client_id, &party.token_endpoint()?, Timestamp::now())?;
    server.sends(&assertion);
    let text = assertion.expose_str().unwrap_or_default().to_owned();
    Ok(vec![("client_assertion_type", CLIENT_ASSERTION.to_owned()), ("client_assertion", text)])
}

/// Read the key file of a Google service account: who it is, the name of its key, and the key. What else it holds, addresses above
/// all, is not believed.
///
/// # Errors
/// `Usage` where it is none; it is not repeated.
pub fn service_account_key(file: &[u8]) -> Result<(String, Option<String>, Secret), Fault> {
    #[derive(Deserialize)]
    struct File {
        client_email: String,
        #[serde(default)]
        private_key_id: Option<String>,
        private_key: String,
    }
    let refused = |why: &str| {
        Fault::new(Kind::Usage, "take the file of `--service-account`")
            .because_words(why)
            .with_remedy("give the JSON file that the provider's console made with the key")
    };
    let file: File = serde_json::from_slice(file).map_err(|_| refused("it is no key file of a service account"))?;
    let pem = Secret::from(file.private_key);
    let key = PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| refused("there is no private key in it that can be read"))?;
    Ok((file.client_email, file.private_key_id, Secret::new(key.secret_der())))
}

fn certificate(party: &Party) -> Result<Option<Vec<u8>>, Fault> {
    let Some(pem) = &party.oauth.certificate else { return Ok(None) };
    let der = CertificateDer::from_pem_slice(pem.as_bytes());
    der.map(|der| Some(der.to_vec())).map_err(|_| Fault::new(Kind::Damaged, "read the client's certificate"))
}

fn signer<'a>(party: &'a Party, certificate: Option<&'a [u8]>) -> Result<Signer<'a>, Fault> {
    let key = party.signing_key.as_ref().ok_or_else(|| {
        Fault::new(Kind::Misconfigured, format!("sign an assertion for `{}`", party.name))
            .because_words("the vault holds no signing key")
            .with_remedy(format!("give it: `postrider account edit {} --certificate FILE --key FILE`", party.name))
    })?;
    Ok(Signer { key, signature: party.oauth.signature(), certificate, key_id: party.oauth.key_id.as_deref() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_that_is_none_is_refused_and_not_repeated() {
        for file in ["", "{}", r#"{"client_email":"hunter2","private_key":"hunter2"}"#, "hunter2"] {
            let fault = service_account_key(file.as_bytes()).unwrap_err();
            assert!(fault.kind == Kind::Usage && !format!("{fault:?}").contains("hunter2"), "{fault:?}");
        }
    }
}
