//! JetStream's requests and replies, in JSON. Requests have only fields that nats-server 2.9 knows, and only some fields of replies
//! are read. Decides nothing.

use serde::Deserialize;
use serde_json::json;

use super::super::json;
use super::bounds::{
    CONSUMER_KEPT, IDLE_HEARTBEAT, PULL_BYTES, PULL_EXPIRES, PULL_MESSAGES, STREAM_MESSAGE_BYTES_MAX,
};
use super::settings::StreamSettings;
use super::subjects::Subjects;

/// The error for a stream that does not exist.
pub const NO_STREAM: u64 = 10059;

/// The error while too few servers are running.
pub const UNAVAILABLE: u64 = 10008;

/// The error for a copy of a message while the first copy is being stored.
pub const IN_PROCESS: u64 = 10158;

/// The error of a stream that is full and drops nothing. Its status is 503, like that of temporary errors.
pub const STORE_FAILED: u64 = 10077;

/// The errors for an account, and for a server, without JetStream.
pub const NOT_ENABLED: [u64; 2] = [10039, 10076];

/// How long the server recognizes copies of a message: longer than any daemon repeats one.
const DUPLICATE_WINDOW_SECONDS: u64 = 600;

const fn nanos(span: std::time::Duration) -> u64 {
    span.as_nanos() as u64
}

/// The request that creates the stream.
pub fn create_stream(subjects: &Subjects, wanted: &StreamSettings) -> String {
    let window = DUPLICATE_WINDOW_SECONDS.min(wanted.age.as_secs().max(1)) * 1_000_000_000;
    json::to_string(&json!({
        "name": subjects.stream,
        "subjects": [subjects.rooms],
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_msgs": wanted.messages,
        "max_bytes": wanted.bytes,
        "max_msg_size": STREAM_MESSAGE_BYTES_MAX,
        "max_age": nanos(wanted.age),
        "duplicate_window": window,
        "num_replicas": wanted.replicas,
    }))
}

/// The request that creates a consumer which begins at this message.
pub fn create_consumer(subjects: &Subjects, name: &str, start: u64) -> String {
    json::to_string(&json!({
        "stream_name": subjects.stream,
        "action": "create",
        "config": {
            "name": name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": start,
            "ack_policy": "none",
            "filter_subject": subjects.room,
            "mem_storage": true,
            "num_replicas": 1,
            "inactive_threshold": nanos(CONSUMER_KEPT),
        },
    }))
}

/// The request for the next messages. `is_big`: for one that is larger than a pull may usually be.
pub fn pull(is_big: bool) -> String {
    let (expires, heartbeat) = (nanos(PULL_EXPIRES), nanos(IDLE_HEARTBEAT));
    json::to_string(&if is_big {
        json!({"batch": 1, "expires": expires, "idle_heartbeat": heartbeat})
    } else {
        json!({"batch": PULL_MESSAGES, "max_bytes": PULL_BYTES, "expires": expires, "idle_heartbeat": heartbeat})
    })
}

/// An error of JetStream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ApiError {
    /// Its status, as in HTTP.
    pub code: u64,
    /// JetStream's own number.
    pub err_code: u64,
    /// Its text.
    pub description: String,
}

/// The configuration of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StreamConfig {
    /// The subjects that it stores.
    pub subjects: Vec<String>,
    /// When it drops messages.
    pub retention: String,
    /// The longest age, in nanoseconds; 0: no limit.
    pub max_age: u64,
    /// The most messages; -1: no limit.
    pub max_msgs: i64,
    /// The most bytes; -1: no limit.
    pub max_bytes: i64,
    /// The longest message; -1: no limit.
    pub max_msg_size: i64,
    /// The number of servers that store it.
    pub num_replicas: u64,
}

/// The contents of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StreamState {
    /// The sequence number of the oldest message.
    pub first_seq: u64,
    /// The sequence number of the newest message.
    pub last_seq: u64,
}

/// A reply of any kind: only the fields of its kind are set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Reply {
    /// What went wrong.
    pub error: Option<ApiError>,
    /// Whether the stream was created just now.
    pub did_create: bool,
    /// When it was created.
    pub created: String,
    /// Its configuration.
    pub config: StreamConfig,
    /// Its contents.
    pub state: StreamState,
    /// Messages that a consumer has not delivered yet.
    pub num_pending: u64,
    /// The sequence number of a stored message.
    pub seq: u64,
}

impl Reply {
    /// Reads a reply; `None`: it is not JSON as a server writes it.
    pub fn read(payload: &[u8]) -> Option<Reply> {
        serde_json::from_slice(payload).ok()
    }
}

