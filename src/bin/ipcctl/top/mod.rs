//! `ipcctl top`: all machines that report to stats, repeatedly: as lines in a pipe, or on the whole terminal.

pub(crate) mod model;
#[cfg(feature = "tui")]
mod screen;

use model::{List, Sort, lines, sorted};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::error::CliError;
use super::{output, report};

/// Show all machines that report to stats; in a pipe: one line for each, at each update
#[derive(Args)]
pub(crate) struct Arguments {
    /// The time between two updates, at least 100ms
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = report::every)]
    every: Duration,

    /// Update once, and print lines on a terminal too
    #[arg(long)]
    once: bool,

    /// The sort order of the machines
    #[arg(long, value_name = "FIGURE", default_value = "host")]
    sort: Sort,

    /// Print one JSON array for each update: the last report of each machine, and its age
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(reach: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    let mut conversation = report::begin(reach)?;
    #[cfg(feature = "tui")]
    if output::is_interactive() && !arguments.json && !arguments.once {
        return screen::run(reach, conversation, arguments.every, arguments.sort);
    }
    loop {
        let due = Instant::now() + arguments.every;
        let told = ask(reach, &mut conversation)?;
        if arguments.json {
            output::print_json(&told)?;
        } else {
            output::print(&lines(&sorted(&told, arguments.sort)))?;
        }
        if arguments.once {
            return Ok(());
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Requests the whole list once.
fn ask(reach: &ConnectOptions, conversation: &mut Conversation) -> Result<Vec<Value>, CliError> {
    conversation.say("latest");
    let deadline = reach.deadline();
    let mut list = List::default();
    loop {
        let line = conversation.hear_by(deadline)?.ok_or_else(|| report::gone(conversation))?;
        if list.take(conversation, &line)? {
            return Ok(list.told);
        }
    }
}
