//! The options for reaching the daemon.

use std::time::{Duration, Instant};

use clap::Args;

use super::secure::TlsOptions;
use super::target::Target;

/// How to reach the daemon.
#[derive(Args, Clone)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectOptions {
    /// Use this endpoint instead of the local daemon, for example tcp://teacher.local:33000, tls://teacher.local:65443 or
    /// ws://teacher.local:33080; on a Unix socket the service is selected by name
    #[arg(long, value_name = "ENDPOINT", global = true)]
    pub(crate) to: Option<Target>,

    /// The Unix socket serves only this service: do not select one
    #[arg(long, global = true, requires = "to")]
    pub(crate) direct: bool,

    /// Timeout for an answer; 0s: none
    #[arg(long, value_name = "DURATION", global = true, default_value = "30s", value_parser = span)]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) tls: TlsOptions,

    /// If no daemon can be reached, print each endpoint that was tried
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// A time that was typed.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = |_| "a time is a number with a unit, for example 500ms, 10s or 5min".to_owned();
    humantime::parse_duration(text).map_err(wrong)
}

impl ConnectOptions {
    /// How long to wait; `None`: without a limit.
    pub(crate) fn time_limit(&self) -> Option<Duration> {
        (!self.timeout.is_zero()).then_some(self.timeout)
    }

    /// When the timeout ends.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        deadline(self.timeout)
    }
}

/// The deadline after this time; `None` for 0, which means no timeout.
pub(crate) fn deadline(timeout: Duration) -> Option<Instant> {
    let timeout = (!timeout.is_zero()).then_some(timeout);
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}
