//! ipcctl, the client: arguments and exit status. One file a subcommand.

mod control;
mod daemon;
mod multiply;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use ipcd::endpoint::Endpoint;

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
    /// Talk to this endpoint (tcp://HOST:PORT or unix://PATH) instead of the local daemon
    #[arg(long, value_name = "ENDPOINT", global = true)]
    to: Option<Endpoint>,

    /// Wait this long for an answer at most
    #[arg(long, value_name = "DURATION", global = true, default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Multiply two numbers, or calculate with + - * / // % **
    #[command(allow_negative_numbers = true)]
    Multiply {
        /// A, an operator (none: multiplication), and B
        #[arg(value_names = ["A", "[OP] B"], num_args = 2..=3, required = true, allow_hyphen_values = true)]
        request: Vec<String>,
    },
    /// Have the daemon read its configuration again; says what is wrong with it
    Reload,
    /// Have the daemon give its connections to systemd and end, for a restart that nobody notices
    Handover,
    /// Write completions for a shell
    Completions {
        /// bash, zsh or fish
        shell: Shell,
    },
}

/// What can go wrong; each with an exit status that scripts can use.
#[derive(Debug)]
enum Trouble {
    /// The daemon's own words.
    Refused(Vec<String>),
    /// No daemon was reached (EX_UNAVAILABLE).
    Unreachable(String),
    /// It did not answer in time (EX_TEMPFAIL).
    TimedOut(String),
    /// The connection failed, or what came was no answer.
    Failed(String),
}

impl Trouble {
    fn status(&self) -> u8 {
        match self {
            Trouble::Refused(_) | Trouble::Failed(_) => 1,
            Trouble::Unreachable(_) => 69,
            Trouble::TimedOut(_) => 75,
        }
    }

    fn lines(&self) -> &[String] {
        match self {
            Trouble::Refused(lines) => lines,
            Trouble::Unreachable(line) | Trouble::TimedOut(line) | Trouble::Failed(line) => {
                std::slice::from_ref(line)
            }
        }
    }
}

/// Wrong usage.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return finish(print(error.to_string().trim_end()));
        }
        Err(error) => {
            tell(
                io::stderr(),
                &format!("ipcctl: {}; see 'ipcctl --help'", ipcd::usage::one_line(&error.to_string())),
            );
            return ExitCode::from(USAGE);
        }
    };
    let to = arguments.to.as_ref();
    let outcome = match arguments.command {
        Command::Multiply { request } => multiply::run(to, arguments.timeout, &request),
        Command::Reload => control::run(to, arguments.timeout, "reload"),
        Command::Handover => control::run(to, arguments.timeout, "handover"),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "ipcctl", &mut script);
            print(String::from_utf8_lossy(&script).trim_end())
        }
    };
    finish(outcome)
}

/// The exit status, once standard error has heard of any trouble.
fn finish(outcome: Result<(), Trouble>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            trouble.lines().iter().for_each(|line| tell(io::stderr(), &format!("ipcctl: {line}")));
            ExitCode::from(trouble.status())
        }
    }
}

/// Writes a result. One that nobody gets is none.
fn print(text: &str) -> Result<(), Trouble> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| Trouble::Failed(format!("standard output: {error}")))
}

/// Nobody is left to be told that this could not be written.
fn tell(mut to: impl Write, text: &str) {
    let _ = writeln!(to, "{text}");
}
