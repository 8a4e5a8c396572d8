//! A test for each behaviour: what the component did, what became of it, and that nobody else was harmed.

use std::sync::{Arc, Mutex};

use harness::scripted::Scripted;
use postrider::connector::{Envelope, Recipient};
use postrider::fault::{Fault, Kind};
use postrider::model::endpoint::Protocol;

use super::behaviour::Behaviour;
use super::fake::{Setting, component, run};

/// The table of tests. The match is over every behaviour: one that stands not here does not compile.
macro_rules! contained {
    ($($behaviour:ident => $name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                assert_eq!(Behaviour::named(Behaviour::$behaviour.name()), Some(Behaviour::$behaviour));
                run(behaviours::$name(Behaviour::$behaviour));
            }
        )*

        const _: fn(Behaviour) = |behaviour| match behaviour {
            $(Behaviour::$behaviour => (),)*
        };
    };
}

contained! {
    Good => one_that_behaves_is_left_alone,
    Loop => a_loop_is_ended_and_holds_up_nobody,
    LoopThroughNow => a_loop_through_the_clock_is_ended,
    LoopThroughLog => a_loop_through_the_log_is_ended,
    LoopThroughProgress => a_loop_through_progress_is_ended,
    LoopThroughUnseen => a_loop_through_questions_about_nothing_is_ended,
    HoardMemory => a_hoard_of_memory_is_ended,
    HoardStreams => a_hoard_of_streams_is_ended,
    HoardCalls => a_hoard_of_calls_is_ended,
    Trap => a_trap_is_named,
    Panic => a_panic_is_named_with_its_words,
    Exit => a_program_that_ends_is_named,
    FloodLog => a_flood_of_log_lines_is_cut_and_cannot_forge,
    OpenUndeclaredEndpoint => an_undeclared_endpoint_is_refused,
    OpenTooManyConnections => connections_are_counted,
    NameAnotherAccount => there_is_no_way_to_name_another_account,
    LookAround => there_is_nothing_to_be_found_outside,
    DropFinished => a_message_without_an_end_is_not_kept,
    LieAboutCount => a_message_of_another_length_is_not_kept,
    EndlessOctets => an_endless_message_is_not_kept,
    NeverCheckpoint => messages_between_checkpoints_are_counted,
    HugeCursor => a_huge_cursor_is_refused,
    TooManyIds => too_many_ids_are_refused,
    EndlessFolders => an_endless_list_of_folders_is_cut,
    HangInOpen => an_open_that_hangs_is_ended,
    HangInSync => a_call_that_does_nothing_is_ended,
    IgnoreStop => a_session_that_ignores_the_stop_is_ended,
    AskUnapprovedOrigin => an_unapproved_origin_is_refused,
    SetAuthorization => an_authorization_of_its_own_is_refused,
    SetCookie => a_cookie_of_its_own_is_refused,
    HideTokenInQuery => a_token_in_a_query_is_refused,
    HideTokenInBatchPart => a_token_in_a_batch_part_is_refused,
    HideOriginInBatch => another_origin_in_a_batch_is_refused,
    FollowRedirect => a_redirect_elsewhere_is_not_followed,
    Fetch => a_response_is_whole_or_an_error,
    Upload => a_refused_credential_is_renewed_and_the_body_sent_again,
    DeclareFalseLength => a_false_length_reaches_no_server,
    HoardExchanges => exchanges_are_counted,
    NeverReadBody => a_body_that_nobody_reads_holds_up_nothing,
    DumpMemory => its_whole_memory_has_no_secret,
    WithholdVerdicts => withheld_verdicts_are_a_broken_contract,
}

/// The instance was ended, and the words name connector, version, account and cause.
#[track_caller]
fn assert_ended(outcome: Result<(), Fault>, cause: &str) {
    let fault = outcome.expect_err("it should have been ended");
    assert_eq!(fault.kind, Kind::ConnectorFailed, "{fault:?}");
    let words = std::iter::once(fault.to_string()).chain(fault.causes().map(str::to_owned)).collect::<Vec<_>>().join("\n");
    for wanted in ["misbehaving 0.1.0", "account help", cause] {
        assert!(words.contains(wanted), "`{wanted}` is not in:\n{words}");
    }
}

#[track_caller]
fn assert_refused(outcome: Result<(), Fault>, kind: Kind, code: Option<&str>) {
    let fault = outcome.expect_err("it should have been refused");
    assert_eq!((fault.kind, fault.code.as_deref()), (kind, code), "{fault:?}");
}

