//! What disks, limits and permissions do to a home: each is named, costs nothing else, and is over once its cause is.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use harness::corpus::{self, SEED};
use harness::dovecot::Setup;
use harness::package;
use harness::postrider::Postrider;
use tempfile::TempDir;

use crate::scene::{ACCOUNT, Scene, add_account};

/// Debian's `nobody` and `nogroup`.
const NOBODY: u32 = 65_534;

/// A small file system of its own, while it lives.
struct Mount(TempDir);

impl Mount {
    #[track_caller]
    fn tmpfs(options: &str) -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test mounts a small file system: run it as root");
        let folder = tempfile::tempdir().unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(folder.path()));
        Self(folder)
    }

    fn remount(&self, options: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.0.path()));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Busy or gone, the folder's own end says so.
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An account with `count` messages waiting on its server.
fn scene_below(folder: &Path, count: usize) -> Scene {
    let scene = Scene { dovecot: Setup::default().start(), postrider: Postrider::below(folder) };
    add_account(&scene.postrider, ACCOUNT, &scene.dovecot, scene.dovecot.imaps, "tls").succeeded();
    scene.deliver(corpus::messages(SEED, count));
    scene
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let mount = Mount::tmpfs("size=64m");
    let scene = scene_below(mount.0.path(), 150);
    scene.receive();
    scene.deliver(corpus::messages(SEED + 1, 150));
    let ballast = scene.postrider.beside("ballast");
    // All that is there, but for half a megabyte.
    let free = rustix::fs::statvfs(mount.0.path()).unwrap();
    fs::write(&ballast, vec![0; usize::try_from(free.f_bavail * free.f_frsize).unwrap() - (512 << 10)]).unwrap();
    let failed = scene.postrider.run(&["receive", ACCOUNT]);
    assert_eq!(failed.code, Some(31), "{}", failed.stderr);
    assert!(failed.stderr.contains("free space"), "{}", failed.stderr);
    fs::remove_file(&ballast).unwrap();
    scene.assert_clean();
    scene.receive();
    scene.assert_stored_as_on_the_wire();
    scene.assert_clean();
}

#[test]
fn a_read_only_file_system_is_named() {
    let mount = Mount::tmpfs("size=64m");
    let scene = scene_below(mount.0.path(), 5);
    scene.receive();
    mount.remount("ro");
    let failed = scene.postrider.run(&["status"]);
    assert_eq!(failed.code, Some(31), "{}", failed.stderr);
    assert!(failed.stderr.contains("Read-only file system"), "{}", failed.stderr);
    mount.remount("rw");
    scene.assert_clean();
    scene.assert_stored_as_on_the_wire();
}

