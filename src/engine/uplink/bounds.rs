//! Every bound of the uplink: name, unit, reason. Together they are its memory: see [`MEMORY_BYTES_MAX`].

use std::time::Duration;

use super::wire::decode::{LINE_BYTES_MAX, MESSAGE_BYTES_MAX};

/// The longest text of one entry.
pub const TEXT_BYTES_MAX: usize = 48 * 1024;

/// The longest name in an entry: 32 characters in UTF-8.
pub const NAME_BYTES_MAX: usize = 128;

/// Entries of one batch, in bytes: with its head it stays below the stream's bound of a message.
pub const BATCH_BYTES_MAX: usize = 56 * 1024;

/// The longest message that a stream of ours takes.
pub const STREAM_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// What is proposed and was not heard from the log, from which on members are not read from. Nothing is taken from twice
/// as much on.
pub const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// Unsent bytes to a server, from which on whispers and reports are not sent, and a batch is not sent again.
pub const OUTPUT_BYTES_HIGH: usize = 128 * 1024;

/// Unsent bytes to a server, from which on it is left: it says much and reads nothing.
pub const OUTPUT_BYTES_MAX: usize = 2 * OUTPUT_BYTES_HIGH;

/// Names in one part of a list of members, in bytes.
pub const ROLL_BYTES_MAX: usize = 16 * 1024;

/// Instances that are known at once, with those that are gone.
pub const INSTANCES_MAX: usize = 1024;

/// Members of the room, everywhere: further ones are refused, by everybody alike.
pub const MEMBERS_MAX: usize = 100_000;

/// Servers that a cluster names beside the configured ones.
pub const TOLD_SERVERS_MAX: usize = 64;

/// Whispers that wait for an answer.
pub const WHISPERS_MAX: usize = 256;

/// Batches at the end of a log that are read at the first start: the room's members, and more history than anybody is
/// shown.
pub const PAST_MAX: u64 = 50_000;

/// Messages that the server may send without being asked again.
pub const PULL_MESSAGES: u64 = 256;

/// The same in bytes: several batches of the longest kind.
pub const PULL_BYTES: u64 = 256 * 1024;

/// The time after which a pull ends and is asked anew.
pub const PULL_EXPIRES: Duration = Duration::from_secs(30);

/// The time between two signs of life from a consumer.
pub const IDLE_HEARTBEAT: Duration = Duration::from_secs(2);

/// The time without any after which it is made anew.
pub const CONSUMER_SILENCE: Duration = Duration::from_secs(5);

/// How long a consumer stays that nobody pulls from.
pub const CONSUMER_KEPT: Duration = Duration::from_secs(60);

/// How long an answer of JetStream may take: a new leader needs that long.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause before JetStream is asked again after an error, doubled up to [`RETRY_MAX`].
pub const RETRY_MIN: Duration = Duration::from_millis(250);

/// See [`RETRY_MIN`].
pub const RETRY_MAX: Duration = Duration::from_secs(5);

/// How long a stored batch may take to be heard, while the log is read to its end.
pub const UNHEARD_MAX: Duration = Duration::from_secs(10);

/// The pause before a stream that was deleted is made again.
pub const REMAKE_PAUSE: Duration = Duration::from_millis(1500);

/// How long a batch waits for its acknowledgement before it is sent again.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause before a refused batch is sent again, doubled up to [`RESEND_MAX`].
pub const RESEND_MIN: Duration = Duration::from_millis(100);

/// See [`RESEND_MIN`].
pub const RESEND_MAX: Duration = Duration::from_secs(2);

/// The pause after a batch that the server will never take.
pub const REFUSAL_PAUSE: Duration = Duration::from_secs(1);

/// The time between two pings of ours.
pub const PING_INTERVAL: Duration = Duration::from_secs(2);

/// How long the answer to a ping may take: nothing else tells of a server that is frozen or cut off.
pub const PONG_TIMEOUT: Duration = Duration::from_secs(4);

/// How long connecting and TLS may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may take to greet us.
pub const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause before the servers are tried once more, doubled up to [`DIAL_MAX`].
pub const DIAL_MIN: Duration = Duration::from_millis(100);

/// See [`DIAL_MIN`].
pub const DIAL_MAX: Duration = Duration::from_secs(5);

/// A connection that has lasted so long, or has carried the room, was a good one: the next pause is the shortest again.
pub const STABLE: Duration = Duration::from_secs(5);

/// How long a server that refuses our credentials is left alone.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// How long the room may be broken before its members are told.
pub const CUT_OFF_AFTER: Duration = Duration::from_secs(3);

/// The time between two signs of life to the other instances, past the log.
pub const ALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// The time between two signs of life in the log.
pub const HELLO_INTERVAL: Duration = Duration::from_secs(10);

/// The silence in the log, by the log's own clock, before which nobody can be declared gone.
pub const SILENCE_IN_LOG: Duration = Duration::from_secs(30);

/// The silence everywhere, by our own clock, after which we declare an instance gone: it lived until [`ALIVE_INTERVAL`] after
/// its last sign of life at most, and has had 30 s to come back.
pub const SILENCE: Duration = Duration::from_millis(32_500);

/// Spreads what all instances would do at the same moment.
pub const SPREAD: Duration = Duration::from_millis(1500);

/// How often silence is looked for.
pub const PRESENCE_INTERVAL: Duration = Duration::from_secs(1);

/// The pause before an instance is declared gone once more, or asked for its members once more.
pub const MOTION_INTERVAL: Duration = Duration::from_secs(15);

/// How long an instance that is gone is remembered, by the log's clock.
pub const GONE_KEPT: Duration = Duration::from_secs(60 * 60);

/// How long the answer to a whisper may take.
pub const WHISPER_TIMEOUT: Duration = Duration::from_secs(5);

/// The memory of a member in the tables of names, at its longest.
pub const MEMBER_BYTES: usize = 6 * NAME_BYTES_MAX + 256;

/// The memory of an instance beside its members.
pub const INSTANCE_BYTES: usize = 256;

/// The memory of one connection: an incomplete frame, one read, and output.
pub const LINK_BYTES_MAX: usize =
    2 * (LINE_BYTES_MAX + MESSAGE_BYTES_MAX) + 2 * (OUTPUT_BYTES_HIGH + 2 * STREAM_MESSAGE_BYTES_MAX);

/// The memory of all of it without the members of the room, each of which takes [`MEMBER_BYTES`] at most: two connections,
/// what is proposed, instances, and what one read made happen.
pub const MEMORY_BYTES_MAX: usize =
    2 * LINK_BYTES_MAX + 3 * QUEUE_BYTES_MAX + INSTANCES_MAX * INSTANCE_BYTES + 4 * MESSAGE_BYTES_MAX;
