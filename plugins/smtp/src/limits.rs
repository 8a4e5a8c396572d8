//! What a server may make this connector hold or wait for, in one table. Messages are not among it: they are streamed.

/// Octets of one line of a reply. RFC 5321 section 4.5.3.1.5 allows 512; servers with long explanations send more.
pub const LINE_OCTETS: usize = 4 << 10;

/// Lines of one reply.
pub const REPLY_LINES: usize = 128;

/// Octets of a server's words that are kept.
pub const WORDS_OCTETS: usize = 900;

/// Octets of a message's beginning that are read before the envelope is sent, to see what its header section needs.
pub const PEEK_OCTETS: usize = 256 << 10;

/// Octets of a message that stays here until every recipient has a verdict, so that those who did not fit one transaction go in the next. Of a larger one
/// the host is asked for the octets again.
pub const KEPT_OCTETS: u64 = 64 << 10;

/// Octets of an address. RFC 5321 section 4.5.3.1 has 64 before the `@` and 255 behind it.
pub const ADDRESS_OCTETS: usize = 320;

/// Milliseconds between two looks at how long the server has been silent.
pub const LOOK_MS: u64 = 15_000;

/// Looks without a whole reply after which the line is given up: five minutes (RFC 5321 section 4.5.3.2), also where octets of a reply trickle.
pub const PATIENCE_LOOKS: u32 = 20;

/// The same for the reply to the message's end: ten minutes (RFC 5321 section 4.5.3.2.6). A message that is given up too early is sent twice.
pub const FINAL_PATIENCE_LOOKS: u32 = 40;

/// Chunks of a message that may be unanswered at once.
pub const CHUNKS: usize = 16;

/// Milliseconds that the answer to `QUIT` is waited for: nothing depends on it.
pub const GOODBYE_MS: u64 = 2_000;
