//! `ipcctl notify`: a line for each signal that the daemon queues for this process.

use std::time::{Duration, Instant};

use clap::Args;
use ipcd::engine::words::ERROR;
use ipcd::host::raw::signal;
use ipcd::os_error::describe;

use super::connect::ConnectOptions;
use super::control;
use super::daemon::Conversation;
use super::error::CliError;
use super::output;
use super::services::CONTROL;

/// How often to check that the daemon is still there.
const LOOK: Duration = Duration::from_millis(200);

/// How often to ask again: the daemon closes a connection that says nothing.
const RENEW: Duration = Duration::from_secs(60);

/// Receive signals about new chat messages and reports of machines, and print how many there are
#[derive(Args)]
pub(crate) struct Arguments {
    /// End after this many signals
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

pub(crate) fn run(options: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::Failed(describe(&error));
    // Before the daemon can send one, which would end this program.
    signal::block().map_err(failed)?;
    let mut daemon = Conversation::begin(options, &CONTROL)?;
    daemon.say("notify");
    match daemon.hear_by(options.deadline())? {
        Some(line) if line == "OK" => output::tell("waiting for signals"),
        Some(line) => match line.strip_prefix(ERROR) {
            Some(error) => return Err(daemon.refused(CONTROL.name, error)),
            None => return Err(control::not_the_mux(&daemon)),
        },
        None => {
            return Err(CliError::Failed("the daemon closed the connection without an answer".to_owned()));
        }
    }
    let (mut asked, mut count) = (Instant::now(), 0);
    while arguments.count.is_none_or(|count_max| count < count_max) {
        if let Some(value) = signal::wait(LOOK).map_err(failed)? {
            output::print(&match value {
                1 => "one new message".to_owned(),
                many => format!("{many} new messages"),
            })?;
            count += 1;
        }
        if asked.elapsed() > RENEW {
            daemon.say("notify");
            asked = Instant::now();
        }
        daemon.turn()?;
        while daemon.heard().is_some() {}
        if daemon.is_over() {
            return Err(CliError::Failed(format!("{}: the connection ended", daemon.endpoint)));
        }
    }
    Ok(())
}
