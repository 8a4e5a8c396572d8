//! The file `keyring`: the data keys by epoch and the index key, sealed with a key of their own, which the master key wraps and,
//! where the operator has one, the recovery key. A new master key wraps that key anew; a new epoch needs no master key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::{Error, KeyError};
use super::failpoint::waits;
use super::files;
use super::keys::recovery::RecoveryKey;
use super::keys::{KeyKind, KeySource, MasterKey, NewKey, Wanted, random};
use super::seal::{IndexKey, KeyOctets, Sealer};
use super::status::KeyState;
use super::xchacha;
use crate::secret::Secret;
use file::{File, Sealed, Slot};

pub(super) mod file;

/// The keyring in memory.
pub(super) struct Keyring {
    /// Random, made with the store.
    pub(super) store: [u8; 16],
    path: PathBuf,
    index: IndexKey,
    sealer: RwLock<Arc<Sealer>>,
    /// Held by who changes the keyring, also while the disk or a person is waited for.
    turn: Mutex<()>,
    /// What the file holds. Locked only to be read or exchanged.
    state: RwLock<Arc<State>>,
}

/// What the file holds, opened.
#[derive(Clone)]
struct State {
    /// Seals `content`; wrapped in every slot.
    key: KeyOctets,
    master: Slot,
    recovery: Option<Slot>,
    content: Content,
}

/// What is sealed: everything that must not be changed by who lacks the keys.
#[derive(Clone, Serialize, Deserialize)]
struct Content {
    current: u32,
    epochs: BTreeMap<u32, [u8; 32]>,
    index: [u8; 32],
}

impl Drop for Content {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.epochs.values_mut().for_each(Zeroize::zeroize);
        self.index.zeroize();
    }
}

impl Keyring {
    /// Read and open the keyring of the store in `dir`; none: there is no such file.
    pub(super) fn open(dir: &Path, source: &KeySource) -> Result<Option<Self>, Error> {
        let path = dir.join("keyring");
        let Some(file) = File::read(&path)? else { return Ok(None) };
        let damaged = || Error::Key(KeyError::Keyring(path.clone()));
        let store = file.store_id().ok_or_else(damaged)?;
        let key = match source {
            KeySource::Recovery(typed) => {
                let slot = file.recovery.as_ref().ok_or(KeyError::NoRecovery)?;
                let recovery = RecoveryKey::parse(typed)?;
                if slot.fingerprint != recovery.fingerprint() {
                    return Err(KeyError::WrongRecovery.into());
                }
                unwrap(slot, &recovery.wrapping_key(), &recovery_aad(&store)).ok_or_else(damaged)?
            }
            source => {
                let Slot { kind, fingerprint, argon2id, .. } = &file.master;
                let wanted = Wanted { store: &file.store, kind: *kind, fingerprint, argon2id: argon2id.as_ref() };
                let master = MasterKey::for_wanted(source, dir, &wanted)?;
                if *fingerprint != master.fingerprint() {
                    return Err(master.wrong(fingerprint));
                }
                unwrap(&file.master, &master.wrapping_key(), &master_aad(&store)).ok_or_else(damaged)?
            }
        };
        let plain = open(&file.content, &key, &content_aad(&store)).ok_or_else(damaged)?;
        let content: Content = postcard::from_bytes(&plain).map_err(|_| damaged())?;
        if !content.epochs.contains_key(&content.current) {
            return Err(damaged());
        }
        let File { master, recovery, .. } = file;
        Ok(Some(Self::new(path, store, State { key, master, recovery, content })))
    }

    /// Make new keys, and the file; durable on return.
    pub(super) fn make(dir: &Path, source: &KeySource) -> Result<Self, Error> {
        let mut store = [0; 16];
        let mut content = Content { current: 1, epochs: BTreeMap::from([(1, [0; 32])]), index: [0; 32] };
        getrandom::fill(&mut store).map_err(Error::Random)?;
        getrandom::fill(&mut content.index).map_err(Error::Random)?;
        for key in content.epochs.values_mut() {
            getrandom::fill(key).map_err(Error::Random)?;
        }
        let key = random()?;
        let master = MasterKey::for_new(source, dir, &data_encoding::HEXLOWER.encode(&store))?;
        let state = State { master: master_slot(&store, &key, &master)?, recovery: None, key, content };
        let path = dir.join("keyring");
        state.write(&path, &store)?;
        Ok(Self::new(path, store, state))
    }

    fn new(path: PathBuf, store: [u8; 16], state: State) -> Self {
        let epochs = state.content.epochs.iter().map(|(epoch, key)| (*epoch, KeyOctets::new(*key))).collect();
        let index = KeyOctets::new(state.content.index);
        let sealer = Sealer::new(state.content.current, &epochs, &index);
        Self {
            store,
            path,
            index: IndexKey::new(&index),
            sealer: RwLock::new(Arc::new(sealer)),
            turn: Mutex::default(),
            state: RwLock::new(Arc::new(state)),
        }
    }

