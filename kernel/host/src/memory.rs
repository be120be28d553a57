//! Gives memory back to the system after an operation that needed much of it.
//!
//! The server's allocator keeps what was freed for a while, and looks at it again only when it is asked for more. After an
//! upload of tens of megabytes nothing may ask for long.

/// Returns what the allocator holds and nobody uses.
pub fn give_back() {
    // SAFETY: the call takes no pointers and may be made at any time from any thread.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
