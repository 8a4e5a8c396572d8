//! The log, on stderr: warnings for commands, more for the daemon and with `--verbose`.

use tracing_subscriber::EnvFilter;

use super::Global;

/// The filters of the environment.
const VARIABLE: &str = "POSTRIDER_LOG";

/// Begin to log.
pub(super) fn start(global: &Global, is_daemon: bool) {
    let directives = std::env::var(VARIABLE).ok().filter(|given| !given.is_empty());
    let filter = EnvFilter::new(directives.unwrap_or_else(|| by_default(global.verbose, is_daemon).to_owned()));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A log that is set up already, as in tests, stays.
    let _ = if global.json { lines.json().try_init() } else { lines.with_ansi(false).try_init() };
}

const fn by_default(verbose: u8, is_daemon: bool) -> &'static str {
    match (verbose, is_daemon) {
        (0, false) => "warn",
        (0, true) => "warn,postrider=info",
        (1, false) => "warn,postrider=info",
        (1, true) => "info,postrider=debug",
        _ => "info,postrider=trace",
    }
}
