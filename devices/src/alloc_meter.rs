//! Measures what a piece of code allocates, for the tests of bounded memory.
#![allow(unsafe_code)] // a global allocator that counts, and leaves the work to the system's

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that this thread has allocated and not freed since the meter was set, and the most there were.
    static METER: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: isize) {
    // A thread that is ending has no meter any more, and needs none.
    let _ = METER.try_with(|meter| {
        let (live, peak) = meter.get();
        let live = live.saturating_add(bytes);
        meter.set((live, peak.max(live)));
    });
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are passed on as they are.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most bytes that `code` had allocated at a time on this thread, beyond what was allocated before.
pub fn peak_of(code: impl FnOnce()) -> isize {
    METER.set((0, 0));
    code();
    METER.get().1
}

#[test]
fn the_meter_sees_allocations() {
    assert!(peak_of(|| drop(std::hint::black_box(vec![0_u8; 1 << 20]))) >= 1 << 20);
}
