use super::*;

fn form() -> RoleForm {
    RoleForm {
        connector: Some("imap".parse().unwrap()),
        server: Some("mail.example.com".to_owned()),
        security: Some(Security::Tls),
        user: Some("help".to_owned()),
        ..RoleForm::default()
    }
}

fn fill(form: &RoleForm) -> Result<Role, Fault> {
    over(None, form)
}

fn over(former: Option<Role>, form: &RoleForm) -> Result<Role, Fault> {
    form.fill(RoleKind::Receive, &"help".parse().unwrap(), former, Protocol::Imap, "{}".to_owned())
}

#[test]
fn gaps_take_the_standard_port_or_are_named() {
    let role = fill(&form()).unwrap();
    assert_eq!((role.endpoint.port, role.endpoint.user.as_deref()), (993, Some("help")));
    let fault = fill(&RoleForm { server: None, ..form() }).unwrap_err();
    assert_eq!(fault.kind, Kind::Usage);
    assert!(fault.causes().any(|cause| cause.contains("`--server HOST`")));
}

#[test]
fn a_default_port_follows_the_security_and_a_chosen_one_stays() {
    let starttls = RoleForm { security: Some(Security::Starttls), ..RoleForm::default() };
    let by_default = fill(&form()).unwrap();
    assert_eq!(over(Some(by_default), &starttls).unwrap().endpoint.port, 143);
    let chosen = fill(&RoleForm { port: Some(9993), ..form() }).unwrap();
    assert_eq!(over(Some(chosen), &starttls).unwrap().endpoint.port, 9993);
}

#[test]
fn the_sending_role_speaks_of_its_own_options() {
    let send = |form: &RoleForm| form.fill(RoleKind::Send, &"help".parse().unwrap(), None, Protocol::Smtp, "{}".to_owned());
    assert_eq!(send(&RoleForm { security: Some(Security::Starttls), ..form() }).unwrap().endpoint.port, 587);
    let fault = send(&RoleForm { server: None, ..form() }).unwrap_err();
    assert!(fault.causes().any(|cause| cause.contains("`--send-server HOST`")));
    let fault = send(&RoleForm { connector: None, ..form() }).unwrap_err();
    assert!(fault.causes().any(|cause| cause.contains("`--send CONNECTOR`")));
    for (form, word) in [
        (RoleForm { port: Some(0), ..form() }, "--send-port 0"),
        (RoleForm { auth: Some(Auth::Only(Mechanism::Native)), ..form() }, "--send-auth"),
        (RoleForm { quirks: Some(vec![Quirk::StrayLines]), ..form() }, "--send-quirk"),
        (RoleForm { proxy: Some("ftp://x".to_owned()), ..form() }, "--send-proxy"),
        (RoleForm { local_address: Some("eth0".to_owned()), ..form() }, "--send-local-address"),
        (RoleForm { read_timeout_ms: Some(0), ..form() }, "--send-read-timeout-ms"),
    ] {
        assert!(send(&form).unwrap_err().operation.contains(word), "{word}");
    }
}

#[test]
fn a_user_of_its_own_ends_the_same_credentials() {
    let same = fill(&RoleForm { user: None, same_credentials: Some(true), ..form() }).unwrap();
    assert!(same.same_credentials && same.endpoint.user.is_none());
    let kept = over(Some(same), &RoleForm { port: Some(26), ..RoleForm::default() }).unwrap();
    assert!(kept.same_credentials);
    let own = over(Some(kept.clone()), &RoleForm { user: Some("me".to_owned()), ..RoleForm::default() }).unwrap();
    assert_eq!((own.same_credentials, own.endpoint.user.as_deref()), (false, Some("me")));
    let nobody = over(Some(kept), &RoleForm { user: Some(String::new()), ..RoleForm::default() }).unwrap();
    assert_eq!((nobody.same_credentials, nobody.endpoint.user), (false, None));
}

#[test]
fn values_that_cannot_be_meant_are_refused() {
    for server in ["imaps://mail.example.com", "mail.example.com:993", "a b", ""] {
        assert!(fill(&RoleForm { server: Some(server.to_owned()), ..form() }).is_err(), "{server}");
    }
    for proxy in ["ftp://x", "proxy:1080", "socks5://", "socks5://me:secret@proxy"] {
        assert!(fill(&RoleForm { proxy: Some(proxy.to_owned()), ..form() }).is_err(), "{proxy}");
    }
    assert!(fill(&RoleForm { connect_timeout_ms: Some(0), ..form() }).is_err());
    assert!(fill(&RoleForm { idle_timeout_ms: Some(3_600_001), ..form() }).is_err());
    assert!(fill(&RoleForm { local_address: Some("eth0".to_owned()), ..form() }).is_err());
    assert!(fill(&RoleForm { port: Some(0), ..form() }).is_err());
    assert!(fill(&RoleForm { auth: Some(Auth::Only(Mechanism::Apop)), ..form() }).is_err());
    assert!(fill(&RoleForm { set: vec![("limit.memory-octets".to_owned(), "1".to_owned())], ..form() }).is_err());
}

#[test]
fn a_way_to_sign_in_stays_until_it_is_auto_again() {
    let role = fill(&RoleForm { auth: Some(Auth::Only(Mechanism::ScramSha256)), ..form() }).unwrap();
    let kept = over(Some(role), &RoleForm::default()).unwrap();
    assert_eq!(kept.endpoint.auth, Some(Mechanism::ScramSha256));
    let auto = over(Some(kept), &RoleForm { auth: Some(Auth::Auto), ..RoleForm::default() }).unwrap();
    assert_eq!(auto.endpoint.auth, None);
}

#[test]
fn limits_and_settings_part_ways() {
    let pairs = vec![("limit.handles".to_owned(), "32".to_owned()), ("batch".to_owned(), "7".to_owned())];
    let form = RoleForm { set: pairs, ..form() };
    assert_eq!(form.connector_pairs(), [("batch".to_owned(), "7".to_owned())]);
    let role = fill(&form).unwrap();
    assert_eq!(role.limits.apply().handles, 32);
    let undo = RoleForm { set: vec![("limit.handles".to_owned(), String::new())], ..RoleForm::default() };
    assert_eq!(over(Some(role), &undo).unwrap().limits, Overrides::default());
}

#[test]
fn quirks_are_of_the_protocol_and_each_once() {
    let named = |quirks: &[Quirk]| RoleForm { quirks: Some(quirks.to_vec()), ..form() };
    let quirks = |form: &RoleForm| fill(form).map(|role| role.endpoint.quirks);
    assert_eq!(quirks(&named(&[Quirk::StrayLines, Quirk::NoSasl, Quirk::StrayLines])).unwrap(), [Quirk::StrayLines, Quirk::NoSasl]);
    let fault = quirks(&named(&[Quirk::NoEhloAfterSignIn])).unwrap_err();
    assert_eq!(fault.kind, Kind::Usage);
    assert!(fault.remedy.unwrap().contains("this account may have id-after-sign-in, no-initial-response, stray-lines"));
    let role = fill(&named(&[Quirk::StrayLines])).unwrap();
    let kept = over(Some(role.clone()), &RoleForm::default()).unwrap();
    assert_eq!(kept.endpoint.quirks, [Quirk::StrayLines]);
    let none = over(Some(role), &RoleForm { quirks: Some(Vec::new()), ..RoleForm::default() }).unwrap();
    assert_eq!(none.endpoint.quirks, []);
}
