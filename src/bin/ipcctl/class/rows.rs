//! A row for each address or user: its cells, the order of rows, and the columns. Knows no connection and no
//! screen.

use std::time::Duration;

use ipcd::engine::listed::listed;
use ipcd::engine::text::clean;
use nix::unistd::{Uid, User};
use serde_json::Value;

/// An address or user, safe to show on a terminal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// The address, or the user's number, as the daemon names it.
    pub(crate) client: String,
    /// The same for people: with the user's name.
    pub(crate) who: String,
    pub(crate) name: String,
    /// The name in its certificate.
    pub(crate) certificate: String,
    /// The machine's name.
    pub(crate) host: String,
    /// The processor and memory load of that machine.
    pub(crate) cpu: String,
    pub(crate) memory: String,
    pub(crate) connections: String,
    pub(crate) requests: String,
    pub(crate) errors: String,
    /// The age of the last hint, or of the last error, whichever is the client's problem.
    pub(crate) when: String,
    pub(crate) hint: String,
    /// Whether it has had no success since.
    pub(crate) is_in_trouble: bool,
}

/// Seconds after which a machine's report is outdated.
const REPORT_AGE_MAX: f64 = 60.0;

/// Clients in trouble first, the newest on top; the others in the daemon's order.
pub(crate) fn sorted(clients: &mut [Value]) {
    clients.sort_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal));
}

fn rank(client: &Value) -> (bool, f64) {
    let trouble = trouble(client);
    (trouble.is_none(), trouble.map_or(0.0, |trouble| trouble["age"].as_f64().unwrap_or(f64::MAX)))
}

/// A client's problem: a hint, or a later error without one.
fn trouble(client: &Value) -> Option<&Value> {
    let age = |what: &Value| what["age"].as_f64().unwrap_or(f64::MAX);
    let is_open = |what: &&Value| what["is_open"] == true;
    let (hint, error) = (Some(&client["hint"]).filter(is_open), Some(&client["error"]).filter(is_open));
    match (hint, error) {
        (Some(hint), Some(error)) if age(error) < age(hint) => Some(error),
        (hint, error) => hint.or(error),
    }
}

impl Row {
    pub(crate) fn of(client: &Value) -> Row {
        let text = |value: &Value| value.as_str().map(|text| clean(text.as_bytes())).unwrap_or_default();
        let count = |name: &str| client[name].as_u64().unwrap_or(0).to_string();
        let trouble = trouble(client);
        let (hint, machine) = (trouble.unwrap_or(&client["hint"]), &client["machine"]);
        let is_fresh = machine["age"].as_f64().is_some_and(|age| age < REPORT_AGE_MAX);
        let percent = |name: &str| {
            let value = machine[name].as_f64().filter(|_| is_fresh);
            value.map(|value| format!("{value:.0}%")).unwrap_or_default()
        };
        let told = text(&client["client"]);
        Row {
            who: user(&told).map_or_else(|| told.clone(), |user| format!("{user} ({told})")),
            name: text(&client["name"]),
            certificate: text(&client["certificate"]),
            host: text(&client["host"]),
            cpu: percent("cpu_percent"),
            memory: percent("memory_percent"),
            client: told,
            connections: count("connections"),
            requests: count("requests"),
            errors: count("errors"),
            when: hint["age"].as_f64().map(ago).unwrap_or_default(),
            hint: text(&hint["text"]),
            is_in_trouble: trouble.is_some(),
        }
    }

    /// Its filter for `watch`.
    #[cfg(feature = "tui")]
    pub(crate) fn filter(&self) -> Option<String> {
        match self.client.strip_prefix("uid ") {
            Some(uid) => uid.parse::<u32>().ok().map(|uid| format!("peer=uid:{uid}")),
            None => self.client.parse::<std::net::IpAddr>().ok().map(|ip| format!("address={ip}")),
        }
    }
}

/// The name of a user of this machine.
fn user(client: &str) -> Option<String> {
    let uid = client.strip_prefix("uid ")?.parse().ok()?;
    Some(clean(User::from_uid(Uid::from_raw(uid)).ok()??.name.as_bytes()))
}

/// Seconds, in one unit.
fn ago(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}

listed! {
    /// The contents of a column, from left to right.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Column {
        Client,
        Name,
        Certificate,
        Host,
        Cpu,
        Memory,
        Connections,
        Requests,
        Errors,
        When,
        Hint,
    }
}

