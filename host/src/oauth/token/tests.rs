//! Renewal against a vault that can fail, and an authorization server of a few lines.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::model::endpoint::{Endpoint, Held, Protocol, Security, Timeouts, Trust};

#[derive(Default)]
struct MemoryVault {
    record: Mutex<Option<Secret>>,
    is_full: AtomicBool,
    /// Notified before a save.
    saves: AtomicUsize,
}

#[async_trait]
impl Vault for MemoryVault {
    async fn load(&self, _: AccountId) -> Result<Option<Secret>, Fault> {
        Ok(self.record.lock().unwrap().clone())
    }

    async fn save(&self, _: AccountId, record: Secret) -> Result<(), Fault> {
        self.saves.fetch_add(1, Ordering::SeqCst);
        if self.is_full.load(Ordering::SeqCst) {
            return Err(Fault::new(Kind::Storage, "write"));
        }
        *self.record.lock().unwrap() = Some(record);
        Ok(())
    }
}

/// Answers every token request with the next of `answers`, the last one again and again; counts them and keeps what it heard.
struct Issuer {
    port: u16,
    asked: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
}

async fn issuer(answers: Vec<(u16, String)>) -> Issuer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (count, kept) = (Arc::clone(&asked), Arc::clone(&heard));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (count, kept, answers) = (Arc::clone(&count), Arc::clone(&kept), answers.clone());
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut piece = [0; 4096];
                while !is_whole(&request) {
                    match stream.read(&mut piece).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => request.extend_from_slice(&piece[..read]),
                    }
                }
                kept.lock().unwrap().push(String::from_utf8(request).unwrap());
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (status, body) = &answers[number.min(answers.len() - 1)];
                let head = format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
                // In two writes, so that those who join have time to.
                tokio::task::yield_now().await;
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(body.as_bytes()).await;
            });
        }
    });
    Issuer { port, asked, heard }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ").map(|n| n.parse::<usize>().unwrap()));
    body.len() >= length.unwrap_or(0)
}

fn tokens(access: &str, refresh: Option<&str>) -> (u16, String) {
    let mut body = serde_json::json!({ "access_token": access, "token_type": "Bearer", "expires_in": 3600 });
    if let Some(refresh) = refresh {
        body["refresh_token"] = refresh.into();
    }
    (200, body.to_string())
}

fn party(port: u16) -> Party {
    let oauth = serde_json::json!({
        "provider": "custom", "grant": "user", "client_id": "c",
        "addresses": { "token": "https://id.example/token" }, "origins": [format!("https://id.example=http://127.0.0.1:{port}")],
    });
    Party {
        account: AccountId(1),
        name: "help".parse().unwrap(),
        oauth: serde_json::from_value(oauth).unwrap(),
        scopes: Vec::new(),
        way: Endpoint {
            protocol: Protocol::Imap,
            server: "mail.example".to_owned(),
            port: 993,
            security: Security::Tls,
            user: None,
            auth: None,
            trust: Trust::default(),
            proxy: None,
            local_address: None,
            networks: Vec::new(),
            quirks: Vec::new(),
            timeouts: Timeouts::default(),
            held: Held::default(),
        },
        client_secret: None,
        signing_key: None,
    }
}

/// A vault with an access token that has expired, and a refresh token.
fn vault() -> Arc<MemoryVault> {
    let access = Access { token: Secret::new("a0"), issued: Timestamp(0), expires: Some(Timestamp(1)) };
    let record = Record { access: Some(access), refresh: Some(Secret::new("refresh-zero")), ..Record::default() };
    let vault = MemoryVault::default();
    *vault.record.lock().unwrap() = Some(record.encode().unwrap());
    Arc::new(vault)
}

fn stored(vault: &MemoryVault) -> Record {
    Record::decode(vault.record.lock().unwrap().as_ref().unwrap()).unwrap()
}

#[tokio::test]
async fn fifty_who_ask_at_once_cost_one_renewal() {
    let issuer = issuer(vec![tokens("a1", Some("r1")), tokens("a2", Some("r2"))]).await;
    let (vault, party) = (vault(), party(issuer.port));
    let shelf = Tokens::new(Arc::clone(&vault) as _);
    let all = futures_util::future::join_all((0..50).map(|_| shelf.access(&party))).await;
    assert!(all.into_iter().all(|token| token.unwrap() == Secret::new("a1")));
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    assert!(stored(&vault).refresh == Some(Secret::new("r1")));
    // Fifty whose token is refused, too.
    let refused = Secret::new("a1");
    let all = futures_util::future::join_all((0..50).map(|_| shelf.instead_of(&party, &refused))).await;
    assert!(all.into_iter().all(|token| token.unwrap() == Secret::new("a2")));
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);
    assert!(issuer.heard.lock().unwrap()[1].contains("refresh_token=r1"));
}

#[tokio::test]
async fn a_renewal_goes_on_when_nobody_waits_for_it() {
    let issuer = issuer(vec![tokens("a1", Some("r1"))]).await;
    let (vault, party) = (vault(), party(issuer.port));
    let shelf = Tokens::new(Arc::clone(&vault) as _);
    {
        let mut asking = Box::pin(shelf.access(&party));
        // Begun, and given up at its first pause.
        assert!(futures_util::poll!(asking.as_mut()).is_pending());
    }
    shelf.close().await;
    assert!(stored(&vault).refresh == Some(Secret::new("r1")), "what the server gave is kept");
}

