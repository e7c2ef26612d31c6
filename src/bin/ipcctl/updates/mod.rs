//! A list that is requested again at each update, as in `top` and `class`: the options for it, and the loop of the lines in a
//! pipe. Knows nothing about the list.

#[cfg(feature = "tui")]
pub(crate) mod screen;

use std::time::{Duration, Instant};

use clap::Args;

use super::error::CliError;
#[cfg(feature = "tui")]
use super::output;
use super::report;

// No comment for the documentation: clap would take it for the description of the subcommand.
#[derive(Args)]
pub(crate) struct Updates {
    /// The time between two updates, at least 100ms
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = report::every)]
    every: Duration,

    /// Update once, and print lines on a terminal too
    #[arg(long)]
    once: bool,
}

impl Updates {
    /// The time between two updates on the whole terminal; `None`: lines are printed.
    #[cfg(feature = "tui")]
    pub(crate) fn on_screen(&self, is_json: bool) -> Option<Duration> {
        (output::is_interactive() && !is_json && !self.once).then_some(self.every)
    }

    /// Calls `update` at each update, or once.
    pub(crate) fn repeat(&self, mut update: impl FnMut() -> Result<(), CliError>) -> Result<(), CliError> {
        loop {
            let due = Instant::now() + self.every;
            update()?;
            if self.once {
                return Ok(());
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
}
