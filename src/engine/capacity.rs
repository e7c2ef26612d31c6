//! How tables give memory back after a peak.

/// Entries of a table whose memory is kept when there are none.
const ENTRIES_KEPT: usize = 64;

/// To what capacity a table with so many entries is to shrink after a peak; `None`: it is not worth it. What is left lets it
/// double, so that one that goes up and down is not moved each time.
pub fn shrunk(len: usize, capacity: usize) -> Option<usize> {
    (capacity > 4 * len.max(ENTRIES_KEPT)).then(|| 2 * len)
}
