//! `ipcctl status --all`: the daemons of this machine, each with its own socket, and their sums.

use std::path::Path;

use ipcd::endpoint::{Endpoint, ResolvedEndpoint};
use rustix::fs::{Access, access};
use serde::Serialize;
use serde_json::Value;

use super::connect::ConnectOptions;
use super::error::CliError;
use super::output;
use super::sockets;
use super::status::{self, SCHEMA};
use super::tables::{Instance, show_instances};
use super::target::Target;

/// The fields that are added up, at their places in a report: its own, or those of its services.
const OWN: [&str; 4] = ["members", "memory_used", "descriptors", "log_lines_dropped"];
const OF_SERVICES: [&str; 9] = [
    "connections",
    "connections_total",
    "messages",
    "errors",
    "bytes_in",
    "bytes_out",
    "refused",
    "too_slow",
    "dropped",
];
const RATES: [&str; 3] = ["messages_per_second", "bytes_in_per_second", "bytes_out_per_second"];

/// All of them, for programs.
#[derive(Serialize)]
struct All<'a> {
    schema: u64,
    instances: &'a [InstanceReport],
    sums: Value,
}

/// One daemon: its report, or why there is none.
#[derive(Serialize)]
struct InstanceReport {
    endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) fn run(options: &ConnectOptions, is_json: bool) -> Result<(), CliError> {
    let mut all = Vec::new();
    let mut worst = None;
    for socket in sockets::all() {
        let endpoint = ResolvedEndpoint::Unix(socket.clone()).to_string();
        match ask(options, &socket) {
            Ok(report) => all.push(InstanceReport { endpoint, report: Some(report), error: None }),
            // An ended daemon has left its socket.
            Err(CliError::Unreachable(_)) if access(&socket, Access::WRITE_OK).is_ok() => {
                if options.verbose {
                    output::tell(&format!("{endpoint}: nobody listens"));
                }
            }
            Err(error) => {
                let text = error.lines().join("; ");
                output::tell(&text);
                all.push(InstanceReport { endpoint, report: None, error: Some(text) });
                // Daemons that this user may not ask are no failure.
                if matches!(error, CliError::TimedOut(_) | CliError::Failed(_)) {
                    worst = Some(error);
                }
            }
        }
    }
    let reports: Vec<&Value> = all.iter().filter_map(|one| one.report.as_ref()).collect();
    if reports.is_empty() && worst.is_none() {
        let text = match all.is_empty() {
            true => "no ipcd with a socket in /run/ipcd, /run/ipcd-NAME or this user's runtime directory",
            false => "every ipcd here refuses this user; run it as root",
        };
        return Err(CliError::Unreachable(text.to_owned()));
    }
    let sums = sums(&reports);
    match is_json {
        true => output::print_json(&All { schema: SCHEMA, instances: &all, sums })?,
        false => {
            let asked = all.iter().filter_map(|one| Some((one.endpoint.as_str(), one.report.as_ref()?)));
            let rows: Vec<Instance<'_>> =
                asked.map(|(endpoint, report)| (endpoint, sums_of(report), report)).collect();
            output::print(&show_instances(&rows, &sums, output::width_of_terminal()))?;
        }
    }
    // Its text was printed above.
    worst.map_or(Ok(()), |error| {
        Err(match error {
            CliError::TimedOut(_) => CliError::TimedOut("not every daemon has answered".to_owned()),
            _ => CliError::Failed("not every daemon has answered".to_owned()),
        })
    })
}

fn ask(options: &ConnectOptions, socket: &Path) -> Result<Value, CliError> {
    let to = Some(Target::Endpoint(Endpoint::Unix(socket.to_owned())));
    let options = ConnectOptions { to, verbose: false, ..options.clone() };
    status::ask(&options).map(|(_, report)| report)
}

/// What makes sense as a sum, of all reports.
fn sums(reports: &[&Value]) -> Value {
    let mut sums = serde_json::Map::new();
    sums.insert("instances".to_owned(), reports.len().into());
    let each: Vec<Value> = reports.iter().map(|report| sums_of(report)).collect();
    for name in OWN.into_iter().chain(OF_SERVICES) {
        let known = each.iter().filter_map(|one| one[name].as_u64());
        sums.insert(name.to_owned(), known.fold(0, u64::saturating_add).into());
    }
    for name in RATES {
        let sum: f64 = each.iter().filter_map(|one| one[name].as_f64()).sum();
        sums.insert(name.to_owned(), sum.into());
    }
    sums.into()
}

/// The same of one: its services together.
fn sums_of(report: &Value) -> Value {
    let services = || report["services"].as_array().into_iter().flatten();
    let mut sums = serde_json::Map::new();
    for name in OWN {
        sums.insert(name.to_owned(), report[name].as_u64().unwrap_or(0).into());
    }
    for name in OF_SERVICES {
        let counts = services().filter_map(|service| service[name].as_u64());
        sums.insert(name.to_owned(), counts.fold(0, u64::saturating_add).into());
    }
    for name in RATES {
        let sum: f64 = services().filter_map(|service| service[name].as_f64()).sum();
        sums.insert(name.to_owned(), sum.into());
    }
    sums.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_leave_out_what_is_unknown_and_never_overflow() {
        let report = |count: u64| {
            serde_json::json!({"members": 2, "memory_used": null, "services": [
                {"messages": count, "messages_per_second": 1.5}, {"messages": 1, "messages_per_second": 0.5}]})
        };
        let (one, other) = (report(u64::MAX), report(5));
        let sums = sums(&[&one, &other]);
        assert_eq!((&sums["instances"], &sums["members"]), (&2.into(), &4.into()));
        assert_eq!((&sums["messages"], &sums["memory_used"]), (&u64::MAX.into(), &0.into()));
        assert_eq!(sums["messages_per_second"], 4.0);
    }
}
