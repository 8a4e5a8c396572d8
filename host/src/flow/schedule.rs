//! The daemon: every account on a session of its own, every sink followed, until it is told to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::backoff::{Backoff, Pace};
use super::deliver;
use super::event::Watcher;
use super::host::Host;
use super::mailroom::Tally;
use super::receive::{Extent, chosen_folders, concerns_one_folder, note_pass, sync_folder};
use super::standing::Standing;
use super::upkeep;
use crate::clock::Timestamp;
use crate::connector::ReceivingSession;
use crate::fault::{Fault, Kind};
use crate::model::account::Account;
use crate::model::name::AccountId;

/// How often every folder is gone through although no push told of anything: pushes get lost.
const SAFETY_PASS: Duration = Duration::from_secs(15 * 60);

/// One account that runs.
struct Running {
    account: Account,
    /// How often it and the connectors had been edited when it began.
    edits: (u64, u64),
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Run all accounts and sinks until `stop`; then end the sessions, deliver what is stored, and return.
///
/// # Errors
/// Where the store can no longer say what there is to run.
pub async fn run(host: &Arc<Host>, watcher: &Arc<dyn Watcher>, stop: &CancellationToken) -> Result<(), Fault> {
    let sinks_stop = CancellationToken::new();
    let sinks = {
        let (host, watcher, stop) = (Arc::clone(host), Arc::clone(watcher), sinks_stop.clone());
        tokio::spawn(async move { deliver::follow(&host, &watcher, &stop).await })
    };
    let upkeep = {
        let (host, stop) = (Arc::clone(host), stop.clone());
        tokio::spawn(async move { upkeep::keep_up(&host, &stop).await })
    };
    let outcome = run_accounts(host, watcher, stop).await;
    if let Err(error) = upkeep.await
        && error.is_panic()
    {
        tracing::error!("the task of the store's upkeep panicked");
    }
    sinks_stop.cancel();
    match tokio::time::timeout(deliver::LAST_ROUND, sinks).await {
        Ok(Ok(followed)) => {
            for sink in followed?.into_iter().filter(|sink| sink.fault.is_some()) {
                tracing::warn!(sink = %sink.sink, fault = ?sink.fault.map(|fault| fault.to_string()), "sink is behind; it goes on at the next start");
            }
        }
        Ok(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        Err(_) => tracing::warn!("sinks took too long to end; they go on at the next start"),
    }
    outcome
}

async fn run_accounts(host: &Arc<Host>, watcher: &Arc<dyn Watcher>, stop: &CancellationToken) -> Result<(), Fault> {
    let mut edits = host.edits();
    let mut running: BTreeMap<AccountId, Running> = BTreeMap::new();
    let outcome = loop {
        let edited = edits.borrow_and_update().clone();
        let wanted: BTreeMap<_, _> = match host.receiving_accounts(&[]).await {
            Ok(accounts) => accounts.into_iter().map(|account| (account.id, account)).collect(),
            Err(fault) => break Err(fault),
        };
        let revision = |account: &Account| (edited.of_account(&account.name), edited.of_connectors());
        let goes_on = |id: &AccountId, run: &Running| {
            wanted.get(id).is_some_and(|account| *account == run.account && !is_overtaken(host, run, revision(account)))
        };
        let (kept, ended): (BTreeMap<_, _>, _) = std::mem::take(&mut running).into_iter().partition(|(id, run)| goes_on(id, run));
        running = kept;
        end(host, ended).await;
        for (id, account) in wanted {
            let edits = revision(&account);
            running.entry(id).or_insert_with(|| start(host, account, edits, watcher));
        }
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            changed = edits.changed() => if changed.is_err() { break Ok(()) },
        }
    };
    end(host, running).await;
    outcome
}

/// Whether an edit means this account: its own, also of nothing but its password; or of connectors, where that is what it waits for.
/// Others' edits must not let a refused password knock again: servers lock accounts for it.
fn is_overtaken(host: &Host, run: &Running, now: (u64, u64)) -> bool {
    let waits_for_connector = || {
        matches!(host.standings.get(run.account.id), Some(Standing::NeedsOperator { fault, .. })
            if matches!(fault.kind, Kind::Unapproved | Kind::NotFound | Kind::ConnectorFailed | Kind::Unsupported))
    };
    run.edits.0 != now.0 || (run.edits.1 != now.1 && waits_for_connector())
}

fn start(host: &Arc<Host>, account: Account, edits: (u64, u64), watcher: &Arc<dyn Watcher>) -> Running {
    let stop = CancellationToken::new();
    let task = {
        let (host, account, watcher, stop) = (Arc::clone(host), account.clone(), Arc::clone(watcher), stop.clone());
        tokio::spawn(async move { keep(&host, &account, &watcher, &stop).await })
    };
    Running { account, edits, stop, task }
}

async fn end(host: &Host, running: BTreeMap<AccountId, Running>) {
    for run in running.values() {
        run.stop.cancel();
    }
    for (id, run) in running {
        if let Err(error) = run.task.await
            && error.is_panic()
        {
            tracing::error!(account = %run.account.name, "the account's task panicked");
        }
        host.standings.forget(id);
    }
}

/// Keep one account in step with its server until `stop`.
async fn keep(host: &Host, account: &Account, watcher: &Arc<dyn Watcher>, stop: &CancellationToken) {
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        let Err(fault) = serve(host, account, watcher, stop, &mut backoff).await else { return };
        if stop.is_cancelled() {
            return;
        }
        if let Err(fault) = note_pass(host, account, Extent::All, Some(fault.clone())).await {
            tracing::warn!(account = %account.name, %fault, "the end of a pass could not be noted");
        }
        if !fault.kind.is_retried() {
            tracing::error!(account = %account.name, %fault, cause = fault.causes().next(), remedy = fault.remedy, "account stopped until it is edited");
            host.standings.set(account.id, Standing::NeedsOperator { fault, since: Timestamp::now() });
            stop.cancelled().await;
            return;
        }
        let wait = backoff.after_failure(fault.retry_after, account.id.0.wrapping_mul(397).wrapping_add(backoff.failures()));
        tracing::warn!(account = %account.name, %fault, cause = fault.causes().next(), retry_in = ?wait, "account will be tried again");
        let at = Timestamp(Timestamp::now().0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
        host.standings.set(account.id, Standing::Retrying { fault, at, failures: backoff.failures() });
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One session from its opening to its end; `Ok` only when stopped.
async fn serve(
    host: &Host,
    account: &Account,
    watcher: &Arc<dyn Watcher>,
    stop: &CancellationToken,
    backoff: &mut Backoff,
) -> Result<(), Fault> {
    host.standings.set(account.id, Standing::Connecting);
    let tally = Arc::new(Tally::default());
    let opening = host.receiving_session(account, watcher, &tally);
    let session = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        session = opening => session?,
    };
    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        outcome = converse(host, account, &session, backoff) => outcome,
    };
    if stop.is_cancelled() {
        session.stop();
    }
    session.close().await;
    outcome
}

/// Pass after pass, as the server tells of changes; ends only with a fault.
async fn converse(host: &Host, account: &Account, session: &ReceivingSession, backoff: &mut Backoff) -> Result<(), Fault> {
    loop {
        host.standings.set(account.id, Standing::Syncing);
        let mut folders = chosen_folders(account, &session.folders().await?, &[])?;
        let due = Instant::now() + SAFETY_PASS;
        let failed = sync_each(host, account, session, &folders, Extent::All).await?;
        leave_out(&mut folders, &failed);
        backoff.reset();
        let mut pace = Pace::new(Instant::now());
        loop {
            host.standings.set(account.id, Standing::Watching { since: Timestamp::now() });
            let told = session.watch(folders.clone(), due.saturating_duration_since(Instant::now())).await?;
            if told.is_empty() {
                break;
            }
            // Whatever a server or a component tells, it is not asked without end.
            tokio::time::sleep(pace.wait(Instant::now())).await;
            host.standings.set(account.id, Standing::Syncing);
            let failed = sync_each(host, account, session, &told, Extent::Some).await?;
            leave_out(&mut folders, &failed);
        }
    }
}

/// A folder that failed by itself is left out until the next pass over all.
fn leave_out(folders: &mut Vec<String>, failed: &[String]) {
    folders.retain(|folder| !failed.contains(folder));
}

/// The folders that could not be received, while the account could.
async fn sync_each(
    host: &Host,
    account: &Account,
    session: &ReceivingSession,
    folders: &[String],
    extent: Extent,
) -> Result<Vec<String>, Fault> {
    let (mut first_fault, mut failed) = (None, Vec::new());
    for folder in folders {
        match sync_folder(host, account, session, folder).await {
            Err(fault) if concerns_one_folder(fault.kind) => {
                tracing::warn!(account = %account.name, folder, %fault, cause = fault.causes().next(), "folder not received");
                first_fault.get_or_insert(fault);
                failed.push(folder.clone());
            }
            outcome => outcome?,
        }
    }
    note_pass(host, account, extent, first_fault).await?;
    Ok(failed)
}
