//! What a person types: the options, and the subcommands in the order of the help.

use clap::{Parser, Subcommand};

use super::connect::ConnectOptions;
use super::{bench, chat, class, completions, multiply, order, report, sentence, status, top, watch};

/// Talk to ipcd.
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
    pub(crate) reach: ConnectOptions,

    #[command(subcommand)]
    pub(crate) command: Command,
}

// Its order is that of the help. What each says of itself stands above its arguments, in its file.
#[derive(Subcommand)]
pub(crate) enum Command {
    Multiply(multiply::Arguments),
    /// Print the greeting
    #[command(visible_alias = "greeting")]
    Greet(sentence::Arguments),
    /// Say hello, and hear what the daemon says
    Hello(sentence::Arguments),
    Chat(chat::Arguments),
    /// Talk to whoever comes next; in a pipe: say each line of standard input, and print what is said
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
    /// Have the daemon read its configuration again; says what is wrong with it
    Reload,
    /// Have the daemon give its connections to systemd and end, for a restart that nobody notices
    Handover,
    Bench(bench::Arguments),
    Completions(completions::Arguments),
}
