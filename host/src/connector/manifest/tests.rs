use super::*;
use crate::connector::fixture::RECEIVER_TOML;

/// The receiver's manifest with a line more, or one changed.
fn refused(from: &str, to: &str) -> String {
    assert!(RECEIVER_TOML.contains(from), "{from}");
    let error = Manifest::from_toml(&RECEIVER_TOML.replacen(from, to, 1)).unwrap_err();
    let fault = Fault::from(error);
    fault.causes().last().unwrap_or_default().to_owned()
}

#[test]
fn toml_and_json_say_the_same() {
    let (manifest, json) = Manifest::from_toml(RECEIVER_TOML).unwrap();
    assert_eq!(Manifest::from_json(&json).unwrap(), manifest);
    assert_eq!(Manifest::from_json(&serde_json::to_vec(&manifest).unwrap()).unwrap(), manifest);
    assert_eq!(manifest.title(), "imap 0.1.0");
    assert!(manifest.has_ability("push") && !manifest.has_ability("send"));
    assert_eq!(manifest.endpoint("receive").unwrap().credential.as_deref(), Some("mailbox"));
}

#[test]
fn an_unknown_field_is_named_with_its_line() {
    let words = refused("name = \"IMAP\"", "name = \"IMAP\"\nicon = \"x.png\"");
    assert!(words.contains("unknown field `icon`") && words.contains("line 7"), "{words}");
    let words = refused("contract = \"0.1\"", "contract = \"0.1.0\"");
    assert!(words.contains("is not a version of the contract"), "{words}");
    let words = refused("protocol = \"imap\"", "protocol = \"nntp\"");
    assert!(words.contains("unknown variant `nntp`"), "{words}");
}

#[test]
fn a_later_format_is_named_before_its_fields() {
    let words = refused("format = 1", "format = 2\nnew-field = true");
    insta::assert_snapshot!(words, @"the manifest is of format 2, and this host reads format 1: update the host or install an older connector");
}

#[test]
fn fields_that_cannot_be_meant() {
    let mut words = Vec::new();
    for (from, to) in [
        ("name = \"IMAP\"", "name = \"\""),
        ("name = \"IMAP\"", "name = \"IMAP\\u001b[2J\""),
        ("over IMAP.", "over \\u202EPAMI."),
        ("abilities = [\"receive\", \"push\"]", "abilities = [\"push\"]"),
        ("abilities = [\"receive\", \"push\"]", "abilities = [\"receive\", \"receive\"]"),
        ("credential = \"mailbox\"", "credential = \"other\""),
        ("protocol = \"imap\"", "protocol = \"stream\""),
        ("kind = \"password\"", "kind = \"api-key\""),
        ("placement = \"line\"", "placement = \"line\"\norigins = [\"https://example.com\"]"),
        ("title = \"Days to look back\"", "title = \"\\u0007\""),
        ("minimum = 1", "minimum = 31"),
        ("description", "homepage = \"http://example.com\"\ndescription"),
        ("description", "origins = [\"https://example.com/path\"]\ndescription"),
        ("description", "origins = [\"http://example.com\"]\ndescription"),
        ("description", "origins = [\"https://EXAMPLE.com\"]\ndescription"),
        ("description", "oauth = { authorization = \"https://a.example/o\", token = \"https://a.example/t\", scopes = [] }\ndescription"),
    ] {
        words.push(refused(from, to).lines().last().unwrap_or_default().to_owned());
    }
    insta::assert_snapshot!(words.join("\n"), @r#"
    `name` must be one line of text
    `name` holds control characters
    `description` holds control characters
    `endpoints.receive.name` is for connectors whose `abilities` name `receive`
    `abilities` holds `receive` twice
    `endpoints.receive.credential` names `other`, which is not among `credentials`
    `endpoints.receive.credential` cannot be: on a `stream` nobody signs in, so that no secret can be drawn out of it
    `endpoints.receive.credential` names `mailbox`, which must be a password or oauth with placement `line`
    `credentials.mailbox.origins` names `https://example.com`, which is not among the manifest's `origins`
    `settings` holds control characters
    `settings` has a default that does not fit: 30 is less than the minimum of 31
    `homepage` is `http://example.com`, which is no plain https URL
    `https://example.com/path` is not an origin: those are `https://host` or `https://host:port` in lower case without a path, or `account`
    `http://example.com` is not an origin: those are `https://host` or `https://host:port` in lower case without a path, or `account`
    `https://EXAMPLE.com` is not an origin: those are `https://host` or `https://host:port` in lower case without a path, or `account`
    `oauth` is of no use: no credential is of kind `oauth`
    "#);
}

/// A manifest of a connector that speaks HTTP, with this credential.
fn http(credential: &str) -> Result<Manifest, ManifestError> {
    let toml = format!(
        "format = 1\nid = \"graph\"\nversion = \"1.0.0\"\ncontract = \"0.1\"\nname = \"Graph\"\nabilities = [\"send\"]\n\
         origins = [\"https://graph.example\", \"account\"]\n[[credentials]]\nname = \"token\"\n{credential}"
    );
    Manifest::from_toml(&toml).map(|(manifest, _)| manifest)
}

#[test]
fn credentials_go_where_they_are_named() {
    http("kind = \"oauth\"\nplacement = \"bearer\"\norigins = [\"https://graph.example\"]").unwrap();
    http("kind = \"api-key\"\nplacement = { header = \"X-Api-Key\" }\norigins = [\"account\"]").unwrap();
    let mut words = Vec::new();
    for credential in [
        "kind = \"oauth\"\nplacement = \"bearer\"",
        "kind = \"oauth\"\nplacement = \"bearer\"\norigins = [\"https://other.example\"]",
        "kind = \"oauth\"\nplacement = \"line\"",
        "kind = \"oauth\"\nplacement = \"basic\"\norigins = [\"account\"]",
        "kind = \"password\"\nplacement = \"bearer\"\norigins = [\"account\"]",
        "kind = \"api-key\"\nplacement = { header = \"Cookie\" }\norigins = [\"account\"]",
        "kind = \"api-key\"\nplacement = { header = \"X Y\" }\norigins = [\"account\"]",
    ] {
        words.push(http(credential).unwrap_err().to_string());
    }
    insta::assert_snapshot!(words.join("\n"), @r#"
    `credentials.token.origins` is empty: a credential goes only to origins that are named
    `credentials.token.origins` names `https://other.example`, which is not among the manifest's `origins`
    `credentials.token.placement` is `line`, but no endpoint names this credential
    `credentials.token.placement` is `basic`, which takes a credential of kind `password`
    `credentials.token.placement` is `bearer`, which takes a credential of kind `oauth` or `api-key`
    `credentials.token.placement.header` is `Cookie`, which is the host's own
    `credentials.token.placement.header` is `X Y`, which is no header's name
    "#);
}

#[test]
fn a_large_manifest_is_refused_before_it_is_read() {
    let json = vec![b' '; MANIFEST_OCTETS + 1];
    assert!(matches!(Manifest::from_json(&json), Err(ManifestError::TooLarge(_))));
    assert!(matches!(Manifest::from_json(&json[1..]), Err(ManifestError::Json(_))));
}
