//! The sentences that several services send, or that the client has to recognize: each is written here once, and the client uses
//! the same constants. A sentence of one service alone is in that service's file.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// The beginning of every error. No member's line begins like this: it begins with a name, and `Error` is not a valid name.
pub const ERROR: &str = "Error: ";

/// The error for a connection beyond a limit on connections or descriptors.
pub const TOO_MANY: &str = "Error: too many connections, try again later";

/// The error, without [`ERROR`], when there are as many watchers as there may be.
pub const TOO_MANY_WATCHERS: &str = "too many watchers, try again later";

/// Whether an error, without [`ERROR`], says that a limit is reached, so that a later try may succeed.
pub fn is_full(error: &str) -> bool {
    error.starts_with("too many ")
}

/// The error, without [`ERROR`], for a message longer than this.
pub fn too_long(bytes: usize) -> String {
    format!("message longer than {bytes} bytes")
}

/// Whether an error, without [`ERROR`], is [`too_long`]. It comes without an acknowledgement.
pub fn is_too_long(error: &str) -> bool {
    error.starts_with("message longer than ")
}

/// The error, without [`ERROR`], for a client that was silent for this long.
pub fn idle(time: impl Display) -> String {
    format!("idle for {time}")
}

/// Whether an error, without [`ERROR`], is [`idle`].
pub fn is_idle(error: &str) -> bool {
    error.starts_with("idle for ")
}

/// The error for a user that an endpoint's lists do not allow.
pub fn user_refused(user: impl Display) -> String {
    format!("Error: {user} may not use this socket")
}

/// The error for an address, or a name in a certificate, that an endpoint's lists do not allow.
pub fn refused_to_connect(who: impl Display) -> String {
    format!("Error: {who} may not connect")
}

/// Whether an error, without [`ERROR`], says that the endpoint's lists do not allow this client.
pub fn is_not_allowed(error: &str) -> bool {
    error.ends_with(" may not use this socket") || error.ends_with(" may not connect")
}

/// Sent to a client that is closed because it does not read.
pub const TOO_SLOW: &str = "Error: too slow";

/// Sent to everyone who is connected to a shared service when the daemon stops.
pub const SHUTTING_DOWN: &str = "Server is shutting down.";

/// Acknowledges a request to multiply and a report to stats.
pub const DATA_RECEIVED: &str = "Data received";

/// The beginning of greeting's sentence.
pub const MESSAGE_RECEIVED: &str = "Message received.";

/// Hello's answer.
pub const HELLO: &str = "Hello from server";

/// A request to status for its list of addresses and users only.
pub const CLIENTS: &str = "clients";

/// Sent to everyone who connects to the room.
pub const GREETING: &str = "Greetings from the cave! Now type your name and press enter!";

/// Whether a line is that greeting, or that of another server of this kind.
pub fn is_greeting(line: &str) -> bool {
    line.starts_with("Greetings from the cave!")
}

/// Sent to everyone who leaves with this word.
pub const FAREWELL: &str = "{quit}";

/// Sent to those whose connection cannot be carried over a restart.
pub const RESTARTING: &str = "Server is restarting.";

/// The error, without [`ERROR`], for plain text where TLS is spoken.
pub const SPEAKS_TLS: &str = "this port speaks TLS";

/// The beginning of the list of commands. No member can send a line that begins like this: `Commands` is a reserved name.
pub const COMMANDS: &str = "Commands: /help, ";

/// Whether a line is the room's answer to `/help` or `/who`.
pub fn is_answer(line: &str) -> bool {
    line.starts_with(COMMANDS) || line.starts_with(WHO)
}

/// The beginning of the list of members.
pub const WHO: &str = "In the room: ";

/// Reserved names: no member can have these or similar names, because the room uses them in its own lines.
pub const RESERVED: [&str; 7] =
    ["Error", "In the room", "Commands", "you", "server", "system", "Server is shutting down"];

/// What the room sends after the name of a member that joins.
pub const JOINED: &str = " has joined the chat!";

/// What the room sends after the name of a member that leaves.
pub const LEFT: &str = " has left the chat.";

/// Text that no name can contain, because the room writes it after a name.
pub const RESERVED_WITHIN: [&str; 2] = ["has joined the chat", "has left the chat"];

