//! `store check`: every record opened and compared with every other that must agree with it, every body opened and hashed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Store;
use super::error::Error;
use super::index;
use super::layout::{Place, kind};
use super::record::MessageRecord;
use super::shared::{self, Open};
use super::status::{CheckProgress, CheckReport, Finding};
use super::watermark::Mark;
use crate::model::name::{AccountId, MessageId};

mod bodies;
mod walk;

/// Walks of the records that are tried beside commits. The last one has them wait.
const QUIET_WALKS: usize = 2;

/// Messages between two reports of progress.
const REPORT_EVERY: u64 = 100;

impl Store {
    /// Walk every record and body and name what is tampered with, torn, missing or surplus. Commits wait for the walk of the records
    /// only if they come so often that two walks beside them saw no quiet; bodies are always read beside them.
    ///
    /// # Errors
    /// The disk. What is wrong with the store's content is in the report.
    pub async fn check(&self, progress: impl FnMut(CheckProgress) + Send + 'static) -> Result<CheckReport, Error> {
        let open = self.shared.open()?;
        shared::on_thread(move || check(&open, progress)).await
    }
}

/// A check under way.
struct Check<'a> {
    open: &'a Arc<Open>,
    report: CheckReport,
    /// By the index; looked up when the first record does not say itself which message it is.
    message_ids: Option<HashMap<Place, MessageId>>,
}

/// What the records led to.
struct Walked {
    messages: Vec<Place>,
    /// Numbers and octets.
    segments: Vec<(u64, u64)>,
}

fn check(open: &Arc<Open>, mut progress: impl FnMut(CheckProgress)) -> Result<CheckReport, Error> {
    let (mut check, Walked { messages, segments }) = match walk_in_quiet(open)? {
        Some(walked) => walked,
        None => open.committer.at_standstill(|| walk(open))?,
    };
    let total = messages.len() as u64;
    let mut referenced = 0;
    let mut referenced_segments = HashSet::new();
    for (done, place) in (0..).zip(messages) {
        if done % REPORT_EVERY == 0 {
            progress(CheckProgress { done, total });
        }
        referenced += check.check_body(place, &mut referenced_segments)?;
    }
    progress(CheckProgress { done: total, total });
    check.check_segments(&segments, &referenced_segments)?;
    let octets: u64 = segments.iter().map(|(_, octets)| octets.saturating_sub(super::spool::segment::HEADER_OCTETS)).sum();
    check.report.unreferenced_octets = octets.saturating_sub(referenced);
    Ok(check.report)
}

/// Walk while commits go on, and believe it only if there was none.
fn walk_in_quiet(open: &Arc<Open>) -> Result<Option<(Check<'_>, Walked)>, Error> {
    let commits = || open.committer.at_standstill(|| open.records.head()).map(|head| head.commit).ok();
    for _ in 0..QUIET_WALKS {
        let before = commits();
        let walked = walk(open)?;
        if before.is_some() && before == commits() {
            return Ok(Some(walked));
        }
    }
    Ok(None)
}

fn walk(open: &Arc<Open>) -> Result<(Check<'_>, Walked), Error> {
    let mut check = Check { open, report: CheckReport::default(), message_ids: None };
    for words in shared::known_damage(&open.records)? {
        check.find(None, None, "the records", &words);
    }
    let messages = check.walk_records()?;
    // Listed while nothing is appended to a record: what comes later is no matter of this check.
    let segments = open.spool.segments().list()?;
    Ok((check, Walked { messages, segments }))
}

impl Check<'_> {
    fn find(&mut self, account: Option<AccountId>, message: Option<MessageId>, place: &str, finding: &str) {
        if self.report.findings.len() < CheckReport::FINDINGS {
            self.report.findings.push(Finding { account, message, place: place.to_owned(), finding: finding.to_owned() });
        } else {
            self.report.more_findings += 1;
        }
    }

    /// A record that cannot be opened or read is a finding, a failing disk an error.
    fn found<T>(&mut self, account: Option<AccountId>, message: Option<MessageId>, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Damaged { place, finding, .. }) => {
                self.find(account, message, &place, finding);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The message at `place`, where its record can be read.
    fn message_at(&mut self, place: Place) -> Result<Option<MessageRecord>, Error> {
        let read = self.open.message_at(place);
        let message = if read.is_err() { self.message_id(place)? } else { None };
        Ok(self.found(Some(place.account), message, read)?.flatten())
    }

    /// Which message stood at `place`, though its record does not say.
    fn message_id(&mut self, place: Place) -> Result<Option<MessageId>, Error> {
        let ids = match &mut self.message_ids {
            Some(ids) => ids,
            ids => ids.insert(index::message_ids(&self.open.records)?),
        };
        Ok(ids.get(&place).copied())
    }
}

/// Whether a record of this kind belongs to an account.
fn account_of(key: &[u8]) -> Option<AccountId> {
    let has_account = key.first().is_some_and(|first| *first == kind::ACCOUNT || kind::OF_ACCOUNT.contains(first));
    super::layout::account_in(key).filter(|_| has_account)
}

/// Acknowledged commits that the records do not hold.
fn is_behind(head: Mark, durable: Mark) -> bool {
    head.commit < durable.commit || head.sequence < durable.sequence
}
