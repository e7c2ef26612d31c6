//! Signals as ordinary readable events.

use std::io;

use mio::{Interest, Registry};
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use super::slots::Source;

/// What a signal asks the daemon to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT: stop; the second time at once.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: write a summary to the log.
    Status,
}

pub(super) struct Signals(signal_hook_mio::v1_0::Signals);

impl Signals {
    pub(super) fn new(registry: &Registry) -> io::Result<Signals> {
        let mut signals = signal_hook_mio::v1_0::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        registry.register(&mut signals, Source::Signals.token(), Interest::READABLE)?;
        Ok(Signals(signals))
    }

    /// Those that came since the last call.
    pub(super) fn pending(&mut self) -> Vec<Signal> {
        let signal = |number| match number {
            SIGHUP => Signal::Reload,
            SIGUSR1 => Signal::Status,
            _ => Signal::Stop,
        };
        self.0.pending().map(signal).collect()
    }
}
