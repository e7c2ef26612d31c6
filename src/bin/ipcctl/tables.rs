//! A status report as tables, whatever its contents. Knows no connection.

use std::time::Duration;

use bytesize::ByteSize;
use ipcd::engine::text::clean;
use serde_json::Value;

use super::layout::{Column, table, wrapped};
use super::loop_latency::Turns;

/// The columns of each table, with the order in which they are left out if space is short.
const SERVICES: [(&str, u8); 8] = [
    ("SERVICE", 0),
    ("NOW", 0),
    ("TOTAL", 3),
    ("MESSAGES", 5),
    ("A SECOND", 4),
    ("ERRORS", 0),
    ("IN", 1),
    ("OUT", 2),
];
const CONNECTIONS: [(&str, u8); 9] = [
    ("SERVICE", 0),
    ("NAME", 0),
    ("CERTIFICATE", 6),
    ("PEER", 0),
    ("KIND", 1),
    ("STATE", 5),
    ("AGE", 2),
    ("IDLE", 4),
    ("QUEUED", 3),
];
const INSTANCES: [(&str, u8); 11] = [
    ("INSTANCE", 0),
    ("PID", 4),
    ("UP", 5),
    ("NOW", 0),
    ("TOTAL", 6),
    ("MESSAGES", 7),
    ("A SECOND", 0),
    ("ERRORS", 3),
    ("MEMBERS", 0),
    ("MEMORY", 2),
    ("SHARED ROOM", 1),
];
const ENDPOINTS: [(&str, u8); 2] = [("SERVICE", 0), ("ENDPOINT", 0)];
const TURNS: [(&str, u8); 3] = [("TURN UP TO", 0), ("TURNS", 0), ("", 1)];

/// The report for people: the most important first, the event loop last. `width`: that of a terminal, if it is shown on one.
pub(crate) fn show(report: &Value, width: Option<usize>) -> String {
    let fill = |text: &str| match width {
        Some(width) => text.split('\n').map(|line| wrapped(line, width, "")).collect::<Vec<_>>().join("\n"),
        None => text.to_owned(),
    };
    let list = |name: &str| report[name].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let connections = list("connections").count();
    let unit = if connections == 1 { "connection" } else { "connections" };
    let mut text = fill(&format!(
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
    ));
    text += &fill(&shared_room(&report["shared_room"]));
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
    text += &table(SERVICES.map(column), &rows.collect::<Vec<_>>(), width);
    text += &fill(&troubles(list("services")));
    let mut connections: Vec<&Value> = list("connections").collect();
    let key = |one: &Value| (cell(&one["service"]), cell(&one["name"]), cell(&one["peer"]));
    connections.sort_by_key(|one| key(one));
    text += &shown(&connections, width);
    let rows = list("endpoints").map(|one| [cell(&one["service"]), cell(&one["endpoint"])]);
    text += &table(ENDPOINTS.map(column), &rows.collect::<Vec<_>>(), width);
    let turns = Turns::of(&report["turns"]);
    text += &fill(&format!("\n\n{}", turns.summary()));
    text + &table(TURNS.map(column), &turns.rows(), width)
}

/// A daemon of this machine: its socket, its sums, and its report.
pub(crate) type Instance<'a> = (&'a str, Value, &'a Value);

/// A row for each daemon, and one for all of them together.
pub(crate) fn show_instances(instances: &[Instance<'_>], sums: &Value, width: Option<usize>) -> String {
    let row = |name: String, of: &Value, report: &Value| {
        let room = &report["shared_room"];
        [
            name,
            cell(&report["pid"]),
            if report.is_null() { cell(report) } else { span(&report["uptime"]) },
            cell(&of["connections"]),
            cell(&of["connections_total"]),
            cell(&of["messages"]),
            of["messages_per_second"].as_f64().map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}")),
            cell(&of["errors"]),
            cell(&of["members"]),
            size(&of["memory_used"]),
            cell(&room["state"]),
        ]
    };
    // The file has the same name in each directory.
    let name = |endpoint: &str| {
        let path = endpoint.strip_prefix("unix://").unwrap_or(endpoint);
        clean(path.strip_suffix("/ipcd.sock").unwrap_or(path).as_bytes())
    };
    let mut rows: Vec<[String; 11]> =
        instances.iter().map(|(endpoint, of, report)| row(name(endpoint), of, report)).collect();
    rows.push(row("all".to_owned(), sums, &Value::Null));
    let text = table(INSTANCES.map(column), &rows, width);
    text.trim_start_matches('\n').to_owned()
}

/// The room that other machines share; nothing if there is none.
fn shared_room(room: &Value) -> String {
    if room.is_null() {
        return String::new();
    }
    let count = |name: &str| room[name].as_u64().unwrap_or(0);
    let of = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let mut text = format!(
        "\nthe room is {}: {} on {}, through {}",
        cell(&room["state"]),
        of(count("members"), "member", "members"),
        of(count("machines"), "machine", "machines"),
        cell(&room["server"]),
    );
    if let Some(time) = room["round_trip"].as_f64() {
        text += &format!(" ({:.1} ms)", time * 1e3);
    }
    if let Some(reason) = room["reason"].as_str() {
        text += &format!("; {}", clean(reason.as_bytes()));
    }
    let waiting = count("unacknowledged") + count("queued");
    text + &format!(
        "; read up to {}, {} behind; {} on the way; {}",
        count("sequence"),
        count("lag"),
        of(waiting, "line", "lines"),
        of(count("reconnects"), "reconnect", "reconnects"),
    )
}

