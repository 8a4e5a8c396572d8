//! `store repair`: what is damaged is put aside, what can be worked out again is worked out again, and what the server may still have
//! is forgotten, so that the next pass fetches it. All of it is one transaction; a dry run is the same one, given up at its end.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::Error;
use super::failpoint::{Failpoint, at};
use super::files;
use super::layout::{self, Place, kind};
use super::record::{BodyRecord, FolderRecord, MessageRecord, Octets};
use super::records::place_of;
use super::shared::{DAMAGE, Open, on_thread};
use super::status::{Finding, Progress};
use super::transaction::Transaction;
use crate::clock::Timestamp;
use crate::model::name::{AccountId, MessageId};

mod indexes;
mod records;

/// Messages between two reports of progress.
const REPORT_EVERY: u64 = 100;

/// Octets of a damaged body that are put aside; of a longer one, the rest stays in its segment only.
const KEPT_OCTETS: u64 = 64 << 20;

/// Octets of them in memory at once.
const PIECE_OCTETS: usize = 1 << 20;

/// Begins the reason of a message whose octets were damaged. When its octets come again, they become this message's.
pub(super) const DAMAGED_OCTETS: &str = "its octets were damaged";

/// What a repair did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairReport {
    /// Each thing that was damaged, with what became of it; at most [`ACTIONS`](Self::ACTIONS) of them.
    pub actions: Vec<Finding>,
    /// Actions beyond those listed.
    pub more_actions: u64,
    /// The folder in which the damaged records and octets are kept; none: nothing was put aside.
    pub kept: Option<PathBuf>,
    /// It was done; otherwise it was a dry run.
    pub is_applied: bool,
}

impl RepairReport {
    /// The most actions that are listed one by one.
    pub const ACTIONS: usize = 1_000;
}

/// A body that does not open.
struct BrokenBody {
    place: Place,
    body: BodyRecord,
    /// Where, and why not.
    finding: String,
}

/// A damaged record as it was, in the file that keeps it.
#[derive(Serialize)]
struct KeptRecord {
    place: String,
    finding: String,
    key: String,
    value: String,
}

/// A repair under way.
struct Repair<'t, 'a> {
    open: &'t Open,
    tx: &'t mut Transaction<'a>,
    report: RepairReport,
    kept: Vec<KeptRecord>,
    /// Bodies whose octets are to be kept as they lie.
    bodies: Vec<(MessageId, BodyRecord)>,
    /// Files of the spool that are none of its segments.
    surplus: Vec<OsString>,
    /// Accounts of which some message or identity is gone, nobody knows which: every folder is looked through again.
    looked_through: BTreeSet<AccountId>,
}

impl Store {
    /// Repair what `check` finds, or with `apply` false only say what would be done. Commits wait while records are repaired. What
    /// is put aside lies in the folder `damaged` of the store.
    ///
    /// # Errors
    /// The disk; damage that nothing can be made of.
    pub async fn repair(&self, apply: bool, progress: impl FnMut(Progress) + Send + 'static) -> Result<RepairReport, Error> {
        let opened = self.shared.open()?;
        // A body that moves meanwhile would look damaged.
        let _still = opened.compaction.lock().await;
        let open = Arc::clone(&opened);
        let broken = {
            let open = Arc::clone(&open);
            on_thread(move || broken_bodies(&open, progress)).await?
        };
        let repaired = Arc::new(Mutex::new(None));
        let answer = Arc::clone(&repaired);
        let work = move |tx: &mut Transaction<'_>| {
            let mut repair = Repair {
                open: &open,
                tx,
                report: RepairReport::default(),
                kept: Vec::new(),
                bodies: Vec::new(),
                surplus: Vec::new(),
                looked_through: BTreeSet::new(),
            };
            repair.run(broken)?;
            if apply {
                repair.keep_aside()?;
            }
            let report = RepairReport { is_applied: apply, ..repair.report };
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
            if apply { Ok(()) } else { Err(Error::DryRun) }
        };
        match self.shared.commit(work, None).await {
            Ok(()) | Err(Error::DryRun) => {}
            Err(error) => return Err(error),
        }
        let report = repaired.lock().unwrap_or_else(PoisonError::into_inner).take();
        report.ok_or(Error::Bug { operation: "repair the store", finding: "nothing was reported" })
    }
}

