//! Access tokens for whoever needs one: renewed before they expire, once for all who ask, and durable before they are used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio_util::task::TaskTracker;

use super::answer::Granted;
use super::party::Party;
use super::record::{Access, Failure, Record};
use super::{grant, import, refusal};
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::model::name::AccountId;
use crate::model::oauth::Grant;
use crate::secret::Secret;

/// Where the records of accounts lie, sealed.
#[async_trait]
pub trait Vault: Send + Sync {
    /// The account's record; none: there is none yet.
    async fn load(&self, account: AccountId) -> Result<Option<Secret>, Fault>;
    /// Put the account's record; durable on return.
    async fn save(&self, account: AccountId, record: Secret) -> Result<(), Fault>;
}

/// The tokens of all accounts of a home. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Tokens(Arc<Shelf>);

struct Shelf {
    vault: Arc<dyn Vault>,
    flights: Mutex<Flights>,
    /// What a server gave and the vault could not take yet: nothing of it was used, and the former refresh token may be worth nothing.
    pending: Mutex<HashMap<AccountId, Record>>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Flights {
    next: u64,
    of: HashMap<AccountId, (u64, Flight)>,
}

/// One renewal that several wait for. It goes on when none of them does.
type Flight = Shared<BoxFuture<'static, Result<Access, Fault>>>;

/// What a renewal is to bring.
#[derive(Clone)]
enum Wish {
    /// A token that is fresh.
    Fresh,
    /// Another one than this, which a server refused.
    InsteadOf(Secret),
    /// New tokens, if they were last renewed before.
    RenewedSince(Timestamp),
}

impl Tokens {
    /// Over the records in `vault`.
    #[must_use]
    pub fn new(vault: Arc<dyn Vault>) -> Self {
        let shelf = Shelf { vault, flights: Mutex::default(), pending: Mutex::default(), tasks: TaskTracker::new() };
        Self(Arc::new(shelf))
    }

    /// An access token that is good for a while. Dropping the future ends no renewal.
    ///
    /// # Errors
    /// `Unauthenticated` where somebody has to authorize the account, first or anew, and whatever keeps tokens from being renewed.
    pub async fn access(&self, party: &Party) -> Result<Secret, Fault> {
        if !self.has_pending(party.account)
            && let Some(access) = self.record(party.account).await?.access.filter(|access| access.is_fresh(Timestamp::now()))
        {
            return Ok(access.token);
        }
        Ok(self.fly(party, Wish::Fresh).await?.token)
    }

    /// Another access token in place of `refused`, which a server did not take.
    ///
    /// # Errors
    /// As of [`access`](Self::access).
    pub async fn instead_of(&self, party: &Party, refused: &Secret) -> Result<Secret, Fault> {
        // A renewal that is under way may not know of the refusal, and give the same token once more.
        for _ in 0..2 {
            let access = self.fly(party, Wish::InsteadOf(refused.clone())).await?;
            if access.token != *refused {
                return Ok(access.token);
            }
        }
        Err(Fault::new(Kind::Unauthenticated, format!("renew the access token of `{}`", party.name))
            .because_words("the provider gives the same token again that the mail server refuses"))
    }

    /// Renew the tokens if they were last renewed longer than `age` ago, so that an idle account's refresh token does not lapse; whether
    /// that was due.
    ///
    /// # Errors
    /// As of [`access`](Self::access).
    pub async fn keep(&self, party: &Party, age: Duration) -> Result<bool, Fault> {
        let record = self.record(party.account).await?;
        let since = Timestamp(Timestamp::now().0.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
        if record.refresh.is_none() || record.failure.is_some_and(|failure| failure.is_final) || record.renewed.is_some_and(|at| at > since)
        {
            return Ok(false);
        }
        self.fly(party, Wish::RenewedSince(since)).await.map(|_| true)
    }

    /// New tokens where no person is needed, whatever there was before.
    ///
    /// # Errors
    /// As of [`access`](Self::access).
    pub async fn anew(&self, party: &Party) -> Result<Secret, Fault> {
        Ok(self.fly(party, Wish::RenewedSince(Timestamp::now())).await?.token)
    }

    /// Take over what a person's consent gave; durable on return.
    ///
    /// # Errors
    /// The vault's.
    pub async fn install(&self, account: AccountId, granted: &Granted, identity: Option<String>) -> Result<Record, Fault> {
        let mut record = Record { authorized: Some(granted.issued), identity, ..Record::default() };
        record.take(granted);
        self.0.lock_pending().remove(&account);
        self.0.vault.save(account, record.encode()?).await?;
        Ok(record)
    }

    /// How an account's tokens stand.
    ///
    /// # Errors
    /// The vault's.
    pub async fn record(&self, account: AccountId) -> Result<Record, Fault> {
        self.0.record(account).await
    }

    /// Wait for the renewals that are under way: what a server has given is made durable.
    pub async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn has_pending(&self, account: AccountId) -> bool {
        self.0.lock_pending().contains_key(&account)
    }

    /// Join the renewal that is under way, or begin one.
    fn fly(&self, party: &Party, wish: Wish) -> Flight {
        let mut flights = self.0.lock_flights();
        if let Some((_, flight)) = flights.of.get(&party.account) {
            return flight.clone();
        }
        let number = flights.next;
        flights.next += 1;
        let (shelf, party) = (Arc::clone(&self.0), party.clone());
        let account = party.account;
        // A task of its own: whoever asked may leave, and what the server gives is kept all the same.
        let task = self.0.tasks.spawn(async move {
            let outcome = shelf.renewed(&party, &wish).await;
            let mut flights = shelf.lock_flights();
            if flights.of.get(&party.account).is_some_and(|(of, _)| *of == number) {
                flights.of.remove(&party.account);
            }
            outcome
        });
        let lost = |error: tokio::task::JoinError| Err(Fault::new(Kind::Bug, "renew an access token").because(&error));
        let flight = async move { task.await.unwrap_or_else(lost) }.boxed().shared();
        flights.of.insert(account, (number, flight.clone()));
        flight
    }
}

impl Shelf {
    async fn record(&self, account: AccountId) -> Result<Record, Fault> {
        self.vault.load(account).await?.as_ref().map_or_else(|| Ok(Record::default()), Record::decode)
    }

