//! Reports of machines about themselves, with psutil's names, and the requests for them. Knows one message, and no table of
//! reports.

use serde_json::{Map, Value};

use super::facts::{Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_anything, is_nothing};
use crate::engine::json;
use crate::engine::limits::STATS_LINE_BYTES_MAX;
use crate::engine::limits::{HOST_CHARS_MAX, REPORT_BYTES_MAX, REPORT_DEPTH_MAX, REPORT_TEXT_BYTES_MAX};
pub use crate::engine::machines::Report;
use crate::engine::machines::Sample;
use crate::engine::text::{is_host, quote, trim};

/// Its facts.
pub const FACTS: Facts = Facts {
    name: "stats",
    conduct: Conduct::Stats,
    needs: &[Need::Session, Need::OneWriter, Need::Others, Need::Kernel],
    default_port: None,
    first: First::Message,
    idle: Idle::Silent,
    waits_for: Some("a machine's figures, or help"),
    is_typed: false,
    is_complete: is_anything,
    is_private: is_nothing,
    is_shared: false,
    openness: Openness::Everybody,
    replies: Replies::Many(STATS_LINE_BYTES_MAX),
    burst: None,
    keeps: Keeps::Nothing,
    unread: "",
    own_words: &[],
};

/// A report, as errors and `help` show one.
const EXAMPLE: &str = r#"{"host":"pc7","cpu_percent":12.5}"#;

/// The known requests, for `help` and for an error.
const KNOWN: &str = "latest, latest HOST, history HOST, help";

/// The answer to `help`.
pub fn help() -> String {
    format!("Requests: {KNOWN}; a report is one JSON object, for example: {EXAMPLE}")
}

/// The meaning of a message.
#[derive(Debug, PartialEq)]
pub enum Message {
    /// A machine's figures.
    Report(Report),
    /// The last report of each machine, or of one.
    Latest(Option<String>),
    /// The short history of one machine.
    History(String),
    /// The list of these.
    Help,
}

/// The type of a field in psutil. `null` is always allowed: it is psutil's `None`, for unknown.
#[derive(Clone, Copy)]
enum Shape {
    Percent,
    Number,
    Numbers,
    Loads,
    Object,
}

const FIELDS: &[(&str, Shape)] = &[
    ("boot_time", Shape::Number),
    ("cpu_count", Shape::Number),
    ("cpu_freq", Shape::Numbers),
    ("cpu_percent", Shape::Percent),
    ("cpu_times_percent", Shape::Numbers),
    ("disk_usage", Shape::Numbers),
    ("getloadavg", Shape::Loads),
    ("net_io_counters", Shape::Object),
    ("swap_memory", Shape::Numbers),
    ("virtual_memory", Shape::Numbers),
];

/// Reads a message; the error says what would be right.
pub fn read(message: &[u8]) -> Result<Message, String> {
    let message = trim(message);
    if message.starts_with(b"{") {
        return read_report(&String::from_utf8_lossy(message)).map(Message::Report);
    }
    let (word, rest) =
        message.split_at(message.iter().position(|byte| *byte == b' ').unwrap_or(message.len()));
    let host = Some(String::from_utf8_lossy(trim(rest)).into_owned()).filter(|host| !host.is_empty());
    match (word, host) {
        (b"latest", host) => Ok(Message::Latest(host)),
        (b"history", Some(host)) => Ok(Message::History(host)),
        (b"history", None) => {
            Err("history needs the name of a machine, for example: history pc7 (latest lists them)".into())
        }
        (b"help", None) => Ok(Message::Help),
        _ => Err(format!("unknown request: '{}' (known: {KNOWN}; a report starts with {{)", quote(message))),
    }
}

fn read_report(text: &str) -> Result<Report, String> {
    // This comes before parsing: the parsed form may take up to a hundred times as much memory as the text.
    if text.len() > REPORT_TEXT_BYTES_MAX {
        return Err(too_long());
    }
    let mut fields: Map<String, Value> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    if fields.values().any(|value| is_deeper(value, REPORT_DEPTH_MAX - 1)) {
        return Err(too_deep());
    }
    let host = fields.remove("host").map(host).transpose()?;
    fields.remove("age"); // the daemon sets it
    for (name, shape) in FIELDS {
        match fields.get(*name) {
            None | Some(Value::Null) => {}
            Some(value) => shape.check(name, value)?,
        }
    }
    let sample = Sample {
        cpu_percent: fields.get("cpu_percent").and_then(Value::as_f64),
        memory_percent: number_in(&fields, "virtual_memory", "percent"),
        frequency: number_in(&fields, "cpu_freq", "current"),
        loads: fields.get("getloadavg").and_then(loads),
    };
    // Numbers and escapes may be longer here than in the message.
    let text = json::to_string(&fields);
    if text.len() > REPORT_BYTES_MAX {
        return Err(too_long());
    }
    Ok(Report { host, text, sample })
}

