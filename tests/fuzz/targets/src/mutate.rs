//! Changes of an input by a fixed generator, so that a failure comes again: see `tests/replay.rs`.

/// Longest input that comes out.
pub const INPUT_BYTES_MAX: usize = 16 << 10;

/// What readers trip over.
const PIECES: &[&[u8]] = &[
    b"(",
    b")",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"#",
    b"#9\"",
    b"=",
    b"\n",
    b"\0",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"1e999",
    b"-0",
    b"18446744073709551616",
    b"null",
    b"\\ud800",
    b"+2s",
    b"../",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x80\x01",
    b"\x00asm\x0d\x00\x01\x00",
    b"\x00asm\x01\x00\x00\x00",
];

/// A generator of numbers from a seed (xorshift, Marsaglia 2003).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Begins at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`; zero when the bound is.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0).checked_rem(bound).unwrap_or(0)
    }
}

/// A changed copy: one to four changes, each of which may take from `other`.
pub fn mutate(input: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len() + 1);
        let end = at + chance.below((bytes.len() - at).min(32) + 1);
        match chance.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..end, [])),
            2 => {
                let again = bytes.get(at..end).unwrap_or_default().repeat(1 + chance.below(64));
                drop(bytes.splice(at..at, again));
            }
            3 => {
                let from = chance.below(other.len());
                let piece = other.get(from..).unwrap_or_default().iter().take(chance.below(64)).copied();
                drop(bytes.splice(at..end, piece));
            }
            4 => {
                let piece = PIECES.get(chance.below(PIECES.len())).copied().unwrap_or_default();
                drop(bytes.splice(at..at, piece.repeat(1 + chance.below(3))));
            }
            5 => bytes.get_mut(at..end).unwrap_or_default().reverse(),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << chance.below(8);
                }
            }
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}
