//! `ipcctl status`: what the daemon is and does, as tables.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use ipcd::engine::text::clean;
use serde_json::Value;

use super::daemon::{self, Conversation, Wanted};
use super::turns::Turns;
use super::{Reach, Trouble, output};

const STATUS: Wanted = Wanted { name: "status", port: None, datagrams: false, fifo: false };

/// The schema that is understood here.
const SCHEMA: u64 = 1;

/// Print what the daemon is and does: services, endpoints, connections
#[derive(Args)]
pub(crate) struct Arguments {
    /// Print the daemon's report as it is: one JSON object on one line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(reach: &Reach, arguments: &Arguments) -> Result<(), Trouble> {
    let mut daemon = Conversation::begin(reach, &STATUS)?;
    // On the mux the choice is the question.
    if reach.direct || !daemon::is_mux(&daemon.place, STATUS.name) {
        daemon.say(STATUS.name);
    }
    let Some(line) = daemon.hear()? else {
        return Err(Trouble::Failed(format!("{}: closed without an answer", daemon.place)));
    };
    if let Some(error) = line.strip_prefix("Error: ") {
        return Err(Trouble::Refused(vec![error.to_owned()]));
    }
    let Ok(report) = serde_json::from_str::<Value>(&line) else {
        return Err(daemon.not_there(STATUS.name, &line));
    };
    if report["schema"] != SCHEMA {
        let schema = clean(report["schema"].to_string().as_bytes());
        return Err(Trouble::Failed(format!(
            "{}: its report has schema {schema}, and this ipcctl reads {SCHEMA}; use the one that came with the daemon",
            daemon.place
        )));
    }
    output::print(&if arguments.json { line } else { show(&report) })
}

/// The report for a person.
fn show(report: &Value) -> String {
    let list = |name: &str| report[name].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let turns = Turns::of(&report["turns"]);
    let mut text = format!(
        "ipcd {}, pid {}, up {}; {} connections, {} in the room; at most {} of memory
{}",
        cell(&report["version"]),
        cell(&report["pid"]),
        span(&report["uptime"]),
        list("connections").count(),
        cell(&report["members"]),
        size(&report["memory_max"]),
        turns.summary(),
    );
    let names = [
        "service",
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
    let heads = ["SERVICE", "NOW", "TOTAL", "MESSAGES", "ERRORS", "IN", "OUT", "REFUSED", "SLOW", "DROPPED"];
    let rows = list("services").map(|one| names.map(|name| cell(&one[name])));
    text += &table(heads, rows.collect());
    text += &table(["TURN UP TO", "TURNS", ""], turns.rows());
    let rows = list("endpoints").map(|one| [cell(&one["service"]), cell(&one["endpoint"])]);
    text += &table(["SERVICE", "ENDPOINT"], rows.collect());
    let rows = list("connections").map(|one| {
        let queued = ["inbox", "outbox", "behind"].map(|queue| one[queue].as_u64().unwrap_or(0));
        [
            cell(&one["service"]),
            cell(&one["peer"]),
            cell(&one["kind"]),
            cell(&one["state"]),
            span(&one["age"]),
            span(&one["idle"]),
            queued.iter().sum::<u64>().to_string(),
            cell(&one["name"]),
        ]
    });
    let heads = ["SERVICE", "PEER", "KIND", "STATE", "AGE", "IDLE", "QUEUED", "NAME"];
    text + &table(heads, rows.collect())
}

/// A value as a cell; what is not known is a dash.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => clean(text.as_bytes()),
        other => other.to_string(),
    }
}

/// Bytes as a cell: `4.1 GiB`.
fn size(value: &Value) -> String {
    match value.as_u64() {
        Some(bytes) => format!("{:.1}", ByteSize(bytes).display().iec()),
        None => cell(value),
    }
}

/// Seconds as a cell: `3m 20s`.
fn span(value: &Value) -> String {
    let seconds = value.as_f64().filter(|seconds| (0.0..1e15).contains(seconds)).unwrap_or(0.0);
    humantime::format_duration(Duration::from_secs(seconds as u64)).to_string()
}

/// Rows under their heads, behind an empty line; numbers stand at the right.
fn table<const N: usize>(heads: [&str; N], rows: Vec<[String; N]>) -> String {
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([heads[at].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let is_number = |at: usize| rows.iter().all(|row| row[at].bytes().all(|byte| byte.is_ascii_digit()));
    let numbers: [bool; N] = std::array::from_fn(|at| !rows.is_empty() && is_number(at));
    let mut text = "\n".to_owned();
    for row in [heads.map(str::to_owned)].iter().chain(&rows) {
        let cells = row.iter().enumerate().map(|(at, cell)| match numbers[at] {
            true => format!("{cell:>0$}", widths[at]),
            false => format!("{cell:<0$}", widths[at]),
        });
        text += "\n";
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_right_and_nothing_reaches_the_terminal_that_it_would_obey() {
        let rows = vec![["a".to_owned(), "7".to_owned()], ["bcd".to_owned(), "1234".to_owned()]];
        assert_eq!(table(["N", "OUT"], rows), "\n\nN     OUT\na       7\nbcd  1234");
        assert_eq!(cell(&"a\u{1b}[2Jb".into()), "a[2Jb");
        assert_eq!((size(&(5_u64 << 29).into()), size(&Value::Null)), ("2.5 GiB".to_owned(), "-".to_owned()));
        assert_eq!((cell(&Value::Null), span(&3723.9.into())), ("-".to_owned(), "1h 2m 3s".to_owned()));
    }
}
