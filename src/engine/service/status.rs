//! The daemon's present state, as JSON. Knows the words and the order of a report, which is written piece by piece, and no
//! connection. docs/status.schema.json describes the same for a validator.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::facts::{Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_anything, is_nothing};
use super::page::MetricsRequest;
use crate::engine::counters::{Counters, ErrorKind, ServiceCounters};
use crate::engine::figures::Figures;
use crate::engine::json;
use crate::engine::message::{Dropped, Timestamp};
use crate::engine::room_report::RoomReport;
use crate::engine::text::trim;
use crate::engine::words::CLIENTS;

/// Its facts.
pub const FACTS: Facts = Facts {
    name: "status",
    conduct: Conduct::Status,
    needs: &[Need::Session, Need::OneWriter, Need::Others, Need::Kernel],
    default_port: None,
    first: First::Message,
    idle: Idle::Silent,
    waits_for: None,
    is_typed: false,
    is_complete: is_anything,
    is_private: is_nothing,
    is_shared: false,
    openness: Openness::Named,
    replies: Replies::Report,
    burst: None,
    keeps: Keeps::Nothing,
    unread: "",
    own_words: &[],
};

/// The version of the format. It is raised when a field is removed or changes its meaning, not when one is added.
pub const SCHEMA: u32 = 1;

/// The progress of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is written yet.
    Begun,
    /// Nothing is written yet, and only the addresses and users are requested.
    ClientsAlone,
    /// The endpoints from this one on come next.
    Endpoints(u32),
    /// The connections from this index of the table on come next; whether one has been written.
    Connections(u32, bool),
    /// The counts of the connections from this index on come next.
    Tallies(u32),
    /// The addresses and users from this one on come next.
    Clients(u32),
    /// No report but the metrics, in one piece.
    Metrics(MetricsRequest),
}

/// What a message requests: [`CLIENTS`] a part, anything else the report.
pub fn asked(message: &[u8]) -> Progress {
    if trim(message) == CLIENTS.as_bytes() { Progress::ClientsAlone } else { Progress::Begun }
}

/// The state of the whole daemon. Times are in seconds.
#[derive(Debug, Serialize)]
pub struct Head<'a> {
    schema: u32,
    version: &'a str,
    pid: Option<u32>,
    uptime: f64,
    members: usize,
    room_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_room: Option<RoomReport>,
    memory_max: Option<usize>,
    memory_used: Option<u64>,
    descriptors: Option<u64>,
    descriptors_max: Option<u64>,
    log_lines_dropped: u64,
    last_reload: Option<ReloadPart>,
    pages: &'a [String],
    turns: Vec<Bucket>,
    services: Vec<ServicePart<'a>>,
}

#[derive(Debug, Serialize)]
struct ReloadPart {
    ok: bool,
    age: f64,
}

#[derive(Debug, Serialize)]
struct Bucket {
    up_to_us: Option<u64>,
    count: u64,
}

/// The state of a service.
#[derive(Debug, Serialize)]
struct ServicePart<'a> {
    service: &'a str,
    connections: usize,
    connections_total: u64,
    messages: u64,
    errors: u64,
    errors_by_kind: BTreeMap<&'a str, u64>,
    bytes_in: u64,
    bytes_out: u64,
    messages_per_second: f64,
    bytes_in_per_second: f64,
    bytes_out_per_second: f64,
    refused: u64,
    too_slow: u64,
    dropped: u64,
    dropped_by_reason: BTreeMap<&'a str, u64>,
}

/// An endpoint.
#[derive(Debug, Serialize)]
pub struct EndpointPart<'a> {
    /// The endpoint as the log writes it.
    pub endpoint: &'a str,
    /// Its service.
    pub service: &'a str,
}

/// The state of a connection. Times are in seconds, queues in bytes.
#[derive(Debug, Serialize)]
pub struct ConnectionPart<'a> {
    /// Its service.
    pub service: &'a str,
    /// Its endpoint.
    pub endpoint: &'a str,
    /// Its peer, as the log shows it.
    pub peer: String,
    /// How it ends its messages, if that is known.
    pub kind: Option<&'a str>,
    /// Its phase.
    pub state: &'a str,
    /// Why it is being closed, if it is.
    pub reason: Option<String>,
    /// Its name in the room.
    pub name: Option<&'a str>,
    /// The name in its certificate.
    pub certificate: Option<String>,
    /// The time since it was accepted.
    pub age: f64,
    /// The time since its last message, or since the last reply to it was sent.
    pub idle: f64,
    /// Received bytes that are not yet a message, or that wait.
    pub inbox: usize,
    /// Bytes that the kernel has not accepted yet.
    pub outbox: usize,
    /// Bytes of the room that were not sent to it yet.
    pub behind: usize,
}

/// The state of an address or user, for clients that may watch. Times are in seconds.
#[derive(Debug, Serialize)]
pub struct ClientPart<'a> {
    /// An address, or `uid 1000`.
    pub client: String,
    /// The last name that it had in the room.
    pub name: Option<&'a str>,
    /// The last name that it had in a certificate.
    pub certificate: Option<&'a str>,
    /// Its machine's own name.
    pub host: Option<&'a str>,
    /// Open connections.
    pub connections: u32,
    /// Connections that were ever admitted.
    pub connections_total: u64,
    /// Messages.
    pub requests: u64,
    /// Error replies.
    pub errors: u64,
    /// The time since anything of it was counted.
    pub seen: f64,
    /// Its machine's last report.
    pub machine: Option<MachinePart>,
    /// Its last mistake.
    pub hint: Option<HintPart<'a>>,
    /// The last error reply.
    pub error: Option<ErrorPart<'a>>,
}

