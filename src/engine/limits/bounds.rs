//! The bounds that no configuration can change: name, unit, reason.

use std::time::Duration;

/// Bytes read from one peer in one turn, and with them the most one peer can make us do in a turn: some 4,000
/// requests, about half a millisecond. Guessed; measure before trusting.
pub const READ_BYTES_MAX: usize = 16 * 1024;

/// Replies waiting for one peer, in bytes, from which on its next requests wait.
pub const OUTBOX_BYTES_HIGH: usize = 64 * 1024;

/// Said in a room and not yet offered to all its members, in bytes, from which on members' next messages wait.
pub const ROOM_BURST_BYTES: usize = 64 * 1024;

/// Memory that all queues together may take, unless the configuration says otherwise: a machine of 2 GiB has it to give,
/// and room for the record of it that a restart writes.
pub const QUEUED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The share of that bound that is freed once it is reached: small, so that a turn stays short, but large enough that
/// the next byte does not start another search.
pub const RELIEF_SHARE: usize = 32;

/// The bytes that a connection may still be sent of a line that it has received in part.
pub const RELIEF_REST_BYTES: usize = 4096;

/// Bytes of the longest reply to one request, its acknowledgement included: a sentence and a quotation.
pub const REPLY_BYTES_MAX: usize = 512;

/// The size that counts for a direct message beside its bytes: its entry in the order, and in memory.
pub const ASIDE_BYTES: usize = 96;

/// Members offered new output in one turn, so that a large room delays nobody else for longer than some 100 system
/// calls take.
pub const FLUSHES_PER_TURN: usize = 128;

/// Connections and endpoints written down for status reports in one turn, of all that are being given: some tenth of a
/// millisecond. Guessed; measure before trusting.
pub const STATUS_PARTS_PER_TURN: usize = 128;

/// Bytes of a report, from which on the rest waits for another turn: with those that wait to be sent, and an entry of the
/// longest name, less than [`OUTBOX_BYTES_HIGH`].
pub const STATUS_PIECE_BYTES: usize = 24 * 1024;

/// Bytes of a report that wait to be sent, from which on the rest is not written yet.
pub const STATUS_BYTES_LOW: usize = 16 * 1024;

/// Answers that one sender of datagrams gets in a second, unless the configuration says otherwise.
pub const ANSWERS_PER_SECOND: u32 = 10;

/// The number of seconds without any after which it gets those as well.
pub const ANSWER_BURST_SECONDS: u32 = 10;

/// Senders of datagrams whose share of answers is remembered at once: a lecture hall and more. Guessed.
pub const DATAGRAM_SENDERS_MAX: usize = 4096;

/// The memory of one of these, in two trees that are half full.
pub const DATAGRAM_SENDER_BYTES: usize = 256;

/// Simultaneous watchers, unless the configuration says otherwise: each event is written for each of them.
pub const WATCHERS_MAX: usize = 16;

/// Events kept for watchers: some tenths of a second of a flood.
pub const WATCH_EVENTS_MAX: usize = 8192;

/// Bytes of these events, their texts included.
pub const WATCH_RING_BYTES_MAX: usize = 1024 * 1024;

/// The size that counts for an event beside its text, in bytes.
pub const WATCH_EVENT_BYTES: usize = 96;

/// Events that one watcher is shown in one turn.
pub const WATCH_EVENTS_PER_TURN: usize = 128;

/// Unsent bytes from which on a watcher is sent nothing more: it misses events, and is told how many.
pub const WATCH_BYTES_HIGH: usize = 16 * 1024;

/// Replies in one write that watchers see, and bytes of it that are looked at for them: of a flood they see its beginning.
pub const WATCH_REPLIES_PER_WRITE: usize = 16;

/// See [`WATCH_REPLIES_PER_WRITE`].
pub const WATCH_REPLY_BYTES: usize = 4096;

/// The time that a connection may send nothing from its beginning on, before watchers are told.
pub const SILENCE: Duration = Duration::from_secs(5);

/// A client that sends a request so soon after it connected is a program.
pub const PROGRAM: Duration = Duration::from_secs(1);

/// A line end that arrives alone so soon after its text was sent by a program; nobody types that fast. A kernel that
/// waits for an acknowledgement delays it by some 40 ms.
pub const NEWLINE_LATE_MAX: Duration = Duration::from_millis(100);

/// How long we wait for the reset of a client that may have left between two replies, while there are watchers.
pub const LEAVING: Duration = Duration::from_millis(100);

/// The time that a program may send nothing before the list of clients calls it silent.
pub const SILENCE_SEEN: Duration = Duration::from_secs(1);

