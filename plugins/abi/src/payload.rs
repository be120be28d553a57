//! Content bytes, shared by reference count across the boundary: a clone counts, a slice shares, nothing copies.

use abi_stable::{
    StableAbi,
    std_types::{RArc, ROption, RVec},
};

/// An immutable run of bytes. Clone and slice are O(1); the memory is freed by the library that made it.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default)]
pub struct Payload {
    bytes: ROption<RArc<RVec<u8>>>,
    start: usize,
    len: usize,
}

impl Payload {
    /// The empty payload; allocates nothing.
    pub const EMPTY: Self = Self { bytes: ROption::RNone, start: 0, len: 0 };

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.bytes {
            ROption::RSome(bytes) => {
                bytes.as_slice().get(self.start..self.start.saturating_add(self.len)).unwrap_or(&[])
            }
            ROption::RNone => &[],
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A view of `start..end` that shares the memory; `None` when the range lies outside.
    pub fn slice(&self, start: usize, end: usize) -> Option<Self> {
        if start > end || end > self.len {
            return None;
        }
        Some(Self { bytes: self.bytes.clone(), start: self.start + start, len: end - start })
    }
}

/// Takes the vector over without copying.
impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            return Self::EMPTY;
        }
        let len = bytes.len();
        Self { bytes: ROption::RSome(RArc::new(RVec::from(bytes))), start: 0, len }
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

/// Copies the bytes once.
impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Payload {}