mod behaviours {
    pub(super) use super::super::exchanges::{
        a_cookie_of_its_own_is_refused, a_false_length_reaches_no_server, a_redirect_elsewhere_is_not_followed,
        a_refused_credential_is_renewed_and_the_body_sent_again, a_response_is_whole_or_an_error, a_token_in_a_batch_part_is_refused,
        a_token_in_a_query_is_refused, another_origin_in_a_batch_is_refused, exchanges_are_counted,
    };
    use super::*;

    pub(super) async fn one_that_behaves_is_left_alone(behaviour: Behaviour) {
        let setting = Setting::new(behaviour).set("messages", 20).set("size", 100_000);
        setting.sync().await.unwrap();
        let told = setting.memory.told();
        assert_eq!(told.messages.len(), 20);
        assert!(told.messages.iter().all(|(_, arrival, octets)| {
            octets.len() == 100_000 && octets.starts_with(format!("Subject: {}\r\n", arrival.id).as_bytes())
        }));
        assert_eq!(told.checkpoints.len(), 1);
        assert_eq!(told.checkpoints[0].1, b"20");
        assert_eq!(told.state["synced"], b"20");
        assert_eq!(told.progress, 1);
    }

    pub(super) async fn a_loop_is_ended_and_holds_up_nobody(behaviour: Behaviour) {
        // On one thread: the other session is served while this one computes.
        let looping = Setting::new(behaviour).bounded(|limits| limits.cpu_burst_ms = 600_000).open().await.unwrap();
        let other = Setting { account: "other", ..Setting::new(Behaviour::Good).set("messages", 5) };
        tokio::select! {
            biased;
            outcome = looping.sync(None, None) => panic!("it ended by itself: {outcome:?}"),
            outcome = other.sync() => outcome.unwrap(),
        }
        assert_eq!(other.memory.told().messages.len(), 5);
        drop(looping);
        let session = Setting::new(behaviour).bounded(|limits| limits.cpu_burst_ms = 50).open().await.unwrap();
        assert_ended(session.sync(Some("INBOX"), None).await, "cpu-burst-ms");
        // Whatever is asked of an instance that was ended, says why it was.
        assert_ended(session.sync(None, None).await, "cpu-burst-ms");
    }

    async fn overspends(behaviour: Behaviour) {
        let setting = Setting::new(behaviour).bounded(|limits| limits.cpu_burst_ms = 50);
        assert_ended(setting.sync().await, "cpu-burst-ms");
    }

    pub(super) async fn a_loop_through_the_clock_is_ended(behaviour: Behaviour) {
        overspends(behaviour).await;
    }

    pub(super) async fn a_loop_through_the_log_is_ended(behaviour: Behaviour) {
        overspends(behaviour).await;
    }

    pub(super) async fn a_loop_through_progress_is_ended(behaviour: Behaviour) {
        overspends(behaviour).await;
    }

    pub(super) async fn a_loop_through_questions_about_nothing_is_ended(behaviour: Behaviour) {
        overspends(behaviour).await;
    }

    pub(super) async fn a_hoard_of_memory_is_ended(behaviour: Behaviour) {
        let setting = Setting::new(behaviour).bounded(|limits| limits.memory_octets = 16 << 20);
        assert_ended(setting.sync().await, "memory-octets");
    }

    pub(super) async fn a_hoard_of_streams_is_ended(behaviour: Behaviour) {
        let setting = Setting::new(behaviour).bounded(|limits| limits.handles = 100);
        assert_ended(setting.sync().await, "handles");
    }

    pub(super) async fn a_hoard_of_calls_is_ended(behaviour: Behaviour) {
        let setting = Setting::new(behaviour).bounded(|limits| limits.handles = 40);
        assert_ended(setting.sync().await, "handles");
    }

    pub(super) async fn a_trap_is_named(behaviour: Behaviour) {
        assert_ended(Setting::new(behaviour).sync().await, "unreachable");
    }

    pub(super) async fn a_panic_is_named_with_its_words(behaviour: Behaviour) {
        assert_ended(Setting::new(behaviour).sync().await, "as I was told");
    }

    pub(super) async fn a_program_that_ends_is_named(behaviour: Behaviour) {
        assert_ended(Setting::new(behaviour).sync().await, "exit");
    }

