//! What a configuration's bounds add up to in memory: the engine's, the loop's, and what the allocator adds to both.

use crate::engine::limits::{PLACES_KEPT, Settings};
use crate::engine::memory::{self, Part};
use crate::engine::record::piece;
use crate::reactor;
use crate::transport::sockopt::KERNEL_BYTES;

/// The allocator takes an eighth more: 16 bytes around each piece, and pieces that do not fit together. Seen with glibc: of
/// 4,000 idle connections 1 MiB remains when all have gone, the tables that have grown included. Under attack
/// (`tests/resources/bounds.rs`) less than a third of the sum is taken in all.
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

/// What the process takes while nobody is there, the pages of the program in memory included: 11 MiB were seen.
const IDLE_BYTES: usize = 16 * 1024 * 1024;

/// The machine that a unit with the default configuration is made for.
const MACHINE_BYTES: usize = 2 * 1024 * 1024 * 1024;

/// In what steps a unit's bounds are told, in percent, and how many more MemoryMax= is than MemoryHigh=.
const UNIT_STEP: usize = 5;

/// What a control group takes at most that has the daemon in it, part by part: all that [peers](total) can make it hold, the
/// record of that, which a restart writes, the kernel's memory for the connections, and the daemon itself.
pub fn parts_of_group(settings: &Settings) -> Vec<Part> {
    let connections = settings.connections_max + settings.refused_lingering_max;
    vec![
        Part { name: "the sum", bytes: total(settings) },
        Part { name: "the record of a restart", bytes: piece::bytes_max(settings) },
        Part { name: "the kernel's memory for connections", bytes: connections * KERNEL_BYTES },
        Part { name: "the daemon while nobody is there", bytes: IDLE_BYTES },
    ]
}

/// MemoryHigh= and MemoryMax= of a unit with these settings, in percent of the machine's memory, as TCP's share is.
pub fn of_unit(settings: &Settings) -> (usize, usize) {
    let sum: usize = parts_of_group(settings).iter().map(|part| part.bytes).sum();
    let high = (100 * sum).div_ceil(MACHINE_BYTES).next_multiple_of(UNIT_STEP);
    (high, high + 2 * UNIT_STEP)
}
