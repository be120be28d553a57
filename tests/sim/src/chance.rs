//! Random numbers from a seed: xorshift64*, small and the same everywhere.

/// The source of every choice in a run.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        // A seed of zero would stay zero; the constant also spreads small seeds.
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `end`; zero when `end` is.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the values; the default for none.
    pub(crate) fn pick<T: Copy + Default>(&mut self, values: &[T]) -> T {
        let index = self.below(values.len());
        values.get(index).copied().unwrap_or_default()
    }

    /// One of the values, by weight.
    pub(crate) fn weighted<T: Copy + Default>(&mut self, values: &[(usize, T)]) -> T {
        let total = values.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(total);
        for (weight, value) in values {
            if left < *weight {
                return *value;
            }
            left -= weight;
        }
        T::default()
    }
}
