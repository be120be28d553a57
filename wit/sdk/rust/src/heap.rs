//! An allocator for agents: free lists of a few sizes before the target's own allocator.
//!
//! The canonical ABI asks for an allocation for each list that comes in, and agents free them in turn, so the same few
//! sizes come and go all the time. What is freed is kept for the next request of its size and never given back, as the
//! memory of an agent never shrinks anyway. Not for threads; this target has none.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ptr,
};

/// Blocks are powers of two from this many bytes to [`BLOCK_BYTES_MAX`]; what is larger is the target's allocator's.
const BLOCK_BYTES_MIN: usize = 16;
/// The largest block in bytes.
const BLOCK_BYTES_MAX: usize = 32 << 10;
/// Alignment of every block.
const BLOCK_ALIGN: usize = 8;
/// Sizes of blocks.
const CLASSES: usize = (BLOCK_BYTES_MAX / BLOCK_BYTES_MIN).ilog2() as usize + 1;

/// A free block. Its first word leads to the next.
struct Block {
    next: *mut Block,
}

/// The allocator.
pub struct Heap {
    free: [Cell<*mut Block>; CLASSES],
}

// SAFETY: without threads nothing is shared.
#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
unsafe impl Sync for Heap {}

impl Heap {
    /// A heap with nothing in it.
    #[allow(clippy::new_without_default, reason = "only `new` can begin a static")]
    pub const fn new() -> Self {
        Self { free: [const { Cell::new(ptr::null_mut()) }; CLASSES] }
    }

    /// The free list for a request and the layout of its blocks; none for what is larger or aligned further.
    #[inline]
    fn class(&self, layout: Layout) -> Option<(&Cell<*mut Block>, Layout)> {
        if layout.align() > BLOCK_ALIGN || layout.size() > BLOCK_BYTES_MAX {
            return None;
        }
        let bytes = layout.size().max(BLOCK_BYTES_MIN).next_power_of_two();
        let list = self.free.get((bytes / BLOCK_BYTES_MIN).ilog2() as usize)?;
        Layout::from_size_align(bytes, BLOCK_ALIGN).ok().map(|block| (list, block))
    }
}

// SAFETY: a block is in one list or with one owner, never both, and has room for every request of its class.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (list, block) = match self.class(layout) {
            Some((list, block)) => (list.as_ptr(), block),
            None => (ptr::null_mut(), layout),
        };
        // SAFETY: a list that is not null is ours and leads to blocks that were freed; nothing else touches it meanwhile.
        // Requests are not empty, and blocks are not smaller.
        unsafe {
            if list.is_null() || (*list).is_null() {
                return System.alloc(block);
            }
            let first = *list;
            *list = (*first).next;
            first.cast()
        }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` was allocated with this layout, so it is a block of this class, which its owner gives up, or the
        // target's allocator's.
        unsafe {
            let Some((list, _)) = self.class(layout) else { return System.dealloc(at, layout) };
            let first = at.cast::<Block>();
            first.write(Block { next: list.replace(first) });
        }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the caller promises that `bytes` makes a layout with this alignment, and that `at` has `layout`.
        unsafe {
            let wanted = Layout::from_size_align_unchecked(bytes, layout.align());
            match (self.class(layout), self.class(wanted)) {
                (Some((_, has)), Some((_, wants))) if has == wants => return at,
                (None, None) => return System.realloc(at, layout, bytes),
                _ => {}
            }
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(at, moved, layout.size().min(bytes));
                self.dealloc(at, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, 8).unwrap()
    }

    #[test]
    fn a_block_that_was_freed_comes_again_for_its_size() {
        let heap = Heap::new();
        // SAFETY: each pointer is freed once, with its layout.
        unsafe {
            let first = heap.alloc(layout(100));
            heap.dealloc(first, layout(100));
            let other = heap.alloc(layout(129));
            assert_eq!(heap.alloc(layout(65)), first);
            heap.dealloc(first, layout(65));
            heap.dealloc(other, layout(129));
            assert_eq!((heap.alloc(layout(256)), heap.alloc(layout(128))), (other, first));
            System.dealloc(first, layout(128));
            System.dealloc(other, layout(256));
        }
    }

    #[test]
    fn growing_keeps_the_bytes_in_every_size() {
        let heap = Heap::new();
        let mut bytes = 1;
        // SAFETY: the pointer is always the last one, with its layout, and written only so far as it reaches.
        unsafe {
            let mut at = heap.alloc(layout(bytes));
            at.write(0);
            while bytes < 4 * BLOCK_BYTES_MAX {
                let more = bytes + bytes / 2 + 1;
                at = heap.realloc(at, layout(bytes), more);
                (bytes..more).for_each(|index| at.add(index).write(index as u8));
                assert!((0..more).all(|index| at.add(index).read() == index as u8));
                bytes = more;
            }
            at = heap.realloc(at, layout(bytes), 3);
            assert_eq!([at.read(), at.add(1).read(), at.add(2).read()], [0, 1, 2]);
            System.dealloc(at, layout(16));
        }
    }

    #[test]
    fn what_is_aligned_further_is_left_to_the_target() {
        let heap = Heap::new();
        let aligned = Layout::from_size_align(100, 64).unwrap();
        // SAFETY: freed once, with its layout.
        unsafe {
            let at = heap.alloc(aligned);
            assert_eq!(at.addr() % 64, 0);
            heap.dealloc(at, aligned);
        }
        assert!(heap.free.iter().all(|list| list.get().is_null()));
    }
}
