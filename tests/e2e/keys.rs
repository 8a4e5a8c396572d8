//! The keys of a home: of every kind, exchanged, rotated, lost; with a daemon and without.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::corpus;
use harness::dovecot::Setup;
use harness::postrider::Postrider;
use harness::wait;
use rustix::process::Signal;
use serde_json::Value;

use crate::scene::{ACCOUNT, Scene};
use crate::words::assert_words;

const PASSPHRASE: &str = "correct horse battery";

/// Run a command with `variables`, and nothing on stdin; its exit code and what it said.
fn run_with(postrider: &Postrider, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> (Option<i32>, String, String) {
    let mut command: Command = postrider.command(arguments);
    command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads no stdin may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn succeed_with(postrider: &Postrider, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> String {
    let (code, said, words) = run_with(postrider, arguments, variables, input);
    assert_eq!(code, Some(0), "{arguments:?}: {words}");
    said
}

fn private_file(postrider: &Postrider, name: &str, content: &str) -> String {
    let path = postrider.beside(name);
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap().write_all(content.as_bytes()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_home_goes_through_every_kind_of_key() {
    let postrider = Postrider::new();
    assert_eq!(postrider.json(&["key", "show"])["kind"], "file");
    let fingerprint = |said: &str| said.trim().to_owned();
    let of_file = fingerprint(&postrider.succeed(&["key", "show", "--fingerprint"]).text());

    // A passphrase, from a file or the first line of stdin.
    postrider.run_with_input(&["key", "rekey", "--to", "passphrase", "--stdin"], PASSPHRASE.as_bytes()).succeeded();
    let refused = postrider.run(&["key", "show"]);
    assert_eq!(refused.code, Some(33), "{}", refused.stderr);
    assert_words("key_no_passphrase", &postrider, &refused);
    let file = private_file(&postrider, "passphrase", &format!("{PASSPHRASE}\n"));
    let by_file = [("POSTRIDER_PASSPHRASE_FILE", file.as_str())];
    let of_passphrase = fingerprint(&succeed_with(&postrider, &["key", "show", "--fingerprint"], &by_file, ""));
    assert_ne!(of_passphrase, of_file);
    let by_stdin = [("POSTRIDER_PASSPHRASE_FILE", "-")];
    succeed_with(&postrider, &["key", "show"], &by_stdin, &format!("{PASSPHRASE}\n"));
    let (code, _, words) = run_with(&postrider, &["key", "show"], &by_stdin, "wrong horse battery\n");
    assert_eq!(code, Some(34), "{words}");
    assert!(words.contains("Wrong master key") && words.contains("passphrase"), "{words}");

    // A key that is given, in the environment or by systemd.
    let digits = "a5".repeat(32);
    succeed_with(&postrider, &["key", "rekey", "--to", "given", "--stdin"], &by_file, &format!("{digits}\n"));
    assert_eq!(postrider.run(&["key", "show"]).code, Some(33));
    succeed_with(&postrider, &["key", "show"], &[("POSTRIDER_MASTER_KEY", &digits)], "");
    let (code, ..) = run_with(&postrider, &["key", "show"], &[("POSTRIDER_MASTER_KEY", &"5a".repeat(32))], "");
    assert_eq!(code, Some(34));
    fs::create_dir(postrider.beside("credentials")).unwrap();
    private_file(&postrider, "credentials/postrider.master-key", &digits);
    let credentials = postrider.beside("credentials");
    let by_systemd = [("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())];
    // And back to a key file, another one than the first, which stays beside it.
    succeed_with(&postrider, &["key", "rekey", "--to", "file"], &by_systemd, "");
    assert_ne!(postrider.succeed(&["key", "show", "--fingerprint"]).text().trim(), of_file);
    assert!(postrider.home().join(format!("master.{of_file}.key")).is_file());
    for secret in [PASSPHRASE, digits.as_str()] {
        let found: Vec<PathBuf> = postrider.files_with(secret.as_bytes());
        assert!(found.iter().all(|path| !path.starts_with(postrider.home())), "{found:?}");
    }
}

#[test]
fn a_home_is_made_with_a_passphrase_and_no_key_file() {
    let postrider = Postrider::new();
    let file = private_file(&postrider, "passphrase", PASSPHRASE);
    let by_file = [("POSTRIDER_PASSPHRASE_FILE", file.as_str())];
    succeed_with(&postrider, &["status"], &by_file, "");
    assert!(!postrider.home().join("master.key").exists());
    let shown: Value = serde_json::from_str(&succeed_with(&postrider, &["key", "show", "--json"], &by_file, "")).unwrap();
    assert_eq!(shown["kind"], "passphrase");
}

/// Keeps secrets in files of a folder, and its arguments too. What it is asked for is what the real one is.
const SECRET_TOOL: &str = r#"#!/bin/sh
echo "$@" >> "$FAKE_KEYRING/arguments"
command="$1"; shift
[ "$command" = store ] && shift
name=$(echo "$@" | tr ' /' '__')
case "$command" in
  store) cat > "$FAKE_KEYRING/$name" ;;
  lookup) [ -f "$FAKE_KEYRING/$name" ] && cat "$FAKE_KEYRING/$name" ;;
esac
"#;

#[test]
fn a_key_lies_in_the_os_keyring() {
    let postrider = Postrider::new();
    postrider.succeed(&["status"]);
    let refused = {
        let (code, _, words) = run_with(&postrider, &["key", "rekey", "--to", "os-keyring"], &[("PATH", "/nowhere")], "");
        assert_eq!(code, Some(33), "{words}");
        words
    };
    assert!(refused.contains("secret-tool"), "{refused}");
    postrider.succeed(&["key", "show"]);

    let (tools, keyring) = (postrider.beside("bin"), postrider.beside("keyring"));
    fs::create_dir(&tools).unwrap();
    fs::create_dir(&keyring).unwrap();
    fs::write(tools.join("secret-tool"), SECRET_TOOL).unwrap();
    fs::set_permissions(tools.join("secret-tool"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let with_tool = [("PATH", path.as_str()), ("FAKE_KEYRING", keyring.to_str().unwrap())];
    succeed_with(&postrider, &["key", "rekey", "--to", "os-keyring"], &with_tool, "");
    fs::remove_file(postrider.home().join("master.key")).unwrap();
    let shown: Value = serde_json::from_str(&succeed_with(&postrider, &["key", "show", "--json"], &with_tool, "")).unwrap();
    assert_eq!(shown["kind"], "os-keyring");
    let secret = fs::read_dir(&keyring).unwrap().map(|entry| entry.unwrap().path()).find(|path| !path.ends_with("arguments")).unwrap();
    let arguments = fs::read_to_string(keyring.join("arguments")).unwrap();
    assert!(!arguments.contains(fs::read_to_string(&secret).unwrap().trim()), "the key stood in an argument");
    // Another key, and none.
    fs::write(&secret, "5a".repeat(32)).unwrap();
    assert_eq!(run_with(&postrider, &["key", "show"], &with_tool, "").0, Some(34));
    fs::remove_file(&secret).unwrap();
    assert_eq!(run_with(&postrider, &["key", "show"], &with_tool, "").0, Some(33));
}

#[test]
fn the_recovery_key_opens_what_the_lost_master_key_does_not() {
    let postrider = Postrider::new();
    let printed = postrider.succeed(&["key", "recovery"]).text();
    fs::rename(postrider.home().join("master.key"), postrider.beside("lost")).unwrap();
    assert_eq!(postrider.run(&["key", "show"]).code, Some(33));
    let by_stdin = [("POSTRIDER_RECOVERY_KEY_FILE", "-")];
    let typed = printed.to_lowercase().replace('-', " ");
    let (code, _, words) = run_with(&postrider, &["key", "show", "--recovery"], &by_stdin, &typed);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("key rekey --recovery"), "{words}");
    let (code, _, words) = run_with(&postrider, &["key", "show", "--recovery"], &by_stdin, typed.get(1..).unwrap());
    assert_eq!(code, Some(2), "{words}");
    succeed_with(&postrider, &["key", "rekey", "--to", "file", "--recovery"], &by_stdin, &printed);
    postrider.succeed(&["key", "show"]);
    // It is printed once, and the next one takes its place.
    let next = postrider.succeed(&["key", "recovery"]).text();
    assert_ne!(next, printed);
    assert_eq!(run_with(&postrider, &["key", "show", "--recovery"], &by_stdin, &printed).0, Some(34));
    assert_eq!(postrider.files_with(next.trim().as_bytes()), Vec::<PathBuf>::new());
}

#[test]
fn a_rotation_that_is_killed_goes_on_and_loses_nothing() {
    let scene = Scene::with_corpus(250);
    scene.receive();
    for round in 1..=8_u32 {
        let mut rotation = scene.postrider.spawn(&["key", "rotate"]);
        std::thread::sleep(Duration::from_millis(u64::from(round * 37)));
        rotation.kill();
        scene.assert_clean();
    }
    scene.assert_stored_as_on_the_wire();
    let is_half_rotated = || scene.postrider.json(&["key", "show"])["is_half_rotated"] == true;
    // Whoever begins one that is killed at once leaves it half done; the daemon goes on with it by itself.
    for round in 1..=50_u64 {
        if is_half_rotated() {
            break;
        }
        let mut rotation = scene.postrider.spawn(&["key", "rotate"]);
        std::thread::sleep(Duration::from_millis(round * 7));
        rotation.kill();
    }
    assert!(is_half_rotated(), "no rotation was killed on its way");
    let mut daemon = scene.postrider.spawn(&["run"]);
    daemon.wait_for("running");
    wait::until_true("the daemon to end the rotation", || !is_half_rotated());
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code, Some(0));
    scene.postrider.succeed(&["key", "rotate"]);
    assert!(!is_half_rotated());
    scene.assert_clean();
    scene.assert_stored_as_on_the_wire();
}

#[test]
fn keys_change_while_the_daemon_runs() {
    let scene = Scene::with(Setup::default());
    scene.deliver([corpus::note("before the rotation")]);
    scene.receive();
    let mut daemon = scene.postrider.spawn(&["run"]);
    daemon.wait_for("running");
    let rotated = scene.postrider.json(&["key", "rotate"]);
    assert_eq!((rotated["epoch"].as_u64(), rotated["bodies"].as_u64()), (Some(2), Some(1)));
    scene.postrider.run_with_input(&["key", "rekey", "--to", "passphrase", "--stdin"], PASSPHRASE.as_bytes()).succeeded();
    let recovery = scene.postrider.succeed(&["key", "recovery"]).text();
    scene.deliver([corpus::note("after the rotation")]);
    scene.receive();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code, Some(0));
    let by_recovery = [("POSTRIDER_RECOVERY_KEY_FILE", "-")];
    succeed_with(&scene.postrider, &["key", "rekey", "--recovery", "--to", "file"], &by_recovery, &recovery);
    scene.assert_clean();
    scene.assert_stored_as_on_the_wire();
    assert_eq!(scene.postrider.json(&["account", "show", ACCOUNT])["receive"]["has_secret"], true);
}