/// Read every body; those that do not open. Blocks.
fn broken_bodies(open: &Open, mut progress: impl FnMut(Progress)) -> Result<Vec<BrokenBody>, Error> {
    let mut places = Vec::new();
    for raw in open.records.scan(&[kind::MESSAGE], &[]) {
        places.extend(Place::from_octets(raw?.0.get(1..).unwrap_or_default()));
    }
    let total = places.len() as u64;
    let mut broken = Vec::new();
    for (done, place) in (0..).zip(places) {
        if done % REPORT_EVERY == 0 {
            progress(Progress { done, total });
        }
        let sealer = open.keyring.sealer();
        // A record that does not open has its turn with the records.
        let Ok(Some(record)) = open.message_at(place) else { continue };
        let Some(body) = record.body().cloned() else { continue };
        let mut chunks = open.chunks(place, record.message, body.clone(), sealer);
        loop {
            match chunks.next() {
                Ok(Some(_)) => {}
                // Or it was removed meanwhile, and need not be kept any longer.
                Ok(None) | Err(Error::Removed(_)) => break,
                Err(Error::Damaged { place: at, finding, .. }) => {
                    broken.push(BrokenBody { place, body, finding: format!("{at}: {finding}") });
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    progress(Progress { done: total, total });
    Ok(broken)
}

impl Repair<'_, '_> {
    fn run(&mut self, broken: Vec<BrokenBody>) -> Result<(), Error> {
        self.put_unreadable_aside()?;
        for body in broken {
            self.forget_octets(body)?;
        }
        self.mend_identities()?;
        self.mend_folders()?;
        self.mend_indexes()?;
        self.mend_counts()?;
        self.mend_set_hash()?;
        self.put_surplus_aside()?;
        self.acknowledge_losses()
    }

    fn act(&mut self, account: Option<AccountId>, message: Option<MessageId>, place: &str, action: &str) {
        if self.report.actions.len() < RepairReport::ACTIONS {
            self.report.actions.push(Finding { account, message, place: place.to_owned(), finding: action.to_owned() });
        } else {
            self.report.more_actions += 1;
        }
    }

    /// The message stays, without its octets; its identities are forgotten, so that the server's copy is fetched again.
    fn forget_octets(&mut self, BrokenBody { place, body, finding }: BrokenBody) -> Result<(), Error> {
        let key = layout::message(place);
        let Some(mut record) = self.tx.read::<MessageRecord>(&key)? else { return Ok(()) };
        if record.body().is_none_or(|held| held.body != body.body) {
            return Ok(());
        }
        self.bodies.push((record.message, body));
        let action = if record.locations.is_empty() {
            "its octets are gone: the server has it no more"
        } else {
            "its octets are put aside; the next pass fetches the server's copy"
        };
        self.act(Some(place.account), Some(record.message), &finding, action);
        for location in std::mem::take(&mut record.locations) {
            let index = self.tx.index();
            let scope = layout::scope_hash(index, &location.scope);
            let identity = layout::identity(place.account, &scope, &layout::id_hash(index, &location.id));
            self.tx.delete(identity);
            let hash = layout::folder_hash(self.tx.index(), location.scope.folder.as_deref());
            self.look_through(place.account, &hash)?;
        }
        record.octets = Octets::SetAside { reason: format!("{DAMAGED_OCTETS}: {finding}") };
        self.tx.write(key, &record)
    }

    /// Forget how far a folder had come: its next pass asks about every message.
    fn look_through(&mut self, account: AccountId, folder: &layout::Hash) -> Result<(), Error> {
        let key = layout::folder(account, folder);
        // Whatever is wrong with the record itself, it has been put aside by now.
        if let Some(mut folder) = self.tx.read::<FolderRecord>(&key)?
            && folder.cursor.is_some()
        {
            folder.cursor = None;
            self.tx.write(key, &folder)?;
        }
        Ok(())
    }

    fn acknowledge_losses(&mut self) -> Result<(), Error> {
        let prefix = layout::collection(self.tx.index(), DAMAGE);
        for key in self.tx.keys(&prefix, &prefix, usize::MAX)? {
            let words = self.tx.read::<super::record::ValueRecord>(&key)?.map(|record| record.octets).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).into_owned();
            self.act(None, None, &words, "acknowledged: what was lost is lost, and no longer told of");
            self.tx.delete(key);
            let mut head = self.tx.head()?;
            head.documents = head.documents.saturating_sub(1);
            self.tx.write(layout::HEAD_KEY.to_vec(), &head)?;
        }
        Ok(())
    }

    /// Write down the frames of a body as they lie, as far as they can be read.
    fn keep_body(&self, path: &Path, body: &BodyRecord) -> Result<(), Error> {
        let mut room = KEPT_OCTETS;
        let pieces = body.extents.iter().flat_map(|extent| {
            let kept = extent.length.min(room);
            room -= kept;
            let file = self.open.spool.segments().file(extent.segment).ok().flatten();
            let begins = (0..kept).step_by(PIECE_OCTETS);
            begins.filter_map(move |begin| {
                let mut piece = vec![0; usize::try_from(kept - begin).unwrap_or(PIECE_OCTETS).min(PIECE_OCTETS)];
                let read = file.as_ref()?.read_at(&mut piece, extent.offset.checked_add(begin)?).ok()?;
                piece.truncate(read);
                Some(piece)
            })
        });
        files::write(path, pieces)
    }

    /// Remember a record as it lies, and delete it.
    fn put_aside(&mut self, key: Vec<u8>, finding: &str) -> Result<(), Error> {
        let encode = |octets: &[u8]| data_encoding::HEXLOWER.encode(octets);
        let value = self.open.records.raw(&key)?.unwrap_or_default();
        self.kept.push(KeptRecord { place: place_of(&key), finding: finding.to_owned(), key: encode(&key), value: encode(&value) });
        self.tx.delete(key);
        Ok(())
    }

    /// Write down what was put aside, before the transaction that takes it out of the store.
    fn keep_aside(&mut self) -> Result<(), Error> {
        if self.kept.is_empty() && self.bodies.is_empty() && self.surplus.is_empty() {
            return Ok(());
        }
        let store = self.open.records.path().parent().unwrap_or(Path::new("."));
        let folder = store.join("damaged").join(Timestamp::now().0.to_string());
        files::make_folder(&folder)?;
        let bug = |_| Error::Bug { operation: "keep damaged records", finding: "they have no JSON" };
        if !self.kept.is_empty() {
            files::replace(&folder.join("records.json"), &serde_json::to_vec_pretty(&self.kept).map_err(bug)?)?;
        }
        for (message, body) in &self.bodies {
            self.keep_body(&folder.join(format!("{message}.frames")), body)?;
        }
        let spool = self.open.spool.segments().folder();
        for name in &self.surplus {
            let (from, to) = (spool.join(name), folder.join(name));
            at(Failpoint::DraftRename, || std::fs::rename(&from, &to)).map_err(Error::io("put aside", &from))?;
        }
        if !self.surplus.is_empty() {
            files::sync_folder(spool)?;
            files::sync_folder(&folder)?;
        }
        files::sync_way_to(&folder)?;
        self.report.kept = Some(folder);
        Ok(())
    }
}
