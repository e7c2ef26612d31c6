//! `ipcctl top`: all machines that report to stats, repeatedly: as lines in a pipe, or on the whole terminal.

pub(crate) mod model;
#[cfg(feature = "tui")]
mod screen;

use model::{List, Sort, lines, sorted};

use clap::Args;
use serde_json::Value;

use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::error::CliError;
use super::updates::Updates;
use super::{output, report};

/// Show all machines that report to stats; in a pipe: one line for each, at each update
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    updates: Updates,

    /// The sort order of the machines
    #[arg(long, value_name = "FIGURE", default_value = "host")]
    sort: Sort,

    /// Print one JSON array for each update: the last report of each machine, and its age
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    let mut conversation = report::begin(options)?;
    #[cfg(feature = "tui")]
    if let Some(every) = arguments.updates.on_screen(arguments.json) {
        return screen::run(options, conversation, every, arguments.sort);
    }
    arguments.updates.repeat(|| {
        let told = ask(options, &mut conversation)?;
        if arguments.json {
            output::print_json(&told)
        } else {
            output::print(&lines(&sorted(&told, arguments.sort)))
        }
    })
}

/// Requests the whole list once.
fn ask(options: &ConnectOptions, conversation: &mut Conversation) -> Result<Vec<Value>, CliError> {
    conversation.say("latest");
    let deadline = options.deadline();
    let mut list = List::default();
    loop {
        let line = conversation.hear_by(deadline)?.ok_or_else(|| report::gone(conversation))?;
        if list.take(conversation, &line)? {
            return Ok(list.told);
        }
    }
}
