//! The pages of the program's files.

use std::ffi::c_void;
use std::fs;
use std::ops::Range;

use rustix::mm::{Advice, madvise};

use crate::host::mappings::unchanged;

/// Unmaps the pages of code and constants (madvise(2), MADV_DONTNEED): most of them were needed by the start only, and the kernel
/// maps the others again from its cache when they are used. While there are other threads, it does nothing, and returns `false`.
/// Where /proc is not readable, it does nothing either.
pub fn return_pages_of_files() -> bool {
    let threads = fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    if threads != 1 {
        return threads == 0;
    }
    let report = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for Range { start, end } in unchanged(&report) {
        // SAFETY: the kernel says that this is a private mapping of a file, that it cannot be written to, and that no page of
        // it, in memory or swapped out, differs from the file: whoever reads or runs it finds the same bytes afterwards. No other thread can change that
        // meanwhile: there is none, and only this one could start one.
        let _ = unsafe {
            madvise(
                std::ptr::with_exposed_provenance_mut::<c_void>(start),
                end - start,
                Advice::LinuxDontNeed,
            )
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_with_threads_keeps_its_pages() {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || wait.recv());
        assert!(!return_pages_of_files());
        drop(end);
        other.join().unwrap().unwrap_err();
    }
}
