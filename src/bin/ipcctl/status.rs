//! `ipcctl status`: the state of the daemon, as tables.

use super::services::STATUS;
use clap::Args;
use ipcd::engine::text::clean;
use ipcd::engine::words::ERROR;
use serde_json::Value;

use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::error::CliError;
use super::locate;
use super::output;
use super::tables::show;

/// The supported schema.
pub(crate) const SCHEMA: u64 = 1;

/// Print the state of the daemon: services, endpoints, connections
#[derive(Args)]
pub(crate) struct Arguments {
    /// Print the daemon's own report: one JSON object on one line
    #[arg(long)]
    pub(crate) json: bool,

    /// Ask every daemon of this machine that has its socket in the usual place, and add up
    #[arg(long, conflicts_with = "to")]
    pub(crate) all: bool,
}

pub(crate) fn run(options: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    let (line, report) = ask(options)?;
    output::print(&if arguments.json { line } else { show(&report, output::width_of_terminal()) })
}

/// Asks one daemon: its report as it sent it, and as it is read.
pub(crate) fn ask(options: &ConnectOptions) -> Result<(String, Value), CliError> {
    let mut daemon = Conversation::begin(options, &STATUS)?.in_json();
    // On the mux, selecting the service is the request.
    if options.direct || !locate::is_mux(&daemon.endpoint, STATUS.name) {
        daemon.say(STATUS.name);
    }
    let Some(line) = daemon.hear()? else {
        return Err(CliError::Failed(format!("{}: closed without an answer", daemon.endpoint)));
    };
    let report = read(&daemon, &line)?;
    Ok((line, report))
}

/// Parses a line as a report.
pub(crate) fn read(daemon: &Conversation, line: &str) -> Result<Value, CliError> {
    if let Some(error) = line.strip_prefix(ERROR) {
        return Err(daemon.refused(STATUS.name, error));
    }
    let Ok(report) = serde_json::from_str::<Value>(line) else {
        return Err(daemon.not_there(STATUS.name, line));
    };
    if report["schema"] != SCHEMA {
        let schema = clean(report["schema"].to_string().as_bytes());
        return Err(CliError::Failed(format!(
            "{}: its report has schema {schema}, but this ipcctl reads {SCHEMA}; use the ipcctl that came with the daemon",
            daemon.endpoint
        )));
    }
    Ok(report)
}
