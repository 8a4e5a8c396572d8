//! What a server may make this connector hold, in one table. Message bodies are not among it: they are streamed, and the host bounds them.

/// Bounds on what a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one line of an answer or a listing. RFC 2449 section 4 allows 512; a UIDL may have 70 (RFC 1939 section 7).
    pub line_octets: usize,
    /// Messages of one maildrop; each costs some 300 octets of the component's memory.
    pub messages: usize,
    /// Octets of one message that are read to its end although nobody wants them any more. POP3 cannot break a message off but by closing the
    /// line, and a new session costs about as much as these.
    pub drained_octets: u64,
    /// Octets of one message that are read only to learn its hash, where the server does not say how large it is.
    pub hashed_octets: u64,
    /// Octets of such a message above twice its claimed size, after which it is thought to have no end. Servers count line ends as they are on
    /// their disks, or guess.
    pub unclaimed_octets: u64,
    /// Octets of a message that is fetched again, after which it is thought to have no end: the most that the host lets an account take.
    pub fetched_octets: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_octets: 8 << 10,
            messages: 100_000,
            drained_octets: 16 << 20,
            hashed_octets: 1 << 30,
            unclaimed_octets: 64 << 20,
            fetched_octets: 4 << 30,
        }
    }
}

/// How long the host may be waited for before the server is told that somebody is still there, in milliseconds. A server may close a quiet
/// line after ten minutes (RFC 1939 section 3); some do after one.
pub const KEEP_ALIVE_MS: u64 = 45_000;

/// Ids that one question about ids may carry: the contract's most.
pub const IDS: usize = 10_000;

/// Messages in a row that the server refuses, after which the server is thought to be at fault and not the messages.
pub const REFUSED_IN_ROW: u32 = 50;

/// Ids remembered of messages that a server lists again after it said that it deleted them.
pub const DELETED_IDS: usize = 100_000;

/// Sessions that one `sync` may take: a server that always has more is left for the next pass.
pub const SESSIONS: u32 = 1_000;
