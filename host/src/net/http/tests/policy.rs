//! What is done about answers: a credential renewed, a server left alone, a quota kept to.

use std::sync::Mutex;

use super::*;

/// Gives "second" for "first", once.
#[derive(Default)]
struct Renewing {
    asked: Mutex<Vec<Vec<u8>>>,
    failure: Option<Fault>,
    is_fixed: bool,
}

#[async_trait::async_trait]
impl Renew for Renewing {
    async fn renew(&self, refused: &Secret) -> Result<Option<Secret>, Fault> {
        self.asked.lock().unwrap().push(refused.expose().to_vec());
        match &self.failure {
            Some(fault) => Err(fault.clone()),
            None if self.is_fixed => Ok(None),
            None => Ok(Some(Secret::new("second-token"))),
        }
    }
}

fn renewed_by(renewing: &Arc<Renewing>) -> Option<Credential> {
    let renewal: Arc<dyn Renew> = Arc::clone(renewing) as _;
    credential(Placement::Bearer).map(|credential| Credential { secret: Secret::new("first-token"), renewal: Some(renewal), ..credential })
}

fn refusing(lines: usize, body: Option<usize>) -> Vec<Act> {
    let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nX-Echo: first-token second-token\r\n\r\n";
    [vec![Act::HearLine; lines], body.map(Act::Hear).into_iter().collect(), vec![Act::Say(answer.into())]].concat()
}

#[tokio::test]
async fn a_refused_credential_is_renewed_once_and_the_request_sent_again() {
    // The same script on every connection: 401, whatever comes.
    let server = Server::start(None, refusing(7, Some(5))).await;
    let renewing = Arc::new(Renewing::default());
    let put = |body| Request { method: "PUT".to_owned(), body, credential: renewed_by(&renewing), ..get("/") };
    let response = client(&server).exchange(put(body(5, &["he", "llo"]))).await.unwrap();
    assert_eq!(response.status, 401);
    assert!(response.headers.contains(&("x-echo".to_owned(), "[redacted] [redacted]".to_owned())), "{:?}", response.headers);
    let heard = server.heard();
    assert_eq!(heard.iter().filter(|line| *line == "authorization: Bearer first-token").count(), 1, "{heard:?}");
    assert_eq!(heard.iter().filter(|line| *line == "authorization: Bearer second-token").count(), 1, "{heard:?}");
    assert_eq!(heard.iter().filter(|line| *line == "hello").count(), 2, "{heard:?}");
    assert_eq!(*renewing.asked.lock().unwrap(), [b"first-token".to_vec()]);
}

#[tokio::test]
async fn a_body_that_is_gone_is_not_sent_again_though_the_credential_is_renewed() {
    let length = crate::limits::HTTP_REPEATED_OCTETS + 1;
    let server = Server::start(None, refusing(7, Some(length))).await;
    let renewing = Arc::new(Renewing::default());
    let piece = bytes::Bytes::from(vec![b'x'; length]);
    let body = RequestBody { length: length as u64, octets: stream::iter([Ok(piece)]).boxed() };
    let request = Request { method: "PUT".to_owned(), body: Some(body), credential: renewed_by(&renewing), ..get("/") };
    assert_eq!(client(&server).exchange(request).await.unwrap().status, 401);
    assert_eq!(server.heard().iter().filter(|line| line.starts_with("PUT")).count(), 1);
    assert_eq!(renewing.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_renewed_stays_refused() {
    let server = Server::start(None, refusing(6, None)).await;
    let fixed = Arc::new(Renewing { is_fixed: true, ..Renewing::default() });
    assert_eq!(client(&server).exchange(Request { credential: renewed_by(&fixed), ..get("/") }).await.unwrap().status, 401);
    assert_eq!(server.heard().iter().filter(|line| line.starts_with("GET")).count(), 1);
    let failure = Fault::new(Kind::Unauthenticated, "renew the sign-in").with_code("invalid_grant");
    let failing = Arc::new(Renewing { failure: Some(failure.clone()), ..Renewing::default() });
    assert_eq!(client(&server).exchange(Request { credential: renewed_by(&failing), ..get("/") }).await.unwrap_err(), failure);
}

#[tokio::test]
async fn a_server_that_asks_for_less_is_left_alone() {
    let server =
        Server::start(None, answering(5, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1800\r\nContent-Length: 0\r\n\r\n")).await;
    let client = client(&server);
    let response = client.exchange(get("/")).await.unwrap();
    assert_eq!(response.status, 429);
    assert!(response.headers.contains(&("retry-after".to_owned(), "1800".to_owned())));
    drop(response);
    for _ in 0..3 {
        let fault = client.exchange(get("/")).await.unwrap_err();
        assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Throttled, Some("RETRY-AFTER")));
        let after = fault.retry_after.unwrap();
        assert!(Duration::from_secs(1700) < after && after <= Duration::from_secs(1800), "{after:?}");
    }
    assert_eq!(server.heard().iter().filter(|line| line.starts_with("GET")).count(), 1);
}

#[tokio::test]
async fn a_quota_is_kept_over_all_sessions_of_an_account() {
    let server = Server::start(None, answering(5, "HTTP/1.1 204 No Content\r\n\r\n")).await;
    let mut settings = Settings { units_per_minute: Some(6_000), ..client(&server).settings };
    settings.server.held.account = Some(crate::model::name::AccountId(7));
    let clients = Clients::default();
    let one = clients.client(settings.clone());
    assert!(Arc::ptr_eq(&one, &clients.client(settings.clone())));
    // Another session, by another route: its exchanges count together with the others'.
    settings.server.timeouts.connect = Duration::from_secs(7);
    let other = clients.client(settings.clone());
    assert!(!Arc::ptr_eq(&one, &other));
    one.exchange(Request { cost: 900, ..get("/") }).await.unwrap();
    other.exchange(Request { cost: 100, ..get("/") }).await.unwrap();
    let fault = one.exchange(Request { cost: 1_000, ..get("/") }).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Throttled, Some("QUOTA")));
    assert!(fault.retry_after.is_some_and(|after| after > Duration::from_secs(10)), "{fault:?}");
    // With every session gone, what was spent is not.
    drop((one, other));
    let fault = clients.client(settings.clone()).exchange(Request { cost: 1_000, ..get("/") }).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Throttled);
    settings.server.held.account = Some(crate::model::name::AccountId(8));
    clients.client(settings).exchange(Request { cost: 1_000, ..get("/") }).await.unwrap();
}

#[tokio::test]
async fn a_batch_is_looked_through_before_it_goes_out() {
    let server = Server::start(None, answering(6, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
    let client = client(&server);
    let part = "--b\r\nContent-Type: application/http\r\n\r\nGET /me HTTP/1.1\r\nAuthorization: Bearer mine\r\n\r\n\r\n--b--\r\n";
    let json = r#"{"requests":[{"id":"1","method":"GET","url":"/me","headers":{"authorization":"Bearer mine"}}]}"#;
    for (path, kind, batch) in [("/batch", "multipart/mixed; boundary=b", part), ("/v1.0/$batch", "application/json", json)] {
        let request = Request {
            method: "POST".to_owned(),
            headers: vec![("Content-Type".to_owned(), kind.to_owned())],
            body: body(batch.len() as u64, &[batch]),
            ..get(path)
        };
        let fault = client.exchange(request).await.unwrap_err();
        assert_eq!(fault.kind, Kind::RefusedByHost, "{fault:?}");
        assert!(fault.causes().any(|cause| cause.contains("authorization")), "{fault:?}");
    }
    assert!(server.heard().is_empty());
}
