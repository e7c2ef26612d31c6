//! Every bound of the uplink, with unit and reason. Together they bound its memory: see [`MEMORY_BYTES_MAX`].

use std::time::Duration;

use super::wire::decode::{LINE_BYTES_MAX, MESSAGE_BYTES_MAX};

/// The longest text of one entry.
pub const TEXT_BYTES_MAX: usize = 48 * 1024;

/// The longest name in an entry: 32 characters in UTF-8.
pub const NAME_BYTES_MAX: usize = 128;

/// Bytes of entries in one batch. Together with its head, a batch is shorter than the stream's longest message.
pub const BATCH_BYTES_MAX: usize = 56 * 1024;

/// The longest message in a stream that we create.
pub const STREAM_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Bytes that were proposed and have not come back from the log. From here on, members are not read from; at twice as many bytes,
/// nothing more is accepted.
pub const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// Unsent bytes to a server. From here on private messages and reports are not sent, and no batch is sent again.
pub const OUTPUT_BYTES_HIGH: usize = 128 * 1024;

/// Unsent bytes to a server at which the connection ends: the server sends much and reads nothing.
pub const OUTPUT_BYTES_MAX: usize = 2 * OUTPUT_BYTES_HIGH;

/// Names in one part of a list of members, in bytes.
pub const LIST_BYTES_MAX: usize = 16 * 1024;

/// The most instances that are known, including those that are gone.
pub const INSTANCES_MAX: usize = 1024;

/// The most members of the room on all machines. Every daemon refuses further ones in the same way.
pub const MEMBERS_MAX: usize = 100_000;

/// Servers that a cluster names in addition to the configured ones.
pub const DISCOVERED_SERVERS_MAX: usize = 64;

/// Private messages that wait for an answer.
pub const WHISPERS_MAX: usize = 256;

/// Batches at the end of a log that are read at the first start. They hold the room's members, and more history than anyone is
/// shown.
pub const PAST_MAX: u64 = 50_000;

/// Messages that the server may send for one pull.
pub const PULL_MESSAGES: u64 = 256;

/// Bytes that the server may send for one pull: several of the longest batches.
pub const PULL_BYTES: u64 = 256 * 1024;

/// The time after which a pull expires and is repeated.
pub const PULL_EXPIRES: Duration = Duration::from_secs(30);

/// The time between two heartbeats of a consumer.
pub const IDLE_HEARTBEAT: Duration = Duration::from_secs(2);

/// A consumer without a heartbeat for this long is created again.
pub const CONSUMER_SILENCE: Duration = Duration::from_secs(5);

/// How long the server keeps a consumer from which nothing is pulled.
pub const CONSUMER_KEPT: Duration = Duration::from_secs(60);

/// How long an answer of JetStream may take; the election of a new leader takes that long.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the answer about the stream's state may take before it is requested again.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// After so many requests in a row that have led to no consumer, answered or not, each next answer may take [`ANSWER_TIMEOUT`].
pub const ASKS_MAX: u32 = 10;

/// The pause before a request to JetStream is repeated after an error, doubled up to [`RETRY_MAX`].
pub const RETRY_MIN: Duration = Duration::from_millis(250);

/// The longest such pause.
pub const RETRY_MAX: Duration = Duration::from_secs(5);

/// How long a stored batch may take to come back, while the log is read to its end.
pub const UNHEARD_MAX: Duration = Duration::from_secs(10);

/// The pause before a deleted stream is created again.
pub const REMAKE_PAUSE: Duration = Duration::from_millis(1500);

/// How long a batch of which no acknowledgement was requested may take to come back. Then it is sent again, with such a request.
pub const RETURN_TIMEOUT: Duration = Duration::from_millis(100);

/// How long a batch waits for its acknowledgement before it is sent again.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause before a refused batch is sent again, doubled up to [`RESEND_MAX`].
pub const RESEND_MIN: Duration = Duration::from_millis(100);

/// The longest such pause.
pub const RESEND_MAX: Duration = Duration::from_secs(2);

/// The pause after a batch that the server will never accept.
pub const REFUSAL_PAUSE: Duration = Duration::from_secs(1);

/// The time between two pings that we send.
pub const PING_INTERVAL: Duration = Duration::from_secs(2);

/// How long the answer to a ping may take. Nothing else shows that a server hangs or cannot be reached.
pub const PONG_TIMEOUT: Duration = Duration::from_secs(4);

/// How long connecting, with TLS, may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may take to send its first line.
pub const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause before all servers are tried again, doubled up to [`DIAL_MAX`].
pub const DIAL_MIN: Duration = Duration::from_millis(100);

/// The longest such pause.
pub const DIAL_MAX: Duration = Duration::from_secs(5);

/// After a connection that has lasted so long, or has carried the room, the next pause is the shortest again.
pub const STABLE: Duration = Duration::from_secs(5);

/// The pause before a server that has refused our credentials is tried again.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// How long the room may be cut off before its members are told.
pub const CUT_OFF_AFTER: Duration = Duration::from_secs(3);

/// The time between two signs of life to the other instances, outside of the log.
pub const ALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// The time between two signs of life in the log.
pub const HELLO_INTERVAL: Duration = Duration::from_secs(10);

/// An instance can be declared gone only after this much silence in the log, by the log's clock.
pub const SILENCE_IN_LOG: Duration = Duration::from_secs(30);

/// We declare an instance gone after this much silence everywhere, by our own clock. Its last sign of life is at most
/// [`ALIVE_INTERVAL`] older than its end, and it has had 30 s to come back.
pub const SILENCE: Duration = Duration::from_millis(32_500);

/// A random part of this is added where all instances would otherwise act at the same moment.
pub const SPREAD: Duration = Duration::from_millis(1500);

/// The time between two checks for silent instances.
pub const PRESENCE_INTERVAL: Duration = Duration::from_secs(1);

/// The pause before an instance is declared gone again, or asked for its members again.
pub const NOTICE_INTERVAL: Duration = Duration::from_secs(15);

/// How long an instance that is gone is remembered, by the log's clock.
pub const GONE_KEPT: Duration = Duration::from_secs(60 * 60);

/// How long the answer to a private message may take.
pub const WHISPER_TIMEOUT: Duration = Duration::from_secs(5);

/// The memory of a member in the tables of names, at its longest.
pub const MEMBER_BYTES: usize = 6 * NAME_BYTES_MAX + 256;

/// The memory of an instance in addition to its members.
pub const INSTANCE_BYTES: usize = 256;

/// The memory of one connection: an incomplete frame, one read, and output.
pub const LINK_BYTES_MAX: usize =
    2 * (LINE_BYTES_MAX + MESSAGE_BYTES_MAX) + 2 * (OUTPUT_BYTES_HIGH + 2 * STREAM_MESSAGE_BYTES_MAX);

/// The memory of the uplink without the members of the room, each of which takes at most [`MEMBER_BYTES`]: two connections, what is
/// proposed, instances, and the events of one read.
pub const MEMORY_BYTES_MAX: usize =
    2 * LINK_BYTES_MAX + 3 * QUEUE_BYTES_MAX + INSTANCES_MAX * INSTANCE_BYTES + 4 * MESSAGE_BYTES_MAX;
