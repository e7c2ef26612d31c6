//! Signals as ordinary readable events.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::{Interest, Registry};
use signal_hook::consts::signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use super::slots::Source;

/// What a signal asks of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT: stop; the second time, at once.
    Stop,
    /// SIGHUP: read the configuration again, or stop if the terminal is gone.
    Hangup,
    /// SIGUSR1: write a summary to the log.
    Status,
}

pub(super) struct Signals {
    events: signal_hook_mio::v1_0::Signals,
    /// Set by a signal. Its event may be missing: the handler writes to a socket, and the kernel may have no memory for that.
    came: Arc<AtomicBool>,
}

const ALL: [i32; 4] = [SIGTERM, SIGINT, SIGHUP, SIGUSR1];

impl Signals {
    pub(super) fn new(registry: &Registry) -> io::Result<Signals> {
        let mut events = signal_hook_mio::v1_0::Signals::new(ALL)?;
        registry.register(&mut events, Source::Signals.token(), Interest::READABLE)?;
        let came = Arc::new(AtomicBool::new(false));
        for signal in ALL {
            signal_hook::flag::register(signal, Arc::clone(&came))?;
        }
        Ok(Signals { events, came })
    }

    /// Whether a signal came since [`pending`](Self::pending) was called.
    pub(super) fn have_come(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }

    /// The signals that came since the last call.
    pub(super) fn pending(&mut self) -> Vec<Signal> {
        let signal = |number| match number {
            SIGHUP => Signal::Hangup,
            SIGUSR1 => Signal::Status,
            _ => Signal::Stop,
        };
        self.came.store(false, Ordering::Relaxed);
        self.events.pending().map(signal).collect()
    }
}
