//! One pass: everything that the server has and the store does not, folder by folder.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::event::{Event, Watcher};
use super::host::{Host, receiving_role};
use super::mailroom::Tally;
use super::standing::LastPass;
use crate::clock::Timestamp;
use crate::connector::ReceivingSession;
use crate::fault::{Fault, Kind};
use crate::model::account::Account;
use crate::model::message::Folder;
use crate::model::name::AccountName;

/// Accounts received at once in one pass.
const ACCOUNTS_AT_ONCE: usize = 8;

/// Roles of folders that only show other folders' messages (RFC 6154): not received unless asked for by name.
const VIEWS: [&str; 2] = ["all", "flagged"];

/// What a pass over one account came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassReport {
    /// Which account.
    pub account: AccountName,
    /// Messages that were not here.
    pub stored: u64,
    /// Messages whose octets were here already.
    pub recognised: u64,
    /// Messages set aside.
    pub set_aside: u64,
    /// Octets of messages received.
    pub octets: u64,
    /// Messages whose folders or keywords changed.
    pub changed: u64,
    /// Messages that the server has no more.
    pub removed: u64,
    /// Folders gone through.
    pub folders: u64,
    /// How long it took.
    pub took: Duration,
    /// Why it did not come to its end; what was received before is kept.
    pub fault: Option<Fault>,
}

