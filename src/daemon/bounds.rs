//! What a configuration's bounds add up to in memory: the engine's, the loop's, and what the allocator adds to both.

use crate::engine::limits::{PLACES_KEPT, Settings};
use crate::engine::memory::{self, Part};
use crate::reactor;

/// The allocator takes an eighth more: 16 bytes around each piece, and pieces that do not fit together. Seen with glibc: of
/// 4,000 idle connections 1 MiB remains when all have gone, the tables that have grown included. Under attack
/// (`tests/bounds.rs`) less than a third of the sum is taken in all.
const ALLOCATOR_SHARE: usize = 8;

/// The sum, part by part: what peers can make the daemon hold at most, beside what it holds when nobody is there.
pub fn parts(settings: &Settings) -> Vec<Part> {
    let connections =
        settings.connections_max + PLACES_KEPT + settings.refused_lingering_max + settings.fifos;
    let mut parts = memory::parts(settings);
    parts.push(Part { name: "the loop's tables", bytes: reactor::memory_bytes_max(connections) });
    let sum: usize = parts.iter().map(|part| part.bytes).sum();
    parts.push(Part { name: "the allocator's own", bytes: sum / ALLOCATOR_SHARE });
    parts
}

/// All of it, in bytes.
pub fn total(settings: &Settings) -> usize {
    parts(settings).iter().map(|part| part.bytes).sum()
}