#[tokio::test]
async fn what_is_not_durable_is_not_used_and_not_asked_for_again() {
    let issuer = issuer(vec![tokens("a1", Some("r1")), (400, r#"{"error":"invalid_grant"}"#.to_owned())]).await;
    let (vault, party) = (vault(), party(issuer.port));
    let shelf = Tokens::new(Arc::clone(&vault) as _);
    vault.is_full.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(shelf.access(&party).await.unwrap_err().kind, Kind::Storage, "handed out before it is durable");
    }
    assert!(stored(&vault).refresh == Some(Secret::new("refresh-zero")));
    vault.is_full.store(false, Ordering::SeqCst);
    assert!(shelf.access(&party).await.unwrap() == Secret::new("a1"));
    assert!(stored(&vault).refresh == Some(Secret::new("r1")));
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1, "the spent refresh token was shown again");
}

#[tokio::test]
async fn an_ended_grant_stops_the_account_and_the_server_is_left_alone() {
    let refused = r#"{"error":"invalid_grant","error_description":"AADSTS50173: refresh-zero was revoked"}"#;
    let issuer = issuer(vec![(400, refused.to_owned())]).await;
    let (vault, party) = (vault(), party(issuer.port));
    let shelf = Tokens::new(Arc::clone(&vault) as _);
    let first = shelf.access(&party).await.unwrap_err();
    assert_eq!(first.kind, Kind::Unauthenticated);
    assert!(first.operation.contains("stopped since"), "{first}");
    assert_eq!(first.code.as_deref(), Some("invalid_grant"));
    assert!(first.remedy.as_deref().unwrap().contains("postrider account authorize help"));
    // Another process, later.
    let again = Tokens::new(Arc::clone(&vault) as _).access(&party).await.unwrap_err();
    assert_eq!(again, first);
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    assert!(!shelf.keep(&party, Duration::ZERO).await.unwrap(), "nor is it kept alive");
}

#[tokio::test]
async fn a_passing_failure_leaves_the_token_that_still_holds() {
    let issuer = issuer(vec![(503, "busy".to_owned()), tokens("a1", None)]).await;
    let (vault, party) = (vault(), party(issuer.port));
    let now = Timestamp::now().0;
    let access = Access { token: Secret::new("a0"), issued: Timestamp(now - 3_500_000), expires: Some(Timestamp(now + 100_000)) };
    let record = Record { access: Some(access), refresh: Some(Secret::new("refresh-zero")), ..Record::default() };
    *vault.record.lock().unwrap() = Some(record.encode().unwrap());
    let shelf = Tokens::new(Arc::clone(&vault) as _);
    assert!(shelf.access(&party).await.unwrap() == Secret::new("a0"));
    assert_eq!(stored(&vault).failure.unwrap().fault.kind, Kind::Transient);
    assert!(shelf.access(&party).await.unwrap() == Secret::new("a1"));
    assert!(stored(&vault).failure.is_none() && stored(&vault).refresh == Some(Secret::new("refresh-zero")));
}

#[tokio::test]
async fn idle_tokens_are_renewed_once_they_are_old() {
    let issuer = issuer(vec![tokens("a1", Some("r1"))]).await;
    let (vault, party) = (vault(), party(issuer.port));
    let shelf = Tokens::new(Arc::clone(&vault) as _);
    let day = Duration::from_secs(24 * 3600);
    assert!(shelf.keep(&party, day).await.unwrap(), "nobody knows when it was last renewed");
    assert!(!shelf.keep(&party, day).await.unwrap());
    let mut record = stored(&vault);
    record.renewed = Some(Timestamp(Timestamp::now().0 - 25 * 3_600_000));
    *vault.record.lock().unwrap() = Some(record.encode().unwrap());
    assert!(shelf.keep(&party, day).await.unwrap(), "although the access token is fresh");
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn answers_that_are_none_have_words_and_repeat_nothing() {
    for (status, body, kind, words) in [
        (200, "<html>hunter2</html>", Kind::Malformed, "web page"),
        (200, "{\"access_token\":[\"hunter2\"]}", Kind::Malformed, "no access token"),
        (200, "{\"access_token\":\"a\",\"token_type\":\"hunter2\"}", Kind::Malformed, "another type"),
        (200, "{\"error\":\"invalid_client\"}", Kind::Unauthenticated, "does not accept the client"),
        (302, "", Kind::Malformed, "redirect"),
        (404, "<html>", Kind::Misconfigured, "nothing at this address"),
        (500, "{}", Kind::Transient, "passing trouble"),
        (429, "", Kind::Throttled, "fewer requests"),
        (400, "{\"error\":{\"status\":\"INVALID_ARGUMENT\",\"message\":\"refresh-zero is odd\"}}", Kind::Misconfigured, "does not know"),
    ] {
        let issuer = issuer(vec![(status, body.to_owned())]).await;
        let fault = Tokens::new(vault()).access(&party(issuer.port)).await.unwrap_err();
        let said = format!("{fault:?}");
        assert_eq!(fault.kind, kind, "{status} {body}: {said}");
        assert!(said.contains(words) && !said.contains("hunter2") && !said.contains("refresh-zero is odd"), "{status} {body}: {said}");
    }
    let giant = issuer(vec![(200, format!("{{\"access_token\":\"{}\"}}", "x".repeat(300_000)))]).await;
    let fault = Tokens::new(vault()).access(&party(giant.port)).await.unwrap_err();
    assert!(fault.kind == Kind::Malformed && format!("{fault:?}").contains("more than"), "{fault:?}");
}
