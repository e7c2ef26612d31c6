//! `ipcctl class`: the progress of each client, repeatedly: as lines in a pipe, or on the whole terminal.

mod clients;
pub(crate) mod rows;
#[cfg(feature = "tui")]
mod screen;

use clients::{CLIENTS, clients};

use clap::Args;
use serde_json::Value;

use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::error::CliError;
use super::locate;
use super::output;
use super::services::STATUS;
use super::updates::Updates;
use rows::{Row, lines, sorted};

/// Show the progress of each address or user, those in trouble first; in a pipe: one line for each, at each update
///
/// Each row has the name in the chat, the machine's name, its processor and memory load, connections, messages, errors, and the last hint with its age.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    updates: Updates,

    /// Print one JSON array for each update: an object for each address or user, as in the daemon's status
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    let mut conversation = begin(options)?;
    let first = hear(options, &mut conversation)?;
    #[cfg(feature = "tui")]
    if let Some(every) = arguments.updates.on_screen(arguments.json) {
        return screen::run(options, conversation, every, first);
    }
    let mut first = Some(first);
    arguments.updates.repeat(|| {
        let mut clients = match first.take() {
            Some(clients) => clients,
            None => {
                conversation.say(CLIENTS);
                hear(options, &mut conversation)?
            }
        };
        sorted(&mut clients);
        match arguments.json {
            true => output::print_json(&clients),
            false => output::print(&lines(&clients.iter().map(Row::of).collect::<Vec<_>>())),
        }
    })
}

/// Sends the first request.
fn begin(options: &ConnectOptions) -> Result<Conversation, CliError> {
    let mut conversation = Conversation::begin(options, &STATUS)?.in_json();
    // On the mux, selecting the service is the request.
    if options.direct || !locate::is_mux(&conversation.endpoint, STATUS.name) {
        conversation.say(CLIENTS);
    }
    Ok(conversation)
}

fn hear(options: &ConnectOptions, conversation: &mut Conversation) -> Result<Vec<Value>, CliError> {
    match conversation.hear_by(options.deadline())? {
        Some(line) => clients(conversation, &line),
        None => Err(CliError::Failed(format!("{}: the connection ended", conversation.endpoint))),
    }
}
