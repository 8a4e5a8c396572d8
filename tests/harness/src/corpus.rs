//! Realistic mail, the same for the same seed: 10,000 messages are about 154 MB with a median of 7.4 KB, from 1 KB to 20 MB, with every
//! oddity that mailboxes have.

mod body;
mod header;
mod oddity;
mod random;

use oddity::ODDITIES;
use random::Random;

/// The seed of tests that do not care.
pub const SEED: u64 = 20_260_101;
/// How many shapes of odd mail there are; a corpus begins with one of each.
pub const ODD_SHAPES: usize = ODDITIES.len();
/// From this many messages on, a corpus has one of 20 MB.
const LARGE_FROM: usize = 1_000;
/// Where the 20 MB message stands.
const LARGE_AT: usize = 700;
/// Every so many messages, one is an oddity.
const ODD_EVERY: usize = 25;

/// One message as it lies in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// All of it.
    pub octets: Vec<u8>,
    /// Maildir flags in their order: "", "S", "FS".
    pub flags: &'static str,
    /// When it was received, in seconds since 1970.
    pub received: u64,
}

/// The first `count` messages of the mailbox that `seed` makes. The first [`ODD_SHAPES`] are odd.
pub fn messages(seed: u64, count: usize) -> impl Iterator<Item = Message> {
    (0..count).map(move |index| message(seed, index, count))
}

/// One plain message with this subject, for tests that want to know it again.
#[must_use]
pub fn note(subject: &str) -> Message {
    let mut random = Random::new(subject.bytes().fold(SEED, |sum, octet| sum.wrapping_mul(31).wrapping_add(u64::from(octet))));
    let mut octets = header::fields(&mut random, 0, subject);
    octets.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\n\n");
    octets.extend_from_slice(&body::prose(&mut random, 600));
    Message { octets, flags: "", received: 1_760_000_000 }
}

fn message(seed: u64, index: usize, count: usize) -> Message {
    let mut random = Random::new(seed ^ (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let flags = *random.pick(&["", "", "S", "S", "S", "S", "RS", "FS", "F"]);
    let received = 1_700_000_000 + index as u64 * 4_321;
    let octets = match index {
        LARGE_AT if count >= LARGE_FROM => body::sized(&mut random, index, 20_000_000),
        _ if index < ODDITIES.len() => ODDITIES[index].1(&mut random, index),
        _ if index.is_multiple_of(ODD_EVERY) => {
            // The oddest one, five thousand parts, comes once in a while only.
            let (_, odd) = ODDITIES[1 + index / ODD_EVERY % (ODDITIES.len() - 1)];
            odd(&mut random, index)
        }
        _ => {
            let size = random.size();
            body::sized(&mut random, index, size)
        }
    };
    Message { octets, flags, received }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_for_the_same_seed() {
        let one: Vec<_> = messages(SEED, 200).collect();
        assert_eq!(one, messages(SEED, 200).collect::<Vec<_>>());
        assert_ne!(one, messages(SEED + 1, 200).collect::<Vec<_>>());
    }

    #[test]
    fn is_as_large_as_it_says() {
        let mut sizes: Vec<usize> = messages(SEED, 10_000).map(|message| message.octets.len()).collect();
        sizes.sort_unstable();
        let total: usize = sizes.iter().sum();
        assert!((150_000_000..158_000_000).contains(&total), "{total} octets in all");
        assert!((7_000..7_800).contains(&sizes[5_000]), "median {}", sizes[5_000]);
        assert!((19_900_000..20_500_000).contains(&sizes[9_999]), "largest {}", sizes[9_999]);
    }
}
