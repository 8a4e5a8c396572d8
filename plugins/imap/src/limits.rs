//! What a server may make this connector hold, in one table; the grammar gets it as an argument.

/// Bounds on what a server sends. Message bodies are not among them: they are streamed, and the host bounds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one line. An `ESEARCH` of a mailbox with a million holes stays below.
    pub line_octets: usize,
    /// Octets of all literals of one response that are not message bodies: mailbox names, header strings.
    pub literal_octets: usize,
    /// Parentheses within parentheses (RFC 9051 section 7.5.2: `BODYSTRUCTURE` nests as the message does).
    pub nesting: usize,
    /// Elements of one list: flags, capabilities, ranges of a set.
    pub list_items: usize,
    /// Changes, and ranges of vanished messages, that are kept while a folder is being opened (QRESYNC); beyond, they are asked for afterwards.
    pub resync: usize,
    /// Mailboxes of one account.
    pub mailboxes: usize,
    /// Responses between two answers to commands: a server that talks without end is not listened to for ever. The flags of a
    /// mailbox come as one response a message.
    pub responses: u32,
    /// Octets of one message that are read to its literal's end although nobody wants them any more; beyond, the line is closed.
    pub drained_octets: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_octets: 4 << 20,
            literal_octets: 64 << 10,
            nesting: 100,
            list_items: 500_000,
            resync: 20_000,
            mailboxes: 20_000,
            responses: 2_000_000,
            drained_octets: 256 << 20,
        }
    }
}