/// An error reply.
#[derive(Debug, Serialize)]
pub struct ErrorPart<'a> {
    /// Its text, as the log has it.
    pub text: &'a str,
    /// The service.
    pub service: &'a str,
    /// The time since then, in seconds.
    pub age: f64,
    /// Whether the same service has not answered it without an error since then.
    pub is_open: bool,
}

/// A machine.
#[derive(Debug, Serialize)]
pub struct MachinePart {
    /// The time since its report.
    pub age: f64,
    /// The load of its processors, in percent.
    pub cpu_percent: Option<f64>,
    /// The memory in use, in percent.
    pub memory_percent: Option<f64>,
    /// Processes that run or wait for a processor, averaged over a minute.
    pub load: Option<f64>,
}

/// A mistake.
#[derive(Debug, Serialize)]
pub struct HintPart<'a> {
    /// Its name, as in `watch`.
    pub mistake: &'a str,
    /// How to correct it.
    pub text: &'a str,
    /// The service where it happened.
    pub service: &'a str,
    /// The time since then, in seconds.
    pub age: f64,
    /// Whether the same service has not answered it without an error since then.
    pub is_open: bool,
}

/// Begins a report: everything but the endpoints and the connections.
pub fn write_head(
    out: &mut Vec<u8>,
    (pid, memory_max): (Option<u32>, Option<usize>),
    (figures, now): (&Figures, Timestamp),
    uptime: Duration,
    (room, shared_room): ((usize, usize), Option<RoomReport>),
    counters: &Counters,
    services: impl Iterator<Item = (&'static str, usize, ServiceCounters, [f64; 3])>,
) {
    let turns = counters.turns.buckets().map(|(up_to_us, count)| Bucket { up_to_us, count }).collect();
    let services = services
        .map(|(service, connections, counts, rates)| ServicePart {
            service,
            connections,
            connections_total: counts.connections,
            messages: counts.messages,
            errors: counts.errors(),
            errors_by_kind: ErrorKind::ALL.map(|kind| (kind.name(), counts.errors_of(kind))).into(),
            bytes_in: counts.bytes_in,
            bytes_out: counts.bytes_out,
            messages_per_second: rates[0],
            bytes_in_per_second: rates[1],
            bytes_out_per_second: rates[2],
            refused: counts.refused,
            too_slow: counts.too_slow,
            dropped: counts.dropped(),
            dropped_by_reason: Dropped::ALL.map(|reason| (reason.name(), counts.dropped_of(reason))).into(),
        })
        .collect();
    let (members, room_bytes) = room;
    let version = env!("CARGO_PKG_VERSION");
    let uptime = uptime.as_secs_f64();
    json::write(
        out,
        &Head {
            schema: SCHEMA,
            version,
            pid,
            uptime,
            members,
            room_bytes,
            shared_room,
            memory_max,
            memory_used: figures.resident_bytes,
            descriptors: figures.descriptors,
            descriptors_max: figures.descriptors_max,
            log_lines_dropped: figures.log_lines_dropped,
            last_reload: figures.reload.map(|(ok, at)| ReloadPart { ok, age: now.since(at).as_secs_f64() }),
            pages: &figures.pages,
            turns,
            services,
        },
    );
    // Removes the closing brace, because the object continues.
    out.pop();
    out.extend_from_slice(b",\"endpoints\":[");
}

/// Writes an element of a list; `first`: it is the first one.
pub fn write_element(out: &mut Vec<u8>, first: bool, part: &impl Serialize) {
    if !first {
        out.push(b',');
    }
    json::write(out, part);
}

/// Writes what stands between the endpoints and the connections.
pub fn write_turn_to_connections(out: &mut Vec<u8>) {
    out.extend_from_slice(b"],\"connections\":[");
}

/// Begins a report of the addresses and users only. It is empty for a client that may not see them.
pub fn write_head_of_clients(out: &mut Vec<u8>, may_watch: bool) {
    out.extend_from_slice(format!("{{\"schema\":{SCHEMA}").as_bytes());
    out.extend_from_slice(if may_watch { b",\"clients\":[" } else { b"}\n" });
}

/// Writes what stands between the connections and the addresses and users.
pub fn write_turn_to_clients(out: &mut Vec<u8>) {
    out.extend_from_slice(b"],\"clients\":[");
}

/// Ends the report and its line.
pub fn write_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"]}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_report_form_one_object_on_one_line() {
        let mut out = Vec::new();
        let services = [("chat", 3, ServiceCounters::default(), [0.5; 3])];
        let figures = Figures { reload: Some((true, Timestamp::at(0))), ..Figures::default() };
        write_head(
            &mut out,
            (Some(7), Some(8)),
            (&figures, Timestamp::at(2_000_000)),
            Duration::from_millis(1500),
            ((2, 3), None),
            &Counters::default(),
            services.into_iter(),
        );
        for first in [true, false] {
            write_element(&mut out, first, &EndpointPart { endpoint: "unix:///a\"b\n", service: "chat" });
        }
        write_turn_to_connections(&mut out);
        write_end(&mut out);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        let report: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            (&report["uptime"], &report["pid"], &report["memory_max"]),
            (&1.5.into(), &7.into(), &8.into())
        );
        assert_eq!(report["last_reload"], serde_json::json!({"ok": true, "age": 2.0}));
        assert_eq!(report["services"][0]["messages_per_second"], 0.5);
        assert_eq!(report["endpoints"][1]["endpoint"], "unix:///a\"b\n");
        assert_eq!(report["services"][0]["errors_by_kind"]["too_long"], 0);
        assert_eq!(report["connections"].as_array().map(Vec::len), Some(0));
    }
}
