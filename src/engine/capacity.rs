//! How tables free memory after a peak.

/// A table keeps memory for this many entries even if it is empty.
const ENTRIES_KEPT: usize = 64;

/// The capacity to which a table with this many entries should shrink after a peak; `None`: it is not worth it. The table may still
/// double, so that one that grows and shrinks is not moved each time.
pub fn shrunk(len: usize, capacity: usize) -> Option<usize> {
    (capacity > 4 * len.max(ENTRIES_KEPT)).then(|| 2 * len)
}
