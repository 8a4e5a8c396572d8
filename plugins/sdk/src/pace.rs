//! A server that sends an octet now and then keeps every read time-out from going off, and would hold a pass for weeks: what it sends a minute is
//! counted.
//!
//! ```
//! use postrider_connector::machine::Actions;
//! use postrider_connector::pace::Pace;
//!
//! let (mut pace, mut actions) = (Pace::default(), Actions::default());
//! pace.begin(&mut actions);
//! // Half an hour with an octet a second:
//! let looks = (1..).find(|_| {
//!     pace.count(60);
//!     pace.look(true, &mut actions).is_err()
//! });
//! assert_eq!(looks, Some(30));
//! ```

use crate::machine::{Action, Actions};
use crate::types::{Error, Failure};

/// Milliseconds between two looks.
const LOOK_MS: u64 = 60_000;

/// Octets between two looks below which the server is slow: ten a second.
const SLOW_OCTETS: u64 = 600;

/// Slow looks in a row after which the line is given up. Servers that search a large mailbox say no more than "still here" for minutes.
const SLOW_LOOKS: u32 = 30;

/// What a server sent of late.
#[derive(Debug, Default)]
pub struct Pace {
    octets: u64,
    slow: u32,
}

impl Pace {
    /// Begin to count, from nothing; needs the machine's timer.
    pub fn begin(&mut self, actions: &mut Actions) {
        *self = Self::default();
        actions.put(Action::Timer(Some(LOOK_MS)));
    }

    /// So many octets came.
    pub const fn count(&mut self, octets: usize) {
        self.octets = self.octets.saturating_add(octets as u64);
    }

    /// The timer went off. `is_servers_turn`: nothing else was waited for.
    ///
    /// # Errors
    /// `unreachable`, where the server has been slow for too long.
    pub fn look(&mut self, is_servers_turn: bool, actions: &mut Actions) -> Result<(), Error> {
        self.slow = if is_servers_turn && self.octets < SLOW_OCTETS { self.slow + 1 } else { 0 };
        self.octets = 0;
        if self.slow >= SLOW_LOOKS {
            let words = format!("the server sent less than {SLOW_OCTETS} octets a minute for {SLOW_LOOKS} minutes");
            return Err(Error::new(Failure::Unreachable, words));
        }
        actions.put(Action::Timer(Some(LOOK_MS)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The look that gives the line up, where so many octets come between two looks.
    fn given_up(octets: usize, is_servers_turn: bool) -> Option<u32> {
        let (mut pace, mut actions) = (Pace::default(), Actions::default());
        pace.begin(&mut actions);
        (1..=100).find(|_| {
            pace.count(octets);
            pace.look(is_servers_turn, &mut actions).is_err()
        })
    }

    #[test]
    fn an_octet_a_second_is_given_up_and_a_slow_line_is_not() {
        assert_eq!(given_up(60, true), Some(30));
        assert_eq!(given_up(599, true), Some(30));
        assert_eq!(given_up(600, true), None);
        assert_eq!(given_up(0, false), None, "the host was waited for");
    }
}
