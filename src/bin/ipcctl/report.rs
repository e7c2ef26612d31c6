//! `ipcctl report`: sends this machine's figures repeatedly.

use super::services::STATS;
use std::time::{Duration, Instant};

use clap::Args;
use ipcd::engine::json;
use ipcd::engine::text::is_host;
use serde_json::Value;

use super::connect::{self, ConnectOptions};
use super::daemon::Conversation;
use super::error::CliError;
use super::host_metrics::{self, HostMetrics};
use super::output;
use ipcd::engine::words::{DATA_RECEIVED, ERROR, is_full, is_idle};
use ipcd::os_error::describe;

/// With shorter intervals, a report would measure mostly itself.
pub(crate) const EVERY_MIN: Duration = Duration::from_millis(100);

/// The shortest time for the processors' figures; the first report waits for it.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause between two tries to reach a lost daemon.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Report this machine's processor, memory, load, disk and network, with psutil's names
#[derive(Args)]
pub(crate) struct Arguments {
    /// The time between two reports, at least 100ms
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = every)]
    every: Duration,

    /// Report once
    #[arg(long, conflicts_with = "count")]
    once: bool,

    /// Report N times [default: until interrupted]
    #[arg(long, value_name = "N", value_parser = times)]
    count: Option<u64>,

    /// The machine's name [default: its host name]
    #[arg(long, value_parser = machine)]
    host: Option<String>,

    /// Also print each report, as one JSON object on each line
    #[arg(long)]
    json: bool,

    /// Print each report, but do not send it; no daemon is needed
    #[arg(long, conflicts_with = "to")]
    dry_run: bool,
}

fn times(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "it must be a number, at least 1".to_owned())
}

/// The time between two reports or updates.
pub(crate) fn every(text: &str) -> Result<Duration, String> {
    let span = connect::span(text)?;
    match span >= EVERY_MIN {
        true => Ok(span),
        false => Err("it must be at least 100ms".to_owned()),
    }
}

fn machine(text: &str) -> Result<String, String> {
    match is_host(text.trim()) {
        true => Ok(text.trim().to_owned()),
        false => Err("a machine's name must be 1 to 64 printable characters".to_owned()),
    }
}

/// The connection to the daemon, if any.
enum Daemon {
    Unwanted,
    There(Box<Conversation>),
    /// After a loss: the pause between tries, and the time of the next one.
    Lost {
        pause: Duration,
        next: Instant,
    },
}

pub(crate) fn run(options: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    let unreadable = |error: std::io::Error| CliError::Failed(format!("/proc: {}", describe(&error)));
    let mut metrics = HostMetrics::new().map_err(unreadable)?;
    let mut daemon = match arguments.dry_run {
        true => Daemon::Unwanted,
        false => Daemon::There(Box::new(begin(options)?)),
    };
    let host = arguments.host.clone().unwrap_or_else(host_metrics::host);
    let count = if arguments.once { Some(1) } else { arguments.count };
    let mut due = Instant::now() + FIRST.min(arguments.every);
    let mut reported = 0;
    loop {
        daemon.wait(due);
        let mut report = metrics.read().map_err(unreadable)?;
        report.insert("host".to_owned(), Value::from(host.as_str()));
        let report = json::to_string(&report);
        if arguments.json || arguments.dry_run {
            output::print(&report)?;
        }
        reported += 1;
        let is_last = count == Some(reported);
        let outcome = daemon.report(options, &report, is_last);
        match outcome {
            // The user waits for this report.
            Err(error) if is_last => return Err(error),
            Err(error @ CliError::Refused(_)) => return Err(error),
            Err(error) => daemon.lose(&error, arguments.every),
            Ok(()) if is_last => {
                // With --json or --dry-run, the report itself is on the screen.
                let is_shown = arguments.json || arguments.dry_run;
                return if is_shown { Ok(()) } else { output::confirm(&format!("reported {host}")) };
            }
            Ok(()) => {}
        }
        // After a sleep, the machine does not catch up.
        due = (due + arguments.every).max(Instant::now());
    }
}

/// Connects, and makes sure that it is stats: multiply, for example, also answers `Data received`.
pub(crate) fn begin(options: &ConnectOptions) -> Result<Conversation, CliError> {
    let mut conversation = Conversation::begin(options, &STATS)?.in_json();
    conversation.say("help");
    match conversation.hear()? {
        Some(reply) if reply.starts_with("Requests: latest") => Ok(conversation),
        Some(reply) => Err(complaint(&conversation, &reply)),
        None => Err(gone(&conversation)),
    }
}

/// The meaning of an unexpected reply.
pub(crate) fn complaint(conversation: &Conversation, reply: &str) -> CliError {
    match reply.strip_prefix(ERROR) {
        // Idle for too long, or too many connections: the next try may succeed.
        Some(error) if is_idle(error) || is_full(error) => {
            CliError::Failed(format!("{}: {error}", conversation.endpoint))
        }
        Some(error) => conversation.refused(STATS.name, error),
        None => conversation.not_there(STATS.name, reply),
    }
}

pub(crate) fn gone(conversation: &Conversation) -> CliError {
    CliError::Failed(format!("{}: the connection is closed", conversation.endpoint))
}

impl Daemon {
    /// Waits; the next report notices if the daemon went away meanwhile.
    fn wait(&mut self, due: Instant) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }

    /// Sends a report, and reconnects if necessary.
    fn report(&mut self, options: &ConnectOptions, report: &str, is_last: bool) -> Result<(), CliError> {
        if let Daemon::Lost { next, .. } = self {
            if *next > Instant::now() && !is_last {
                return Ok(());
            }
            *self = Daemon::There(Box::new(begin(options)?));
            output::tell("the daemon is back");
        }
        let Daemon::There(conversation) = self else { return Ok(()) };
        conversation.say(report);
        match conversation.hear()? {
            Some(reply) if reply == DATA_RECEIVED => Ok(()),
            Some(reply) => Err(complaint(conversation, &reply)),
            None => Err(gone(conversation)),
        }
    }

    /// Reports the loss once; each pause before another try is twice as long as the last.
    fn lose(&mut self, error: &CliError, every: Duration) {
        let pause = match self {
            Daemon::Lost { pause, .. } => (*pause * 2).min(PAUSE_MAX.max(every)),
            Daemon::Unwanted | Daemon::There(_) => {
                error.lines().iter().for_each(|line| output::tell(&format!("{line}; trying again")));
                every
            }
        };
        *self = Daemon::Lost { pause, next: Instant::now() + pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_interval_has_a_minimum() {
        assert_eq!(every("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(every("100ms"), Ok(EVERY_MIN));
        for wrong in ["0s", "99ms", "soon", "-1s"] {
            assert!(every(wrong).is_err(), "{wrong}");
        }
    }
}