/// The beginning of a line that the administrator says to the room. No name can contain `[`.
pub const TEACHER: &str = "[teacher] ";

/// Asks a new client for the passphrase, after its name.
pub const ASK_PASSPHRASE: &str = "What is the passphrase of this room?";

/// The error, without [`ERROR`], for a wrong passphrase.
pub const NOT_THE_PASSPHRASE: &str = "wrong passphrase; try again";

/// The beginning of the error for the last wrong passphrase, before the connection is closed.
pub const NO_PASSPHRASE: &str = "wrong passphrase";

/// Sent to a member who is kicked.
pub const PUT_OUT: &str = "Error: you were removed from the room";

/// Sent to a connection that the administrator closes.
pub const CLOSED: &str = "Error: the administrator closed your connection";

/// Sent to a member when it is unmuted.
pub const UNMUTED: &str = "You are no longer muted.";

/// Sent to members of a shared room when the other machines cannot be reached.
pub const CUT_OFF: &str =
    "This room is cut off from its other machines; what you say is kept until it is whole again.";

/// The same for a client that has just given a name.
pub const CUT_OFF_BEFORE: &str =
    "This room is cut off from its other machines; you join it when it is whole again.";

/// The error, without [`ERROR`], for a client that gives a name after too many others have joined and left.
pub const CROWDED: &str = "this room is cut off from its other machines, and too many have come and gone; try again when it is whole";

/// The outcome of an order to say something to a room that is cut off.
pub const KEPT_UNTIL_WHOLE: &str =
    "kept until the room is whole again; it is cut off from its other machines";

/// Sent to them when the other machines can be reached again.
pub const WHOLE_AGAIN: &str = "This room is whole again.";

/// Sent to them when the log of the shared room was lost.
pub const HISTORY_LOST: &str = "The history of this room was lost; it goes on.";

/// Sent to them when the room is no longer shared.
pub const ALONE: &str = "This room is no longer shared with other machines.";

/// Sent to them when messages were deleted before they arrived here.
pub fn missed(count: u64) -> String {
    match count {
        1 => "One message was missed here.".to_owned(),
        count => format!("{count} messages were missed here."),
    }
}

/// The error, without [`ERROR`], for a message that was not accepted by the log of a shared room.
pub fn refused(reason: &str) -> String {
    format!("your message was not accepted: {reason}")
}

/// The error, without [`ERROR`], for a private message that was not delivered on another machine.
pub fn undelivered(to: &str, reason: &str) -> String {
    format!("your message to {to} did not arrive: {reason}")
}

/// Why a message that was not accepted cannot be in the log of a shared room.
pub fn too_long_to_share(bytes: usize) -> String {
    format!("it is longer than {bytes} bytes, which is the most in a shared room")
}

/// Why a message that was not accepted must be sent again later.
pub const QUEUE_IS_FULL: &str = "too much waits to be sent";

/// The error, without [`ERROR`], for one private message to another machine too many.
pub const TOO_MANY_UNDELIVERED: &str = "too many messages wait to be delivered; try again";

/// Why a private message was not delivered on another machine.
pub const MEMBER_HAS_LEFT: &str = "that member has left";

/// The same.
pub const MACHINE_IS_SILENT: &str = "the member's machine does not answer";

/// The same, if it may have been delivered.
pub const MACHINE_WAS_SILENT: &str = "the member's machine did not answer; it may have arrived";

/// The same, if it may have been delivered.
pub const ROOM_IS_CUT_OFF: &str = "the room is cut off; it may have arrived";

/// The beginning of the copy that the sender of a private message gets.
pub const YOU_TO: &str = "you (to ";

/// A time in words, rounded up to seconds: `1 hour 5 minutes`.
pub fn spelled(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let parts = [
        (seconds / 86400, "day"),
        (seconds / 3600 % 24, "hour"),
        (seconds / 60 % 60, "minute"),
        (seconds % 60, "second"),
    ];
    let spelled = parts.into_iter().filter(|(count, _)| *count > 0);
    let plural = |count| if count == 1 { "" } else { "s" };
    spelled.map(|(count, unit)| format!("{count} {unit}{}", plural(count))).collect::<Vec<_>>().join(" ")
}