fn column((heading, turn): (&'static str, u8)) -> Column {
    Column { heading, turn }
}

/// The connections; what their certificates say only if one has a certificate.
fn shown(connections: &[&Value], width: Option<usize>) -> String {
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
    let rows: Vec<[String; 9]> = connections.iter().map(row).collect();
    let columns = CONNECTIONS.map(column);
    if connections.iter().any(|one| one["certificate"].is_string()) {
        return table(columns, &rows, width);
    }
    table(without_certificate(columns), &rows.into_iter().map(without_certificate).collect::<Vec<_>>(), width)
}

fn without_certificate<T>([service, name, _, peer, kind, state, age, idle, queued]: [T; 9]) -> [T; 8] {
    [service, name, peer, kind, state, age, idle, queued]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_have_a_column_only_if_one_has_come() {
        let ann = serde_json::json!({"service": "chat", "name": "ann", "certificate": "Zoë \u{1b}[2JMüller", "age": 1});
        let bob = serde_json::json!({"service": "chat", "name": "bob", "certificate": null, "age": 1});
        let both = shown(&[&ann, &bob], None);
        let lines: Vec<&str> = both.trim_start().lines().collect();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(lines[0])[..4], ["SERVICE", "NAME", "CERTIFICATE", "PEER"]);
        assert_eq!(words(lines[1])[..4], ["chat", "ann", "Zoë", "[2JMüller"]);
        assert_eq!(words(lines[2])[..4], ["chat", "bob", "-", "-"]);
        let none = shown(&[&bob], None);
        assert!(
            none.trim_start().starts_with("SERVICE  NAME  PEER  KIND  STATE  AGE  IDLE  QUEUED"),
            "{none}"
        );
    }

    #[test]
    fn report_with_certificates_fits_every_terminal() {
        let one = serde_json::json!({"service": "multiply", "name": null, "certificate": "Zoë Müller of the second row",
            "peer": "192.168.100.200:65432", "kind": "line", "state": "lingering", "age": 3723.0, "idle": 60, "inbox": 70_000});
        let service = serde_json::json!({"service": "multiply", "connections": 9_999, "connections_total": 99_999_999,
            "messages": 99_999_999, "messages_per_second": 12_345.6, "errors": 99_999, "bytes_in": 1_u64 << 60,
            "bytes_out": 1_u64 << 60, "refused": 7, "too_slow": 9, "errors_by_kind": {"request": 9, "not_finished": 8}});
        let endpoint = serde_json::json!({"service": "mux", "endpoint": "unix:///run/user/1000/a/rather/long/path/ipcd.sock"});
        let report = serde_json::json!({"version": "0.1.0", "pid": 4711, "uptime": 3723, "services": [service],
            "connections": [one], "endpoints": [endpoint], "turns": [{"up_to_us": 1, "count": 7}]});
        for width in [40, 80, 120] {
            let text = show(&report, Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}:\n{text}");
            assert!(text.contains("99999999") && text.contains("192.168.100.200"), "{width}:\n{text}");
            assert_eq!(text.contains("CERTIFICATE"), width > 40, "{width}:\n{text}");
        }
    }

    #[test]
    fn instances_and_their_sum_fit_every_terminal() {
        let report =
            serde_json::json!({"pid": 4711, "uptime": 3723, "shared_room": {"state": "whole\u{1b}[2J"}});
        let of = serde_json::json!({"connections": 9_999, "connections_total": 99_999_999, "messages": 99_999_999,
            "messages_per_second": 12_345.6, "errors": 7, "members": 40, "memory_used": 1_u64 << 30});
        let one = ("unix:///run/ipcd-a\u{1b}[2J/ipcd.sock", of.clone(), &report);
        for width in [40, 80, 120] {
            let text = show_instances(std::slice::from_ref(&one), &of, Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}:\n{text}");
            assert!(text.contains("/run/ipcd-a") && text.contains("9999") && text.contains("all"), "{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
            assert_eq!(text.contains("SHARED ROOM"), width > 80, "{width}:\n{text}");
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(cell(&"a\u{1b}[2Jb".into()), "a[2Jb");
        assert_eq!(cell(&serde_json::json!(["\u{9b}2J", {"\u{202e}": "\u{7f}"}])), r#"["2J",{"":""}]"#);
        assert_eq!((size(&(5_u64 << 29).into()), size(&Value::Null)), ("2.5 GiB".to_owned(), "-".to_owned()));
        assert_eq!((cell(&Value::Null), span(&3723.9.into())), ("-".to_owned(), "1h 2m 3s".to_owned()));
    }
}
