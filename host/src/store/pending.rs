//! How much a follower of the store has not got yet.

use super::Store;
use super::error::Error;
use super::layout::{Place, kind, message, of_account};
use crate::model::name::AccountId;

impl Store {
    /// How many durable messages of these accounts (none: of all) have a sequence after `after`. Reads keys only.
    ///
    /// # Errors
    /// The disk.
    pub async fn count_after(&self, accounts: &[AccountId], after: u64) -> Result<u64, Error> {
        let accounts = accounts.to_vec();
        self.shared
            .read(move |open| {
                let watermark = open.watermark();
                let mut count = 0;
                for account in open.accounts_with_news(None, after) {
                    if !accounts.is_empty() && !accounts.contains(&account) {
                        continue;
                    }
                    let from = message(Place { account, sequence: after.saturating_add(1) });
                    for raw in open.records.scan(&of_account(kind::MESSAGE, account), &from) {
                        let (key, _) = raw?;
                        let is_durable = key.get(1..).and_then(Place::from_octets).is_some_and(|place| place.sequence <= watermark);
                        count += u64::from(is_durable);
                    }
                }
                Ok(count)
            })
            .await
    }
}
