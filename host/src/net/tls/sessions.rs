//! TLS sessions that outlive their line, so that the next one can be resumed: kept apart by account and by what it believes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use sha2::{Digest, Sha256};

use super::verifier::Verifier;
use crate::limits::TLS_CONFIGS;
use crate::model::endpoint::Endpoint;
use crate::model::name::AccountId;

/// The oldest first. Each holds the tickets of its own sessions, in memory only.
static KEPT: Mutex<VecDeque<Kept>> = Mutex::new(VecDeque::new());

/// A configuration, and who verifies with it.
#[derive(Debug, Clone)]
pub(super) struct Configured {
    pub(super) config: Arc<ClientConfig>,
    pub(super) verifier: Arc<Verifier>,
}

/// What decides whether a session may be resumed: whose it is, and everything that the account believes and shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beliefs {
    account: AccountId,
    protocols: Vec<Vec<u8>>,
    digest: [u8; 32],
}

struct Kept {
    beliefs: Beliefs,
    configured: Configured,
}

impl Beliefs {
    /// Of `endpoint`, whose authorities have the digest `roots`. None where it is nobody's: then no session is kept.
    pub(super) fn of(endpoint: &Endpoint, protocols: &[&[u8]], roots: &[u8]) -> Option<Self> {
        let account = endpoint.held.account?;
        let trust = &endpoint.trust;
        let mut digest = Sha256::new();
        // Each part with its length, so that none can be taken for another.
        let mut part = |octets: &[u8]| {
            digest.update(octets.len().to_be_bytes());
            digest.update(octets);
        };
        part(roots);
        for pins in [&trust.pins, &trust.key_pins] {
            part(&pins.iter().flat_map(|pin| pin.0).collect::<Vec<_>>());
        }
        part(trust.min_version.to_string().as_bytes());
        part(trust.client_certificate.as_deref().unwrap_or_default().as_bytes());
        part(&Sha256::digest(endpoint.held.client_key.as_ref().map_or(&[][..], |key| key.expose())));
        let protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Some(Self { account, protocols, digest: digest.finalize().into() })
    }
}

/// The configuration that was kept for `beliefs`, if any.
pub(super) fn kept(beliefs: &Beliefs) -> Option<Configured> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.iter().find(|kept| kept.beliefs == *beliefs).map(|kept| kept.configured.clone())
}

/// Drop every session of `account`.
pub(super) fn forget(account: AccountId) {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).retain(|kept| kept.beliefs.account != account);
}

/// Keep `configured`. What the account believed before goes, with all of its sessions.
pub(super) fn keep(beliefs: Beliefs, configured: Configured) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.retain(|other| other.beliefs.account != beliefs.account || other.beliefs.protocols != beliefs.protocols);
    if kept.len() >= TLS_CONFIGS {
        kept.pop_front();
    }
    kept.push_back(Kept { beliefs, configured });
}