    pub(super) async fn a_flood_of_log_lines_is_cut_and_cannot_forge(behaviour: Behaviour) {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt().with_writer(written.clone()).with_ansi(false).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let setting = Setting::new(behaviour).set("messages", 1_000).bounded(|limits| {
            limits.log_lines_per_minute = 10;
            limits.log_line_octets = 100;
        });
        setting.sync().await.unwrap();
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), 11, "{written}");
        assert!(written.lines().all(|line| line.len() < 400), "{written}");
        assert!(written.contains("log-lines-per-minute"), "{written}");
        assert!(!written.contains('\u{1b}') && !written.contains('\r'), "{written}");
        assert!(!written.lines().any(|line| line.starts_with("ERROR forged")), "{written}");
    }

    pub(super) async fn an_undeclared_endpoint_is_refused(behaviour: Behaviour) {
        assert_refused(Setting::new(behaviour).sync().await, Kind::RefusedByHost, Some("ENDPOINT"));
    }

    pub(super) async fn connections_are_counted(behaviour: Behaviour) {
        let connected = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&connected);
        let server = Scripted::start(move |line| {
            *counted.lock().unwrap() += 1;
            while line.read_line().is_some() {}
        });
        let setting =
            Setting::new(behaviour).with_server("receive", Protocol::Stream, server.port).bounded(|limits| limits.connections = 3);
        assert_refused(setting.sync().await, Kind::RefusedByHost, Some("LIMIT"));
        assert!(*connected.lock().unwrap() <= 3);
    }

    pub(super) async fn there_is_no_way_to_name_another_account(behaviour: Behaviour) {
        let other = Setting { account: "other", ..Setting::new(Behaviour::Good) };
        other.memory.told().state.insert("token".to_owned(), b"theirs".to_vec());
        other.sync().await.unwrap();
        let before = format!("{:?}", other.memory.told());
        let setting = Setting::new(behaviour);
        setting.sync().await.unwrap();
        assert_eq!(setting.memory.told().messages.len(), 3, "it stays in its own mailroom, whatever the names are");
        assert_eq!(format!("{:?}", other.memory.told()), before);
    }

    pub(super) async fn there_is_nothing_to_be_found_outside(behaviour: Behaviour) {
        let setting = Setting::new(behaviour);
        setting.sync().await.unwrap();
        let told = setting.memory.told();
        assert_eq!(String::from_utf8_lossy(&told.messages[0].2), "");
    }

    pub(super) async fn a_message_without_an_end_is_not_kept(behaviour: Behaviour) {
        let setting = Setting::new(behaviour);
        assert_refused(setting.sync().await, Kind::Cancelled, None);
        let told = setting.memory.told();
        assert_eq!((told.begun, told.messages.len()), (1, 0));
    }

    pub(super) async fn a_message_of_another_length_is_not_kept(behaviour: Behaviour) {
        let setting = Setting::new(behaviour);
        assert_refused(setting.sync().await, Kind::RefusedByHost, Some("COUNT"));
        let told = setting.memory.told();
        assert_eq!((told.begun, told.messages.len()), (1, 0));
    }

    pub(super) async fn an_endless_message_is_not_kept(behaviour: Behaviour) {
        let setting = Setting::new(behaviour).bounded(|limits| limits.message_octets = 1 << 20);
        assert_refused(setting.sync().await, Kind::TooLarge, None);
        let told = setting.memory.told();
        assert_eq!((told.begun, told.messages.len()), (1, 0));
    }

    pub(super) async fn messages_between_checkpoints_are_counted(behaviour: Behaviour) {
        let setting = Setting::new(behaviour).bounded(|limits| limits.messages_per_checkpoint = 10);
        assert_refused(setting.sync().await, Kind::RefusedByHost, Some("LIMIT"));
        assert_eq!(setting.memory.told().messages.len(), 10);
        let setting = Setting::new(behaviour).set("size", 100_000).bounded(|limits| limits.octets_per_checkpoint = 1 << 20);
        assert_refused(setting.sync().await, Kind::RefusedByHost, Some("LIMIT"));
        assert_eq!(setting.memory.told().messages.len(), 10);
    }

    pub(super) async fn a_huge_cursor_is_refused(behaviour: Behaviour) {
        let setting = Setting::new(behaviour);
        assert_refused(setting.sync().await, Kind::TooLarge, None);
        assert!(setting.memory.told().checkpoints.is_empty());
    }

    pub(super) async fn too_many_ids_are_refused(behaviour: Behaviour) {
        assert_refused(Setting::new(behaviour).sync().await, Kind::RefusedByHost, Some("LIMIT"));
    }

    pub(super) async fn an_endless_list_of_folders_is_cut(behaviour: Behaviour) {
        let setting = Setting::new(behaviour).bounded(|limits| limits.folders = 1_000);
        let outcome = setting.open().await.unwrap().folders().await.map(drop);
        assert_refused(outcome, Kind::TooLarge, None);
    }

    pub(super) async fn an_open_that_hangs_is_ended(behaviour: Behaviour) {
        let setting = Setting::new(behaviour).bounded(|limits| limits.open_ms = 100);
        assert_ended(setting.open().await.map(drop), "100 ms");
    }

    pub(super) async fn a_call_that_does_nothing_is_ended(behaviour: Behaviour) {
        let setting = Setting::new(behaviour).bounded(|limits| (limits.idle_ms, limits.stop_grace_ms) = (100, 100));
        let fault = setting.sync().await.unwrap_err();
        assert_eq!(fault.kind, Kind::ConnectorFailed, "{fault:?}");
        assert!(fault.causes().any(|cause| cause.contains("did nothing for 100 ms (limit `idle-ms`)")), "{fault:?}");
        assert_eq!(setting.memory.told().messages.len(), 0);
    }

    pub(super) async fn a_session_that_ignores_the_stop_is_ended(behaviour: Behaviour) {
        let setting = Setting::new(behaviour).bounded(|limits| limits.stop_grace_ms = 100);
        let session = setting.open().await.unwrap();
        let (outcome, ()) = futures_util::future::join(session.sync(None, None), async {
            tokio::task::yield_now().await;
            session.stop();
        })
        .await;
        assert_refused(outcome, Kind::Cancelled, None);
    }

    pub(super) async fn an_unapproved_origin_is_refused(behaviour: Behaviour) {
        assert_refused(Setting::new(behaviour).sync().await, Kind::RefusedByHost, Some("ORIGIN"));
        let server = Scripted::start(|_| ());
        let fault = Setting::new(behaviour).with_origin(server.port).sync().await.unwrap_err();
        assert_eq!(fault.kind, Kind::RefusedByHost, "{fault:?}");
        assert!(server.heard().is_empty());
    }

    pub(super) async fn an_authorization_of_its_own_is_refused(behaviour: Behaviour) {
        let server = Scripted::start(|line| while line.read_line().is_some() {});
        let fault = Setting::new(behaviour).with_origin(server.port).sync().await.unwrap_err();
        assert_eq!(fault.kind, Kind::RefusedByHost, "{fault:?}");
        assert!(server.heard().is_empty());
    }

    pub(super) async fn a_body_that_nobody_reads_holds_up_nothing(behaviour: Behaviour) {
        let server = Scripted::start(|line| {
            while line.read_line().is_some_and(|line| !line.trim_end().is_empty()) {}
            line.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
            line.flood(&[b'x'; 1_000], 100_000);
        });
        let setting = Setting::new(behaviour).with_origin(server.port);
        let session = setting.open().await.unwrap();
        session.sync(None, None).await.unwrap();
        assert_eq!(session.folders().await.unwrap().len(), 1);
        assert!(server.heard().iter().any(|line| line.starts_with("GET / HTTP/1.1")));
        assert!(!server.heard().iter().any(|line| line.to_ascii_lowercase().starts_with("authorization")));
    }

    pub(super) async fn its_whole_memory_has_no_secret(behaviour: Behaviour) {
        super::super::swept::memory_has_no_secret(behaviour).await;
    }

    pub(super) async fn withheld_verdicts_are_a_broken_contract(behaviour: Behaviour) {
        let setting = Setting::new(behaviour);
        let session = component().send(setting.context(), Arc::new(setting.memory.clone())).await.unwrap();
        let recipients = vec![Recipient { address: "to@example.org".to_owned(), extra: Vec::new() }];
        let envelope = Envelope { id: "7".to_owned(), sender: String::new(), recipients, size: 5, extra: Vec::new() };
        let octets = Box::pin(futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"hello"))]));
        assert_ended(session.send(envelope, octets).await.map(drop), "verdicts");
        assert_eq!(setting.memory.told().committing, ["7"]);
    }
}

/// What the log wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl tracing_subscriber::fmt::MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl std::io::Write for Written {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