#[test]
fn lost_permission_is_named() {
    // The unprivileged user may be unable to reach what was built, and the folder that TMPDIR names.
    let postrider = Postrider::below(Path::new("/tmp"));
    let program = postrider.beside("postrider");
    // Written by another process: a file that this one has open for writing can be run by none of its threads.
    run(Command::new("cp").arg(postrider.binary()).arg(&program));
    let postrider = postrider.with_binary(&program);
    let as_nobody = |arguments: &[&str]| -> Output {
        let mut command = postrider.command(arguments);
        command.current_dir(postrider.beside(""));
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    };
    if rustix::process::geteuid().is_root() {
        chown(postrider.beside("").as_path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let made = as_nobody(&["status"]);
    assert_eq!(made.status.code(), Some(0), "{}", words(&made));
    for (place, code) in [("store", 31), ("store/records/db", 31), ("store/spool", 31), ("store/watermark", 31), ("master.key", 31)] {
        let path = postrider.home().join(place);
        let mode = path.metadata().unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
        let refused = as_nobody(&["status"]);
        assert_eq!(refused.status.code(), Some(code), "{place}: {}", words(&refused));
        assert!(words(&refused).contains("ermission"), "{place}: {}", words(&refused));
        fs::set_permissions(&path, mode).unwrap();
    }
    let again = as_nobody(&["store", "check"]);
    assert_eq!(again.status.code(), Some(0), "{}", words(&again));
}

#[test]
fn a_clock_that_was_set_back_is_named_and_loses_nothing() {
    let scene = Scene::with_corpus(5);
    let two_days_ago = |arguments: &[&str]| -> Output {
        let inner = scene.postrider.command(arguments);
        let mut shifted = Command::new(package::require("faketime"));
        // Waits are to take as long as ever.
        shifted.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").args(["-f", "-2d"]).arg(inner.get_program()).args(inner.get_args());
        shifted.output().unwrap()
    };
    scene.receive();
    scene.deliver(corpus::messages(SEED + 1, 5));
    let status = two_days_ago(&["status"]);
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success() && said.contains("set back by 2 days"), "{said} {}", words(&status));
    let received = two_days_ago(&["receive", ACCOUNT]);
    assert!(received.status.success() && words(&received).contains("the clock was set back"), "{}", words(&received));
    let listed = scene.postrider.json(&["message", "list"]);
    let stored: Vec<_> = listed.as_array().unwrap().iter().map(|message| message["stored"].as_u64().unwrap()).collect();
    let span = stored.iter().max().unwrap() - stored.iter().min().unwrap();
    assert!(stored.len() == 10 && span < 3_600_000, "what came last looks older by {span} ms: {stored:?}");
    assert!(!scene.postrider.succeed(&["status"]).text().contains("set back"));
    scene.assert_stored_as_on_the_wire();
    scene.assert_clean();
}

#[test]
fn a_limit_of_file_sizes_is_named() {
    let scene = Scene::with_corpus(200);
    let inner = scene.postrider.command(&["receive", ACCOUNT]);
    // The signal would end the process; ignored, the write fails.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""]).arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let failed = limited.output().unwrap();
    assert_eq!(failed.status.code(), Some(31), "{}", words(&failed));
    assert!(words(&failed).contains("File too large"), "{}", words(&failed));
    scene.assert_clean();
    scene.receive();
    scene.assert_stored_as_on_the_wire();
}

#[test]
fn too_few_descriptors_are_named() {
    let postrider = Postrider::new();
    postrider.succeed(&["status"]);
    let mut refused = 0;
    for limit in (4..120).step_by(4) {
        let inner = postrider.command(&["store", "check"]);
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")]).arg(inner.get_program()).args(inner.get_args());
        limited.env("XDG_RUNTIME_DIR", postrider.beside(""));
        let output = limited.output().unwrap();
        if output.status.success() {
            break;
        }
        refused += 1;
        let said = words(&output);
        // Below, not even the loader finds its libraries, or the run-time its own descriptors.
        assert!([Some(31), Some(127)].contains(&output.status.code()), "{limit}: {:?} {said}", output.status);
        assert!(said.contains("Too many open files") || said.contains("error while loading"), "{limit}: {said}");
    }
    assert!((1..28).contains(&refused), "{refused} limits were too small");
    postrider.succeed(&["store", "check"]);
}

#[test]
fn a_flipped_bit_in_any_file_is_found_or_does_no_harm() {
    let scene = Scene::with_corpus(20);
    scene.receive();
    let home = scene.postrider.home();
    let kept = scene.postrider.beside("kept");
    run(Command::new("cp").arg("-a").arg(&home).arg(&kept));
    let records = fs::read_dir(home.join("store/records")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let snapshot = records.filter(|name| name.starts_with("snap.")).map(|name| format!("store/records/{name}")).next();
    let mut files: Vec<(&str, &[i32])> = vec![
        ("store/format", &[40]),
        ("store/keyring", &[32, 33, 34]),
        ("store/watermark", &[0, 32]),
        ("store/records/db", &[0, 32]),
        ("store/records/conf", &[0, 31, 32]),
        ("store/spool/0000000000000001.segment", &[32]),
        ("master.key", &[0, 33, 34]),
    ];
    // One that is damaged is removed: the log says the same.
    files.extend(snapshot.as_deref().map(|name| (name, &[0][..])));
    for (name, codes) in files {
        let path: PathBuf = home.join(name);
        let octets = fs::read(&path).unwrap();
        for part in [3, 5, 7] {
            let at = octets.len() * part / 8;
            let mut changed = octets.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            let outcome = scene.postrider.run(&["store", "check"]);
            assert!(outcome.code.is_some_and(|code| codes.contains(&code)), "{name} at {at}: {:?} {}", outcome.code, outcome.stderr);
            fs::remove_dir_all(&home).unwrap();
            run(Command::new("cp").arg("-a").arg(&kept).arg(&home));
        }
    }
    scene.assert_clean();
    scene.assert_stored_as_on_the_wire();
}
