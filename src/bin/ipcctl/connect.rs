//! How a subcommand reaches the daemon, as it was asked for.

use std::time::{Duration, Instant};

use clap::Args;

use super::target::Target;

/// How the daemon is reached.
#[derive(Args)]
pub(crate) struct ConnectOptions {
    /// Talk to this endpoint instead of the local daemon, for example tcp://teacher.local:33000; a Unix socket's service is
    /// chosen by name
    #[arg(long, value_name = "ENDPOINT", global = true)]
    pub(crate) to: Option<Target>,

    /// The Unix socket is the service's own: choose no service there
    #[arg(long, global = true, requires = "to")]
    pub(crate) direct: bool,

    /// Give up if there is no answer for this long; 0s: never
    #[arg(long, value_name = "DURATION", global = true, default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,

    /// Say what was tried if no daemon is reached
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

impl ConnectOptions {
    /// How long to wait; `None`: for ever.
    pub(crate) fn patience(&self) -> Option<Duration> {
        (!self.timeout.is_zero()).then_some(self.timeout)
    }

    /// When that is over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        deadline(self.timeout)
    }
}

/// When so much time has passed; `None` if it never has, as for 0.
pub(crate) fn deadline(timeout: Duration) -> Option<Instant> {
    let timeout = (!timeout.is_zero()).then_some(timeout);
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}
