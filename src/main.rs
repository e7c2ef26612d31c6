//! ipcd: arguments and exit status, nothing else.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, ValueEnum};
use ipcd::daemon::stdio::{self, Single};
use ipcd::daemon::{self, Detached, Run};
use ipcd::os_error::describe;
use ipcd::usage;
use log::LevelFilter;

/// The small servers of a networking course in one daemon: multiply, greeting, chat and others.
///
/// Without --config it reads /etc/ipcd/ipcd.toml if that file exists; otherwise it serves multiply (port 65432),
/// greeting (9999), chat (33000) and the page (http://localhost:33080) on this machine, and every service on a Unix socket. It
/// runs in the foreground and logs to standard error.
#[derive(Parser)]
#[command(name = "ipcd", version, max_term_width = 100)]
struct Arguments {
    /// Read this configuration instead of /etc/ipcd/ipcd.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Check the configuration, print OK or all its errors, and exit
    #[arg(long)]
    check: bool,

    /// Run in the background, for systems without systemd
    #[arg(long)]
    daemon: bool,

    /// With --daemon: the file for the process id, locked while the daemon runs
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// With --daemon: the file to log to
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,

    /// Started by root: switch to this user and its groups after opening what needs root
    #[arg(long, value_name = "NAME", conflicts_with_all = ["check", "stdio"])]
    user: Option<String>,

    /// Serve one session on standard input and output, and open no endpoint
    #[arg(long, value_name = "SERVICE", conflicts_with_all = ["check", "daemon"])]
    stdio: Option<String>,

    /// The process that the daemon starts for each buffer with semaphores
    #[arg(long, hide = true, num_args = 2, value_names = ["PLACE", "MILLISECONDS"], exclusive = true)]
    consume: Option<Vec<String>>,

    /// Log at this level, whatever the configuration says
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

impl Arguments {
    /// The error if only some of the three options are given that belong together.
    fn incomplete(&self) -> Option<String> {
        let all = [
            ("--daemon", self.daemon),
            ("--pid-file", self.pid_file.is_some()),
            ("--log-file", self.log_file.is_some()),
        ];
        let (given, missing): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, is_given)| *is_given);
        let names = |options: Vec<(&str, bool)>| -> String {
            options.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" and ")
        };
        let verb = if given.len() == 1 { "needs" } else { "need" };
        (!given.is_empty() && !missing.is_empty())
            .then(|| format!("{} {verb} {}", names(given), names(missing)))
    }
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
    if let Some(error) = arguments.incomplete() {
        return misused(&error);
    }
    let log_level = arguments.log_level.map(LevelFilter::from);
    let outcome = if let Some(what) = arguments.consume {
        daemon::consume::run(&what)
    } else if let Some(service) = arguments.stdio {
        stdio::serve(&Single { config: arguments.config, log_level, service })
    } else if arguments.check {
        daemon::advice::check(arguments.config.as_deref()).map(|checked| {
            checked.warnings.iter().for_each(|line| tell(std::io::stderr(), &format!("warning: {line}")));
            print(&checked.verdict)
        })
    } else {
        let detached = arguments.pid_file.zip(arguments.log_file);
        daemon::run(Run {
            config: arguments.config,
            log_level,
            user: arguments.user,
            detached: detached.map(|(pid_file, log_file)| Detached { pid_file, log_file }),
        })
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            tell(std::io::stderr(), &failure.for_stderr());
            ExitCode::from(failure.status())
        }
    }
}

/// Prints help and version to standard output, and an error as one line that says what would be right.
fn explain(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return ExitCode::from(print(error.to_string().trim_end()));
    }
    let unexpected = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(argument))) => {
            usage::of_unexpected(argument, error.get(ContextKind::SuggestedArg).is_some())
        }
        _ => None,
    };
    misused(&unexpected.unwrap_or_else(|| usage::one_line(&error.to_string())))
}

/// One line about a wrong command line.
fn misused(error: &str) -> ExitCode {
    let joint = if error.ends_with('?') { "" } else { ";" };
    tell(std::io::stderr(), &format!("ipcd: {error}{joint} see 'ipcd --help'"));
    ExitCode::from(USAGE)
}

/// Prints the text and returns the exit status, which is not 0 if printing failed.
fn print(text: &str) -> u8 {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Ok(()) => 0,
        Err(error) => {
            tell(std::io::stderr(), &format!("ipcd: standard output: {}", describe(&error)));
            1
        }
    }
}

/// Writes a line. A failure is ignored, because it cannot be reported anywhere.
fn tell(mut to: impl Write, text: &str) {
    let _ = writeln!(to, "{text}");
}
