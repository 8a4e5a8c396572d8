//! Requests against a home of their own, without any server.

use tempfile::TempDir;

use super::*;
use crate::account::{Form, RoleForm};
use crate::api::event::Event;
use crate::api::request::AccountChange;
use crate::home::Claim;
use crate::model::account::Keep;
use crate::model::sink::LineEndings;

struct Home {
    directory: TempDir,
    service: Service,
}

impl Home {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::in_directory(&directory.path().join("home")).unwrap();
        paths.create().unwrap();
        let Claim::Owned(ownership) = paths.claim("test").unwrap() else { panic!("nobody else has it") };
        let service = Service::open(&paths, ownership, KeySource::File(paths.master_key.clone())).await.unwrap();
        Self { directory, service }
    }

    async fn ask(&self, request: Request) -> Result<Reply, Fault> {
        self.service.execute(request, Events::channel().0, Uploads::none(), CancellationToken::new()).await
    }

    async fn refusal(&self, request: Request) -> Kind {
        self.ask(request).await.unwrap_err().kind
    }

    fn sink(&self, name: &str, maildir: &str) -> Request {
        Request::SinkAdd {
            name: name.parse().unwrap(),
            maildir: self.directory.path().join(maildir),
            accounts: Vec::new(),
            line_endings: LineEndings::Lf,
            keep: Keep::UntilDelivered,
        }
    }
}

#[tokio::test]
async fn an_empty_home_answers_every_look() {
    let home = Home::new().await;
    assert_eq!(home.ask(Request::AccountList).await, Ok(Reply::Accounts(Vec::new())));
    assert_eq!(home.ask(Request::SinkList).await, Ok(Reply::Sinks(Vec::new())));
    let Ok(Reply::Status(status)) = home.ask(Request::Status).await else { panic!("a status") };
    assert_eq!((status.daemon, status.accounts.len()), (None, 0));
    let Ok(Reply::Checked(report)) = home.ask(Request::StoreCheck).await else { panic!("a report") };
    assert!(report.is_clean());
    assert_eq!(home.ask(Request::MessageList { account: None, folder: None, limit: 5 }).await, Ok(Reply::Done));
    let (events, mut queue) = Events::channel();
    let receive = Request::Receive { accounts: Vec::new(), folders: Vec::new(), wait: false };
    let Ok(Reply::Received(received)) = home.service.execute(receive, events, Uploads::none(), CancellationToken::new()).await else {
        panic!("passes")
    };
    assert!(received.passes.is_empty() && received.sinks.is_empty());
    assert!(matches!(queue.recv().await, Some(Event::Note(words)) if words.contains("account add")));
    home.service.close().await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let home = Home::new().await;
    let name = || "help".parse().unwrap();
    let id = || "a".repeat(26).parse().unwrap();
    for request in [
        Request::AccountShow { name: name() },
        Request::AccountEdit { name: name(), change: Box::default() },
        Request::AccountRemove { name: name() },
        Request::AccountTest { name: name() },
        Request::Receive { accounts: vec![name()], folders: Vec::new(), wait: false },
        Request::MessageList { account: Some(name()), folder: None, limit: 5 },
        Request::MessageShow { id: id() },
        Request::MessageExport { id: id() },
        Request::SinkRemove { name: "files".parse().unwrap() },
        Request::ConnectorApprove { id: "none".parse().unwrap() },
        Request::ConnectorInspect { id: "none".parse().unwrap() },
        Request::ConnectorRemove { id: "none".parse().unwrap() },
        Request::AccountAdd {
            name: name(),
            change: Box::new(AccountChange {
                form: Form { receive: RoleForm { connector: Some("none".parse().unwrap()), ..RoleForm::default() }, ..Form::default() },
                ..Default::default()
            }),
        },
    ] {
        let words = format!("{request:?}");
        assert_eq!(home.refusal(request).await, Kind::NotFound, "{words}");
    }
}

#[tokio::test]
async fn sinks_are_kept_and_do_not_share() {
    let home = Home::new().await;
    assert!(matches!(home.ask(home.sink("files", "mail")).await, Ok(Reply::Sink(sink)) if sink.is_for_all));
    assert_eq!(home.refusal(home.sink("files", "other")).await, Kind::Conflict);
    assert_eq!(home.refusal(home.sink("more", "mail")).await, Kind::Conflict);
    std::fs::write(home.directory.path().join("a-file"), "").unwrap();
    assert!(home.ask(home.sink("wrong", "a-file")).await.is_err(), "a Maildir cannot be a file");
    let Ok(Reply::Sinks(sinks)) = home.ask(Request::SinkList).await else { panic!("sinks") };
    assert_eq!(sinks.iter().map(|sink| sink.name.as_str()).collect::<Vec<_>>(), ["files"]);
    home.ask(Request::SinkRemove { name: "files".parse().unwrap() }).await.unwrap();
    assert_eq!(home.ask(Request::SinkList).await, Ok(Reply::Sinks(Vec::new())));
}

#[tokio::test]
async fn a_look_that_is_cancelled_ends_and_a_change_is_made_whole() {
    let home = Home::new().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let look = home.service.execute(Request::StoreCheck, Events::channel().0, Uploads::none(), stop.clone()).await;
    assert_eq!(look.unwrap_err().kind, Kind::Cancelled);
    let change = home.service.execute(home.sink("files", "mail"), Events::channel().0, Uploads::none(), stop).await;
    assert!(matches!(change, Ok(Reply::Sink(_))));
}

/// Homes of before keep the proxy's password in its URL.
#[tokio::test]
async fn a_proxy_password_of_an_older_home_is_not_shown() {
    let home = Home::new().await;
    let json = r#"{"id":1,"name":"help","created":1,"receive":{"connector":"imap","folders":[],"settings":"{}","limits":{},
        "endpoint":{"protocol":"imap","server":"mail.example.com","port":993,"security":"tls","user":"help",
            "trust":{"ca_file":null,"pins":[]},"proxy":"socks5h://gate:correct%20staple@proxy.example:1080",
            "timeouts":{"connect":{"secs":1,"nanos":0},"read":{"secs":1,"nanos":0}}}}}"#;
    let account: crate::model::account::Account = serde_json::from_str(json).unwrap();
    home.service.store().put_account(account, Vec::new()).await.unwrap();
    for request in [Request::AccountShow { name: "help".parse().unwrap() }, Request::AccountList] {
        let shown = serde_json::to_string(&home.ask(request).await.unwrap()).unwrap();
        assert!(shown.contains("socks5h://gate@proxy.example:1080") && !shown.contains("staple"), "{shown}");
    }
}