    /// Renew unless there is nothing to do; what comes back is durable.
    async fn renewed(&self, party: &Party, wish: &Wish) -> Result<Access, Fault> {
        let pending = self.lock_pending().get(&party.account).cloned();
        let mut record = match pending {
            Some(pending) => self.keep_safe(party, pending).await?,
            None => self.record(party.account).await?,
        };
        let now = Timestamp::now();
        if let Some(access) = record.access.clone().filter(|access| satisfies(access, &record, wish, now)) {
            return Ok(access);
        }
        if let Some(failure) = record.failure.as_ref().filter(|failure| failure.is_final) {
            return Err(stopped(party, failure));
        }
        match obtain(party, &record).await {
            Ok(granted) => {
                record.take(&granted);
                let record = self.keep_safe(party, record).await?;
                record.access.ok_or_else(|| Fault::new(Kind::Bug, "renew an access token"))
            }
            Err(fault) => {
                let fault = party.naming(fault);
                let is_final = matches!(party.oauth.grant, Grant::User) && refusal::is_over(&fault);
                let since = record.failure.as_ref().map_or(now, |failure| failure.since);
                let usable = record.access.clone().filter(|access| matches!(wish, Wish::Fresh) && access.is_alive(now));
                record.failure = Some(Failure { fault: fault.clone(), since, is_final });
                if let Err(unsaved) = self.vault.save(party.account, record.encode()?).await {
                    tracing::warn!(account = %party.name, fault = %unsaved, "that a renewal failed could not be noted");
                }
                match usable {
                    // There is time for another attempt before anybody notices.
                    Some(access) if !is_final => {
                        tracing::warn!(account = %party.name, %fault, "access token not renewed yet; the former one still holds");
                        Ok(access)
                    }
                    _ if is_final => Err(stopped(party, &Failure { fault, since, is_final })),
                    _ => Err(fault),
                }
            }
        }
    }

    /// Make `record` durable. Where that fails it waits in memory for the next attempt: asking the server again would spend the
    /// refresh token that it has just given, and the former one is spent already.
    async fn keep_safe(&self, party: &Party, record: Record) -> Result<Record, Fault> {
        match self.vault.save(party.account, record.encode()?).await {
            Ok(()) => {
                self.lock_pending().remove(&party.account);
                Ok(record)
            }
            Err(fault) => {
                self.lock_pending().insert(party.account, record);
                Err(fault.within(format!("keep the renewed tokens of `{}`", party.name)))
            }
        }
    }

    fn lock_flights(&self) -> std::sync::MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_pending(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, Record>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn satisfies(access: &Access, record: &Record, wish: &Wish, now: Timestamp) -> bool {
    match wish {
        Wish::Fresh => access.is_fresh(now),
        Wish::InsteadOf(refused) => access.token != *refused && access.is_fresh(now),
        Wish::RenewedSince(since) => record.renewed.is_some_and(|at| at > *since),
    }
}

async fn obtain(party: &Party, record: &Record) -> Result<Granted, Fault> {
    match &party.oauth.grant {
        Grant::User => {
            let Some(refresh) = &record.refresh else { return Err(unauthorized(party, record)) };
            let mut granted = grant::renew(party, refresh).await?;
            // The crate's answer may repeat the one that was sent.
            granted.refresh = granted.refresh.filter(|token| token != refresh);
            Ok(granted)
        }
        Grant::ClientCredentials | Grant::ServiceAccount { .. } => grant::apply(party).await,
        Grant::Command(command) => import::run(&party.name, command).await,
        Grant::OfAccount(_) => Err(Fault::new(Kind::Bug, format!("renew the access token of `{}`", party.name))
            .because_words("it is another account's, and that one was not asked")),
    }
}

/// There is no refresh token.
fn unauthorized(party: &Party, record: &Record) -> Fault {
    let cause = match &record.access {
        None => "nobody has signed in yet",
        Some(_) => "the access token does not hold any more, and there is no refresh token to renew it with",
    };
    Fault::new(Kind::Unauthenticated, format!("get an access token for `{}`", party.name))
        .because_words(cause)
        .with_remedy(format!("sign in: `postrider account authorize {}`", party.name))
}

/// The grant is over, and the server is not asked again.
fn stopped(party: &Party, failure: &Failure) -> Fault {
    let fault = &failure.fault;
    let why = fault.causes().next().unwrap_or("the provider refuses to renew its tokens").to_owned();
    let mut stopped = Fault::new(fault.kind, format!("sign in as `{}`: it is stopped since {}", party.name, failure.since.to_rfc3339()))
        .because_words(why)
        .with_remedy(format!("sign in again: `postrider account authorize {}`", party.name));
    stopped.code.clone_from(&fault.code);
    stopped.words.clone_from(&fault.words);
    stopped
}

#[cfg(test)]
mod tests;
