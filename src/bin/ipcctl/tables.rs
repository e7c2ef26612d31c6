//! A status report as tables, whatever the daemon has put into it. Knows no connection.

use std::time::Duration;

use bytesize::ByteSize;
use ipcd::engine::text::clean;
use serde_json::Value;

use super::turns::Turns;

/// The report for a person.
pub(crate) fn show(report: &Value) -> String {
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
            queued.into_iter().fold(0, u64::saturating_add).to_string(),
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
        // Within a list or an object JSON escapes less than a terminal obeys.
        other => clean(other.to_string().as_bytes()),
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
        assert_eq!(cell(&serde_json::json!(["\u{9b}2J", {"\u{202e}": "\u{7f}"}])), r#"["2J",{"":""}]"#);
        assert_eq!((size(&(5_u64 << 29).into()), size(&Value::Null)), ("2.5 GiB".to_owned(), "-".to_owned()));
        assert_eq!((cell(&Value::Null), span(&3723.9.into())), ("-".to_owned(), "1h 2m 3s".to_owned()));
    }
}
