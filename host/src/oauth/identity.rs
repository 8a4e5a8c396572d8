//! Who signed in: by the id_token that came with the tokens, or by asking with them (OpenID Connect Core 1.0 sections 2 and 5.3).

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use super::answer::Granted;
use super::party::Party;
use super::server::Server;
use crate::fault::{Fault, Kind};
use crate::secret::Secret;

/// The claims that name a mailbox, the surest first. `preferred_username` and `upn` are Microsoft's.
const CLAIMS: [&str; 3] = ["email", "preferred_username", "upn"];

/// The addresses of whoever signed in; none of them: the provider does not say.
///
/// # Errors
/// `Untrusted` where an id_token is another client's or another server's.
pub async fn of(party: &Party, granted: &Granted) -> Result<Vec<String>, Fault> {
    if let Some(token) = &granted.id_token {
        let claims = claims(party, token)?;
        let named = addresses(&claims);
        if !named.is_empty() {
            return Ok(named);
        }
    }
    let Some(userinfo) = party.addresses().userinfo else { return Ok(Vec::new()) };
    let server = Server::new(party, format!("ask who signed in for `{}`", party.name));
    server.sends(&granted.access);
    match server.get(&userinfo, Some(&granted.access)).await {
        Ok(claims) => Ok(addresses(&claims)),
        // A token that is good for mail need not be good for this.
        Err(fault) if matches!(fault.kind, Kind::Unauthenticated | Kind::Forbidden) => Ok(Vec::new()),
        Err(fault) => Err(fault),
    }
}

/// Whether one of `named` is who was expected; as people write addresses, without regard to capitals.
///
/// # Errors
/// `Conflict` where it is somebody else.
pub fn check(account: &str, expected: &str, named: &[String]) -> Result<(), Fault> {
    if named.is_empty() || named.iter().any(|name| name.eq_ignore_ascii_case(expected)) {
        return Ok(());
    }
    Err(Fault::new(Kind::Conflict, format!("take the sign-in for `{account}`"))
        .because_words(format!("{} signed in, and the account is {expected}", named.join(", ")))
        .with_remedy(format!(
            "sign in as {expected}; for a shared or delegated mailbox say who signs in for it: `postrider account authorize {account} --as {}`",
            named.first().map_or("ADDRESS", String::as_str)
        )))
}

/// The claims of an id_token. It came from the token endpoint over TLS, which stands in for its signature (Core section 3.1.3.7, 6).
fn claims(party: &Party, token: &Secret) -> Result<Value, Fault> {
    let failed = |why: &str| Fault::new(Kind::Untrusted, format!("read who signed in for `{}`", party.name)).because_words(why);
    let payload = token.expose_str().and_then(|token| token.split('.').nth(1));
    let payload = payload.and_then(|payload| BASE64URL_NOPAD.decode(payload.trim_end_matches('=').as_bytes()).ok());
    let claims: Value =
        payload.and_then(|payload| serde_json::from_slice(&payload).ok()).ok_or_else(|| failed("the id_token cannot be read"))?;
    let audience = |value: &Value| value.as_str() == Some(&party.oauth.client_id);
    let is_ours = match claims.get("aud") {
        Some(Value::Array(list)) => list.iter().any(audience),
        Some(one) => audience(one),
        None => false,
    };
    if !is_ours {
        return Err(failed("the id_token was made for another client"));
    }
    if let Some(issuer) = party.addresses().issuer
        && claims.get("iss").and_then(Value::as_str) != Some(&issuer)
    {
        return Err(failed("the id_token was made by another server than the account's issuer"));
    }
    Ok(claims)
}

fn addresses(claims: &Value) -> Vec<String> {
    let is_unsure = |claim: &str| {
        claim == "email" && claims.get("email_verified").is_some_and(|verified| *verified == Value::Bool(false) || *verified == "false")
    };
    let named = CLAIMS.iter().filter(|claim| !is_unsure(claim)).filter_map(|claim| claims.get(claim)?.as_str());
    let mut once: Vec<String> = Vec::new();
    for name in named.filter(|name| name.contains('@') && name.len() <= 320 && !name.chars().any(|c| c.is_control() || c.is_whitespace())) {
        if !once.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            once.push(name.to_owned());
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_are_taken_where_they_are_sure() {
        assert_eq!(
            addresses(&json!({"email":"A@x.example","preferred_username":"a@X.example","upn":"b@x.example"})),
            ["A@x.example", "b@x.example"]
        );
        assert_eq!(
            addresses(&json!({"email":"a@x.example","email_verified":false,"preferred_username":"live.com#a@x.example"})),
            ["live.com#a@x.example"]
        );
        assert_eq!(addresses(&json!({"email":"a@x.example","email_verified":"false"})), [""; 0]);
        assert_eq!(addresses(&json!({"email":7,"preferred_username":"nobody","upn":"a@x\u{1b}[2J"})), [""; 0]);
    }

    #[test]
    fn somebody_else_is_refused() {
        assert!(check("help", "help@example.com", &["HELP@example.com".to_owned()]).is_ok());
        assert!(check("help", "help@example.com", &[]).is_ok());
        let fault = check("help", "help@example.com", &["eve@example.com".to_owned()]).unwrap_err();
        assert_eq!(fault.kind, Kind::Conflict);
        assert!(fault.remedy.unwrap().contains("--as eve@example.com"));
    }
}
