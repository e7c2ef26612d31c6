//! The bounds that no configuration can change, with unit and reason.

use std::time::Duration;

/// Bytes read from one peer in one turn. They also bound what one peer can make us do in a turn: some 4,000 requests, about half a
/// millisecond. An estimate; measure before you change it.
pub const READ_BYTES_MAX: usize = 16 * 1024;

/// Bytes of replies that wait for one peer. From here on its next requests wait.
pub const OUTBOX_BYTES_HIGH: usize = 64 * 1024;

/// Bytes said in a room and not yet offered to all its members. From here on the members' next messages wait.
pub const ROOM_BURST_BYTES: usize = 64 * 1024;

/// Memory for all queues together, unless the configuration says otherwise: a machine with 2 GiB can spare it, and as much again
/// for the record of a restart.
pub const QUEUED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The part of that memory which is freed once it is full: small, so that a turn stays short, but large enough that the next byte
/// does not start another search.
pub const RELIEF_SHARE: usize = 32;

/// The most bytes that a connection may still get to complete a line.
pub const RELIEF_REST_BYTES: usize = 4096;

/// Bytes of the longest reply to one request, including its acknowledgement: a sentence and a quotation.
pub const REPLY_BYTES_MAX: usize = 512;

/// The bytes that count for a direct message in addition to its text: its entries in the order and in memory.
pub const DIRECT_MESSAGE_BYTES: usize = 96;

/// Members that are offered new output in one turn. It bounds the delay by a large room to the time of some 100 system calls.
pub const FLUSHES_PER_TURN: usize = 128;

/// Connections and endpoints that are written to status reports in one turn, for all reports together: about a tenth of a
/// millisecond. An estimate; measure before you change it.
pub const STATUS_PARTS_PER_TURN: usize = 128;

/// Bytes of a report. From here on the rest waits for another turn. Together with the bytes that wait to be sent, and an entry with
/// the longest name, this is less than [`OUTBOX_BYTES_HIGH`].
pub const STATUS_PIECE_BYTES: usize = 24 * 1024;

/// Bytes of a report that wait to be sent. From here on the rest is not written.
pub const STATUS_BYTES_LOW: usize = 16 * 1024;

/// Wrong requests that are answered in one turn, for all peers together: about half a millisecond. Once there were so many, each
/// session that is read gets one more answer, unless its message is its name. Ten names that take longest to compare count for as
/// much, and so do this many machines of a list, which take less.
pub const EFFORT_PER_TURN: usize = 512;

/// Answers that one sender of datagrams gets in a second, unless the configuration says otherwise.
pub const ANSWERS_PER_SECOND: u32 = 10;

/// The number of quiet seconds whose answers a sender can save up.
pub const ANSWER_BURST_SECONDS: u32 = 10;

/// Senders of datagrams whose share of answers is remembered: more than a lecture hall has. An estimate.
pub const DATAGRAM_SENDERS_MAX: usize = 4096;

/// The memory of one of these senders, in two trees that are half full.
pub const DATAGRAM_SENDER_BYTES: usize = 256;

/// Simultaneous watchers, unless the configuration says otherwise. Each event is written once for each of them.
pub const WATCHERS_MAX: usize = 16;

/// Events that are kept for watchers: some tenths of a second of a flood.
pub const WATCH_EVENTS_MAX: usize = 8192;

/// Bytes of these events, including their texts.
pub const WATCH_RING_BYTES_MAX: usize = 1024 * 1024;

/// The bytes that count for an event in addition to its text.
pub const WATCH_EVENT_BYTES: usize = 96;

/// Events that one watcher is shown in one turn.
pub const WATCH_EVENTS_PER_TURN: usize = 128;

/// Unsent bytes for a watcher. From here on it gets nothing more: it misses events, and is told how many.
pub const WATCH_BYTES_HIGH: usize = 16 * 1024;

/// The most replies of one write that watchers see. Of a flood they see the beginning.
pub const WATCH_REPLIES_PER_WRITE: usize = 16;

/// The most bytes of one write in which those replies are looked for.
pub const WATCH_REPLY_BYTES: usize = 4096;

/// A client that sends nothing for this long after it has connected is shown to watchers as silent.
pub const SILENCE: Duration = Duration::from_secs(5);

/// A client that sends a request this soon after it has connected is a program.
pub const PROGRAM: Duration = Duration::from_secs(1);

