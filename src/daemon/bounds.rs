//! The sum of a configuration's memory bounds: the engine's, the loop's, and the allocator's overhead for both.

use crate::endpoint::Scheme;
#[cfg(feature = "tls")]
use crate::engine::encryption;
use crate::engine::limits::{PLACES_KEPT, Settings};
use crate::engine::memory::{self, Part};
use crate::engine::record::piece;
#[cfg(feature = "nats")]
use crate::engine::uplink::bounds as uplink;
use crate::reactor;
use crate::transport::rings;
use crate::transport::sockopt::KERNEL_BYTES;
#[cfg(feature = "tls")]
use crate::wire::tls;

/// The allocator takes an eighth more: 16 bytes for each block, and fragmentation. Measured with glibc: after 4,000 idle
/// connections have closed, 1 MiB remains, including the grown tables. Under attack
/// (`tests/resources/bounds.rs`) the daemon uses less than a third of the sum.
const ALLOCATOR_SHARE: usize = 8;

/// The parts of the sum: the most memory that peers can make the daemon use, beyond what it uses without clients.
pub fn parts(settings: &Settings) -> Vec<Part> {
    let connections =
        settings.connections_max + PLACES_KEPT + settings.refused_lingering_max + settings.standing;
    let mut parts = memory::parts(settings);
    parts.push(Part { name: "the loop's tables", bytes: reactor::memory_bytes_max(connections) });
    #[cfg(feature = "tls")]
    if settings.endpoints.iter().any(|(endpoint, _)| Scheme::is_encrypted(endpoint)) {
        parts.push(Part { name: "TLS", bytes: connections * (tls::BYTES_MAX + encryption::ENTRY_BYTES) });
    }
    if settings.endpoints.iter().any(|(endpoint, _)| Scheme::is_memory(endpoint)) {
        parts.push(Part {
            name: "shared memory",
            bytes: connections.min(settings.sharing_max) * rings::BYTES,
        });
    }
    #[cfg(feature = "nats")]
    if settings.is_room_shared {
        let bytes = uplink::MEMORY_BYTES_MAX + uplink::MEMBERS_MAX * uplink::MEMBER_BYTES;
        parts.push(Part { name: "the shared room", bytes });
    }
    let sum: usize = parts.iter().map(|part| part.bytes).sum();
    parts.push(Part { name: "the allocator's own", bytes: sum / ALLOCATOR_SHARE });
    parts
}

/// The sum, in bytes.
pub fn total(settings: &Settings) -> usize {
    parts(settings).iter().map(|part| part.bytes).sum()
}

/// The memory of the process without clients, including the program's pages; measured: 11 MiB.
const IDLE_BYTES: usize = 16 * 1024 * 1024;

/// The memory of the machine that the unit's defaults are made for.
const MACHINE_BYTES: usize = 2 * 1024 * 1024 * 1024;

/// The granularity of a unit's bounds in percent, and the distance from MemoryHigh= to MemoryMax=.
const UNIT_STEP: usize = 5;

/// The parts of the most memory that the daemon's control group can use: all that [peers](total) can make it use, the
/// record that a restart writes, the kernel's memory for connections, and the daemon itself.
pub fn parts_of_group(settings: &Settings) -> Vec<Part> {
    let connections = settings.connections_max + settings.refused_lingering_max;
    vec![
        Part { name: "the sum", bytes: total(settings) },
        Part { name: "the record of a restart", bytes: piece::bytes_max(settings) },
        Part { name: "the kernel's memory for connections", bytes: connections * KERNEL_BYTES },
        Part { name: "the daemon without clients", bytes: IDLE_BYTES },
    ]
}

/// MemoryHigh= and MemoryMax= of a unit with these settings, in percent of the machine's memory, as TCP's share is.
pub fn of_unit(settings: &Settings) -> (usize, usize) {
    let sum: usize = parts_of_group(settings).iter().map(|part| part.bytes).sum();
    let high = (100 * sum).div_ceil(MACHINE_BYTES).next_multiple_of(UNIT_STEP);
    (high, high + 2 * UNIT_STEP)
}
