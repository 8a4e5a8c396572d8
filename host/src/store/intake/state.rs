//! The connector's small values: staged with the session, sealed with its checkpoint.

use super::Intake;
use crate::store::error::Error;
use crate::store::layout;
use crate::store::record::ValueRecord;
use crate::store::step::{Step, within};

/// Octets of a key.
const KEY_OCTETS: usize = 128;

impl Intake {
    /// The value last put under `key`, also before the checkpoint.
    ///
    /// # Errors
    /// A failed session, damage, the disk.
    pub async fn state_get(&self, key: String) -> Result<Option<Vec<u8>>, Error> {
        let staged = self.inner.with_session(|session| {
            let under_way = session.under_way.as_ref();
            Ok(session.staged.state.get(&key).or_else(|| under_way?.state.get(&key)).cloned())
        })?;
        if let Some(value) = staged {
            return Ok(value);
        }
        let read = self.inner.read(move |inner, open| {
            let key = layout::state(open.records.index(), inner.account, &key);
            open.records.read::<ValueRecord>(&key)
        });
        Ok(read.await?.map(|record| record.octets))
    }

    /// Put or forget a value of the connector's state, with the next checkpoint.
    ///
    /// # Errors
    /// A key outside 1 to 128 octets, over a limit, a failed session.
    pub async fn state_put(&self, key: String, value: Option<Vec<u8>>) -> Result<(), Error> {
        if key.is_empty() {
            return Err(Error::Unfit { what: "a value of the connector's state", finding: "its key is empty" });
        }
        within("a key of the connector's state", key.len(), KEY_OCTETS)?;
        let most = usize::try_from(self.inner.limits.state_value_octets).unwrap_or(usize::MAX);
        within("a value of the connector's state", value.as_ref().map_or(0, Vec::len), most)?;
        self.inner.stage(|_, staged, limits| {
            staged.count_notes(1, limits)?;
            staged.count_text(key.len() + value.as_ref().map_or(0, Vec::len), limits)?;
            staged.count_octets(value.as_ref().map_or(0, Vec::len) as u64, limits)?;
            staged.state.insert(key.clone(), value.clone());
            if staged.state.len() as u64 > limits.state_keys.saturating_mul(2) {
                return Err(Error::TooLarge { what: "a further key of the connector's state", limit: limits.state_keys });
            }
            staged.steps.push(Step::State { key, value });
            Ok(())
        })
    }
}
