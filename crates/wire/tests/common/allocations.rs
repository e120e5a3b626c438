//! How much memory a thread holds, by an allocator that counts.
//!
//! A test binary that includes this file allocates through it. Counts are kept per thread, so tests that run side by
//! side do not see each other's; what one thread frees for another is counted on the wrong side, so measure only what
//! stays on its thread (a `#[tokio::test]` does, with every task that it spawns).
//!
//! Other packages' tests include it too, by path.
#![allow(unsafe_code, reason = "an allocator is unsafe by its interface; this one only counts and passes on")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

// SAFETY: every call goes to the system's allocator with the caller's own arguments, so its guarantees are the caller's.
// Counting allocates nothing: the cells are initialised at compile time and need no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: see above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: see above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: see above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: see above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Measures the calling thread's memory from here on.
pub(crate) struct Meter {
    base: isize,
}

#[allow(dead_code, reason = "not everybody asks for both")]
impl Meter {
    pub(crate) fn start() -> Self {
        let base = HELD.get();
        PEAK.set(base);
        Self { base }
    }

    /// The most that was held at any time above what was held at the start, in bytes.
    pub(crate) fn peak(&self) -> usize {
        usize::try_from(PEAK.get() - self.base).unwrap_or(0)
    }

    /// What is held above what was held at the start, in bytes; 0 if less is.
    pub(crate) fn held(&self) -> usize {
        usize::try_from(HELD.get() - self.base).unwrap_or(0)
    }
}
