//! The commands of the TRANSACTION state (RFC 1939 sections 5 to 7).

use std::fmt;

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// How many messages there are.
    Stat,
    /// The unique ids of all messages.
    Uidl,
    /// The sizes of all messages.
    List,
    /// The size of one message: whether it is there.
    ListOne(u32),
    /// A message's header section.
    Top(u32),
    /// A message.
    Retr(u32),
    /// Mark a message; it is deleted when the session ends.
    Dele(u32),
    /// Take the marks away.
    Rset,
    /// Nothing.
    Noop,
    /// End the session, and delete what is marked.
    Quit,
}

/// What comes after the line that says `+OK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Nothing.
    Single,
    /// Lines about messages, and one with a dot.
    Listing,
    /// A message or a part of it, and a line with a dot.
    Text,
}

impl Command {
    /// What its answer is made of.
    #[must_use]
    pub const fn form(self) -> Form {
        match self {
            Self::Uidl | Self::List => Form::Listing,
            Self::Top(_) | Self::Retr(_) => Form::Text,
            Self::Stat | Self::ListOne(_) | Self::Dele(_) | Self::Rset | Self::Noop | Self::Quit => Form::Single,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stat => f.write_str("STAT"),
            Self::Uidl => f.write_str("UIDL"),
            Self::List => f.write_str("LIST"),
            Self::ListOne(number) => write!(f, "LIST {number}"),
            Self::Top(number) => write!(f, "TOP {number} 0"),
            Self::Retr(number) => write!(f, "RETR {number}"),
            Self::Dele(number) => write!(f, "DELE {number}"),
            Self::Rset => f.write_str("RSET"),
            Self::Noop => f.write_str("NOOP"),
            Self::Quit => f.write_str("QUIT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_written_as_the_rfc_has_them() {
        for (command, text) in [
            (Command::Stat, "STAT"),
            (Command::ListOne(3), "LIST 3"),
            (Command::Top(4_000_000_000), "TOP 4000000000 0"),
            (Command::Retr(1), "RETR 1"),
            (Command::Dele(12), "DELE 12"),
        ] {
            assert_eq!(command.to_string(), text);
        }
    }
}
