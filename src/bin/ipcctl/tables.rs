//! A status report as tables, whatever its contents. Knows no connection.

use std::time::Duration;

use bytesize::ByteSize;
use ipcd::engine::text::clean;
use serde_json::Value;

use super::loop_latency::Turns;

/// The report for people: the most important first, the event loop last.
pub(crate) fn show(report: &Value) -> String {
    let list = |name: &str| report[name].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let connections = list("connections").count();
    let unit = if connections == 1 { "connection" } else { "connections" };
    let mut text = format!(
        "ipcd {}, pid {}, up {}; {connections} {unit}, {} in the room\nuses {}; bound {}\n{} of {} descriptors; {}; {}",
        cell(&report["version"]),
        cell(&report["pid"]),
        span(&report["uptime"]),
        cell(&report["members"]),
        size(&report["memory_used"]),
        size(&report["memory_max"]),
        cell(&report["descriptors"]),
        cell(&report["descriptors_max"]),
        reload(&report["last_reload"]),
        match report["log_lines_dropped"].as_u64() {
            None | Some(0) => "no log line dropped".to_owned(),
            Some(1) => "1 log line dropped".to_owned(),
            Some(count) => format!("{count} log lines dropped"),
        },
    );
    let rate = |value: &Value| value.as_f64().map_or_else(|| cell(value), |rate| format!("{rate:.1}"));
    let rows = list("services").map(|one| {
        [
            cell(&one["service"]),
            cell(&one["connections"]),
            cell(&one["connections_total"]),
            cell(&one["messages"]),
            rate(&one["messages_per_second"]),
            cell(&one["errors"]),
            size(&one["bytes_in"]),
            size(&one["bytes_out"]),
        ]
    });
    let heads = ["SERVICE", "NOW", "TOTAL", "MESSAGES", "A SECOND", "ERRORS", "IN", "OUT"];
    text += &table(heads, rows.collect());
    text += &troubles(list("services"));
    let mut connections: Vec<&Value> = list("connections").collect();
    let key = |one: &Value| (cell(&one["service"]), cell(&one["name"]), cell(&one["peer"]));
    connections.sort_by_key(|one| key(one));
    text += &shown(&connections);
    let rows = list("endpoints").map(|one| [cell(&one["service"]), cell(&one["endpoint"])]);
    text += &table(["SERVICE", "ENDPOINT"], rows.collect());
    let turns = Turns::of(&report["turns"]);
    text += &format!("\n\n{}", turns.summary());
    text + &table(["TURN UP TO", "TURNS", ""], turns.rows())
}

/// The connections; what their certificates say only if one has a certificate.
fn shown(connections: &[&Value]) -> String {
    let row = |one: &&Value| {
        let queued = ["inbox", "outbox", "behind"].map(|queue| one[queue].as_u64().unwrap_or(0));
        [
            cell(&one["service"]),
            cell(&one["name"]),
            cell(&one["certificate"]),
            cell(&one["peer"]),
            cell(&one["kind"]),
            cell(&one["state"]),
            span(&one["age"]),
            span(&one["idle"]),
            size(&queued.into_iter().fold(0, u64::saturating_add).into()),
        ]
    };
    let heads = ["SERVICE", "NAME", "CERTIFICATE", "PEER", "KIND", "STATE", "AGE", "IDLE", "QUEUED"];
    let rows: Vec<[String; 9]> = connections.iter().map(row).collect();
    if connections.iter().any(|one| one["certificate"].is_string()) {
        return table(heads, rows);
    }
    let without = |[service, name, _, rest @ ..]: [String; 9]| {
        let [peer, kind, state, age, idle, queued] = rest;
        [service, name, peer, kind, state, age, idle, queued]
    };
    table(
        without(heads.map(str::to_owned)).each_ref().map(String::as_str),
        rows.into_iter().map(without).collect(),
    )
}

