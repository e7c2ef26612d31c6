//! `ipcctl chat [--name NAME]`

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use ipcd::endpoint::Endpoint;
use ipcd::engine::text::{is_empty, quote};
use ipcd::engine::words::is_quit;
use nix::unistd::{User, getuid};

use super::chat_protocol::ChatProtocol;
use super::connect::ConnectOptions;
use super::error::CliError;
use super::filter::Lines;
use super::target::Target;
use ipcd::os_error::describe;

/// Join the chat room; in a pipe: send each line of standard input there, and print its messages
#[derive(Args)]
pub(crate) struct Arguments {
    /// Your name in the room [default: your login name]
    #[arg(long)]
    name: Option<String>,

    /// Read the room's passphrase from the first line of this file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// In a pipe: read commands such as /msg and /quit; without it, each line is sent as it is
    #[arg(long)]
    commands: bool,
}

pub(crate) fn run(options: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    if let Some(Target::Endpoint(Endpoint::Buffer(place))) = &options.to {
        return super::buffer::say(options, place);
    }
    let name = arguments.name.clone().or_else(login_name);
    let name =
        name.ok_or_else(|| CliError::Usage("no login name found; give a name with --name".to_owned()))?;
    // The room does not take these as names: it would wait for one, or close.
    if is_empty(name.as_bytes()) || is_quit(&name) {
        let quoted = quote(name.as_bytes());
        return Err(CliError::Usage(format!(
            "chat --name '{quoted}' is not a valid name; give another one, for example ann"
        )));
    }
    // A person typing on a dumb terminal is not a program.
    let has_commands = arguments.commands || std::io::stdin().is_terminal();
    let lines = if has_commands { Lines::Commands } else { Lines::AsTheyAre };
    let passphrase = arguments.passphrase_file.as_deref().map(first_line).transpose()?;
    super::talk::hold(options, ChatProtocol::chat(name).with_passphrase(passphrase), lines)
}

fn first_line(file: &Path) -> Result<String, CliError> {
    let wrong = |what: &str| CliError::Usage(format!("--passphrase-file {}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&describe(&error)))?;
    let line = text.lines().next().filter(|line| !line.trim().is_empty());
    line.map(str::to_owned).ok_or_else(|| wrong("its first line is empty"))
}

fn login_name() -> Option<String> {
    Some(User::from_uid(getuid()).ok()??.name)
}
