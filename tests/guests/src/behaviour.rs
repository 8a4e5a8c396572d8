// Every way in which the component can behave, in one place. The tests of the sandbox take this file in as it is, and match over
// it without a catch-all: a behaviour without a test does not compile.

macro_rules! behaviours {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// What the component does when it is asked to synchronise (or to open, list or send, where it says so).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Behaviour {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Behaviour {
            /// As written in the settings.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The behaviour of this name.
            pub(crate) fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

behaviours! {
    /// Delivers `messages` messages of `size` octets each, and a checkpoint; sends with one `accepted` a recipient.
    Good = "good",
    /// Computes for ever.
    Loop = "loop",
    /// Asks for the time for ever.
    LoopThroughNow = "loop-through-now",
    /// Logs for ever.
    LoopThroughLog = "loop-through-log",
    /// Reports progress for ever.
    LoopThroughProgress = "loop-through-progress",
    /// Asks which of no ids are unseen, for ever.
    LoopThroughUnseen = "loop-through-unseen",
    /// Takes memory for ever.
    HoardMemory = "hoard-memory",
    /// Makes streams for ever and keeps them.
    HoardStreams = "hoard-streams",
    /// Begins imports for ever and waits for none.
    HoardCalls = "hoard-calls",
    /// Executes `unreachable`.
    Trap = "trap",
    /// Panics with words.
    Panic = "panic",
    /// Ends the program.
    Exit = "exit",
    /// Writes `messages` log lines with control characters in them.
    FloodLog = "flood-log",
    /// Opens an endpoint that the account does not have.
    OpenUndeclaredEndpoint = "open-undeclared-endpoint",
    /// Opens connections until it is refused, and reports the refusal.
    OpenTooManyConnections = "open-too-many-connections",
    /// Delivers into scopes and reads state that are named after another account.
    NameAnotherAccount = "name-another-account",
    /// Looks for files, environment, arguments and sockets, and delivers what it finds.
    LookAround = "look-around",
    /// Delivers octets and drops `finished` unwritten.
    DropFinished = "drop-finished",
    /// Announces one octet more than it delivers.
    LieAboutCount = "lie-about-count",
    /// Delivers one message that never ends.
    EndlessOctets = "endless-octets",
    /// Delivers messages for ever and never asks for a checkpoint.
    NeverCheckpoint = "never-checkpoint",
    /// Asks for a checkpoint with a cursor of 1 MiB.
    HugeCursor = "huge-cursor",
    /// Asks which of 20,000 ids are unseen.
    TooManyIds = "too-many-ids",
    /// Lists folders without end.
    EndlessFolders = "endless-folders",
    /// Never comes back from `open`.
    HangInOpen = "hang-in-open",
    /// Sleeps for ever in the middle of a message.
    HangInSync = "hang-in-sync",
    /// Goes on when every import says `cancelled`.
    IgnoreStop = "ignore-stop",
    /// Asks for an origin that nobody approved.
    AskUnapprovedOrigin = "ask-unapproved-origin",
    /// Sets an Authorization header of its own.
    SetAuthorization = "set-authorization",
    /// Sets a Cookie header of its own.
    SetCookie = "set-cookie",
    /// Puts a token of its own into a query.
    HideTokenInQuery = "hide-token-in-query",
    /// Puts a token of its own into a request inside of a multipart batch.
    HideTokenInBatchPart = "hide-token-in-batch-part",
    /// Puts a request for another origin into a batch in JSON.
    HideOriginInBatch = "hide-origin-in-batch",
    /// Asks with the credential, is led on by the server, and delivers what it got.
    FollowRedirect = "follow-redirect",
    /// Asks with the credential, reads the response to its end, checks that it was whole, and delivers it.
    Fetch = "fetch",
    /// Sends `size` octets with the credential and delivers what was answered.
    Upload = "upload",
    /// Sends `size` octets and says that they are more.
    DeclareFalseLength = "declare-false-length",
    /// Begins requests until it is refused, and reads none of the responses.
    HoardExchanges = "hoard-exchanges",
    /// Asks for a response and never reads its body.
    NeverReadBody = "never-read-body",
    /// Signs in, talks to the server, and delivers its whole linear memory.
    DumpMemory = "dump-memory",
    /// Gives no verdict when it is asked to send.
    WithholdVerdicts = "withhold-verdicts",
}
