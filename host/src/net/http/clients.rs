//! The clients of all accounts: sessions of one account share a client while it reaches its origins in the same way, and in any case what is
//! counted for the account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Client, Gate, Settings};
use crate::model::name::AccountId;

/// Clients by account.
#[derive(Default)]
pub struct Clients(Mutex<HashMap<AccountId, Kept>>);

struct Kept {
    /// Only as long as a session has it: it holds what its account signs in to a proxy with.
    client: Weak<Client>,
    gate: Arc<Gate>,
}

impl Clients {
    /// The client of the account that `settings` are of; a new one of its own where they are nobody's.
    #[must_use]
    pub fn client(&self, settings: Settings) -> Arc<Client> {
        let Some(account) = settings.server.held.account else { return Arc::new(Client::new(settings)) };
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, kept| kept.client.strong_count() > 0 || kept.gate.is_busy());
        let kept = clients.get(&account);
        if let Some(client) = kept.and_then(|kept| kept.client.upgrade()).filter(|client| client.settings == settings) {
            return client;
        }
        let bounds = (settings.exchanges, settings.units_per_minute);
        let gate = match kept {
            Some(kept) if kept.gate.is_for(bounds.0, bounds.1) => Arc::clone(&kept.gate),
            Some(kept) => Arc::new(kept.gate.with_bounds(bounds.0, bounds.1)),
            None => Arc::new(Gate::new(bounds.0, bounds.1)),
        };
        let client = Arc::new(Client::behind(Arc::clone(&gate), settings));
        clients.insert(account, Kept { client: Arc::downgrade(&client), gate });
        client
    }
}