/// The error, without [`ERROR`], for a muted member; `span` is the remaining time, if there is a limit.
pub fn muted(span: Option<Duration>) -> String {
    match span {
        Some(span) => {
            let seconds = Duration::from_secs(span.as_secs().max(1));
            format!("you are muted for {}: nobody sees your messages", spelled(seconds))
        }
        None => "you are muted: nobody sees your messages".to_owned(),
    }
}

/// Whether a message means that its sender leaves; also before a name is given.
pub fn is_quit(text: &str) -> bool {
    let text = text.trim();
    text.eq_ignore_ascii_case(FAREWELL) || matches!(text, "quit" | "exit" | "bye" | "/quit")
}

/// The welcome for a newcomer.
pub fn welcome(name: &str) -> String {
    format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.")
}

/// Whether a line is such a welcome. Only for lines that cannot come from a member.
pub fn is_welcome(line: &str) -> bool {
    line.starts_with("Welcome ")
}

/// Whether the words before a colon are the room's own rather than a member's name. (`you` is the receiver of the line.)
pub fn is_of_room(label: &str) -> bool {
    label != "you" && RESERVED.contains(&label)
}

/// The error, without [`ERROR`], for a name that is in use.
pub fn taken(name: &str) -> String {
    format!("the name '{name}' is taken; choose another")
}

/// The error, without [`ERROR`], for a name that looks like one in use.
pub fn alike(name: &str) -> String {
    format!("the name '{name}' looks like one that is taken; choose another")
}

/// Sent to the old connection of a member that has joined again through another one.
pub const REPLACED: &str = "Error: you joined again through another connection";

/// The error, without [`ERROR`], for a key that does not belong to the member with this name.
pub fn not_the_key(name: &str) -> String {
    format!("wrong key for '{name}'; choose another name")
}

/// Whether an error, without [`ERROR`], is [`not_the_key`].
pub fn is_not_the_key(error: &str) -> bool {
    error.starts_with("wrong key for ")
}

/// Whether an error, without [`ERROR`], is [`taken`] or [`alike`], so that another name can help.
pub fn is_taken(error: &str) -> bool {
    error.starts_with("the name '")
}

/// Whether an error, without [`ERROR`], says that the name is never valid.
pub fn is_no_name(error: &str) -> bool {
    error.starts_with("a name ")
}

/// The error for a client of another protocol, without [`ERROR`].
pub fn not_spoken_here(service: &str, protocol: &str) -> String {
    format!("this port speaks {service}, not {protocol}")
}

/// The error for a client that sends UTF-16, without [`ERROR`].
pub const UTF_16: &str = "this is UTF-16; send UTF-8";

/// The error for Java's ObjectOutputStream.
pub const JAVA_OBJECT: &str = "this is a serialized Java object; send text and a newline";

/// The error for Python's pickle.
pub const PICKLE: &str = "this is a Python pickle; send text and a newline";

/// The error for Erlang's term_to_binary.
pub const ERLANG_TERM: &str = "this is an Erlang term; send text and a newline";

/// The error for Go's encoding/gob.
pub const GOB: &str = "this is a Go gob; send text and a newline";

/// The error for Ada's String'Output.
pub const ADA_BOUNDS: &str = "this is a string with its bounds, written by Ada's String'Output; use String'Write, and end with a newline";

/// A sentence as an HTTP response, so that any HTTP client shows it.
pub fn bad_request(sentence: &str) -> String {
    let length = format!("Content-Length: {}", sentence.len() + 1); // including its line end
    let head = [
        "HTTP/1.1 400 Bad Request",
        "Content-Type: text/plain; charset=utf-8",
        &length,
        "Connection: close",
        "",
        sentence,
    ];
    head.join("\r\n") + "\n"
}

/// What happened to a connection, for the log and `ipcctl watch`: the event's name in JSON, and its text.
pub struct Phrase<'a, T>(pub &'a str, pub T);

impl<T: Display> Display for Phrase<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Phrase(event, text) = self;
        match *event {
            "message" | "reply" => write!(f, "{event} '{text}'"),
            "error" => write!(f, "error reply: {text}"),
            "framing" => write!(f, "is a {text} client"),
            "chose" => write!(f, "chose {text}"),
            "joined" => write!(f, "joined as {text}"),
            "met" => write!(f, "talks with {text}"),
            other => write!(f, "{other}: {text}"),
        }
    }
}
