//! ipcctl, the client: arguments and exit status. Each subcommand has its own file, its line in [`Command`], and here its
//! `mod` and its line in `run`.

mod bench;
mod buffer;
mod certificate;
mod chat;
mod chat_protocol;
#[cfg(feature = "tui")]
mod chat_screen;
mod class;
mod cli;
#[cfg(feature = "tui")]
mod columns;
mod completions;
mod connect;
mod connection;
mod control;
mod daemon;
#[cfg(feature = "tui")]
mod edit;
mod error;
mod filter;
mod host_metrics;
mod input;
mod instances;
mod layout;
mod literal;
mod locate;
mod loop_latency;
mod multiply;
mod notify;
mod one_shot;
mod order;
mod other_service;
mod output;
mod pace;
mod page;
mod queues;
mod race;
mod reason;
#[cfg(feature = "tui")]
mod reconnect;
mod report;
#[cfg(feature = "tui")]
mod scrollback;
mod secure;
mod services;
mod shared;
mod sockets;
mod status;
mod tables;
mod talk;
mod target;
#[cfg(feature = "tui")]
mod terminal;
mod top;
#[cfg(feature = "tui")]
mod tty;
mod updates;
mod usage;
mod watch;
mod web;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use cli::{Arguments, Command};
use error::{CliError, USAGE};
use output::{print, tell};

fn run(Arguments { options, command }: &Arguments) -> Result<(), CliError> {
    match command {
        Command::Multiply(arguments) => multiply::run(options, arguments),
        Command::Greeting(arguments) => one_shot::run(options, arguments, &one_shot::GREETING),
        Command::Hello(arguments) => one_shot::run(options, arguments, &one_shot::HELLO),
        Command::Chat(arguments) => chat::run(options, arguments),
        Command::Talk => talk::run(options),
        Command::Status(arguments) if arguments.all => instances::run(options, arguments.json),
        Command::Status(arguments) => status::run(options, arguments),
        Command::Watch(arguments) => watch::run(options, arguments),
        Command::Class(arguments) => class::run(options, arguments),
        Command::Report(arguments) => report::run(options, arguments),
        Command::Top(arguments) => top::run(options, arguments),
        Command::Notify(arguments) => notify::run(options, arguments),
        Command::Kick(order) => order::run(options, &order.request()),
        Command::Mute(order) => order::run(options, &order.request()?),
        Command::Unmute(order) => order::run(options, &order.request()),
        Command::Say(order) => order::run(options, &order.request()),
        Command::Close(order) => order::run(options, &order.request()),
        Command::Page(arguments) => page::run(options, arguments),
        Command::Reload => control::run(options, "reload", "reloaded the configuration"),
        Command::Handover => control::run(options, "handover", "the connections are handed over"),
        Command::Bench(arguments) => bench::run(options, arguments),
        Command::Certificate(arguments) => certificate::run(arguments),
        Command::Completions(arguments) => completions::run(arguments, Arguments::command()),
    }
}

fn main() -> ExitCode {
    if let Some(outcome) = bench::responder::run() {
        return finish(outcome);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return finish(print(error.to_string().trim_end()));
        }
        Err(error) if error.kind() == ErrorKind::MissingSubcommand => {
            tell(&usage::short());
            return ExitCode::from(USAGE);
        }
        Err(error) => {
            let typed = std::env::args_os().skip(1).filter_map(|word| word.into_string().ok());
            let wrong = ipcd::usage::one_line(&error.to_string());
            tell(&format!("{wrong}; {}", usage::remedy(&typed.collect::<Vec<_>>(), error.kind())));
            return ExitCode::from(USAGE);
        }
    };
    finish(run(&arguments))
}

/// Prints any error to standard error and returns the exit status.
fn finish(outcome: Result<(), CliError>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    error.lines().iter().for_each(|line| tell(line));
    if let CliError::Signal(number) = error {
        // So that the shell sees which signal ended the program.
        let _ = signal_hook::low_level::emulate_default_handler(number);
    }
    ExitCode::from(error.status())
}
