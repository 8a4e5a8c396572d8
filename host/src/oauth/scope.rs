//! What is asked for: what the account's use needs, and never more than was approved.

use crate::fault::{Fault, Kind};
use crate::model::endpoint::Protocol;
use crate::model::name::AccountName;
use crate::model::oauth::{Grant, OAuth};

/// One thing that an account does with its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Whether it sends; otherwise it receives.
    pub sends: bool,
    /// What the server speaks; `Stream`: requests over HTTP.
    pub protocol: Protocol,
    /// The scopes that the operator approved for the connector, the most that is ever asked for; none: the manifest names none.
    pub ceiling: Option<Vec<String>>,
}

/// What to ask for.
///
/// # Errors
/// `Misconfigured` where nobody says what to ask for, `Unapproved` where the operator's word goes beyond what was approved.
pub fn wanted(account: &AccountName, oauth: &OAuth, uses: &[Use]) -> Result<Vec<String>, Fault> {
    let operation = || format!("say what to ask the provider of `{account}` for");
    let preset = oauth.provider.oauth();
    let always = preset.map(|preset| preset.always).unwrap_or_default();
    if !oauth.scopes.is_empty() {
        let ceilings: Vec<_> = uses.iter().filter_map(|one| one.ceiling.as_ref()).collect();
        let is_approved = |scope: &String| {
            ceilings.is_empty()
                || always.contains(&scope.as_str())
                || is_harmless(scope)
                || ceilings.iter().any(|ceiling| ceiling.contains(scope))
        };
        if let Some(beyond) = oauth.scopes.iter().find(|scope| !is_approved(scope)) {
            let allowed: Vec<_> = ceilings.into_iter().flatten().map(String::as_str).collect();
            return Err(Fault::new(Kind::Unapproved, operation())
                .because_words(format!("`{beyond}` is more than the connector's manifest asks for: {}", allowed.join(", ")))
                .with_remedy("leave `--scope` out: what the account needs is asked for by itself"));
        }
        return Ok(oauth.scopes.clone());
    }
    let in_its_own_name = !matches!(oauth.grant, Grant::User);
    let mut scopes: Vec<String> = Vec::new();
    for one in uses {
        scopes.extend(match &one.ceiling {
            Some(ceiling) if in_its_own_name && oauth.provider.oauth().is_some_and(|preset| preset.device.is_some()) => {
                // Entra ID gives an application all that it was granted for a resource, and takes no single scopes.
                let resources = ceiling.iter().filter_map(|scope| resource(scope));
                resources.map(|resource| format!("{resource}/.default")).collect::<Vec<_>>()
            }
            Some(ceiling) => of_ceiling(ceiling, one.sends, preset.map(|preset| preset.sending).unwrap_or_default()),
            None if in_its_own_name => owned(preset.map(|preset| preset.application).unwrap_or_default()),
            None => owned(preset.map(|preset| preset.line(one.protocol)).unwrap_or_default()),
        });
    }
    if scopes.is_empty() && !in_its_own_name {
        return Err(Fault::new(Kind::Misconfigured, operation())
            .because_words("the provider is none whose scopes this host knows")
            .with_remedy(format!("name them as the provider's documentation does: `postrider account edit {account} --scope SCOPE`")));
    }
    if !in_its_own_name {
        scopes.extend(owned(always));
    }
    let mut once: Vec<String> = Vec::new();
    for scope in scopes {
        if !once.contains(&scope) {
            once.push(scope);
        }
    }
    Ok(once)
}

/// Of what was approved, what sending or receiving needs.
fn of_ceiling(ceiling: &[String], sends: bool, sending: &[&str]) -> Vec<String> {
    let (send_only, rest): (Vec<_>, Vec<_>) = ceiling.iter().cloned().partition(|scope| sending.contains(&scope.as_str()));
    match (sends, send_only.is_empty()) {
        (true, false) => send_only.into_iter().chain(rest.into_iter().filter(|scope| is_harmless(scope))).collect(),
        (true, true) => rest,
        (false, _) => rest,
    }
}

/// Those of OpenID Connect that only say who signed in, or that tokens may be renewed (Core 1.0 sections 5.4 and 11).
fn is_harmless(scope: &str) -> bool {
    ["openid", "email", "profile", "offline_access", "https://graph.microsoft.com/User.Read", "User.Read"].contains(&scope)
}

