//! Accounts and the vault of their secrets.

use std::sync::{Arc, PoisonError};

use super::Store;
use super::error::Error;
use super::layout::{self, HEAD_KEY, Place, kind};
use super::record::{AccountRecord, CountsRecord, MessageRecord, SecretRecord};
use super::shared::{Open, Shared};
use super::transaction::Transaction;
use super::{index, shared};
use crate::model::account::Account;
use crate::model::name::{AccountId, AccountName};
use crate::secret::Secret;

/// Records that are cleared away in one commit after their account was removed.
const CLEARED_AT_ONCE: usize = 2_000;

impl Store {
    /// Every account, by name.
    ///
    /// # Errors
    /// A closed store.
    pub async fn accounts(&self) -> Result<Vec<Account>, Error> {
        let open = self.shared.open()?;
        let mut accounts: Vec<_> = open.accounts.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        accounts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(accounts)
    }

    /// The account of this name.
    ///
    /// # Errors
    /// A closed store.
    pub async fn account(&self, name: &AccountName) -> Result<Option<Account>, Error> {
        Ok(self.accounts().await?.into_iter().find(|account| account.name == *name))
    }

    /// A number for a new account; never given twice, also not after a crash.
    ///
    /// # Errors
    /// The disk.
    pub async fn next_account_id(&self) -> Result<AccountId, Error> {
        let (give, given) = tokio::sync::oneshot::channel();
        let work = move |tx: &mut Transaction<'_>| {
            let mut head = tx.head()?;
            head.last_account =
                head.last_account.checked_add(1).ok_or(Error::TooLarge { what: "a further account", limit: u64::from(u32::MAX) })?;
            // Who does not wait for it any more has left a gap in the numbers.
            let _ = give.send(AccountId(head.last_account));
            tx.write(HEAD_KEY.to_vec(), &head)
        };
        self.shared.commit(work, None).await?;
        given.await.map_err(|_| Error::Closed)
    }

    /// Put an account and secrets of it, in one transaction; durable on return. Secrets not named here stay as they are, an empty one
    /// is forgotten.
    ///
    /// # Errors
    /// Another account has this name; the disk.
    pub async fn put_account(&self, account: Account, secrets: Vec<(String, Secret)>) -> Result<(), Error> {
        let open = self.shared.open()?;
        let known = account.clone();
        let effect = move || {
            open.accounts.write().unwrap_or_else(PoisonError::into_inner).insert(known.id, known);
        };
        self.shared.commit(move |tx| put_account(tx, &account, &secrets), Some(Box::new(effect))).await
    }

    /// Remove an account with its secrets, messages, cursors and state. It is gone at once and for good, also when the process dies
    /// while the rest is cleared away.
    ///
    /// # Errors
    /// No such account; the disk.
    pub async fn remove_account(&self, account: AccountId) -> Result<(), Error> {
        let open = self.shared.open()?;
        let effect = move || {
            open.accounts.write().unwrap_or_else(PoisonError::into_inner).remove(&account);
            open.newest.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
        };
        self.shared.commit(move |tx| remove_account(tx, account), Some(Box::new(effect))).await?;
        clear_away(&self.shared, account).await
    }

    /// One secret of an account.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn secret(&self, account: AccountId, name: &str) -> Result<Option<Secret>, Error> {
        let name = name.to_owned();
        let read = move |open: &Open| open.records.read::<SecretRecord>(&layout::secret(open.records.index(), account, &name));
        Ok(self.shared.read(read).await?.map(|mut record| Secret::new(std::mem::take(&mut record.octets))))
    }

    /// Put one secret of an account, or forget it when it is empty; durable on return.
    ///
    /// # Errors
    /// No such account; the disk.
    pub async fn put_secret(&self, account: AccountId, name: &str, secret: Secret) -> Result<(), Error> {
        let name = name.to_owned();
        let work = move |tx: &mut Transaction<'_>| {
            if !tx.contains(&layout::of_account(kind::ACCOUNT, account))? {
                return Err(Error::NoAccount(account));
            }
            put_secrets(tx, account, &[(name, secret)])
        };
        self.shared.commit(work, None).await
    }
}

/// Go on clearing away what a process that died has left of removed accounts.
pub(super) async fn clear_removed(shared: &Shared) -> Result<(), Error> {
    let removed = shared.read(|open| open.records.scan(&[kind::REMOVED], &[]).collect::<Result<Vec<_>, _>>()).await?;
    for account in removed.iter().filter_map(|(key, _)| layout::account_in(key)) {
        clear_away(shared, account).await?;
    }
    Ok(())
}

