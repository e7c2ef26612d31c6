//! The command line: the options, and the subcommands in the order of the help.

use clap::{Parser, Subcommand};

use super::connect::ConnectOptions;
use super::{
    bench, certificate, chat, class, completions, multiply, notify, one_shot, order, page, report, status,
    top, watch,
};

/// The client for ipcd.
///
/// Results go to standard output, everything else to standard error.
#[derive(Parser)]
#[command(
    name = "ipcctl",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = false
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) options: ConnectOptions,

    #[command(subcommand)]
    pub(crate) command: Command,
}

// In the order of the help. The help text of each command is at its arguments, in its file.
#[derive(Subcommand)]
pub(crate) enum Command {
    Multiply(multiply::Arguments),
    /// Print the greeting
    // Its name in earlier versions.
    #[command(alias = "greet")]
    Greeting(one_shot::Arguments),
    /// Send hello and print the answer
    Hello(one_shot::Arguments),
    Chat(chat::Arguments),
    /// Talk to the next client that connects; in a pipe: send each line of standard input, and print the partner's messages
    Talk,
    Status(status::Arguments),
    Watch(watch::Arguments),
    Class(class::Arguments),
    Report(report::Arguments),
    Top(top::Arguments),
    Kick(order::Kick),
    Mute(order::Mute),
    Unmute(order::Unmute),
    Say(order::Say),
    Close(order::Close),
    Notify(notify::Arguments),
    Page(page::Arguments),
    /// Make the daemon read its configuration again, and print any errors in it
    Reload,
    /// Make the daemon pass its connections to systemd and exit, for a restart without interruption
    Handover,
    Bench(bench::Arguments),
    Certificate(certificate::Arguments),
    Completions(completions::Arguments),
}