fn not_json(error: &serde_json::Error) -> String {
    let told = error.to_string();
    let words: Vec<&str> = told.split(' ').collect();
    let what = words[..words.len().saturating_sub(5)].join(" "); // the rest is "at line 1 column 5"
    if what.starts_with("recursion") {
        return too_deep();
    }
    let at = error.column();
    format!("not JSON: {what} at byte {at}; a report is one object on one line, for example: {EXAMPLE}")
}

fn too_long() -> String {
    format!("report longer than {REPORT_BYTES_MAX} bytes; send fewer fields")
}

fn too_deep() -> String {
    format!("nested too deeply; a report has at most {REPORT_DEPTH_MAX} levels of objects and lists")
}

/// Whether it has objects and lists nested more than `depth` levels deep. The parser bounds the recursion.
fn is_deeper(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(values) => depth == 0 || values.iter().any(|value| is_deeper(value, depth - 1)),
        Value::Object(fields) => depth == 0 || fields.values().any(|value| is_deeper(value, depth - 1)),
        _ => false,
    }
}

fn host(value: Value) -> Result<String, String> {
    let name = value.as_str().unwrap_or_default().trim();
    if is_host(name) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "host must be 1 to {HOST_CHARS_MAX} printable characters, for example pc7, not {}",
        shown(&value)
    ))
}

/// A value as JSON, which has its own escapes.
fn shown(value: &Value) -> String {
    quote(value.to_string().as_bytes()).replace("\\\\", "\\")
}

impl Shape {
    fn check(self, name: &str, value: &Value) -> Result<(), String> {
        let right = match self {
            Shape::Percent if is_percentage(value) => return Ok(()),
            Shape::Percent => "a number from 0 to 100",
            Shape::Number if value.is_number() => return Ok(()),
            Shape::Number => "a number",
            Shape::Loads if loads(value).is_some() => return Ok(()),
            Shape::Loads => "a list of three numbers: over 1, 5 and 15 minutes",
            Shape::Numbers => match value {
                Value::Object(fields) => return check_numbers(name, fields),
                _ => "an object of numbers (in Python: ._asdict())",
            },
            Shape::Object if value.is_object() => return Ok(()),
            Shape::Object => "an object (in Python: ._asdict())",
        };
        Err(format!("{name} must be {right}, not {}", shown(value)))
    }
}

fn check_numbers(name: &str, fields: &Map<String, Value>) -> Result<(), String> {
    match fields.iter().find(|(_, value)| !value.is_number() && !value.is_null()) {
        Some((field, value)) => {
            let field = quote(field.as_bytes());
            Err(format!("{name} must be an object of numbers, but its {field} is {}", shown(value)))
        }
        None => match fields.get("percent").filter(|value| !value.is_null() && !is_percentage(value)) {
            Some(value) => {
                Err(format!("{name}'s percent must be a number from 0 to 100, not {}", shown(value)))
            }
            None => Ok(()),
        },
    }
}

fn is_percentage(value: &Value) -> bool {
    value.as_f64().is_some_and(|percent| (0.0..=100.0).contains(&percent))
}

fn number_in(fields: &Map<String, Value>, name: &str, field: &str) -> Option<f64> {
    fields.get(name)?.get(field)?.as_f64()
}

