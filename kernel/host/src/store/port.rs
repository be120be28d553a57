//! A store as the writer uses it: bytes under ordered keys, in transactions.

use caxton_abi::{
    Payload,
    port::{StoreEntry, StoreOp},
};

use crate::plugin::{Failure, ports::StorePort};

/// Stable storage. These methods block; `write` and `reopen` are called by one thread at a time.
pub trait Port: Send + Sync {
    /// Applies all changes as one transaction and returns when they are on disk.
    ///
    /// # Errors
    /// With [`Code::STORE_FULL`](caxton_abi::Code::STORE_FULL) nothing is applied and the store goes on. After any other
    /// it is not known whether they are, and it refuses until it was opened again.
    fn write(&self, changes: &[StoreOp]) -> Result<(), Failure>;
    /// What lies under a key.
    ///
    /// # Errors
    /// It cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Payload>, Failure>;
    /// Entries from a key up to another, in order, as many as fit in one page.
    ///
    /// # Errors
    /// They cannot be read.
    fn page(&self, from: &[u8], until: &[u8]) -> Result<Vec<StoreEntry>, Failure>;
    /// Closes what is open, opens it again and verifies it.
    ///
    /// # Errors
    /// It cannot go on.
    fn reopen(&self) -> Result<(), Failure>;
}

/// Entries of one page: enough to make a call's cost small.
const PAGE_ENTRIES_MAX: u32 = 1024;
/// Bytes of one page; one larger entry still comes alone.
const PAGE_BYTES_MAX: u64 = 8 << 20;

impl Port for StorePort {
    fn write(&self, changes: &[StoreOp]) -> Result<(), Failure> {
        self.write(changes)
    }
    fn get(&self, key: &[u8]) -> Result<Option<Payload>, Failure> {
        self.get(key)
    }
    fn page(&self, from: &[u8], until: &[u8]) -> Result<Vec<StoreEntry>, Failure> {
        self.read(from, until, PAGE_ENTRIES_MAX, PAGE_BYTES_MAX)
    }
    fn reopen(&self) -> Result<(), Failure> {
        self.reopen()
    }
}
