//! ipcd: arguments and exit status, nothing else.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};
use log::LevelFilter;

/// Every small server of a networking course in one daemon: multiply, greeting, chat.
///
/// Without --config it reads /etc/ipcd/ipcd.toml if that is there; otherwise it serves multiply (65432), greeting (9999)
/// and chat (33000) on localhost, and all of them on a Unix socket. It runs in the foreground and logs to standard error.
#[derive(Parser)]
#[command(name = "ipcd", version, max_term_width = 100)]
struct Arguments {
    /// Read this configuration instead of /etc/ipcd/ipcd.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Read the configuration, say OK or what is wrong with it, and exit
    #[arg(long)]
    check: bool,

    /// Log this much, whatever the configuration says
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<Level>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => LevelFilter::Error,
            Level::Warn => LevelFilter::Warn,
            Level::Info => LevelFilter::Info,
            Level::Debug => LevelFilter::Debug,
            Level::Trace => LevelFilter::Trace,
        }
    }
}

/// Wrong usage.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    let outcome = if arguments.check {
        ipcd::daemon::configuration(arguments.config.as_deref()).map(|_| tell(std::io::stdout(), "OK"))
    } else {
        ipcd::daemon::run(arguments.config, arguments.log_level.map(LevelFilter::from))
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(std::io::stderr(), &failure.to_string());
            ExitCode::from(failure.status())
        }
    }
}

/// Help and version go to standard output; a mistake is one line that says what would be right.
fn explain(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        tell(std::io::stdout(), error.to_string().trim_end());
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let what = lines.first().map_or("", |line| line.trim_start_matches("error: "));
    let hints = lines.iter().skip(1).take_while(|line| !line.starts_with("Usage:"));
    let hints: Vec<&str> = hints.filter(|line| !line.starts_with("For more")).copied().collect();
    let hints: String = hints.iter().map(|hint| format!("; {}", hint.trim_start_matches("tip: "))).collect();
    tell(std::io::stderr(), &format!("ipcd: {what}{hints}; see 'ipcd --help'"));
    ExitCode::from(USAGE)
}

/// Nobody is left to be told that this could not be written.
fn tell(mut to: impl Write, text: &str) {
    let _ = writeln!(to, "{text}");
}