fn put_account(tx: &mut Transaction<'_>, account: &Account, secrets: &[(String, Secret)]) -> Result<(), Error> {
    let bug = |finding| Error::Bug { operation: "encode an account", finding };
    let damaged = |finding| super::records::damaged(&layout::of_account(kind::ACCOUNT, account.id), finding);
    let name_key = layout::name(tx.index(), &account.name);
    if tx.get(&name_key)?.is_some_and(|holder| holder != account.id.0.to_be_bytes()) {
        return Err(Error::NameTaken(account.name.clone()));
    }
    let key = layout::of_account(kind::ACCOUNT, account.id);
    let mut head = tx.head()?;
    match tx.read::<AccountRecord>(&key)? {
        Some(before) => {
            let before = before.account().map_err(damaged)?;
            tx.delete(layout::name(tx.index(), &before.name));
        }
        None => {
            head.accounts += 1;
            tx.write(layout::of_account(kind::COUNTS, account.id), &CountsRecord::default())?;
        }
    }
    head.last_account = head.last_account.max(account.id.0);
    tx.write(HEAD_KEY.to_vec(), &head)?;
    tx.put(name_key, account.id.0.to_be_bytes().to_vec());
    tx.write(key, &AccountRecord::new(account).map_err(bug)?)?;
    put_secrets(tx, account.id, secrets)
}

fn put_secrets(tx: &mut Transaction<'_>, account: AccountId, secrets: &[(String, Secret)]) -> Result<(), Error> {
    let counts_key = layout::of_account(kind::COUNTS, account);
    let mut counts: CountsRecord = tx.read(&counts_key)?.unwrap_or_default();
    for (name, secret) in secrets {
        let key = layout::secret(tx.index(), account, name);
        let was_there = tx.contains(&key)?;
        if secret.is_empty() {
            counts.secrets = counts.secrets.saturating_sub(u64::from(was_there));
            tx.delete(key);
        } else {
            counts.secrets += u64::from(!was_there);
            tx.put(key, shared::encode(&SecretRecord { name: name.clone(), octets: secret.expose().to_vec() })?);
        }
    }
    tx.write(counts_key, &counts)
}

pub(super) fn remove_account(tx: &mut Transaction<'_>, account: AccountId) -> Result<(), Error> {
    let key = layout::of_account(kind::ACCOUNT, account);
    let record: AccountRecord = tx.read(&key)?.ok_or(Error::NoAccount(account))?;
    if let Ok(record) = record.account() {
        tx.delete(layout::name(tx.index(), &record.name));
    }
    tx.delete(key);
    let secrets = layout::of_account(kind::SECRET, account);
    for secret in tx.keys(&secrets, &secrets, usize::MAX)? {
        tx.delete(secret);
    }
    super::retain::forget_swept(tx, account)?;
    let mut head = tx.head()?;
    head.accounts = head.accounts.saturating_sub(1);
    tx.write(HEAD_KEY.to_vec(), &head)?;
    tx.put(layout::of_account(kind::REMOVED, account), Vec::new());
    Ok(())
}

/// Delete what is left of a removed account, a batch at a time so that others' commits come between.
async fn clear_away(shared: &Shared, account: AccountId) -> Result<(), Error> {
    loop {
        let more = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let found = Arc::clone(&more);
        let work = move |tx: &mut Transaction<'_>| {
            let is_rest = clear_some(tx, account)?;
            found.store(is_rest, std::sync::atomic::Ordering::Release);
            Ok(())
        };
        shared.commit(work, None).await?;
        if !more.load(std::sync::atomic::Ordering::Acquire) {
            return Ok(());
        }
    }
}

/// Delete some records of a removed account; whether there may be more.
fn clear_some(tx: &mut Transaction<'_>, account: AccountId) -> Result<bool, Error> {
    for kind in kind::OF_ACCOUNT {
        let prefix = layout::of_account(kind, account);
        let keys = tx.keys(&prefix, &prefix, CLEARED_AT_ONCE)?;
        if keys.is_empty() {
            continue;
        }
        for key in keys {
            // Entries whose keys do not begin with the account can be found only through the message. An unreadable one leaves
            // them to `check`.
            let message = if kind == kind::MESSAGE { tx.read::<MessageRecord>(&key).ok().flatten() } else { None };
            if let (Some(message), Some(sequence)) = (message, layout::sequence_in(&key)) {
                index::delete(tx, Place { account, sequence }, &message);
            }
            tx.delete(key);
        }
        return Ok(true);
    }
    tx.delete(layout::of_account(kind::REMOVED, account));
    Ok(false)
}