impl Column {
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Column::Client => "CLIENT",
            Column::Name => "NAME",
            Column::Certificate => "CERTIFICATE",
            Column::Host => "HOST",
            Column::Cpu => "CPU",
            Column::Memory => "MEM",
            Column::Connections => "NOW",
            Column::Requests => "ASKED",
            Column::Errors => "ERRORS",
            Column::When => "AGO",
            Column::Hint => "LAST HINT",
        }
    }

    pub(crate) fn of(self, row: &Row) -> &str {
        match self {
            Column::Client => &row.who,
            Column::Name => &row.name,
            Column::Certificate => &row.certificate,
            Column::Host => &row.host,
            Column::Cpu => &row.cpu,
            Column::Memory => &row.memory,
            Column::Connections => &row.connections,
            Column::Requests => &row.requests,
            Column::Errors => &row.errors,
            Column::When => &row.when,
            Column::Hint => &row.hint,
        }
    }

    /// Numbers are right-aligned.
    fn is_number(self) -> bool {
        match self {
            Column::Cpu | Column::Memory | Column::Connections | Column::Requests => true,
            Column::Errors | Column::When => true,
            Column::Client | Column::Name | Column::Certificate | Column::Host | Column::Hint => false,
        }
    }

    /// A text in a cell.
    pub(crate) fn cell(self, text: &str, width: usize) -> String {
        let blank = " ".repeat(width.saturating_sub(columns(text)));
        if self.is_number() { blank + text } else { text.to_owned() + &blank }
    }
}

/// The width of a text in columns; without a screen, its number of characters.
fn columns(text: &str) -> usize {
    #[cfg(feature = "tui")]
    return unicode_width::UnicodeWidthStr::width(text);
    #[cfg(not(feature = "tui"))]
    return text.chars().count();
}

/// The width of a column that shows everything.
fn full_width(column: Column, rows: &[Row]) -> usize {
    let cells = rows.iter().map(|row| columns(column.of(row)));
    cells.max().unwrap_or(0).max(column.heading().len())
}

/// The smallest useful width of the hint's column.
#[cfg(feature = "tui")]
const HINT_MIN: usize = 24;

/// The columns that have something to show: figures of machines only if one reports, certificates only if one has come.
fn used(rows: &[Row]) -> impl Iterator<Item = Column> {
    Column::ALL.into_iter().filter(|column| {
        let may_be_empty = matches!(
            column,
            Column::Name | Column::Certificate | Column::Host | Column::Cpu | Column::Memory
        );
        !may_be_empty || rows.iter().any(|row| !column.of(row).is_empty())
    })
}

/// The columns that fit, with their widths; the hint gets the remaining space.
#[cfg(feature = "tui")]
pub(crate) fn fitting(rows: &[Row], width: usize) -> Vec<(Column, usize)> {
    /// The client itself is the last to be dropped; a name is cut before a column is dropped.
    const DROP_ORDER: [Column; 9] = [
        Column::Memory,
        Column::Host,
        Column::Cpu,
        Column::Connections,
        Column::Requests,
        Column::Certificate,
        Column::Client,
        Column::Errors,
        Column::When,
    ];
    const NAME_MAX: usize = 16;
    let has_names = rows.iter().any(|row| !row.name.is_empty());
    let wide = |column| match column {
        Column::Name | Column::Certificate | Column::Host => (column, full_width(column, rows).min(NAME_MAX)),
        Column::Hint => (column, 0),
        _ => (column, full_width(column, rows)),
    };
    let mut shown: Vec<(Column, usize)> = used(rows).map(wide).collect();
    let left = |shown: &[(Column, usize)]| {
        width.saturating_sub(shown.iter().map(|(_, width)| width + 1).sum::<usize>().saturating_sub(1))
    };
    for dropped in DROP_ORDER {
        if left(&shown) >= HINT_MIN {
            break;
        }
        // The client must be named.
        if dropped != Column::Client || has_names && rows.iter().all(|row| !row.name.is_empty()) {
            shown.retain(|(column, _)| *column != dropped);
        }
    }
    let rest = left(&shown);
    if let Some((_, width)) = shown.last_mut() {
        *width = rest;
    }
    shown
}

