//! What has happened so far, in numbers.

use super::service::Service;

/// Counts since the start, of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceCounters {
    /// Connections that were let in, those that chose the service on the mux included.
    pub connections: u64,
    /// Connections that a limit kept out.
    pub refused: u64,
    /// Complete messages.
    pub messages: u64,
    /// Messages that got an error, and connections that were closed with one.
    pub errors: u64,
    /// Connections closed because they did not read.
    pub too_slow: u64,
    /// Lines that were dropped because nobody read them (FIFOs).
    pub dropped: u64,
}

/// Counts since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    services: [ServiceCounters; Service::ALL.len()],
    /// Bytes received from peers.
    pub bytes_in: u64,
    /// Bytes the kernel took for peers.
    pub bytes_out: u64,
}

impl Counters {
    /// The counts of one service.
    pub fn of(&self, service: Service) -> &ServiceCounters {
        &self.services[service as usize]
    }

    /// The same, to count on.
    pub fn of_mut(&mut self, service: Service) -> &mut ServiceCounters {
        &mut self.services[service as usize]
    }
}