/// Go once through the folders of all `accounts`; no `folders`: those that each account names, or all that hold messages.
/// Never fails as a whole: each account's report has its own fault.
pub async fn receive(host: &Arc<Host>, accounts: Vec<Account>, folders: &[String], watcher: &Arc<dyn Watcher>) -> Vec<PassReport> {
    let mut waiting = accounts.into_iter().enumerate();
    let mut passes = JoinSet::new();
    let mut reports = Vec::new();
    loop {
        while passes.len() < ACCOUNTS_AT_ONCE {
            let Some((place, account)) = waiting.next() else { break };
            let (host, folders, watcher) = (Arc::clone(host), folders.to_vec(), Arc::clone(watcher));
            passes.spawn(async move { (place, pass(&host, &account, &folders, &watcher).await) });
        }
        match passes.join_next().await {
            Some(Ok(report)) => reports.push(report),
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => break,
        }
    }
    reports.sort_by_key(|(place, _)| *place);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// One pass over one account, on a session of its own.
async fn pass(host: &Host, account: &Account, folders: &[String], watcher: &Arc<dyn Watcher>) -> PassReport {
    let begun = Instant::now();
    let tally = Arc::new(Tally::default());
    let mut gone_through = 0;
    let outcome = async {
        let session = host.receiving_session(account, watcher, &tally).await?;
        let outcome = sync_folders(host, account, &session, folders, watcher, &mut gone_through).await;
        session.close().await;
        outcome
    }
    .await;
    let fault = outcome.err();
    let extent = if folders.is_empty() { Extent::All } else { Extent::Some };
    if let Err(fault) = note_pass(host, account, extent, fault.clone()).await {
        tracing::warn!(account = %account.name, %fault, "the end of a pass could not be noted");
    }
    let counts = tally.durable();
    PassReport {
        account: account.name.clone(),
        stored: counts.stored,
        recognised: counts.recognised,
        set_aside: counts.set_aside,
        octets: counts.octets,
        changed: counts.changed,
        removed: counts.removed,
        folders: gone_through,
        took: begun.elapsed(),
        fault,
    }
}

async fn sync_folders(
    host: &Host,
    account: &Account,
    session: &ReceivingSession,
    asked: &[String],
    watcher: &Arc<dyn Watcher>,
    gone_through: &mut u64,
) -> Result<(), Fault> {
    let folders = chosen_folders(account, &session.folders().await?, asked)?;
    watcher.event(Event::Folders { account: account.name.clone(), count: folders.len() });
    let mut first_fault = None;
    for folder in &folders {
        match sync_folder(host, account, session, folder).await {
            Ok(()) => *gone_through += 1,
            Err(fault) if concerns_one_folder(fault.kind) => {
                tracing::warn!(account = %account.name, folder, %fault, "folder not received");
                first_fault.get_or_insert(fault);
            }
            Err(fault) => return Err(fault),
        }
    }
    first_fault.map_or(Ok(()), Err)
}

/// Bring one folder up to date. A cursor that the server has forgotten is dropped, once.
///
/// # Errors
/// Whatever the server, the connector or the store says; what was checkpointed before stays.
pub(super) async fn sync_folder(host: &Host, account: &Account, session: &ReceivingSession, folder: &str) -> Result<(), Fault> {
    let cursor = host.store.cursor(account.id, Some(folder)).await?;
    let had_cursor = cursor.is_some();
    let outcome = match session.sync(Some(folder), cursor).await {
        Err(fault) if fault.kind == Kind::StaleCursor && had_cursor => session.sync(Some(folder), None).await,
        outcome => outcome,
    };
    outcome.map_err(|fault| fault.within(format!("receive the folder `{folder}` of the account `{}`", account.name)))
}

/// The ids of the folders that a pass goes through: those asked for, else those of the account, else all that hold messages.
///
/// # Errors
/// `Misconfigured` for a folder that the server does not have.
pub(super) fn chosen_folders(account: &Account, folders: &[Folder], asked: &[String]) -> Result<Vec<String>, Fault> {
    let role = receiving_role(account)?;
    let wanted = if asked.is_empty() { &role.folders } else { asked };
    if wanted.is_empty() {
        let holds_own = |folder: &&Folder| folder.selectable && !folder.role.as_deref().is_some_and(|role| VIEWS.contains(&role));
        return Ok(folders.iter().filter(holds_own).map(|folder| folder.id.clone()).collect());
    }
    wanted.iter().map(|name| find_folder(account, folders, name)).collect()
}

fn find_folder(account: &Account, folders: &[Folder], name: &str) -> Result<String, Fault> {
    let by_id = folders.iter().find(|folder| folder.id == *name);
    // INBOX is the one name that is the same in any case (RFC 9051 section 5.1).
    let found = by_id.or_else(|| {
        folders.iter().find(|folder| {
            folder.path.join("/") == *name || (name.eq_ignore_ascii_case("inbox") && folder.role.as_deref() == Some("inbox"))
        })
    });
    let refused = |why: String| {
        let listed: Vec<_> =
            folders.iter().filter(|folder| folder.selectable).take(20).map(|folder| format!("`{}`", folder.path.join("/"))).collect();
        Fault::new(Kind::Misconfigured, format!("receive the folder `{name}` of the account `{}`", account.name))
            .because_words(why)
            .with_remedy(format!("name one of {}", listed.join(", ")))
    };
    match found {
        Some(folder) if folder.selectable => Ok(folder.id.clone()),
        Some(_) => Err(refused("the folder holds only other folders".to_owned())),
        None => Err(refused("the server has no such folder".to_owned())),
    }
}

/// Whether the other folders of the account may still be had after such a failure.
pub(super) const fn concerns_one_folder(kind: Kind) -> bool {
    matches!(kind, Kind::Gone | Kind::Forbidden | Kind::Permanent | Kind::Conflict | Kind::Unsupported | Kind::Misconfigured)
}

/// What a pass went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Every folder that the account receives.
    All,
    /// Some of them: it can neither complete the account nor make another folder's failure good.
    Some,
}

/// Keep how a pass ended, for `status`.
pub(super) async fn note_pass(host: &Host, account: &Account, extent: Extent, fault: Option<Fault>) -> Result<(), Fault> {
    let former = host.last_pass(account.id).await?;
    let now = LastPass::after(former.as_ref(), Timestamp::now(), extent == Extent::All, fault);
    // What is known already is not worth a commit, though it happens again and again.
    if former.is_some_and(|former| now.says_the_same_as(&former)) {
        return Ok(());
    }
    host.put_last_pass(account.id, &now).await
}
