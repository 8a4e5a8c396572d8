//! What an authorization server says of itself (RFC 8414, OpenID Connect Discovery 1.0), and a resource of its authorization server
//! (RFC 9728). Read once, when the operator names an issuer; the addresses are then the account's, and shown.

use serde_json::Value;
use url::Url;

use super::party::Party;
use super::server::Server;
use crate::fault::{Fault, Kind};
use crate::model::oauth::Addresses;
use crate::model::provider::ClientAuth;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The server's endpoints.
    pub addresses: Addresses,
    /// How it wants a client's secret, where it takes one of the two ways that the host has.
    pub client_auth: Option<ClientAuth>,
}

/// Ask `issuer`: an https URL.
///
/// # Errors
/// `Usage` for what is no issuer, `NotFound` where it says nothing of itself, `Untrusted` where it names another issuer.
pub async fn discover(party: &Party, issuer: &str) -> Result<Found, Fault> {
    let operation = format!("ask {} for its endpoints", issuer.escape_debug());
    let wrong = |why: &str| Fault::new(Kind::Usage, format!("take `--issuer {}`", issuer.escape_debug())).because_words(why.to_owned());
    let url = Url::parse(issuer).map_err(|error| wrong(&error.to_string()))?;
    // RFC 8414 section 2.
    if url.scheme() != "https" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("an issuer is an https URL without a query"));
    }
    let server = Server::new(party, operation.clone());
    let mut last = None;
    for place in places(&url) {
        match server.get(&place, None).await {
            Ok(document) => return read(&document, issuer, &operation),
            Err(fault) if fault.code.as_deref().is_some_and(|code| code == "404" || code == "405") => last = Some(fault),
            Err(fault) => return Err(fault),
        }
    }
    let fault = Fault::new(Kind::NotFound, operation).because_words("it publishes no metadata (RFC 8414, OpenID Connect Discovery)");
    let fault = fault.with_remedy("name the endpoints one by one: `--authorization-url URL --token-url URL`");
    Err(Fault { code: last.and_then(|fault| fault.code), ..fault })
}

/// The issuer that a protected resource names for itself (RFC 9728 section 3): what an account's server may be asked.
///
/// # Errors
/// `NotFound` where it names none, `Untrusted` where it speaks for another resource.
pub async fn issuer_of(party: &Party, resource: &str) -> Result<String, Fault> {
    let operation = format!("ask {} for its authorization server", resource.escape_debug());
    let server = Server::new(party, operation.clone());
    let url = Url::parse(resource).map_err(|error| Fault::new(Kind::Usage, operation.clone()).because(&error))?;
    let document = server.get(&inserted(&url, "oauth-protected-resource"), None).await?;
    if document.get("resource").and_then(Value::as_str).map(|named| named.trim_end_matches('/')) != Some(resource.trim_end_matches('/')) {
        return Err(Fault::new(Kind::Untrusted, operation).because_words("it speaks for another resource than the one that was asked"));
    }
    let issuer =
        document.get("authorization_servers").and_then(Value::as_array).and_then(|servers| servers.first()).and_then(Value::as_str);
    issuer.map(str::to_owned).ok_or_else(|| Fault::new(Kind::NotFound, operation).because_words("it names no authorization server"))
}

/// Where metadata may lie: RFC 8414 section 3.1, its compatibility note in section 5, and OpenID Connect Discovery section 4.
fn places(issuer: &Url) -> Vec<String> {
    let appended = format!("{}/.well-known/openid-configuration", issuer.as_str().trim_end_matches('/'));
    let mut places = vec![inserted(issuer, "oauth-authorization-server"), appended, inserted(issuer, "openid-configuration")];
    places.dedup();
    places
}

/// `/.well-known/NAME` between host and path.
fn inserted(url: &Url, name: &str) -> String {
    let path = url.path().trim_end_matches('/');
    format!("{}/.well-known/{name}{path}", url.origin().ascii_serialization())
}

fn read(document: &Value, issuer: &str, operation: &str) -> Result<Found, Fault> {
    let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
    // RFC 8414 section 3.3: otherwise one server could speak for another.
    if text("issuer").as_deref() != Some(issuer) {
        let named = text("issuer").map_or_else(|| "none".to_owned(), |named| named.chars().filter(|c| !c.is_control()).take(200).collect());
        return Err(Fault::new(Kind::Untrusted, operation)
            .because_words(format!("it names another issuer: {named}"))
            .with_remedy("give the issuer exactly as the server names it"));
    }
    let https = |name: &str| text(name).filter(|url| Url::parse(url).is_ok_and(|url| url.scheme() == "https"));
    let token = https("token_endpoint");
    if token.is_none() {
        return Err(Fault::new(Kind::Malformed, operation).because_words("it names no token endpoint that is an https URL"));
    }
    let ways = document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
    let takes = |way: &str| ways.is_some_and(|ways| ways.iter().any(|known| known == way));
    let client_auth = match (takes("client_secret_basic"), takes("client_secret_post")) {
        (true, _) => Some(ClientAuth::Basic),
        (false, true) => Some(ClientAuth::Post),
        (false, false) => None,
    };
    let addresses = Addresses {
        authorization: https("authorization_endpoint"),
        token,
        device: https("device_authorization_endpoint"),
        userinfo: https("userinfo_endpoint"),
        issuer: Some(issuer.to_owned()),
    };
    Ok(Found { addresses, client_auth })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_lies_where_the_standards_say() {
        let at = |issuer: &str| places(&Url::parse(issuer).unwrap());
        assert_eq!(
            at("https://id.example/t/one"),
            [
                "https://id.example/.well-known/oauth-authorization-server/t/one",
                "https://id.example/t/one/.well-known/openid-configuration",
                "https://id.example/.well-known/openid-configuration/t/one"
            ]
        );
        assert_eq!(
            at("https://id.example"),
            ["https://id.example/.well-known/oauth-authorization-server", "https://id.example/.well-known/openid-configuration"]
        );
    }

    #[test]
    fn another_issuer_and_clear_addresses_are_not_believed() {
        let issuer = "https://id.example";
        let good = json!({
            "issuer": issuer, "token_endpoint": "https://id.example/t", "authorization_endpoint": "http://id.example/a",
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"]
        });
        let found = read(&good, issuer, "x").unwrap();
        assert_eq!((found.addresses.authorization, found.client_auth), (None, Some(ClientAuth::Post)));
        assert_eq!(read(&good, "https://id.example/", "x").unwrap_err().kind, Kind::Untrusted);
        let clear = json!({ "issuer": issuer, "token_endpoint": "http://id.example/t" });
        assert_eq!(read(&clear, issuer, "x").unwrap_err().kind, Kind::Malformed);
        assert_eq!(read(&json!([]), issuer, "x").unwrap_err().kind, Kind::Untrusted);
    }
}