/// How a stream differs from what the configuration wants; empty if it does not.
pub fn differences(config: &StreamConfig, wanted: &StreamSettings) -> String {
    let is = |name: &str, is: String, wanted: String| {
        (is != wanted).then(|| format!("{name} is {is}, the configuration has {wanted}"))
    };
    let hours = |nanos: u64| format!("{} s", nanos / 1_000_000_000);
    let all = [
        is("replicas", config.num_replicas.to_string(), wanted.replicas.to_string()),
        is("max_age", hours(config.max_age), hours(nanos(wanted.age))),
        is("max_messages", config.max_msgs.to_string(), wanted.messages.to_string()),
        is("max_bytes", config.max_bytes.to_string(), wanted.bytes.to_string()),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The position of a delivered message, from its reply subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered<'a> {
    /// The consumer.
    pub consumer: &'a [u8],
    /// Its sequence number in the stream.
    pub sequence: u64,
    /// Its number among the messages of this consumer.
    pub delivered: u64,
    /// When it was stored, in nanoseconds since 1970.
    pub time: u64,
    /// How many messages follow.
    pub pending: u64,
}

impl Delivered<'_> {
    /// Reads `$JS.ACK.STREAM.CONSUMER.TRIES.SEQUENCE.DELIVERED.TIME.PENDING`, or the longer form with a domain and a hash of the
    /// account before the stream. `None`: the server itself sent it, whatever its header looks like.
    pub fn read(reply: &[u8]) -> Option<Delivered<'_>> {
        use super::wire::decode::number;
        let parts: Vec<&[u8]> = reply.strip_prefix(b"$JS.ACK.")?.split(|byte| *byte == b'.').collect();
        let parts = match parts.len() {
            7 => &parts[..],
            9.. => &parts[2..9],
            _ => return None,
        };
        Some(Delivered {
            consumer: parts[1],
            sequence: number(parts[3])?,
            delivered: number(parts[4])?,
            time: number(parts[5])?,
            pending: number(parts[6])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::{House, InstanceId, RoomToken};
    use super::*;

    #[test]
    fn requests_have_only_fields_of_the_oldest_server() {
        let room = RoomToken::new("a").unwrap();
        let subjects = Subjects::new(&House::new("h").unwrap(), &room, InstanceId([0; 16]));
        let stream = create_stream(&subjects, &StreamSettings::default());
        let wanted = r#"{"discard":"old","duplicate_window":600000000000,"max_age":86400000000000,"max_bytes":67108864,"max_msg_size":65536,"max_msgs":100000,"name":"IPCD_h","num_replicas":1,"retention":"limits","storage":"file","subjects":["ipcd.h.room.*"]}"#;
        assert_eq!(stream, wanted);
        let consumer = create_consumer(&subjects, "c-1", 5);
        let wanted = r#"{"action":"create","config":{"ack_policy":"none","deliver_policy":"by_start_sequence","filter_subject":"ipcd.h.room.61","inactive_threshold":60000000000,"mem_storage":true,"name":"c-1","num_replicas":1,"opt_start_seq":5},"stream_name":"IPCD_h"}"#;
        assert_eq!(consumer, wanted);
        let wanted = r#"{"batch":256,"expires":30000000000,"idle_heartbeat":2000000000,"max_bytes":262144}"#;
        assert_eq!(pull(false), wanted);
    }

    #[test]
    fn replies_of_all_versions_are_read() {
        let ack = Reply::read(br#"{"stream":"ROOM", "seq":7,"duplicate": true}"#).unwrap();
        assert_eq!((ack.seq, ack.error), (7, None));
        let error = Reply::read(
            br#"{"type":"io.nats","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#,
        );
        assert_eq!(error.unwrap().error.unwrap().err_code, NO_STREAM);
        let info = Reply::read(
            br#"{"config":{"subjects":["a"],"retention":"limits","max_age":60000000000,"max_msgs":-1,"max_bytes":5,"num_replicas":3,"metadata":{"x":"y"}},
            "created":"2026-01-01T00:00:00Z","state":{"messages":3,"first_seq":2,"last_seq":9,"first_ts":"x"},"cluster":{}}"#,
        );
        let info = info.unwrap();
        assert_eq!(
            (info.state.first_seq, info.state.last_seq, info.created.as_str()),
            (2, 9, "2026-01-01T00:00:00Z")
        );
        let told = differences(&info.config, &StreamSettings { bytes: 5, ..StreamSettings::default() });
        assert_eq!(
            told,
            "replicas is 3, the configuration has 1; max_age is 60 s, the configuration has 86400 s; max_messages is -1, the configuration has 100000"
        );
        assert!(Reply::read(b"").is_none() && Reply::read(b"[").is_none());
    }

    #[test]
    fn position_of_a_message_is_read_in_both_forms() {
        let wanted = Delivered { consumer: b"C", sequence: 5, delivered: 6, time: 7, pending: 8 };
        assert_eq!(Delivered::read(b"$JS.ACK.S.C.1.5.6.7.8"), Some(wanted));
        assert_eq!(Delivered::read(b"$JS.ACK.domain.hash.S.C.1.5.6.7.8"), Some(wanted));
        assert_eq!(Delivered::read(b"$JS.ACK.domain.hash.S.C.1.5.6.7.8.token"), Some(wanted));
        for wrong in
            [&b""[..], b"$JS.ACK.S.C.1.5.6.7", b"$JS.ACK.S.C.1.5.6.7.x", b"_INBOX.a", b"$JS.FC.S.C.1"]
        {
            assert_eq!(Delivered::read(wrong), None);
        }
    }
}
