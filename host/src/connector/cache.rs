//! Compiled components on disk, so that a component is compiled once and not at every start. A wrong entry is never run: each
//! carries a keyed hash over its name and octets, checked before the octets are believed.

#![expect(unsafe_code, reason = "`Component::deserialize` runs what it is given; see the proof at its only use")]

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Entries kept; beyond, the oldest go.
const ENTRIES: usize = 64;

/// Octets of the keyed hash in front of an entry.
const HASH_OCTETS: usize = 32;

/// Where compiled components are kept, and the key that tells this host's entries from anybody else's.
#[derive(Debug)]
pub struct CacheFolder {
    /// The folder; made with mode 0700 where it does not exist.
    pub dir: PathBuf,
    /// Any secret of this host's.
    pub key: Secret,
}

/// The cache of one engine.
#[derive(Debug)]
pub(super) struct Cache {
    dir: PathBuf,
    key: Zeroizing<[u8; 32]>,
}

impl Cache {
    pub(super) fn new(folder: &CacheFolder) -> Self {
        let key = blake3::derive_key("postrider 2026-11 compiled components", folder.key.expose());
        Self { dir: folder.dir.clone(), key: Zeroizing::new(key) }
    }

    /// The component with this SHA-256 as compiled before; none where there is no entry, or none to be believed.
    pub(super) fn take(&self, engine: &Engine, sha256: &[u8; 32]) -> Option<Component> {
        let name = name(engine, sha256);
        let entry = fs::read(self.dir.join(&name)).ok()?;
        let (hash, octets) = entry.split_at_checked(HASH_OCTETS)?;
        // The comparison of `blake3::Hash` takes the same time wherever they differ.
        if blake3::Hash::from_slice(hash).ok()? != self.hash(&name, octets) {
            tracing::warn!(entry = %name, "A compiled component was tampered with or torn; it is compiled anew.");
            return None;
        }
        // SAFETY: `deserialize` must only be given what `Component::serialize` gave. `octets` carry a hash under a key that only
        // this host has, and `put` below, which is the only place that makes such hashes, makes them of `serialize`'s output
        // alone. They are in memory, so they cannot change between the check and the use. That this engine is not the one that
        // compiled them (another version, another configuration) is no matter of safety: wasmtime checks both and fails, and
        // the name differs as well.
        let component = unsafe { Component::deserialize(engine, octets) };
        component
            .inspect_err(|error| tracing::warn!(entry = %name, %error, "A compiled component cannot be used; it is compiled anew."))
            .ok()
    }

    /// Keep a compiled component. A cache that cannot be written costs time and nothing else, so failures are only told.
    pub(super) fn put(&self, engine: &Engine, sha256: &[u8; 32], component: &Component) {
        let name = name(engine, sha256);
        let written = component.serialize().map_err(io::Error::other).and_then(|octets| self.write(&name, &octets));
        if let Err(error) = written {
            tracing::warn!(folder = %self.dir.display(), %error, "Cannot keep a compiled component; it is compiled again at the next start.");
        }
    }

    fn write(&self, name: &str, octets: &[u8]) -> io::Result<()> {
        make_private(&self.dir)?;
        let temporary = self.dir.join(format!(".{name}.{}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        let outcome = file
            .write_all(self.hash(name, octets).as_bytes())
            .and_then(|()| file.write_all(octets))
            .and_then(|()| fs::rename(&temporary, self.dir.join(name)));
        if outcome.is_err() {
            // The failure is told; what is left over would be written over next time.
            let _ = fs::remove_file(&temporary);
        }
        outcome?;
        self.prune()
    }

    fn prune(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            entries.push((entry.metadata()?.modified()?, entry.path()));
        }
        entries.sort();
        for (_, oldest) in entries.iter().take(entries.len().saturating_sub(ENTRIES)) {
            fs::remove_file(oldest)?;
        }
        Ok(())
    }

    fn hash(&self, name: &str, octets: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(name.as_bytes()).update(octets);
        hasher.finalize()
    }
}

/// An entry's name: of one component, compiled by one version of wasmtime in one configuration for one kind of processor. All
/// names are equally long, so that name and octets cannot be confused in the hash.
fn name(engine: &Engine, sha256: &[u8; 32]) -> String {
    let mut hasher = Blake3(blake3::Hasher::new());
    sha256.hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().to_hex().to_string()
}

fn make_private(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let permissions = fs::metadata(dir)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

struct Blake3(blake3::Hasher);

impl Hasher for Blake3 {
    fn write(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    fn finish(&self) -> u64 {
        let mut first = [0; 8];
        self.0.finalize_xof().fill(&mut first);
        u64::from_le_bytes(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: [u8; 32] = [7; 32];

    fn compiled() -> (tempfile::TempDir, Cache, Engine) {
        let home = tempfile::tempdir().unwrap();
        let folder = CacheFolder { dir: home.path().join("compiled"), key: Secret::new("correct horse") };
        let engine = Engine::default();
        let component = Component::new(&engine, b"\0asm\x0d\0\x01\0").unwrap();
        let cache = Cache::new(&folder);
        cache.put(&engine, &SHA256, &component);
        (home, cache, engine)
    }

    fn entry(cache: &Cache) -> PathBuf {
        fs::read_dir(&cache.dir).unwrap().next().unwrap().unwrap().path()
    }

    #[test]
    fn gives_back_what_was_put_and_keeps_it_private() {
        let (_home, cache, engine) = compiled();
        assert!(cache.take(&engine, &SHA256).is_some());
        assert!(cache.take(&engine, &[8; 32]).is_none());
        assert_eq!(fs::metadata(&cache.dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(entry(&cache)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn believes_no_changed_torn_or_moved_entry_and_no_other_key() {
        let (_home, cache, engine) = compiled();
        let path = entry(&cache);
        let good = fs::read(&path).unwrap();
        for at in [0, HASH_OCTETS, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(cache.take(&engine, &SHA256).is_none(), "{at}");
        }
        for length in [0, 10, good.len() - 1] {
            fs::write(&path, &good[..length]).unwrap();
            assert!(cache.take(&engine, &SHA256).is_none(), "{length}");
        }
        fs::write(&path, &good).unwrap();
        fs::copy(&path, cache.dir.join(name(&engine, &[8; 32]))).unwrap();
        assert!(cache.take(&engine, &[8; 32]).is_none());
        let other = Cache::new(&CacheFolder { dir: cache.dir.clone(), key: Secret::new("battery staple") });
        assert!(other.take(&engine, &SHA256).is_none());
        assert!(cache.take(&engine, &SHA256).is_some());
    }
}