fn loads(value: &Value) -> Option<[f64; 3]> {
    let [one, five, fifteen] = value.as_array()?.as_slice() else { return None };
    Some([one.as_f64()?, five.as_f64()?, fifteen.as_f64()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(message: &str) -> Report {
        match read(message.as_bytes()) {
            Ok(Message::Report(report)) => report,
            other => panic!("{message}: {other:?}"),
        }
    }

    #[test]
    fn report_keeps_unknown_fields_and_drops_host_and_age() {
        let read = report(r#" {"host":" pc7 ","age":5,"x":{"y":[1,null,"z"]},"cpu_percent":12.5} "#);
        assert_eq!(read.host.as_deref(), Some("pc7"));
        assert_eq!(read.text, r#"{"cpu_percent":12.5,"x":{"y":[1,null,"z"]}}"#);
        assert_eq!(read.sample, Sample { cpu_percent: Some(12.5), ..Sample::default() });
        assert_eq!(report("{}"), Report { host: None, text: "{}".into(), sample: Sample::default() });
        assert_eq!(report(r#"{"cpu_freq":null}"#).text, r#"{"cpu_freq":null}"#);
    }

    #[test]
    fn history_keeps_the_plotted_figures() {
        let read = report(
            r#"{"virtual_memory":{"percent":40.5,"total":8},"cpu_freq":{"current":2400},"getloadavg":[1,2.5,3]}"#,
        );
        let wanted = Sample {
            cpu_percent: None,
            memory_percent: Some(40.5),
            frequency: Some(2400.0),
            loads: Some([1.0, 2.5, 3.0]),
        };
        assert_eq!(read.sample, wanted);
    }

    #[test]
    fn stored_reports_are_safe_for_a_terminal() {
        let read = report("{\"a\\u001b[2J\":\"\u{7f}\u{9b}\u{202e}\u{e0001}\"}");
        assert_eq!(read.text, "{\"a\\u001b[2J\":\"\\u007f\\u009b\\u202e\\udb40\\udc01\"}");
        let again: Value = serde_json::from_str(&read.text).unwrap();
        assert_eq!(again["a\u{1b}[2J"], "\u{7f}\u{9b}\u{202e}\u{e0001}");
    }

    #[test]
    fn invalid_report_is_refused_with_place_and_correction() {
        for (message, error) in [
            (
                "{",
                "not JSON: EOF while parsing an object at byte 1; a report is one object on one line, for example: {\"host\":\"pc7\",\"cpu_percent\":12.5}",
            ),
            ("{\"cpu_percent\":NaN}", "not JSON: expected value at byte 16;"),
            ("{'host':'x'}", "not JSON: key must be a string at byte 2;"),
            ("{} {}", "not JSON: trailing characters at byte 4;"),
            ("{\"x\":1e999}", "not JSON: number out of range at byte"),
            (r#"{"host":""}"#, "host must be 1 to 64 printable characters, for example pc7, not \"\""),
            (r#"{"host":7}"#, "host must be 1 to 64 printable characters, for example pc7, not 7"),
            (
                "{\"host\":\"a\\u001b\"}",
                "host must be 1 to 64 printable characters, for example pc7, not \"a\\u001b\"",
            ),
            (r#"{"cpu_percent":"5"}"#, "cpu_percent must be a number from 0 to 100, not \"5\""),
            (r#"{"cpu_percent":101}"#, "cpu_percent must be a number from 0 to 100, not 101"),
            (r#"{"cpu_count":[]}"#, "cpu_count must be a number, not []"),
            (
                r#"{"cpu_freq":[1,2,3]}"#,
                "cpu_freq must be an object of numbers (in Python: ._asdict()), not [1,2,3]",
            ),
            (
                r#"{"cpu_freq":{"current":"x"}}"#,
                "cpu_freq must be an object of numbers, but its current is \"x\"",
            ),
            (
                r#"{"virtual_memory":{"percent":-1}}"#,
                "virtual_memory's percent must be a number from 0 to 100, not -1",
            ),
            (
                r#"{"getloadavg":[1,2]}"#,
                "getloadavg must be a list of three numbers: over 1, 5 and 15 minutes, not [1,2]",
            ),
            (r#"{"net_io_counters":5}"#, "net_io_counters must be an object (in Python: ._asdict()), not 5"),
        ] {
            let told = read(message.as_bytes()).expect_err(message);
            assert!(told.starts_with(error), "{message}: {told}");
        }
        let long = "x".repeat(65);
        assert!(read(format!("{{\"host\":\"{long}\"}}").as_bytes()).is_err());
    }

    #[test]
    fn depth_and_length_of_a_report_are_bounded() {
        // An overlong message is not parsed, even if it begins with invalid JSON.
        let spaces = " ".repeat(REPORT_TEXT_BYTES_MAX - 3);
        assert!(matches!(read(format!("{{{spaces}}}").as_bytes()), Ok(Message::Report(_))));
        for text in [format!("{{{spaces}  }}"), format!("{{{spaces}  x")] {
            assert_eq!(read(text.as_bytes()), Err(too_long()));
        }
        let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert_eq!(report(&nested(REPORT_DEPTH_MAX)).host, None);
        for depth in [REPORT_DEPTH_MAX + 1, 100, 200, 5000] {
            assert_eq!(read(nested(depth).as_bytes()), Err(too_deep()), "{depth}");
        }
        // DEL takes one byte in the message and six in the kept form.
        let fits = "\u{7f}".repeat((REPORT_BYTES_MAX - 8) / 6);
        assert!(read(format!("{{\"x\":\"{fits}\"}}").as_bytes()).is_ok());
        let error = read(format!("{{\"x\":\"{fits}\u{7f}\"}}").as_bytes()).unwrap_err();
        assert_eq!(error, "report longer than 16384 bytes; send fewer fields");
    }

    #[test]
    fn other_requests_are_words() {
        assert_eq!(read(b"latest"), Ok(Message::Latest(None)));
        assert_eq!(read(b"latest  lab pc \t"), Ok(Message::Latest(Some("lab pc".into()))));
        assert_eq!(read(b"history pc7"), Ok(Message::History("pc7".into())));
        assert_eq!(read(b" help "), Ok(Message::Help));
        assert!(read(b"history").unwrap_err().starts_with("history needs the name of a machine"));
        for wrong in ["LATEST", "latestpc7", "[1]", "help me"] {
            let error = format!(
                "unknown request: '{wrong}' (known: latest, latest HOST, history HOST, help; a report starts with {{)"
            );
            assert_eq!(read(wrong.as_bytes()), Err(error));
        }
    }
}
