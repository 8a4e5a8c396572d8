//! The policy, against what connectors and servers might write.

use super::*;

fn origins() -> Origins {
    Origins::new(
        ["https://graph.example", "https://gmail.example:8443", "https://files.example"],
        ["https://gmail.example:8443=http://127.0.0.1:9000"],
    )
    .unwrap()
}

#[test]
fn origins_are_exact() {
    assert_eq!(Origin::parse("https://Graph.Example:443").unwrap().to_string(), "https://graph.example");
    assert_eq!(Origin::parse("http://[::1]:9000").unwrap().server(), "::1");
    for bad in ["https://graph.example/v1", "http://graph.example", "ftp://x", "graph.example", "https://*.x?y", "https://u@x", ""] {
        assert!(Origin::parse(bad).is_err(), "{bad}");
    }
    let admitted = origins().admit("https://graph.example/v1.0/me?$top=5#x").unwrap();
    assert_eq!(admitted.url.as_str(), "https://graph.example/v1.0/me?$top=5");
    for bad in [
        "https://graph.example.evil.example/",
        "https://sub.graph.example/",
        "https://graph.example:444/",
        "http://graph.example/",
        "http://127.0.0.1:9000/",
        "https://127.0.0.1:9000/",
        "https://u:p@graph.example/",
        "https://graph.example\\@evil.example/",
        "https://graph.example/a b",
        "https://graph.example/\t",
        "//graph.example/",
        "data:,x",
    ] {
        assert!(origins().admit(bad).is_err(), "{bad}");
    }
    assert!(origins().admit(&format!("https://graph.example/{}", "x".repeat(URL_OCTETS))).is_err());
}

#[test]
fn rewrites_are_the_operators() {
    let admitted = origins().admit("https://gmail.example:8443/gmail/v1").unwrap();
    assert_eq!(admitted.url.as_str(), "http://127.0.0.1:9000/gmail/v1");
    assert_eq!(admitted.origin.to_string(), "https://gmail.example:8443");
    assert_eq!(Origins::new([], ["https://a.example=http://b.example"]).unwrap_err(), Refusal::NotSecure("http://b.example".to_owned()));
    assert!(Origins::new([], ["http://127.0.0.1=https://b.example"]).is_err());
    assert!(Origins::new([], ["https://a.example"]).is_err());
    assert!(Origins::new(["http://127.0.0.1:80"], []).is_err());
}

#[test]
fn credentials_in_the_query_are_refused() {
    for name in [
        "access_token",
        "ACCESS-TOKEN",
        "access%5Ftoken",
        "key",
        "api_key",
        "client_secret",
        "token",
        "%6bey",
        "access_token[]",
        "Access.Token",
        "$key",
        "client_secret%00",
    ] {
        let refused = origins().admit(&format!("https://graph.example/?a=b&{name}=correct-horse")).unwrap_err();
        assert!(matches!(refused, Refusal::SecretParameter(_)), "{name}");
        assert!(!refused.to_string().contains("correct-horse"));
    }
    assert!(origins().admit("https://graph.example/?pageToken=1&$skiptoken=2&deltatoken=3&upload_id=4&keyword=5").is_ok());
}

#[test]
fn redirects_stay() {
    let origins = origins();
    let from = origins.admit("https://gmail.example:8443/a/b").unwrap();
    for (location, to) in [
        ("c", "http://127.0.0.1:9000/a/c"),
        ("/c#x", "http://127.0.0.1:9000/c"),
        ("http://127.0.0.1:9000/d", "http://127.0.0.1:9000/d"),
        ("https://gmail.example:8443/e", "http://127.0.0.1:9000/e"),
    ] {
        let Redirect::Within(admitted) = origins.redirect(&from, location).unwrap() else { panic!("{location}") };
        assert_eq!((admitted.url.as_str(), &admitted.origin), (to, &from.origin), "{location}");
    }
    assert_eq!(origins.redirect(&from, "https://files.example/x").unwrap(), Redirect::Elsewhere);
    for bad in [
        "https://evil.example/",
        "//evil.example/",
        "http://127.0.0.1:9001/",
        "http://gmail.example:8443/",
        "https://u:p@gmail.example:8443/",
    ] {
        assert!(origins.redirect(&from, bad).is_err(), "{bad}");
    }
}

#[test]
fn headers_of_the_host() {
    let one = |name: &str, value: &str| headers(&[(name.to_owned(), value.to_owned())]);
    for name in [
        "Authorization",
        "COOKIE",
        "Host",
        "Proxy-Authorization",
        "TE",
        "Connection",
        "Transfer-Encoding",
        "Content-Length",
        "X-HTTP-Method-Override",
        "authoriZation",
        "Content_Length",
        "Transfer_Encoding",
        "HTTP_AUTHORIZATION",
        "X_Http_Method_Override",
        "X-Api-Key",
        "X-Goog-Api-Key",
        "X-Auth-Token",
        "x-ms-authorization-auxiliary",
        "X-Forwarded-Host",
        "Forwarded",
        "Via",
        "-Host-",
    ] {
        assert_eq!(one(name, "x").unwrap_err(), Refusal::Header(name.to_ascii_lowercase()), "{name}");
    }
    for (name, value) in [
        ("a b", "x"),
        ("Authorization ", "x"),
        (" Authorization", "x"),
        ("Authorization:", "x"),
        ("Ａuthorization", "x"),
        ("", "x"),
        ("a", "x\r\nAuthorization: y"),
        ("a", "\0"),
    ] {
        assert_eq!(one(name, value).unwrap_err(), Refusal::BadHeader);
    }
    assert_eq!(one("Prefer", "IdType=\"ImmutableId\"").unwrap()["prefer"], "IdType=\"ImmutableId\"");
    assert_eq!(headers(&vec![("a".to_owned(), "b".to_owned()); 65]).unwrap_err(), Refusal::TooManyHeaders);
    assert_eq!(one("a", &"b".repeat(HEADER_OCTETS)).unwrap_err(), Refusal::TooManyHeaders);
    assert!(!is_passed_on("set-cookie") && is_passed_on("etag"));
    assert!(method("GET").is_ok() && method("PATCH").is_ok());
    for bad in ["CONNECT", "TRACE", "get", "", "GE T"] {
        assert!(method(bad).is_err(), "{bad}");
    }
}
