//! `postrider connector new`: what it makes builds, tests and packs as it is, outside the workspace, and receives mail.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::authority::Authority;
use harness::postrider::Postrider;
use harness::scripted::{Line, Scripted};
use harness::service::{Answer, Asked, Service};
use serde_json::json;

const PASSWORD: &str = "correct horse";

/// The clone.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A folder in which projects keep their places, so that what is built stays good from run to run. Beside the binary, which is outside the clone on a build
/// server.
fn workshop(postrider: &Postrider) -> PathBuf {
    let folder = postrider.binary().parent().unwrap().parent().unwrap().join("connector-new");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Cargo in a project, as its author calls it. Offline: what the template needs is in the workspace's own lock file, and so was fetched.
#[track_caller]
fn cargo(project: &Path, arguments: &[&str]) {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(arguments)
        .arg("--offline")
        .current_dir(project)
        .env("CARGO_TARGET_DIR", project.parent().unwrap().join("target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    // What cargo and rustup set for this test is not the author's.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "RUSTUP_TOOLCHAIN"]
            .iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "`cargo {}` in {} failed:\n{words}\n{}",
        arguments.join(" "),
        project.display(),
        String::from_utf8_lossy(&output.stdout)
    );
}

/// Make a project, test and build it, pack and install its component, and approve it.
#[track_caller]
fn make(postrider: &Postrider, name: &str, options: &[&str]) {
    let project = workshop(postrider).join(name);
    if project.exists() {
        fs::remove_dir_all(&project).unwrap();
    }
    let directory = project.to_str().unwrap();
    postrider.succeed(&[&["connector", "new", name, "--directory", directory], options].concat());
    cargo(&project, &["test", "--quiet"]);
    cargo(&project, &["build", "--target", "wasm32-wasip2"]);
    let built = workshop(postrider).join("target/wasm32-wasip2/debug").join(format!("{}.wasm", name.replace('-', "_")));
    let (built, manifest) = (built.to_str().unwrap(), project.join("connector.toml"));
    let packed = postrider.beside(&format!("{name}.wasm"));
    postrider.succeed(&["connector", "pack", built, "--manifest", manifest.to_str().unwrap(), "--output", packed.to_str().unwrap()]);
    postrider.succeed(&["connector", "install", packed.to_str().unwrap()]);
    postrider.succeed(&["connector", "approve", name]);
}

/// A POP3 server with two messages (RFC 1939).
fn pop3(line: &mut Line) {
    line.write(b"+OK ready\r\n");
    while let Some(command) = line.read_line() {
        let answer: &[u8] = match command.trim_end() {
            "CAPA" => b"+OK\r\nUSER\r\nUIDL\r\n.\r\n",
            "UIDL" => b"+OK\r\n1 first\r\n2 second\r\n.\r\n",
            "RETR 1" => b"+OK\r\nSubject: one\r\n\r\n..dotted\r\n.\r\n",
            "RETR 2" => b"+OK\r\nSubject: two\r\n\r\ntext\r\n.\r\n",
            _ => b"+OK\r\n",
        };
        if !line.write(answer) {
            return;
        }
    }
}

#[track_caller]
fn messages(postrider: &Postrider) -> BTreeSet<String> {
    let listed = postrider.json(&["message", "list"]);
    let ids = listed.as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap().to_owned());
    ids.map(|id| postrider.succeed(&["message", "export", &id]).text()).collect()
}

#[test]
fn a_line_connector_receives_mail() {
    let postrider = Postrider::new();
    make(&postrider, "line-mail", &["--kind", "line"]);
    let server = Scripted::start(pop3);
    let port = server.port.to_string();
    let account = ["account", "add", "desk", "--receive", "line-mail", "--server", "localhost", "--port", &port];
    let account = [&account[..], &["--security", "none", "--user", "me", "--password-stdin"]].concat();
    postrider.run_with_input(&account, PASSWORD.as_bytes()).succeeded();
    postrider.succeed(&["receive", "desk"]);
    let both = ["Subject: one\r\n\r\n.dotted\r\n", "Subject: two\r\n\r\ntext\r\n"].map(str::to_owned);
    assert_eq!(messages(&postrider), BTreeSet::from(both));
    postrider.succeed(&["receive", "desk"]);
    let fetched = server.heard().iter().filter(|line| line.starts_with("RETR")).count();
    assert_eq!(fetched, 2, "what is here is not fetched again");
}

#[test]
fn a_rest_connector_receives_mail() {
    let postrider = Postrider::new();
    // The SDK of the checkout this time.
    let sdk = repository().join("plugins/sdk");
    make(&postrider, "rest-mail", &["--kind", "rest", "--sdk", sdk.to_str().unwrap()]);
    let authority = Authority::new("Tests");
    let service = Service::start(Some(&authority.identity(&["localhost"])), answer);
    let ca = postrider.beside("ca.pem");
    fs::write(&ca, authority.pem()).unwrap();
    let (port, base) = (service.port.to_string(), format!("base-url=https://localhost:{}/v1", service.port));
    let account =
        ["account", "add", "desk", "--receive", "rest-mail", "--server", "localhost", "--port", &port, "--ca", ca.to_str().unwrap()];
    let account = [&account[..], &["--security", "tls", "--set", &base, "--set", "page-messages=2", "--password-stdin"]].concat();
    postrider.run_with_input(&account, PASSWORD.as_bytes()).succeeded();
    // The last message is cut short the first time: what came before it stays, and the next pass fetches it.
    let failed = postrider.run(&["receive", "desk"]);
    assert_ne!(failed.code, Some(0), "{}", failed.stderr);
    assert_eq!(messages(&postrider).len(), 2);
    postrider.succeed(&["receive", "desk"]);
    let three = ["1", "2", "3"].map(|id| format!("Subject: {id}\r\n\r\ntext\r\n"));
    assert_eq!(messages(&postrider), BTreeSet::from(three));
    let asked = service.asked();
    assert!(asked.iter().all(|asked| asked.header("authorization") == Some("Bearer correct horse")), "{asked:?}");
    let fetched: Vec<String> = asked.iter().map(Asked::line).filter(|line| line.ends_with("/raw")).collect();
    assert_eq!(fetched, ["1", "2", "3", "3"].map(|id| format!("GET /v1/messages/{id}/raw")));
}

/// Three messages on two pages; the third is cut short when it is asked for first.
fn answer(asked: &Asked) -> Answer {
    static CUT: std::sync::Once = std::sync::Once::new();
    match asked.line().as_str() {
        "GET /v1/messages?max=2" => {
            Answer::json(&json!({ "messages": [{ "id": "1", "keywords": ["\\Seen"] }, { "id": "2" }], "next": "b" }))
        }
        "GET /v1/messages?max=2&page=b" => Answer::json(&json!({ "messages": [{ "id": "3" }], "next": null })),
        raw => match raw.strip_prefix("GET /v1/messages/").and_then(|rest| rest.strip_suffix("/raw")) {
            Some(id) => {
                let whole = Answer::new(200).with_body(format!("Subject: {id}\r\n\r\ntext\r\n"));
                let mut is_cut = false;
                if id == "3" {
                    CUT.call_once(|| is_cut = true);
                }
                if is_cut { whole.cut_after(8) } else { whole }
            }
            None => Answer::new(404),
        },
    }
}

#[test]
fn what_is_there_is_not_written_over_and_names_are_checked() {
    let postrider = Postrider::new();
    let there = postrider.beside("there");
    fs::create_dir(&there).unwrap();
    fs::write(there.join("mine"), "mine").unwrap();
    let refused = postrider.run(&["connector", "new", "mail", "--kind", "line", "--directory", there.to_str().unwrap()]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--directory"), "{}", refused.stderr);
    assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
    for name in ["Mail", "../mail", "test", "a--b"] {
        let refused = postrider.run(&["connector", "new", name, "--kind", "line"]);
        assert_eq!(refused.code, Some(2), "{name}: {}", refused.stderr);
    }
    assert!(!postrider.home().exists(), "no home is made for it");
}
