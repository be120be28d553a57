//! What one instance may use: linear memory over all its memories, table elements, and wall time as epochs.

use wasmtime::ResourceLimiter;

use crate::engine::TICK_MICROS;

/// Elements of one table at most; the pool's slots are as large.
const TABLE_ELEMENTS_MAX: usize = 65_536;

/// Counts linear memory and remembers that a request was refused, because the guest then only panics.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    bytes_max: u64,
    bytes: u64,
    refused: bool,
}

impl MemoryBudget {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, bytes: 0, refused: false }
    }

    /// Linear memory in bytes, all memories together; never shrinks.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The most that [`MemoryBudget::bytes`] can become.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// True when a request was refused since [`MemoryBudget::forget_refusal`].
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    /// A new turn begins.
    pub(crate) fn forget_refusal(&mut self) {
        self.refused = false;
    }
}

impl ResourceLimiter for MemoryBudget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = u64::try_from(desired.saturating_sub(current)).unwrap_or(u64::MAX);
        let total = self.bytes.saturating_add(more);
        if total > self.bytes_max {
            self.refused = true;
            return Ok(false);
        }
        self.bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = desired <= TABLE_ELEMENTS_MAX;
        self.refused |= !fits;
        Ok(fits)
    }
}

/// Epochs until a deadline; one more than fits, because the current epoch has begun already.
pub(crate) fn ticks(ms: u32) -> u64 {
    (u64::from(ms) * 1_000).div_ceil(u64::from(TICK_MICROS)) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_of_an_instance_share_one_budget() {
        let mut budget = MemoryBudget::new(100);
        assert!(budget.memory_growing(0, 60, None).unwrap());
        assert!(!budget.memory_growing(0, 60, None).unwrap());
        assert!(budget.refused());
        assert!(budget.memory_growing(0, 40, None).unwrap());
        assert_eq!(budget.bytes(), 100);
    }

    #[test]
    fn a_deadline_is_never_shorter_than_asked() {
        assert_eq!(ticks(1), 5);
        assert_eq!(ticks(1_000), 4_001);
    }
}
