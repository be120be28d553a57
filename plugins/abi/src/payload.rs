//! Content bytes, shared by reference count across the boundary: a clone counts, a slice shares, nothing copies.
//!
//! A payload is a run of bytes and the owner that counts for it. Bytes that are copied lie behind their owner in the same
//! allocation, because every message that an agent sends is one; bytes that are taken over stay where they are.

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    ptr,
    sync::atomic::{AtomicUsize, Ordering, fence},
};

use abi_stable::StableAbi;

/// An immutable run of bytes. Clone and slice are O(1); the memory is freed by the library that made it.
#[repr(C)]
#[derive(StableAbi)]
pub struct Payload {
    bytes: *const u8,
    len: usize,
    /// Null when there are no bytes.
    owner: *const Owner,
}

/// Stands at the beginning of every allocation that holds bytes.
#[repr(C)]
#[derive(StableAbi)]
struct Owner {
    /// Payloads that share the bytes.
    count: AtomicUsize,
    /// Frees the allocation; a function of the library that made it, and libraries are never unloaded.
    free: unsafe extern "C" fn(*const ()),
}

/// Counts beyond this one can only come from payloads that were forgotten; the process ends before the count wraps.
const SHARES_MAX: usize = isize::MAX as usize;

/// Bytes that were copied follow this.
#[repr(C)]
struct Copied {
    owner: Owner,
    len: usize,
}

/// Bytes that were taken over.
#[repr(C)]
struct Taken {
    owner: Owner,
    bytes: Vec<u8>,
}

// SAFETY: the bytes never change, and the count is atomic.
unsafe impl Send for Payload {}
// SAFETY: as above.
unsafe impl Sync for Payload {}

impl Payload {
    /// The empty payload; allocates nothing.
    pub const EMPTY: Self = Self { bytes: ptr::NonNull::dangling().as_ptr(), len: 0, owner: ptr::null() };

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: `bytes` and `len` are a part of what the owner keeps, which lives as long as this payload counts; the
        // empty payload's pointer is not null and may be read for no bytes.
        unsafe { std::slice::from_raw_parts(self.bytes, self.len) }
    }

    /// Length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there are no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A view of `start..end` that shares the memory; `None` when the range lies outside.
    pub fn slice(&self, start: usize, end: usize) -> Option<Self> {
        let part = self.as_slice().get(start..end)?;
        let (bytes, len) = (part.as_ptr(), part.len());
        let mut shared = self.clone();
        (shared.bytes, shared.len) = (bytes, len);
        Some(shared)
    }
}

impl Clone for Payload {
    #[inline]
    fn clone(&self) -> Self {
        // SAFETY: an owner that is not null lives as long as this payload counts.
        if let Some(owner) = unsafe { self.owner.as_ref() }
            && owner.count.fetch_add(1, Ordering::Relaxed) > SHARES_MAX
        {
            std::process::abort();
        }
        Self { ..*self }
    }
}

impl Drop for Payload {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: as in `clone`. The last one to leave sees everything that the others did, and nobody else can count
        // up from zero, so it alone frees; the function is the one that belongs to the allocation.
        unsafe {
            let Some(owner) = self.owner.as_ref() else { return };
            if owner.count.fetch_sub(1, Ordering::Release) == 1 {
                fence(Ordering::Acquire);
                (owner.free)(self.owner.cast());
            }
        }
    }
}

/// The layout of so many copied bytes with their owner, and where they begin.
fn layout(len: usize) -> (Layout, usize) {
    let whole = Layout::array::<u8>(len).and_then(|bytes| Layout::new::<Copied>().extend(bytes));
    // More than half of the address space: nothing that long exists to be copied.
    whole.unwrap_or_else(|_| handle_alloc_error(Layout::new::<Copied>()))
}

/// # Safety
/// `owner` was made by `From<&[u8]>`, and nobody uses it any more.
unsafe extern "C" fn free_copied(owner: *const ()) {
    // SAFETY: by contract the allocation begins with `Copied` and has the layout that its length gives.
    unsafe {
        let copied = owner.cast::<Copied>().cast_mut();
        dealloc(copied.cast(), layout((*copied).len).0);
    }
}

/// # Safety
/// `owner` was made by `From<Vec<u8>>`, and nobody uses it any more.
unsafe extern "C" fn free_taken(owner: *const ()) {
    // SAFETY: by contract the pointer came from a box of this type.
    drop(unsafe { Box::from_raw(owner.cast::<Taken>().cast_mut()) });
}

/// Takes the vector over without copying.
impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            return Self::EMPTY;
        }
        let owner = Owner { count: AtomicUsize::new(1), free: free_taken };
        let (start, len) = (bytes.as_ptr(), bytes.len());
        let taken = Box::into_raw(Box::new(Taken { owner, bytes }));
        Self { bytes: start, len, owner: taken.cast_const().cast() }
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

/// Copies the bytes once, into one allocation.
impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::EMPTY;
        }
        let (layout, offset) = layout(bytes.len());
        let owner = Owner { count: AtomicUsize::new(1), free: free_copied };
        // SAFETY: the layout is not empty; it begins with `Copied` and has room for the bytes at the offset.
        unsafe {
            let place = alloc(layout);
            if place.is_null() {
                handle_alloc_error(layout);
            }
            place.cast::<Copied>().write(Copied { owner, len: bytes.len() });
            let start = place.add(offset);
            start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            Self { bytes: start, len: bytes.len(), owner: place.cast_const().cast() }
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Payload").field(&self.as_slice()).finish()
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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn what_is_copied_and_what_is_taken_over_reads_alike() {
        let copied = Payload::from(&b"hello"[..]);
        let taken = Payload::from(b"hello".to_vec());
        assert_eq!(copied, taken);
        assert_eq!((copied.as_slice(), taken.len()), (&b"hello"[..], 5));
    }

    #[test]
    fn nothing_is_the_empty_payload() {
        for nothing in
            [Payload::EMPTY, Payload::from(&b""[..]), Payload::from(Vec::new()), Payload::default()]
        {
            assert!(nothing.is_empty() && nothing.owner.is_null());
            assert_eq!(nothing.clone().as_slice(), b"");
        }
    }

    #[test]
    fn a_slice_shares_and_outlives_the_whole() {
        for whole in [Payload::from(&b"hello world"[..]), Payload::from(b"hello world".to_vec())] {
            let part = whole.slice(6, 11).unwrap();
            let inner = part.slice(1, 3).unwrap();
            assert_eq!(part.bytes, whole.as_slice()[6..].as_ptr());
            assert!(
                whole.slice(6, 12).is_none() && whole.slice(7, 6).is_none() && part.slice(0, 6).is_none()
            );
            drop(whole);
            drop(part);
            assert_eq!(inner.as_slice(), b"or");
        }
    }

    #[test]
    fn a_vector_is_not_copied() {
        let bytes = vec![7; 100];
        let at = bytes.as_ptr();
        assert_eq!(Payload::from(bytes).as_slice().as_ptr(), at);
    }

    #[test]
    fn threads_share_it() {
        let payload = Arc::new(Payload::from(&[1; 1000][..]));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let payload = Arc::clone(&payload);
                thread::spawn(move || (0..1000).map(|_| payload.as_ref().clone().len()).sum::<usize>())
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), 1_000_000);
        }
        let owner = payload.owner;
        // SAFETY: `payload` still keeps it.
        assert_eq!(unsafe { (*owner).count.load(Ordering::Relaxed) }, 1);
    }
}
