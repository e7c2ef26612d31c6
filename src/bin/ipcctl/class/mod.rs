//! `ipcctl class`: the progress of each client, repeatedly: as lines in a pipe, or on the whole terminal.

mod clients;
pub(crate) mod rows;
#[cfg(feature = "tui")]
mod screen;

use clients::{CLIENTS, clients};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::connect::ConnectOptions;
use super::daemon::{self, Conversation};
use super::error::CliError;
use super::services::STATUS;
use super::{output, report};
use rows::{Row, lines, sorted};

/// Show the progress of each address or user, those in trouble first; in a pipe: one line for each, at each update
///
/// Each row has the name in the chat, the machine's name, its processor and memory load, connections, messages, errors, and the last hint with its age.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The time between two updates, at least 100ms
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = report::every)]
    every: Duration,

    /// Update once, and print lines on a terminal too
    #[arg(long)]
    once: bool,

    /// Print one JSON array for each update: an object for each address or user, as in the daemon's status
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(reach: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    let mut conversation = begin(reach)?;
    let mut clients = hear(reach, &mut conversation)?;
    #[cfg(feature = "tui")]
    if output::is_interactive() && !arguments.json && !arguments.once {
        return screen::run(reach, conversation, arguments.every, clients);
    }
    loop {
        let due = Instant::now() + arguments.every;
        sorted(&mut clients);
        match arguments.json {
            true => output::print_json(&clients)?,
            false => output::print(&lines(&clients.iter().map(Row::of).collect::<Vec<_>>()))?,
        }
        if arguments.once {
            return Ok(());
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        conversation.say(CLIENTS);
        clients = hear(reach, &mut conversation)?;
    }
}

/// Sends the first request.
fn begin(reach: &ConnectOptions) -> Result<Conversation, CliError> {
    let mut conversation = Conversation::begin(reach, &STATUS)?.in_json();
    // On the mux, selecting the service is the request.
    if reach.direct || !daemon::is_mux(&conversation.place, STATUS.name) {
        conversation.say(CLIENTS);
    }
    Ok(conversation)
}

fn hear(reach: &ConnectOptions, conversation: &mut Conversation) -> Result<Vec<Value>, CliError> {
    match conversation.hear_by(reach.deadline())? {
        Some(line) => clients(conversation, &line),
        None => Err(CliError::Failed(format!("{}: the connection ended", conversation.place))),
    }
}