/// The whole table, for a pipe.
pub(crate) fn lines(rows: &[Row]) -> String {
    let wide = |column| (column, if column == Column::Hint { 0 } else { full_width(column, rows) });
    let columns: Vec<(Column, usize)> = used(rows).map(wide).collect();
    let line = |cell: &dyn Fn(Column) -> String| {
        let cells = columns.iter().map(|(column, width)| column.cell(&cell(*column), *width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heading = line(&|column| column.heading().to_owned());
    let rows = rows.iter().map(|row| line(&|column| column.of(row).to_owned()));
    std::iter::once(heading).chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told() -> Vec<Value> {
        let hint = |age: f64, is_open: bool| json!({"mistake": "comma", "text": "write 3.14\u{1b}", "service": "multiply", "age": age, "is_open": is_open});
        vec![
            json!({"client": "127.0.0.2", "name": "ann", "certificate": "Ann Müller", "host": null, "connections": 1, "requests": 12, "errors": 0, "hint": null}),
            json!({"client": "127.0.0.3", "name": null, "host": "pc7", "connections": 2, "requests": 3, "errors": 3, "hint": hint(70.5, true), "machine": {"age": 2.5, "cpu_percent": 93.4, "memory_percent": 41, "load": 1.5}}),
            json!({"client": "127.0.0.4", "name": "eve", "host": null, "connections": 0, "requests": 3, "errors": 1, "hint": hint(1.0, false)}),
            json!({"client": "2001:db8::1", "name": "bob", "host": null, "connections": 0, "requests": 1, "errors": 1, "hint": hint(2.9, true), "machine": {"age": 61, "cpu_percent": 5, "memory_percent": 6, "load": null}}),
        ]
    }

    #[test]
    fn rows_in_trouble_come_first_newest_on_top() {
        let mut told = told();
        sorted(&mut told);
        let rows: Vec<Row> = told.iter().map(Row::of).collect();
        let order: Vec<&str> = rows.iter().map(|row| row.client.as_str()).collect();
        assert_eq!(order, ["2001:db8::1", "127.0.0.3", "127.0.0.2", "127.0.0.4"]);
        assert_eq!((rows[0].when.as_str(), rows[1].when.as_str(), rows[2].when.as_str()), ("2s", "1m", ""));
        assert_eq!(rows[0].hint, "write 3.14");
        let figures = |row: &Row| (row.cpu.clone(), row.memory.clone());
        assert_eq!(figures(&rows[1]), ("93%".to_owned(), "41%".to_owned()));
        assert_eq!(figures(&rows[0]), (String::new(), String::new()), "that was long ago");
        let text = lines(&rows);
        assert!(
            text.starts_with(
                "CLIENT       NAME  CERTIFICATE  HOST  CPU  MEM  NOW  ASKED  ERRORS  AGO  LAST HINT\n2001:db8::1  bob"
            ),
            "{text}"
        );
    }

    #[cfg(feature = "tui")]
    #[test]
    fn row_is_watched_by_its_address_or_user() {
        let row = Row::of(&told()[3]);
        assert_eq!(row.filter().as_deref(), Some("address=2001:db8::1"));
        let user = Row { client: "uid 1000".into(), ..row };
        assert_eq!(user.filter().as_deref(), Some("peer=uid:1000"));
        assert_eq!(Row { client: "FIFO writers".into(), ..user }.filter(), None);
    }

    /// The page is tested with the same cases.
    #[test]
    fn rows_have_the_order_of_the_page() {
        let cases: Value = serde_json::from_str(include_str!("../../../../tests/page/class.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let mut clients = case["clients"].as_array().unwrap().clone();
            sorted(&mut clients);
            let order: Vec<&Value> = clients.iter().map(|client| &client["client"]).collect();
            assert_eq!(json!(order), case["order"], "{}", case["name"]);
            let troubles: Vec<&Value> = clients
                .iter()
                .map(|client| trouble(client).map_or(&Value::Null, |trouble| &trouble["text"]))
                .collect();
            assert_eq!(json!(troubles), case["troubles"], "{}", case["name"]);
        }
    }

    #[test]
    fn machines_columns_are_there_only_if_one_reports() {
        let quiet =
            [json!({"client": "127.0.0.2", "requests": 1}), json!({"client": "uid 0", "requests": 2})];
        let rows: Vec<Row> = quiet.iter().map(Row::of).collect();
        let heading = lines(&rows).lines().next().unwrap().to_owned();
        assert_eq!(heading, "CLIENT        NOW  ASKED  ERRORS  AGO  LAST HINT");
        assert_eq!((rows[1].who.as_str(), rows[1].client.as_str()), ("root (uid 0)", "uid 0"));
        let kinds: Vec<Column> = used(&rows).collect();
        for empty in [Column::Name, Column::Certificate, Column::Host, Column::Cpu, Column::Memory] {
            assert!(!kinds.contains(&empty), "{kinds:?}");
        }
    }

    #[cfg(feature = "tui")]
    #[test]
    fn hint_fits_every_width_and_a_name_is_always_shown() {
        let rows: Vec<Row> = told().iter().map(Row::of).collect();
        for width in 0..200 {
            let shown = fitting(&rows, width);
            let taken: usize = shown.iter().map(|(_, width)| width + 1).sum::<usize>() - 1;
            assert!(width < 20 || taken <= width, "{width}: {shown:?}");
            assert_eq!(shown.last().unwrap().0, Column::Hint);
            assert!(shown.iter().any(|(column, _)| matches!(column, Column::Client | Column::Name)));
        }
        let kinds = |width| fitting(&rows, width).into_iter().map(|(column, _)| column).collect::<Vec<_>>();
        assert_eq!(kinds(120), Column::ALL);
        assert_eq!(kinds(100), Column::ALL);
        assert_eq!(kinds(40), [Column::Client, Column::Name, Column::Hint]);
    }
}
