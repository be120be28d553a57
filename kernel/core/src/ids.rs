//! Mints message ids (UUID version 7, RFC 9562) and span ids from the given time and a seed, without the system's
//! random numbers.
//!
//! Each source owns a stream number of the server, so two sources never mint the same id; the 74 free bits of the UUID
//! are a bijection of stream and counter, keyed by the seed. It is not a secret generator: ids are names, not passwords.

use std::sync::Arc;

use caxton_abi::Uid;

use crate::sync::{AtomicU32, Ordering};
use crate::time::Time;

const FREE_BITS: u32 = 74;
const FREE_MASK: u128 = (1 << FREE_BITS) - 1;
const COUNTER_BITS: u32 = FREE_BITS - 32;

/// Mints ids; one for each lane and each agent. Not `Clone`, because a copy would mint the same ids again.
#[derive(Debug)]
pub struct IdSource {
    family: Arc<Family>,
    stream: u32,
    counter: u64,
}

#[derive(Debug)]
struct Family {
    seed: u64,
    streams: AtomicU32,
}

impl IdSource {
    /// Starts a family of sources. Two servers of one platform need different seeds.
    pub fn new(seed: u64) -> Self {
        Self { family: Arc::new(Family { seed, streams: AtomicU32::new(1) }), stream: 0, counter: 0 }
    }

    /// Another source of the same family, for another owner.
    pub fn fork(&self) -> Self {
        let stream = self.family.streams.fetch_add(1, Ordering::Relaxed);
        Self { family: Arc::clone(&self.family), stream, counter: 0 }
    }

    /// Mints an id for a message or conversation.
    pub fn mint(&mut self, now: Time) -> Uid {
        let free = self.next_free();
        let millis = u128::from(now.millis()) & 0xffff_ffff_ffff;
        let (upper, lower) = (free >> 62, free & ((1 << 62) - 1));
        Uid::from_u128(millis << 80 | 7 << 76 | upper << 64 | 0b10 << 62 | lower)
    }

    /// Mints a span id; never zero.
    pub fn span(&mut self) -> u64 {
        (self.next_free() as u64).max(1)
    }

    fn next_free(&mut self) -> u128 {
        self.counter += 1;
        let plain =
            u128::from(self.stream) << COUNTER_BITS | u128::from(self.counter) & ((1 << COUNTER_BITS) - 1);
        scramble(plain, self.family.seed)
    }
}

/// A bijection on 74 bits: odd multiplications and xor-shifts can each be undone.
fn scramble(plain: u128, seed: u64) -> u128 {
    const FIRST: u128 = 0x2_5b1c_9d4e_37f0_a68d;
    const SECOND: u128 = 0x1_d3a9_64c7_0e5b_f123;
    let mut x = (plain ^ u128::from(seed)) & FREE_MASK;
    x = x.wrapping_mul(FIRST) & FREE_MASK;
    x ^= x >> 37;
    x = x.wrapping_mul(SECOND) & FREE_MASK;
    x ^= x >> 41;
    x
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn sources_of_one_family_never_mint_the_same_id() {
        let mut first = IdSource::new(7);
        let mut forks = [first.fork(), first.fork(), first.fork()];
        let now = Time::from_millis(1);
        let mut seen = BTreeSet::new();
        for _ in 0..1000 {
            assert!(seen.insert(first.mint(now)));
            for fork in &mut forks {
                assert!(seen.insert(fork.mint(now)));
            }
        }
    }

    #[test]
    fn ids_carry_version_variant_and_time() {
        let id = IdSource::new(1).mint(Time::from_millis(0x0123_4567_89ab)).to_string();
        assert!(id.starts_with("01234567-89ab-7"), "{id}");
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
    }

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        assert_eq!(IdSource::new(3).mint(Time::ZERO), IdSource::new(3).mint(Time::ZERO));
        assert_ne!(IdSource::new(3).mint(Time::ZERO), IdSource::new(4).mint(Time::ZERO));
    }
}
