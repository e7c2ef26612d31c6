//! The daemon's figures as OpenMetrics 1.0 or in Prometheus' older text format 0.0.4. The metric names are in ipcd-protocol(7), and
//! never change.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use super::connection_counts::ConnectionCounts;
use super::counters::{Counters, ErrorKind, ServiceCounters};
use super::figures::Figures;
use super::message::{Dropped, Timestamp};
use super::room_report::RoomReport;
use super::service::Service;

/// The figures to report.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// The time.
    pub now: Timestamp,
    /// Since the start.
    pub uptime: Duration,
    /// Counts since the start.
    pub counters: &'a Counters,
    /// Open connections.
    pub connections: &'a ConnectionCounts,
    /// Members of the room, and bytes of what was said in it.
    pub room: (usize, usize),
    /// The room, if other machines share it.
    pub shared_room: Option<RoomReport>,
    /// About the process.
    pub figures: Figures,
    /// The most memory that peers can make the daemon hold, in bytes.
    pub memory_max: Option<usize>,
}

/// The two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4, which `promtool check metrics` reads.
    Text,
}

impl Form {
    /// The type in the HTTP answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The type of a family of samples.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// The text written so far.
struct Text {
    out: String,
    form: Form,
}

impl Text {
    /// Begins a family; `name` ends with the unit, if it has one.
    fn family(&mut self, name: &str, kind: Kind, unit: Option<&str>, help: &str) {
        let (kind, suffix) = match (self.form, kind) {
            (Form::OpenMetrics, Kind::Counter) => ("counter", ""),
            (Form::Text, Kind::Counter) => ("counter", "_total"), // the older format has it in the name
            (_, Kind::Gauge) => ("gauge", ""),
            (_, Kind::Histogram) => ("histogram", ""),
            (Form::OpenMetrics, Kind::Info) => ("info", ""),
            (Form::Text, Kind::Info) => ("gauge", "_info"),
        };
        self.line(format_args!("# HELP {name}{suffix} {help}"));
        self.line(format_args!("# TYPE {name}{suffix} {kind}"));
        if let Some(unit) = unit.filter(|_| self.form == Form::OpenMetrics) {
            self.line(format_args!("# UNIT {name}{suffix} {unit}"));
        }
    }

    fn line(&mut self, line: impl Display) {
        _ = writeln!(self.out, "{line}"); // writing to a String never fails
    }

    /// A family of one sample.
    fn gauge(&mut self, name: &str, unit: Option<&str>, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, unit, help);
        self.line(format_args!("{name} {value}"));
    }

    /// A family with a sample for each service.
    fn counters(
        &mut self,
        counters: &Counters,
        (name, unit, help): (&str, Option<&str>, &str),
        count: impl Fn(&ServiceCounters) -> u64,
    ) {
        self.family(name, Kind::Counter, unit, help);
        for service in Service::ALL {
            let value = count(counters.of(service));
            self.line(format_args!("{name}_total{{service=\"{service}\"}} {value}"));
        }
    }
}