/// The resource of a scope of Microsoft's: "https://graph.microsoft.com" of "https://graph.microsoft.com/Mail.Read".
fn resource(scope: &str) -> Option<String> {
    let url = url::Url::parse(scope).ok().filter(|url| url.scheme() == "https")?;
    Some(url.origin().ascii_serialization())
}

fn owned(scopes: &[&str]) -> Vec<String> {
    scopes.iter().map(|scope| (*scope).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> AccountName {
        "help".parse().unwrap()
    }

    fn oauth(provider: &str, grant: &Grant, scopes: &[&str]) -> OAuth {
        let json = serde_json::json!({ "provider": provider, "grant": grant, "scopes": scopes });
        serde_json::from_value(json).unwrap()
    }

    fn line(protocol: Protocol) -> Use {
        Use { sends: protocol == Protocol::Smtp, protocol, ceiling: None }
    }

    fn rest(sends: bool, ceiling: &[&str]) -> Use {
        Use { sends, protocol: Protocol::Stream, ceiling: Some(owned(ceiling)) }
    }

    const GRAPH: &[&str] = &["https://graph.microsoft.com/Mail.ReadWrite", "https://graph.microsoft.com/Mail.Send"];

    #[test]
    fn each_use_asks_for_its_own() {
        let office = oauth("office365", &Grant::User, &[]);
        let beside = ["openid", "email", "profile", "offline_access"];
        let both = wanted(&account(), &office, &[line(Protocol::Imap), line(Protocol::Smtp)]).unwrap();
        assert_eq!(
            both,
            [&["https://outlook.office.com/IMAP.AccessAsUser.All", "https://outlook.office.com/SMTP.Send"], &beside[..]].concat()
        );
        let sends = wanted(&account(), &office, &[line(Protocol::Smtp)]).unwrap();
        assert_eq!(sends, [&["https://outlook.office.com/SMTP.Send"], &beside[..]].concat());
        let rest_sends = wanted(&account(), &office, &[rest(true, GRAPH)]).unwrap();
        assert_eq!(rest_sends, [&["https://graph.microsoft.com/Mail.Send"], &beside[..]].concat());
        let rest_receives = wanted(&account(), &office, &[rest(false, GRAPH)]).unwrap();
        assert_eq!(rest_receives, [&["https://graph.microsoft.com/Mail.ReadWrite"], &beside[..]].concat());
        let gmail = oauth("gmail", &Grant::User, &[]);
        let ceiling = ["https://www.googleapis.com/auth/gmail.modify", "https://www.googleapis.com/auth/gmail.send"];
        assert_eq!(wanted(&account(), &gmail, &[rest(true, &ceiling)]).unwrap(), [ceiling[1], "openid", "email"]);
        assert_eq!(wanted(&account(), &gmail, &[line(Protocol::Pop3)]).unwrap(), ["https://mail.google.com/", "openid", "email"]);
    }

    #[test]
    fn an_application_asks_for_what_it_was_granted() {
        let office = oauth("office365", &Grant::ClientCredentials, &[]);
        assert_eq!(wanted(&account(), &office, &[line(Protocol::Imap)]).unwrap(), ["https://outlook.office365.com/.default"]);
        assert_eq!(wanted(&account(), &office, &[rest(false, GRAPH)]).unwrap(), ["https://graph.microsoft.com/.default"]);
        let robot = oauth("gmail", &Grant::ServiceAccount { subject: None }, &[]);
        assert_eq!(wanted(&account(), &robot, &[line(Protocol::Imap)]).unwrap(), ["https://mail.google.com/"]);
    }

    #[test]
    fn never_more_than_was_approved() {
        let wide = oauth("office365", &Grant::User, &["https://graph.microsoft.com/Files.Read.All", "offline_access"]);
        let fault = wanted(&account(), &wide, &[rest(false, GRAPH)]).unwrap_err();
        assert_eq!(fault.kind, Kind::Unapproved);
        let narrow = oauth("office365", &Grant::User, &["https://graph.microsoft.com/Mail.ReadWrite", "offline_access"]);
        assert_eq!(wanted(&account(), &narrow, &[rest(false, GRAPH)]).unwrap(), narrow.scopes);
        let unknown = oauth("custom", &Grant::User, &[]);
        assert_eq!(wanted(&account(), &unknown, &[line(Protocol::Imap)]).unwrap_err().kind, Kind::Misconfigured);
        let named = oauth("custom", &Grant::User, &["mail"]);
        assert_eq!(wanted(&account(), &named, &[line(Protocol::Imap)]).unwrap(), ["mail"]);
    }
}
