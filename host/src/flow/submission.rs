//! Messages that a server may have become responsible for: a durable mark between the last octet and the server's answer, so that a process
//! that dies in between leaves word of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::connector::seam::Committing;
use crate::fault::{Fault, Kind};
use crate::model::name::AccountId;
use crate::store::Store;

/// The store's collection of marks, by submission id.
const SUBMISSIONS: &str = "submission";

/// Recipients that a mark names; further ones are counted.
const NAMED_RECIPIENTS: usize = 10;

/// How long a mark is told of unless somebody acknowledges it: as long as servers try to deliver and report, and then some.
const TOLD_MILLIS: u64 = 30 * 24 * 3_600 * 1_000;

/// What is known of a message that is being sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// The host's id of this attempt.
    pub id: String,
    /// Whose.
    pub account: AccountId,
    /// The reverse path.
    pub sender: String,
    /// The first recipients.
    pub recipients: Vec<String>,
    /// How many there are in all.
    pub recipient_count: u64,
    /// BLAKE3 over the whole envelope, in hex.
    pub envelope_digest: String,
    /// The message's own id, from its header.
    pub message_id: Option<String>,
    /// Octets of the message.
    pub octets: u64,
    /// When the server was about to become responsible; before that, when the attempt began.
    pub at: Timestamp,
    /// What became of it, where that is known and whoever asked was gone before it could be told: "2 accepted, 1 refused".
    pub outcome: Option<String>,
}

impl Submission {
    /// A new attempt.
    #[must_use]
    pub fn new(id: String, account: AccountId, sender: &str, recipients: &[String], message_id: Option<String>, octets: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in std::iter::once(sender).chain(recipients.iter().map(String::as_str)) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self {
            id,
            account,
            sender: sender.to_owned(),
            recipients: recipients.iter().take(NAMED_RECIPIENTS).cloned().collect(),
            recipient_count: recipients.len() as u64,
            envelope_digest: hasher.finalize().to_hex().to_string(),
            message_id,
            octets,
            at: Timestamp::now(),
            outcome: None,
        }
    }
}

/// The marks of one home.
pub struct Marks {
    store: Store,
    /// Attempts of this process, and whether each has its mark.
    under_way: Mutex<BTreeMap<String, (Submission, bool)>>,
}

impl Marks {
    /// Over the store that keeps them.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, under_way: Mutex::default() }
    }

    /// An attempt begins: nothing is durable yet, and nobody has the message.
    pub fn begin(&self, submission: Submission) {
        self.lock().insert(submission.id.clone(), (submission, false));
    }

    /// Whether the attempt has its mark: the server may be responsible.
    #[must_use]
    pub fn has_mark(&self, id: &str) -> bool {
        self.lock().get(id).is_some_and(|(_, is_marked)| *is_marked)
    }

    /// What became of the attempt was told to whoever asked: no word of it needs to stay. Durable on return.
    ///
    /// # Errors
    /// The disk.
    pub async fn told(&self, id: &str) -> Result<(), Fault> {
        if self.has_mark(id) {
            self.store.remove_document(SUBMISSIONS, id).await?;
        }
        self.lock().remove(id);
        Ok(())
    }

    /// What became of the attempt is known, and nobody is there to be told. Durable on return.
    ///
    /// # Errors
    /// The disk.
    pub async fn untold(&self, id: &str, outcome: String) -> Result<(), Fault> {
        let Some((submission, is_marked)) = self.lock().remove(id) else { return Ok(()) };
        if is_marked {
            self.put(&Submission { outcome: Some(outcome), ..submission }).await?;
        }
        Ok(())
    }

    /// Attempts of which nobody was told how they ended, the oldest first; those that are under way are not among them.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn left(&self) -> Result<Vec<Submission>, Fault> {
        let now = Timestamp::now().0;
        let before: BTreeSet<String> = self.lock().keys().cloned().collect();
        let all = self.all().await?;
        let under_way = self.lock();
        let is_under_way = |one: &Submission| before.contains(&one.id) || under_way.contains_key(&one.id);
        let is_left = |one: &Submission| !is_under_way(one) && now.saturating_sub(one.at.0) < TOLD_MILLIS;
        let mut left: Vec<_> = all.into_iter().filter(is_left).collect();
        drop(under_way);
        left.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        Ok(left)
    }

    /// Somebody has heard of these attempts; none named: of all. How many there were.
    ///
    /// # Errors
    /// `NotFound` for an id that no attempt has; the disk.
    pub async fn acknowledge(&self, ids: &[String]) -> Result<u64, Fault> {
        let left = self.left().await?;
        if let Some(unknown) = ids.iter().find(|id| left.iter().all(|one| one.id != **id)) {
            return Err(Fault::new(Kind::NotFound, format!("find the submission `{}`", unknown.escape_debug()))
                .with_remedy("`postrider status` shows those of which nobody was told how they ended"));
        }
        let heard = left.iter().filter(|one| ids.is_empty() || ids.contains(&one.id));
        let mut count = 0;
        for one in heard {
            self.store.remove_document(SUBMISSIONS, &one.id).await?;
            count += 1;
        }
        Ok(count)
    }

    /// Forget what nobody wanted to hear of for a month, and what is of accounts that are gone.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn sweep(&self) -> Result<(), Fault> {
        let accounts = self.store.accounts().await?;
        let now = Timestamp::now().0;
        for one in self.all().await? {
            let is_late = now.saturating_sub(one.at.0) >= TOLD_MILLIS;
            if is_late || accounts.iter().all(|account| account.id != one.account) {
                self.store.remove_document(SUBMISSIONS, &one.id).await?;
            }
        }
        Ok(())
    }

    async fn all(&self) -> Result<Vec<Submission>, Fault> {
        let documents = self.store.documents(SUBMISSIONS).await?;
        let read = documents.iter().map(|(_, octets)| {
            serde_json::from_slice(octets).map_err(|error| Fault::new(Kind::Damaged, "read a record of a submission").because(&error))
        });
        read.collect()
    }

    async fn put(&self, submission: &Submission) -> Result<(), Fault> {
        let octets = serde_json::to_vec(submission).map_err(|error| Fault::new(Kind::Bug, "write down a submission").because(&error))?;
        Ok(self.store.put_document(SUBMISSIONS, &submission.id, &octets).await?)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (Submission, bool)>> {
        // Each change is one insertion or removal.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Committing for Marks {
    async fn committing(&self, id: String) -> Result<(), Fault> {
        let marked = {
            let mut under_way = self.lock();
            let Some((submission, is_marked)) = under_way.get_mut(&id) else {
                return Err(Fault::new(Kind::RefusedByHost, "mark a submission").because_words("it is none that is under way"));
            };
            submission.at = Timestamp::now();
            // Before it is durable: a session that ends in between leaves what is unknown, not what was not sent.
            *is_marked = true;
            submission.clone()
        };
        let put = self.put(&marked).await;
        if put.is_err()
            && let Some((_, is_marked)) = self.lock().get_mut(&id)
        {
            // The component hears of it, and does not go on.
            *is_marked = false;
        }
        put
    }
}

/// For a session that is to send nothing: no server becomes responsible for anything.
#[derive(Debug, Clone, Copy)]
pub struct Unsent;

#[async_trait]
impl Committing for Unsent {
    async fn committing(&self, _id: String) -> Result<(), Fault> {
        Err(Fault::new(Kind::RefusedByHost, "send a message").because_words("the account is only being tried"))
    }
}
