//! Every bound that a server or a component can drive the host against, in one table. Each may be overridden for one account
//! (`--set limit.NAME=VALUE`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $field:ident = $name:literal, $default:expr, $least:expr, $most:expr;)*) => {
        /// The bounds that hold for one account's sessions.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $doc])* pub $field: u64,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// What can be overridden: name, default, least and greatest value, and what it bounds.
        pub const TABLE: &[Row] = &[$(Row {
            name: $name,
            default: $default,
            least: $least,
            most: $most,
            bounds: concat!($($doc),*),
        },)*];

        impl Limits {
            fn field_mut(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $($name => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

limits! {
    /// Linear memory of one instance, in octets.
    memory_octets = "memory-octets", 64 << 20, 1 << 20, 4 << 30;
    /// Elements of each table of one instance.
    table_elements = "table-elements", 20_000, 100, 1_000_000;
    /// Resources of the host that one instance may hold at once: connections, streams, futures, subtasks.
    handles = "handles", 1_000, 16, 100_000;
    /// Connections that one session may have open at once.
    connections = "connections", 4, 1, 64;
    /// Milliseconds of computing without a wait or moved octets, after which the instance is stopped.
    cpu_burst_ms = "cpu-burst-ms", 5_000, 10, 600_000;
    /// Share of one core, in percent, that a session may use over a minute after its first ten seconds.
    cpu_share_percent = "cpu-share-percent", 90, 1, 100;
    /// Calls of imports a second; further ones are held up.
    import_calls_per_second = "import-calls-per-second", 200_000, 100, 10_000_000;
    /// Log lines a minute; further ones are counted and dropped.
    log_lines_per_minute = "log-lines-per-minute", 600, 0, 100_000;
    /// Octets of one log line; longer ones are cut.
    log_line_octets = "log-line-octets", 4_096, 80, 65_536;
    /// Octets of one message.
    message_octets = "message-octets", 256 << 20, 1 << 10, 4 << 30;
    /// Messages handed over between two checkpoints.
    messages_per_checkpoint = "messages-per-checkpoint", 10_000, 1, 1_000_000;
    /// Octets handed over between two checkpoints.
    octets_per_checkpoint = "octets-per-checkpoint", 2 << 30, 1 << 20, 1 << 40;
    /// Ids in one call.
    ids_per_call = "ids-per-call", 10_000, 100, 1_000_000;
    /// Folders that one account may have.
    folders = "folders", 20_000, 1, 1_000_000;
    /// Octets of one value of `state`, and of a cursor.
    state_value_octets = "state-value-octets", 64 << 10, 1 << 10, 16 << 20;
    /// Keys of `state` of one account.
    state_keys = "state-keys", 1_000, 1, 100_000;
    /// Octets of one response's body.
    http_body_octets = "http-body-octets", 256 << 20, 1 << 10, 4 << 30;
    /// HTTP exchanges of one account at once.
    http_exchanges = "http-exchanges", 4, 1, 64;
    /// Milliseconds that an HTTP exchange may take from its request to the end of its response.
    http_exchange_ms = "http-exchange-ms", 1_800_000, 1_000, 86_400_000;
    /// Quota units of the provider that one account may spend a minute, over all its sessions; 0: as many as it likes.
    http_units_per_minute = "http-units-per-minute", 0, 0, 1_000_000_000;
    /// Milliseconds that a session has to end by itself when it is asked to stop.
    stop_grace_ms = "stop-grace-ms", 5_000, 0, 600_000;
    /// Milliseconds that a call may go on without anything coming of it: no octet moved, nothing that the host works on.
    idle_ms = "idle-ms", 600_000, 1_000, 86_400_000;
    /// Milliseconds that opening a session may take in all.
    open_ms = "open-ms", 120_000, 1_000, 3_600_000;
}

/// The most octets that one `read` gives, whatever a component asks for.
pub const READ_OCTETS: u32 = 64 << 10;

/// The most octets that one `write` takes.
pub const WRITE_OCTETS: usize = 1 << 20;

/// The greatest component file.
pub const COMPONENT_OCTETS: u64 = 64 << 20;

/// Sessions that may be open at once, over all accounts.
pub const SESSIONS: usize = 8_192;

/// The most octets that one call of an import may carry: ten thousand ids of the greatest length are 5 MB.
pub const CALL_OCTETS: usize = 16 << 20;

/// The most imports of one session that may be under way at once.
pub const CALLS_IN_FLIGHT: usize = 64;

/// The most core instances, tables and memories of one component: a Rust component has about five, a Python one about thirty.
pub const COMPONENT_INSTANCES: usize = 100;
/// See [`COMPONENT_INSTANCES`].
pub const COMPONENT_TABLES: usize = 100;
/// See [`COMPONENT_INSTANCES`].
pub const COMPONENT_MEMORIES: usize = 10;

/// The most octets that wait between a component and the host on one stream.
pub const STREAM_OCTETS: usize = 64 << 10;

/// Lengths and numbers that the contract itself fixes (`wit/`), the same for every account.
pub mod contract {
    /// Octets of a folder's id.
    pub const FOLDER_ID_OCTETS: usize = 1_024;
    /// Octets of a scope's generation.
    pub const GENERATION_OCTETS: usize = 128;
    /// Octets of a message's id, stable id or thread id.
    pub const ID_OCTETS: usize = 512;
    /// Folders or keywords of one message, each.
    pub const LABELS: usize = 1_000;
    /// Octets of one keyword.
    pub const KEYWORD_OCTETS: usize = 512;
    /// Pairs of `extra`.
    pub const EXTRA_PAIRS: usize = 64;
    /// Octets of a name in `extra`.
    pub const EXTRA_NAME_OCTETS: usize = 64;
    /// Octets of a value in `extra`.
    pub const EXTRA_VALUE_OCTETS: usize = 4_096;
    /// Arrivals in one `recognise`.
    pub const RECOGNISED: usize = 1_000;
    /// Ids in one page.
    pub const PAGE: usize = 10_000;
    /// Octets of a page's `after`.
    pub const AFTER_OCTETS: usize = 4_096;
    /// Octets of an error's code.
    pub const CODE_OCTETS: usize = 128;
    /// Octets of an error's message.
    pub const MESSAGE_OCTETS: usize = 1_024;
    /// Octets of a key of `state`.
    pub const STATE_KEY_OCTETS: usize = 128;
    /// Octets of a request's URL.
    pub const URL_OCTETS: usize = 8_192;
    /// Headers of a request.
    pub const HEADERS: usize = 64;
    /// Octets of all headers of a request.
    pub const HEADER_OCTETS: usize = 32 << 10;
    /// Folders asked for at once.
    pub const FOLDERS_PER_PAGE: u32 = 500;
    /// Names from the root down to a folder.
    pub const FOLDER_DEPTH: usize = 64;
    /// Words of `abilities`.
    pub const ABILITIES: usize = 100;
    /// Octets of one word of `abilities`, or of a folder's role.
    pub const ABILITY_OCTETS: usize = 128;
    /// Identities of one account.
    pub const IDENTITIES: usize = 1_000;
    /// Recipients of one envelope.
    pub const RECIPIENTS: usize = 1_000;
}

/// The longest line of a preamble (RFC 9051 section 4 sets none; servers' capability lines stay far below).
pub const PREAMBLE_LINE_OCTETS: usize = 16 << 10;

/// The most lines that a server may send before its preamble is over.
pub const PREAMBLE_LINES: usize = 200;

/// The fewest iterations of SCRAM that are taken (RFC 5802 section 5.1, RFC 7677 section 4): fewer make a password cheap to guess.
pub const SCRAM_ITERATIONS_LEAST: u32 = 4_096;

/// The most iterations of SCRAM: about a second of one core.
pub const SCRAM_ITERATIONS_MOST: u32 = 1 << 20;

/// Iterations of SCRAM in a row; then others get their turn.
pub const SCRAM_ITERATIONS_AT_ONCE: u32 = 4_096;

/// The longest command line with a secret in it that POP3 and SMTP are sent (RFC 5321 section 4.5.3.1.4, with its CRLF).
pub const COMMAND_OCTETS: usize = 512;

/// The most addresses of one name that are tried.
pub const DIAL_ADDRESSES: usize = 10;

/// How long an address may take before the next one is tried beside it (RFC 8305 section 5).
pub const DIAL_STAGGER: Duration = Duration::from_millis(250);

/// The longest file with a client's certificates, and with its key.
pub const CLIENT_CERTIFICATE_OCTETS: usize = 64 << 10;

/// The most TLS configurations, each with its sessions, that are kept between lines; an account has one or two.
pub const TLS_CONFIGS: usize = 512;

/// The most servers of one account whose TLS sessions are kept.
pub const TLS_SESSIONS: usize = 16;

/// The longest head of an HTTP proxy's answer to CONNECT.
pub const PROXY_HEAD_OCTETS: usize = 16 << 10;

/// The longest head of an HTTP response.
pub const HTTP_HEAD_OCTETS: usize = 64 << 10;

/// The most redirects that are followed in a row, within one origin.
pub const HTTP_REDIRECTS: usize = 5;

/// The longest request body that is kept until its answer, so that it can be sent again.
pub const HTTP_REPEATED_OCTETS: usize = 64 << 10;

/// How often one request is sent at most: a server that refused it unseen is asked again, and a closed line is replaced.
pub const HTTP_ATTEMPTS: usize = 4;

/// What a compressed response gives at once.
pub const HTTP_DECODED_OCTETS: usize = 32 << 10;

/// The longest head of a gzip member, with its file name and comment.
pub const HTTP_GZIP_NAME_OCTETS: usize = 4 << 10;

/// The longest body that is looked through as a whole: a batch in JSON (Graph takes 4 MB), a form.
pub const HTTP_BATCH_OCTETS: usize = 4 << 20;

/// The longest line of a header, or of a request, in a body of several parts; lines of contents may be longer.
pub const HTTP_BATCH_LINE_OCTETS: usize = 16 << 10;

/// The most requests in one batch: Google takes 100, Graph 20.
pub const HTTP_BATCH_REQUESTS: usize = 1_000;

/// The most origins of an account of which something is remembered.
pub const HTTP_ORIGINS_KNOWN: usize = 64;

/// How long a server that answered 429 without naming a time is left alone; doubled with every further one in a row.
pub const HTTP_HOLD_FIRST: Duration = Duration::from_secs(1);

/// See [`HTTP_HOLD_FIRST`]: never longer than this.
pub const HTTP_HOLD_SILENT_MOST: Duration = Duration::from_mins(1);

/// The longest time that a server may name to be left alone (RFC 9110 section 10.2.3); then it is asked again.
pub const HTTP_HOLD_MOST: Duration = Duration::from_hours(1);

/// How long the host itself keeps a request back; what has to wait longer is refused with the time to come back.
pub const HTTP_HOLD_WAIT: Duration = Duration::from_secs(10);

/// HTTP/2's flow-control window of one response (RFC 9113 section 5.2): what a connector that does not read makes the host hold.
pub const HTTP2_STREAM_WINDOW: u32 = 256 << 10;

/// HTTP/2's flow-control window of one connection.
pub const HTTP2_CONNECTION_WINDOW: u32 = 1 << 20;

/// The most octets of requests that wait for one HTTP/2 connection.
pub const HTTP2_SEND_OCTETS: usize = 256 << 10;

/// The most HTTP/2 streams that were given up and may still be answered.
pub const HTTP2_RESET_STREAMS: usize = 64;

/// The most HTTP/2 streams that a server may break the protocol on; then its connection is closed.
pub const HTTP2_FAULTY_STREAMS: usize = 64;

/// How long an HTTP/2 connection with exchanges under way may be silent before it is asked whether it lives.
pub const HTTP_PING: Duration = Duration::from_secs(30);

/// How long the answer to that may take.
pub const HTTP_PING_PATIENCE: Duration = Duration::from_secs(20);

/// How long an HTTP connection may wait for its next request.
pub const HTTP_IDLE: Duration = Duration::from_secs(30);

/// How long an HTTP connection may take to be ready again after a response.
pub const HTTP_READY: Duration = Duration::from_millis(100);

/// The longest answer of an authorization server, in octets: tokens are a few KiB.
pub const OAUTH_ANSWER_OCTETS: u64 = 256 << 10;

/// The most requests of one account to its authorization server at once.
pub const OAUTH_EXCHANGES: usize = 2;

/// The most that a command may print that prints a token, in octets.
pub const OAUTH_COMMAND_OCTETS: usize = 64 << 10;

/// How long such a command may take.
pub const OAUTH_COMMAND_TIME: Duration = Duration::from_secs(60);

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// As written after `limit.`.
    pub name: &'static str,
    /// Where nobody wrote anything.
    pub default: u64,
    /// The least value taken.
    pub least: u64,
    /// The greatest value taken.
    pub most: u64,
    /// What it bounds.
    pub bounds: &'static str,
}

/// An account's own values, by name; checked when set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Overrides(BTreeMap<String, u64>);

/// Every limit's name, in the order of the table.
fn names() -> String {
    TABLE.iter().map(|row| format!("`{}`", row.name)).collect::<Vec<_>>().join(", ")
}

/// Why an override was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// No such limit.
    #[error("there is no limit `{0}`: there are {known}", known = names())]
    Unknown(String),
    /// Not a number between its ends.
    #[error("limit `{name}` takes a whole number from {least} to {most}: not `{given}`")]
    OutOfRange {
        /// The limit.
        name: String,
        /// As given.
        given: String,
        /// Its least value.
        least: u64,
        /// Its greatest value.
        most: u64,
    },
}

impl Overrides {
    /// Override one limit.
    ///
    /// # Errors
    /// An unknown name, or a value outside the limit's range.
    pub fn set(&mut self, name: &str, given: &str) -> Result<(), OverrideError> {
        let row = TABLE.iter().find(|row| row.name == name).ok_or_else(|| OverrideError::Unknown(name.to_owned()))?;
        match given.parse() {
            Ok(value) if (row.least..=row.most).contains(&value) => {
                self.0.insert(name.to_owned(), value);
                Ok(())
            }
            _ => Err(OverrideError::OutOfRange { name: name.to_owned(), given: given.to_owned(), least: row.least, most: row.most }),
        }
    }

    /// Go back to the default of one limit.
    pub fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The overrides by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The defaults with these overrides put in.
    #[must_use]
    pub fn apply(&self) -> Limits {
        let mut limits = Limits::default();
        for (name, value) in &self.0 {
            if let Some(field) = limits.field_mut(name) {
                *field = *value;
            }
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for row in TABLE {
            assert!(row.least <= row.default && row.default <= row.most, "{}", row.name);
            assert!(Limits::default().field_mut(row.name).is_some());
            assert!(!row.bounds.trim().is_empty());
        }
    }

    #[test]
    fn overrides_are_checked_and_applied() {
        let mut overrides = Overrides::default();
        overrides.set("memory-octets", "2097152").unwrap();
        assert_eq!(overrides.apply().memory_octets, 2 << 20);
        assert_eq!(overrides.apply().handles, Limits::default().handles);
        assert!(matches!(overrides.set("memory-octets", "1"), Err(OverrideError::OutOfRange { .. })));
        assert!(matches!(overrides.set("memory-octets", "lots"), Err(OverrideError::OutOfRange { .. })));
        assert!(matches!(overrides.set("memory", "1"), Err(OverrideError::Unknown(_))));
    }
}
