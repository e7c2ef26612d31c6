//! ipcctl, the client: arguments and exit status. A subcommand is a file, and here its `mod`, its line in [`Command`]
//! and its line in `run`.

mod bench;
mod chat;
mod chat_protocol;
#[cfg(feature = "tui")]
mod chat_screen;
mod class;
#[cfg(feature = "tui")]
mod columns;
mod completions;
mod control;
mod daemon;
#[cfg(feature = "tui")]
mod edit;
mod error;
mod figures;
mod filter;
mod input;
mod link;
mod literal;
mod loop_latency;
mod multiply;
mod order;
mod output;
mod pace;
mod race;
#[cfg(feature = "tui")]
mod reconnect;
mod report;
#[cfg(feature = "tui")]
mod scrollback;
mod sentence;
mod status;
mod tables;
mod talk;
mod target;
#[cfg(feature = "tui")]
mod terminal;
mod top;
#[cfg(feature = "tui")]
mod top_screen;
#[cfg(feature = "tui")]
mod tty;
mod watch;
#[cfg(feature = "tui")]
mod watch_event;
#[cfg(feature = "tui")]
mod watch_screen;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use error::{CliError, USAGE};
use output::{print, tell};
use target::Target;

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
struct Arguments {
    #[command(flatten)]
    reach: ConnectOptions,

    #[command(subcommand)]
    command: Command,
}

/// How the daemon is reached.
#[derive(Args)]
struct ConnectOptions {
    /// Talk to this endpoint instead of the local daemon, for example tcp://teacher.local:33000; a Unix socket's service is
    /// chosen by name
    #[arg(long, value_name = "ENDPOINT", global = true)]
    to: Option<Target>,

    /// The Unix socket is the service's own: choose no service there
    #[arg(long, global = true, requires = "to")]
    direct: bool,

    /// Give up if there is no answer for this long; 0s: never
    #[arg(long, value_name = "DURATION", global = true, default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// Say what was tried if no daemon is reached
    #[arg(short, long, global = true)]
    verbose: bool,
}

impl ConnectOptions {
    /// How long to wait; `None`: for ever.
    fn patience(&self) -> Option<Duration> {
        (!self.timeout.is_zero()).then_some(self.timeout)
    }

    /// When that is over.
    fn deadline(&self) -> Option<Instant> {
        daemon::deadline(self.timeout)
    }
}

// Its order is that of the help. What each says of itself stands above its arguments, in its file.
#[derive(Subcommand)]
enum Command {
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

fn run(Arguments { reach, command }: &Arguments) -> Result<(), CliError> {
    match command {
        Command::Multiply(arguments) => multiply::run(reach, arguments),
        Command::Greet(arguments) => sentence::run(reach, arguments, &sentence::GREETING),
        Command::Hello(arguments) => sentence::run(reach, arguments, &sentence::HELLO),
        Command::Chat(arguments) => chat::run(reach, arguments),
        Command::Talk => talk::run(reach),
        Command::Status(arguments) => status::run(reach, arguments),
        Command::Watch(arguments) => watch::run(reach, arguments),
        Command::Class(arguments) => class::run(reach, arguments),
        Command::Report(arguments) => report::run(reach, arguments),
        Command::Top(arguments) => top::run(reach, arguments),
        Command::Kick(order) => order::run(reach, &order.request()),
        Command::Mute(order) => order::run(reach, &order.request()),
        Command::Unmute(order) => order::run(reach, &order.request()),
        Command::Say(order) => order::run(reach, &order.request()),
        Command::Close(order) => order::run(reach, &order.request()),
        Command::Reload => control::run(reach, "reload"),
        Command::Handover => control::run(reach, "handover"),
        Command::Bench(arguments) => bench::run(reach, arguments),
        Command::Completions(arguments) => completions::run(arguments),
    }
}

fn main() -> ExitCode {
    if let Some(outcome) = bench::partner::run() {
        return finish(outcome);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return finish(print(error.to_string().trim_end()));
        }
        Err(error) => {
            tell(&format!("{}; see 'ipcctl --help'", ipcd::usage::one_line(&error.to_string())));
            return ExitCode::from(USAGE);
        }
    };
    finish(run(&arguments))
}

/// The exit status, once standard error has heard of any trouble.
fn finish(outcome: Result<(), CliError>) -> ExitCode {
    let Err(trouble) = outcome else { return ExitCode::SUCCESS };
    trouble.lines().iter().for_each(|line| tell(line));
    if let CliError::Signal(number) = trouble {
        // The shell is to see what ended us.
        let _ = signal_hook::low_level::emulate_default_handler(number);
    }
    ExitCode::from(trouble.status())
}