    /// What seals and opens now. Who opens something in several steps keeps it, so that all of its epochs stay.
    pub(super) fn sealer(&self) -> Arc<Sealer> {
        Arc::clone(&self.sealer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key of the hashes in keys.
    pub(super) const fn index(&self) -> &IndexKey {
        &self.index
    }

    /// Master key, recovery key and epochs, in words.
    pub(super) fn key_state(&self) -> KeyState {
        let state = self.state();
        KeyState {
            kind: state.master.kind,
            fingerprint: state.master.fingerprint.clone(),
            recovery: state.recovery.as_ref().map(|slot| slot.fingerprint.clone()),
            epoch: state.content.current,
            is_half_rotated: state.content.epochs.len() > 1,
        }
    }

    /// Wrap with a new master key, which is the only one on return. The recovery key stays.
    pub(super) fn rekey(&self, new: &NewKey) -> Result<(), Error> {
        let _turn = self.turn();
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let master = MasterKey::replacing(new, dir, &data_encoding::HEXLOWER.encode(&self.store))?;
        let slot = master_slot(&self.store, &self.state().key, &master)?;
        self.change(|state| state.master = slot)?;
        master.settle()
    }

    /// A new recovery key; an earlier one opens nothing any more.
    pub(super) fn make_recovery_key(&self) -> Result<Secret, Error> {
        let _turn = self.turn();
        let recovery = RecoveryKey::generate()?;
        let (nonce, wrapped) = seal(&recovery.wrapping_key(), &recovery_aad(&self.store), self.state().key.as_slice())?.parts();
        let slot = Slot { kind: KeyKind::Given, fingerprint: recovery.fingerprint(), argon2id: None, nonce, wrapped };
        self.change(|state| state.recovery = Some(slot))?;
        Ok(recovery.text())
    }

    /// A new data key, which seals everything from the return on. The earlier ones stay to open what they sealed.
    pub(super) fn begin_epoch(&self) -> Result<(), Error> {
        let _turn = self.turn();
        let key = random()?;
        let too_many = Error::TooLarge { what: "a further epoch", limit: u64::from(u32::MAX) };
        let epoch = self.state().content.current.checked_add(1).ok_or(too_many)?;
        self.change(|state| {
            state.content.current = epoch;
            state.content.epochs.insert(epoch, *key);
        })?;
        let next = self.sealer().with_epoch(epoch, &key);
        *self.sealer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }

    /// Forget all data keys but the current one. What they sealed cannot be opened by anybody from then on.
    pub(super) fn end_epochs(&self) -> Result<(), Error> {
        let _turn = self.turn();
        self.change(|state| {
            let current = state.content.current;
            state.content.epochs.retain(|epoch, _| *epoch == current);
        })?;
        let next = self.sealer().current_only();
        *self.sealer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }

    fn turn(&self) -> std::sync::MutexGuard<'_, ()> {
        waits();
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Write the changed state, then put it in; where writing fails, the earlier one holds. The caller has the turn.
    fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), Error> {
        let mut changed = State::clone(&self.state());
        change(&mut changed);
        changed.write(&self.path, &self.store)?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(changed);
        Ok(())
    }
}

impl State {
    fn write(&self, path: &Path, store: &[u8; 16]) -> Result<(), Error> {
        let plain = Zeroizing::new(postcard::to_stdvec(&self.content).map_err(|_| bug())?);
        let content = seal(&self.key, &content_aad(store), &plain)?;
        let store = data_encoding::HEXLOWER.encode(store);
        let file = File { keyring: file::VERSION, store, master: self.master.clone(), recovery: self.recovery.clone(), content };
        let text = serde_json::to_vec_pretty(&file).map_err(|_| bug())?;
        files::replace(path, &text)
    }
}

/// The kind of master key that the keyring at `path` wants; none: there is no such file.
pub(super) fn kind_of(path: &Path) -> Result<Option<KeyKind>, Error> {
    Ok(File::read(path)?.map(|file| file.master.kind))
}

/// The same out of the file's octets.
pub(super) fn kind_in(octets: &[u8]) -> Option<KeyKind> {
    File::parse(octets).ok().map(|file| file.master.kind)
}

fn master_slot(store: &[u8; 16], key: &KeyOctets, master: &MasterKey) -> Result<Slot, Error> {
    let (nonce, wrapped) = seal(&master.wrapping_key(), &master_aad(store), key.as_slice())?.parts();
    Ok(Slot { kind: master.kind(), fingerprint: master.fingerprint(), argon2id: master.argon2id().cloned(), nonce, wrapped })
}

fn seal(key: &KeyOctets, aad: &[u8], plain: &[u8]) -> Result<Sealed, Error> {
    let mut nonce = [0; xchacha::NONCE_OCTETS];
    getrandom::fill(&mut nonce).map_err(Error::Random)?;
    // Room for the tag, so that the plain text is not left behind by a growing vector.
    let mut sealed = Zeroizing::new(Vec::with_capacity(plain.len() + xchacha::TAG_OCTETS));
    sealed.extend_from_slice(plain);
    xchacha::seal(key, &nonce, aad, &mut sealed).map_err(|_| bug())?;
    Ok(Sealed::new(&nonce, &sealed))
}

fn open(sealed: &Sealed, key: &KeyOctets, aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, mut plain) = sealed.octets()?;
    xchacha::open(key, &nonce, aad, &mut plain).ok()?;
    Some(plain)
}

fn unwrap(slot: &Slot, key: &KeyOctets, aad: &[u8]) -> Option<KeyOctets> {
    let sealed = Sealed { nonce: slot.nonce.clone(), wrapped: slot.wrapped.clone() };
    let plain = open(&sealed, key, aad)?;
    Some(KeyOctets::new(plain.as_slice().try_into().ok()?))
}

fn content_aad(store: &[u8; 16]) -> Vec<u8> {
    [b"postrider keyring 2 content".as_slice(), store].concat()
}

fn master_aad(store: &[u8; 16]) -> Vec<u8> {
    [b"postrider keyring 2 master".as_slice(), store].concat()
}

fn recovery_aad(store: &[u8; 16]) -> Vec<u8> {
    [b"postrider keyring 2 recovery".as_slice(), store].concat()
}

const fn bug() -> Error {
    Error::Bug { operation: "wrap the data keys", finding: "the cipher refused" }
}

#[cfg(test)]
mod tests;
