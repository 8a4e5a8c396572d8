//! Snapshots of what people read, with what differs from run to run taken out.

use harness::postrider::{Outcome, Postrider};

/// Compare what a command said, and its exit code, with the snapshot `name`.
pub(crate) fn assert_words(name: &str, postrider: &Postrider, outcome: &Outcome) {
    let code = outcome.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
    let text = format!("exit code: {code}\n--- stdout\n{}--- stderr\n{}", outcome.text(), outcome.stderr);
    settings(postrider).bind(|| insta::assert_snapshot!(name, text));
}

fn settings(postrider: &Postrider) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    let beside = postrider.beside("");
    settings.add_filter(&escape(beside.to_str().unwrap().trim_end_matches('/')), "[FOLDER]");
    let build = postrider.binary().parent().unwrap().to_str().unwrap();
    settings.add_filter(&escape(build), "[BUILD]");
    settings.add_filter(r"\S+/lib/postrider/connectors", "[LIB]");
    settings.add_filter(r"/\S*/dovecot-[A-Za-z0-9]+", "[DOVECOT]");
    settings.add_filter(r"\b(localhost|127\.0\.0\.1|\[?::1\]?):\d{4,5}\b", "$1:[PORT]");
    settings.add_filter(r"\bport(:?) \d{4,5}\b", "port$1 [PORT]");
    settings.add_filter(r" *\b\d+(\.\d+)? (ms|s)\b", " [TIME]");
    settings.add_filter(r"\b\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?", "[DATE]");
    settings.add_filter(r"\b([0-9a-fA-F]{2}:?){32}\b", "[FINGERPRINT]");
    settings.add_filter(r"\bpid \d+\b", "pid [PID]");
    // As wide as the time below it.
    settings.add_filter(r"\bTIME +RESULT\b", "TIME  RESULT");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

fn escape(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_ascii_alphanumeric() || c == '/' { vec![c] } else { vec!['\\', c] }).collect()
}