/// The outcome of the last reload.
fn reload(last: &Value) -> String {
    match last["ok"].as_bool() {
        None => "no reload yet".to_owned(),
        Some(true) => format!("reloaded {} ago", span(&last["age"])),
        Some(false) => format!("the reload {} ago failed, see the log", span(&last["age"])),
    }
}

/// A line for each service with errors, by kind.
fn troubles<'a>(services: impl Iterator<Item = &'a Value>) -> String {
    let mut text = String::new();
    for one in services {
        let counted = |value: &'a Value| value.as_u64().filter(|count| *count > 0);
        let kinds = |name: &'static str| {
            let kinds = one[name].as_object().into_iter().flatten();
            kinds.filter_map(move |(kind, count)| {
                Some(format!("{} {}", counted(count)?, clean(kind.replace('_', " ").as_bytes())))
            })
        };
        let others = [("refused", "refused"), ("too_slow", "too slow")]
            .into_iter()
            .filter_map(|(name, words)| Some(format!("{} {words}", counted(&one[name])?)));
        let dropped = kinds("dropped_by_reason").map(|what| format!("{what} (dropped)"));
        let all: Vec<String> = kinds("errors_by_kind").chain(others).chain(dropped).collect();
        if !all.is_empty() {
            text += &format!("\n{}: {}", cell(&one["service"]), all.join(", "));
        }
    }
    if text.is_empty() { text } else { format!("\n\nErrors and refusals by kind:{text}") }
}

/// A value as a cell; a dash if unknown.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => clean(text.as_bytes()),
        // In lists and objects, JSON leaves some characters unescaped that a terminal acts on.
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

/// Rows under their headings, after an empty line; numbers are right-aligned.
fn table<const N: usize>(heads: [&str; N], rows: Vec<[String; N]>) -> String {
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([heads[at].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    // Also with a unit: 1.2 KiB.
    let starts = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit());
    let units = |cell: &str| cell.ends_with(" B") || cell.ends_with("iB");
    let digits = |cell: &str| cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_number = |at: usize| {
        rows.iter().all(|row| row[at] == "-" || starts(&row[at]) && (units(&row[at]) || digits(&row[at])))
            && rows.iter().any(|row| row[at] != "-")
    };
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
    fn certificates_have_a_column_only_if_one_has_come() {
        let ann = serde_json::json!({"service": "chat", "name": "ann", "certificate": "Zoë \u{1b}[2JMüller", "age": 1});
        let bob = serde_json::json!({"service": "chat", "name": "bob", "certificate": null, "age": 1});
        let both = shown(&[&ann, &bob]);
        let lines: Vec<&str> = both.trim_start().lines().collect();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(lines[0])[..4], ["SERVICE", "NAME", "CERTIFICATE", "PEER"]);
        assert_eq!(words(lines[1])[..4], ["chat", "ann", "Zoë", "[2JMüller"]);
        assert_eq!(words(lines[2])[..4], ["chat", "bob", "-", "-"]);
        let none = shown(&[&bob]);
        assert!(
            none.trim_start().starts_with("SERVICE  NAME  PEER  KIND  STATE  AGE  IDLE  QUEUED"),
            "{none}"
        );
    }

    #[test]
    fn numbers_align_right_and_control_characters_are_escaped() {
        let rows = vec![["a".to_owned(), "7".to_owned()], ["bcd".to_owned(), "1234".to_owned()]];
        assert_eq!(table(["N", "OUT"], rows), "\n\nN     OUT\na       7\nbcd  1234");
        assert_eq!(cell(&"a\u{1b}[2Jb".into()), "a[2Jb");
        assert_eq!(cell(&serde_json::json!(["\u{9b}2J", {"\u{202e}": "\u{7f}"}])), r#"["2J",{"":""}]"#);
        assert_eq!((size(&(5_u64 << 29).into()), size(&Value::Null)), ("2.5 GiB".to_owned(), "-".to_owned()));
        assert_eq!((cell(&Value::Null), span(&3723.9.into())), ("-".to_owned(), "1h 2m 3s".to_owned()));
    }
}