/// A line end that arrives alone this soon after its text was sent by a program; nobody types that fast. A kernel that waits for an
/// acknowledgement delays it by some 40 ms.
pub const NEWLINE_LATE_MAX: Duration = Duration::from_millis(100);

/// How long we wait for the reset of a client that may have left between two replies, while there are watchers.
pub const LEAVING: Duration = Duration::from_millis(100);

/// A program that sends nothing for this long is silent in the list of clients.
pub const SILENCE_SEEN: Duration = Duration::from_secs(1);

/// Characters of a peer's own text that an error or a log line quotes.
pub const QUOTE_CHARS_MAX: usize = 64;

/// Characters in a chat name.
pub const NAME_CHARS_MAX: usize = 32;

/// Bytes of names that `/who` lists before it only counts the others, so that its answer stays small in a crowd.
pub const WHO_BYTES_MAX: usize = 16 * 1024;

/// Machines whose reports stats keeps, unless the configuration says otherwise: a large lab. One more replaces the one that
/// reported least recently.
pub const MACHINES_MAX: usize = 256;

/// Bytes of a machine's last report in the form in which it is kept. psutil's figures of a machine with 64 processors need half of
/// it.
pub const REPORT_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a message that is parsed as a report. Spaces and escapes may make it longer than the report that is kept.
pub const REPORT_TEXT_BYTES_MAX: usize = 4 * REPORT_BYTES_MAX;

/// Levels of objects and lists in a report; psutil's have three.
pub const REPORT_DEPTH_MAX: usize = 8;

/// Reports in a machine's history: two minutes at one every 2 s.
pub const SAMPLES_MAX: usize = 60;

/// Characters in a machine's name: as many as Linux allows in a host's name.
pub const HOST_CHARS_MAX: usize = 64;

/// Bytes of the longest line that stats sends: a report with its name and age, or a history.
pub const STATS_LINE_BYTES_MAX: usize = REPORT_BYTES_MAX + 1024;

/// The memory of a machine in addition to its name, report and history: in two trees that are half full, and in a third for its
/// source alone.
pub const MACHINE_ENTRY_BYTES: usize = 1024;

/// Connections over the limit that may linger while they get their error, unless the configuration says otherwise. Further ones get
/// it and are closed at once, as if there were no descriptor left. If descriptors are few, an eighth of them.
pub const REFUSED_LINGERING_MAX: usize = 1024;

/// Connections beyond every limit that are kept for root and the daemon's own user on Unix sockets: enough for a few people who
/// investigate a problem together.
pub const PLACES_KEPT: usize = 8;

/// Messages that a peer with a rate limit may send at once before the limit applies: lines typed in a hurry, or a program's first
/// ones.
pub const MESSAGES_BURST: u32 = 10;

/// Addresses and users for which the rest of their burst in the room is remembered. An estimate: those that have said much in the last
/// seconds.
pub const PACES_OF_SOURCES_MAX: usize = 256;

/// The memory of one of these entries, in a table that is half full.
pub const PACE_OF_SOURCE_BYTES: usize = 96;

/// The highest rate limit in messages per second, so that the time between two messages is a whole number of microseconds.
pub const PER_SECOND_MAX: u32 = 10_000;

/// Bytes in the queue of a refused connection: the error only.
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

/// Bytes that certainly take longer than that: this many pieces of the largest size.
pub const CATCH_UP_BYTES: usize = 200 * 1024;

/// Bytes of the room's lines in a member's own queue. From here on the others wait in the log. Also the bytes that are taken from
/// the log at once.
pub const ROOM_QUEUE_BYTES: usize = 4 * 1024;

/// How long silence must last before an incomplete first burst without LF is taken for a raw client's mistake.
pub const GUESS: Duration = Duration::from_secs(1);

/// The same for a client that seems to type, one byte at a time.
pub const TYPIST: Duration = Duration::from_secs(5);

/// The largest `max_message` that a configuration may have, in bytes.
pub const MESSAGE_BYTES_CEILING: usize = 16 * 1024 * 1024;

/// Bytes of the page's longest file, uncompressed.
pub const PAGE_FILE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of the longest metrics text.
pub const METRICS_BYTES_MAX: usize = 40 * 1024;

/// Bytes of the longest head of a request, unless the configuration says otherwise.
pub const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long a request may take from its first byte to its last, unless the configuration says otherwise.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest `history` that a configuration may have, in messages.
pub const HISTORY_CEILING: usize = 10_000;