/// The whole text.
pub fn text(form: Form, snapshot: &Snapshot<'_>) -> String {
    let mut text = Text { out: String::new(), form };
    let Snapshot { uptime, .. } = *snapshot;
    text.family("ipcd_build", Kind::Info, None, "The version that runs.");
    text.line(format_args!("ipcd_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
    text.gauge("ipcd_uptime_seconds", Some("seconds"), "Time since the start.", uptime.as_secs_f64());
    write_services(&mut text, snapshot);
    write_turns(&mut text, snapshot.counters);
    let (members, bytes) = snapshot.room;
    text.gauge("ipcd_room_members", None, "Members of the chat room.", members);
    text.gauge(
        "ipcd_room_bytes",
        Some("bytes"),
        "What was said in the chat room and is still to be sent or shown.",
        bytes,
    );
    if let Some(room) = &snapshot.shared_room {
        write_shared_room(&mut text, room);
    }
    write_process(&mut text, snapshot);
    if form == Form::OpenMetrics {
        text.line("# EOF");
    }
    text.out
}

/// The value of a label: a backslash and a quotation mark are escaped. A line end cannot be in it.
fn label(text: &Option<String>) -> String {
    text.as_ref().map_or_else(String::new, |text| text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The room that other machines share.
fn write_shared_room(text: &mut Text, room: &RoomReport) {
    let is_whole = u8::from(room.state == "whole");
    text.gauge(
        "ipcd_shared_room_whole",
        None,
        "1 if what is said reaches all machines of the room, or 0.",
        is_whole,
    );
    let [server, name, version] = [&room.server, &room.server_name, &room.server_version].map(label);
    text.family(
        "ipcd_shared_room_server",
        Kind::Info,
        None,
        "The server that the room's log is read from; empty without a connection.",
    );
    text.line(format_args!(
        "ipcd_shared_room_server_info{{server=\"{server}\",name=\"{name}\",version=\"{version}\"}} 1"
    ));
    let help = "Time between the last ping to the server and its answer; NaN before the first.";
    let time = room.round_trip.unwrap_or(f64::NAN);
    text.gauge("ipcd_shared_room_round_trip_seconds", Some("seconds"), help, time);
    for (name, help, value) in [
        ("ipcd_shared_room_machines", "Daemons that share the room.", room.machines as u64),
        ("ipcd_shared_room_members", "Members of the room on all machines.", room.members as u64),
        (
            "ipcd_shared_room_waiting",
            "Lines that are not in the log yet.",
            (room.unacknowledged + room.queued) as u64,
        ),
        (
            "ipcd_shared_room_unacknowledged",
            "Lines that were sent and are not in the log yet.",
            room.unacknowledged as u64,
        ),
        ("ipcd_shared_room_sequence", "The last message of the log that was read.", room.sequence),
        ("ipcd_shared_room_lag", "Messages of the log that were not read yet.", room.lag),
    ] {
        text.gauge(name, None, help, value);
    }
    for (name, help, value) in [
        ("ipcd_shared_room_reconnects", "Connections to servers after the first.", room.reconnects),
        ("ipcd_shared_room_published", "Messages to the log that it has.", room.published),
        ("ipcd_shared_room_refused", "Lines that the servers refused.", room.refused),
        (
            "ipcd_shared_room_missed",
            "Lines that were deleted from the log before they were read.",
            room.missed,
        ),
    ] {
        text.family(name, Kind::Counter, None, help);
        text.line(format_args!("{name}_total {value}"));
    }
}

fn write_services(text: &mut Text, snapshot: &Snapshot<'_>) {
    let counters = snapshot.counters;
    text.family("ipcd_connections", Kind::Gauge, None, "Open connections.");
    for service in Service::ALL {
        let open = snapshot.connections.of(service);
        text.line(format_args!("ipcd_connections{{service=\"{service}\"}} {open}"));
    }
    let bytes = Some("bytes");
    let opened = ("ipcd_connections_opened", None, "Connections that were let in.");
    text.counters(counters, opened, |service| service.connections);
    let refused =
        ("ipcd_connections_refused", None, "Connections and datagrams that a limit or a list refused.");
    text.counters(counters, refused, |service| service.refused);
    let slow = ("ipcd_connections_too_slow", None, "Connections that were closed because they did not read.");
    text.counters(counters, slow, |service| service.too_slow);
    text.counters(counters, ("ipcd_requests", None, "Complete messages."), |service| service.messages);
    let received = ("ipcd_received_bytes", bytes, "Bytes that came from peers.");
    text.counters(counters, received, |service| service.bytes_in);
    let sent = ("ipcd_sent_bytes", bytes, "Bytes that the kernel took for peers.");
    text.counters(counters, sent, |service| service.bytes_out);
    text.family("ipcd_errors", Kind::Counter, None, "Errors that peers were told, by kind.");
    for service in Service::ALL {
        for kind in ErrorKind::ALL {
            let (name, count) = (kind.name(), counters.of(service).errors_of(kind));
            text.line(format_args!("ipcd_errors_total{{service=\"{service}\",kind=\"{name}\"}} {count}"));
        }
    }
    text.family("ipcd_dropped", Kind::Counter, None, "What was not answered or did not arrive, by reason.");
    for service in Service::ALL {
        for reason in Dropped::ALL {
            let (name, count) = (reason.name(), counters.of(service).dropped_of(reason));
            text.line(format_args!("ipcd_dropped_total{{service=\"{service}\",reason=\"{name}\"}} {count}"));
        }
    }
}

fn write_turns(text: &mut Text, counters: &Counters) {
    let name = "ipcd_turn_seconds";
    let help = "How long turns of the event loop took: while one lasts, everybody waits.";
    text.family(name, Kind::Histogram, Some("seconds"), help);
    let mut turns = 0;
    for (up_to_us, count) in counters.turns.buckets() {
        turns += count;
        match up_to_us {
            Some(up_to_us) => {
                let up_to = up_to_us as f64 / 1e6;
                text.line(format_args!("{name}_bucket{{le=\"{up_to}\"}} {turns}"));
            }
            None => text.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {turns}")),
        }
    }
    text.line(format_args!("{name}_sum {}", counters.turns.took().as_secs_f64()));
    text.line(format_args!("{name}_count {turns}"));
}

fn write_process(text: &mut Text, snapshot: &Snapshot<'_>) {
    let Snapshot { figures, memory_max, now, .. } = snapshot;
    let bytes = Some("bytes");
    if let Some(used) = figures.resident_bytes {
        text.gauge("process_resident_memory_bytes", bytes, "Memory of the process.", used);
    }
    if let Some(max) = memory_max {
        let help = "The most memory that peers can make the daemon hold.";
        text.gauge("ipcd_memory_max_bytes", bytes, help, max);
    }
    if let Some(open) = figures.descriptors {
        text.gauge("process_open_fds", None, "Open file descriptors.", open);
    }
    if let Some(max) = figures.descriptors_max {
        text.gauge("process_max_fds", None, "File descriptors that may be open.", max);
    }
    text.family("ipcd_log_lines_dropped", Kind::Counter, None, "Log lines that could not be written.");
    text.line(format_args!("ipcd_log_lines_dropped_total {}", figures.log_lines_dropped));
    if let Some((is_done, at)) = figures.reload {
        let help = "Whether the last reload took the new configuration.";
        text.gauge("ipcd_last_reload_successful", None, help, u8::from(is_done));
        let age = now.since(at).as_secs_f64();
        text.gauge("ipcd_last_reload_age_seconds", Some("seconds"), "Time since the last reload.", age);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::limits::METRICS_BYTES_MAX;
    use crate::engine::message::RemoteAddress;

    fn told(form: Form, counters: &Counters) -> String {
        let figures = Figures {
            resident_bytes: Some(u64::MAX),
            descriptors: Some(7),
            descriptors_max: Some(1024),
            log_lines_dropped: 3,
            reload: Some((true, Timestamp::at(0))),
            ..Figures::default()
        };
        let mut connections = ConnectionCounts::default();
        connections.count(Service::Chat, RemoteAddress::Writers);
        let snapshot = Snapshot {
            now: Timestamp::at(2_000_000),
            uptime: Duration::from_millis(1500),
            counters,
            connections: &connections,
            room: (4, 5),
            shared_room: Some(RoomReport {
                state: "whole",
                reason: None,
                server: Some(format!("tls://{}:65535", "h".repeat(253))),
                server_name: Some("a \"b\" \\u{1b}".to_owned()),
                server_version: None,
                is_encrypted: true,
                round_trip: Some(0.25),
                unacknowledged: 1,
                queued: 2,
                queued_bytes: 3,
                sequence: u64::MAX,
                lag: u64::MAX,
                reconnects: u64::MAX,
                published: u64::MAX,
                refused: u64::MAX,
                missed: u64::MAX,
                machines: usize::MAX,
                members: usize::MAX,
            }),
            figures,
            memory_max: Some(6),
        };
        text(form, &snapshot)
    }

    #[test]
    fn every_sample_belongs_to_the_family_above_it() {
        for form in [Form::OpenMetrics, Form::Text] {
            let told = told(form, &Counters::default());
            let (mut family, mut kind) = (String::new(), String::new());
            for line in told.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                match words[..] {
                    ["#", "TYPE", name, is] => (family, kind) = (name.to_owned(), is.to_owned()),
                    ["#", "UNIT", name, unit] => {
                        assert_eq!(name, family);
                        assert!(name.ends_with(&format!("_{unit}")), "{line}");
                    }
                    ["#", "HELP", ..] => {}
                    ["#", "EOF"] => assert_eq!(form, Form::OpenMetrics),
                    [sample, .., value] => {
                        let name = sample.split('{').next().unwrap();
                        let suffix =
                            name.strip_prefix(&family[..]).unwrap_or_else(|| panic!("{line}: {family}"));
                        let right: &[&str] = match (&kind[..], form) {
                            ("counter", Form::OpenMetrics) => &["_total"],
                            ("info", _) => &["_info"],
                            ("histogram", _) => &["_bucket", "_sum", "_count"],
                            _ => &[""],
                        };
                        assert!(right.contains(&suffix), "{line}: {kind}");
                        assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
                    }
                    _ => panic!("{line}"),
                }
            }
            assert_eq!(told.ends_with("# EOF\n"), form == Form::OpenMetrics);
        }
    }

    #[test]
    fn histogram_is_cumulative_and_counts_are_those_of_the_service() {
        let mut counters = Counters::default();
        for micros in [1, 3, 3, 1 << 40] {
            counters.turns.count(Duration::from_micros(micros));
        }
        counters.of_mut(Service::Multiply).messages = 5;
        counters.of_mut(Service::Chat).count_error(ErrorKind::TooLong);
        counters.of_mut(Service::Hello).count_dropped(Dropped::Unread, 9);
        let told = told(Form::OpenMetrics, &counters);
        assert!(told.contains(":65535\",name=\"a \\\"b\\\" \\\\u{1b}\",version=\"\"} 1\n"), "{told}");
        for line in [
            "ipcd_turn_seconds_bucket{le=\"0.000001\"} 1",
            "ipcd_turn_seconds_bucket{le=\"0.000002\"} 1",
            "ipcd_turn_seconds_bucket{le=\"0.000004\"} 3",
            "ipcd_turn_seconds_bucket{le=\"4.194304\"} 3",
            "ipcd_turn_seconds_bucket{le=\"+Inf\"} 4",
            "ipcd_turn_seconds_count 4",
            "ipcd_turn_seconds_sum 1099511.627783",
            "ipcd_requests_total{service=\"multiply\"} 5",
            "ipcd_requests_total{service=\"chat\"} 0",
            "ipcd_errors_total{service=\"chat\",kind=\"too_long\"} 1",
            "ipcd_dropped_total{service=\"hello\",reason=\"unread\"} 9",
            "ipcd_connections{service=\"chat\"} 1",
            "ipcd_uptime_seconds 1.5",
            "ipcd_last_reload_age_seconds 2",
            "process_open_fds 7",
            "ipcd_shared_room_waiting 3",
            "ipcd_shared_room_unacknowledged 1",
        ] {
            assert!(told.lines().any(|there| there == line), "{line} is missing: {told}");
        }
    }

    #[test]
    fn the_longest_answer_is_within_its_bound() {
        let mut counters = Counters::default();
        for service in Service::ALL {
            let of = counters.of_mut(service);
            for count in [
                &mut of.connections,
                &mut of.refused,
                &mut of.messages,
                &mut of.too_slow,
                &mut of.bytes_in,
                &mut of.bytes_out,
            ] {
                *count = u64::MAX;
            }
            Dropped::ALL.into_iter().for_each(|reason| of.count_dropped(reason, u64::MAX));
        }
        let bytes = told(Form::OpenMetrics, &counters).len();
        let digits = 20 * Service::ALL.len() * ErrorKind::ALL.len(); // one counter for each service and kind of error
        assert!(bytes + digits <= METRICS_BYTES_MAX, "{bytes}");
    }
}