/// Characters of a peer's own text that an error or a log line quotes.
pub const QUOTE_CHARS_MAX: usize = 64;

/// Characters in a chat name.
pub const NAME_CHARS_MAX: usize = 32;

/// Bytes of names that `/who` lists before it stops and only counts, so that its answer does not become a flood in a
/// crowd.
pub const WHO_BYTES_MAX: usize = 16 * 1024;

/// Machines that stats keeps the reports of, unless the configuration says otherwise: a large lab. One more replaces the
/// one that reported least recently.
pub const MACHINES_MAX: usize = 256;

/// Bytes of a machine's last report as it is kept: psutil's figures of a machine with 64 processors need half of it.
pub const REPORT_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a message that is parsed as a report at all: spaces and escapes may make it longer than the report that is
/// kept.
pub const REPORT_TEXT_BYTES_MAX: usize = 4 * REPORT_BYTES_MAX;

/// Objects and lists in a report, one in another: psutil's have three.
pub const REPORT_DEPTH_MAX: usize = 8;

/// Reports of a machine that its history remembers: two minutes at one every 2 s.
pub const SAMPLES_MAX: usize = 60;

/// Characters in a machine's name: what Linux allows a host's.
pub const HOST_CHARS_MAX: usize = 64;

/// Bytes of the longest line that stats says: a report with its name and age, or a history.
pub const STATS_LINE_BYTES_MAX: usize = REPORT_BYTES_MAX + 1024;

/// The memory of a machine beside its name, report and history, in two trees that are half full, and alone in one of
/// its source.
pub const MACHINE_ENTRY_BYTES: usize = 1024;

/// Connections over the limit that may linger while they get their error, unless the configuration says otherwise;
/// further ones get it and are closed at once, as if there were no descriptor left. If descriptors are few, an eighth
/// of them.
pub const REFUSED_LINGERING_MAX: usize = 1024;

/// Connections beyond every limit that are kept for root and the daemon's own user on Unix sockets: enough for a few
/// people who investigate a problem at once.
pub const PLACES_KEPT: usize = 8;

/// Messages that a peer with a rate limit may send at once, before the limit applies: lines typed in a hurry, or a
/// program's first ones.
pub const MESSAGES_BURST: u32 = 10;

/// Addresses and users for which the rest of their burst in the room is remembered. Guessed: those that have said much
/// in the last seconds.
pub const PACES_OF_SOURCES_MAX: usize = 256;

/// The memory of one of these, in a table that is half full.
pub const PACE_OF_SOURCE_BYTES: usize = 96;

/// The most messages a second that a configuration may hold a peer to: the time between two is still whole microseconds.
pub const PER_SECOND_MAX: u32 = 10_000;

/// Bytes that a refused connection has queued: the sentence alone.
pub const REFUSAL_BYTES: usize = 64;

/// How long a lingering close waits for the peer's end of file, unless the configuration says otherwise.
pub const LINGER: Duration = Duration::from_secs(2);

/// How long a connection may accept nothing of its queued data, unless the configuration says otherwise.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a raw chat member has to read its last words before the reset.
pub const LAST_WORDS: Duration = Duration::from_millis(100);

/// The pause between two messages of the room to a raw client, unless its `raw_gap` is shorter.
pub const ROOM_GAP: Duration = Duration::from_millis(5);

/// How far behind a raw member of the room may be because of these pauses alone, before queued messages are joined.
pub const CATCH_UP: Duration = Duration::from_secs(1);

/// Bytes that certainly take longer than that: so many pieces of the largest size.
pub const CATCH_UP_BYTES: usize = 200 * 1024;

/// Bytes of the room's words that wait in a member's own queue, from which on the others wait in the log; and how many are
/// taken from there at once.
pub const ROOM_QUEUE_BYTES: usize = 4 * 1024;

/// How long silence must last before an incomplete first burst without LF is taken for a raw client's mistake.
pub const GUESS: Duration = Duration::from_secs(1);

/// The same if the client seems to be typed, one byte at a time.
pub const TYPIST: Duration = Duration::from_secs(5);

/// The largest `max_message` a configuration may ask for, in bytes.
pub const MESSAGE_BYTES_CEILING: usize = 16 * 1024 * 1024;

/// Bytes of the page's longest file, uncompressed.
pub const PAGE_FILE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of the longest text of metrics.
pub const METRICS_BYTES_MAX: usize = 40 * 1024;

/// Bytes of the longest head of a request, unless the configuration says otherwise.
pub const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long a request may take from its first byte to its last, unless the configuration says otherwise.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest `history` a configuration may ask for, in messages.
pub const HISTORY_CEILING: usize = 10_000;
