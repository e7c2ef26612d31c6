//! Sentences that a peer can hear, where more than one side has to know them: the daemon says them, a client tells them
//! apart from what people say. Knows no state and no connection.

use std::time::Duration;

/// How an error begins, whoever it is told to. No member's line does: it begins with a name, and that is none.
pub const ERROR: &str = "Error: ";

/// Asks status for the addresses and users alone.
pub const CLIENTS: &str = "clients";

/// Said to everybody who comes to the room.
pub const GREETING: &str = "Greetings from the cave! Now type your name and press enter!";

/// Whether a line is that greeting, or that of another server of this kind.
pub fn is_greeting(line: &str) -> bool {
    line.starts_with("Greetings from the cave!")
}

/// Said to everybody who quits.
pub const FAREWELL: &str = "{quit}";

/// How the list of commands begins: with more than a member could say under that name.
pub const COMMANDS: &str = "Commands: /help, ";

/// Whether a line is the room's answer to a question of ours.
pub fn is_answer(line: &str) -> bool {
    line.starts_with(COMMANDS) || line.starts_with(WHO)
}

/// How the list of members begins.
pub const WHO: &str = "In the room: ";

/// Names that nobody can have, or one that looks like it: the room speaks with them, of itself or of who listens.
pub const RESERVED: [&str; 7] =
    ["Error", "In the room", "Commands", "you", "server", "system", "Server is shutting down"];

/// What the room says behind the name of a member that comes.
pub const JOINED: &str = " has joined the chat!";

/// What the room says behind the name of a member that goes.
pub const LEFT: &str = " has left the chat.";

/// What nobody can have in a name: the room says it of a name.
pub const RESERVED_WITHIN: [&str; 2] = ["has joined the chat", "has left the chat"];

/// How a line begins that whoever runs the daemon says to the room. No name has such a sign.
pub const TEACHER: &str = "[teacher] ";

/// Asks a newcomer, who has said its name.
pub const ASK_PASSPHRASE: &str = "What is the passphrase of this room?";

/// The error, without [`ERROR`], for another one.
pub const NOT_THE_PASSPHRASE: &str = "that is not the passphrase of this room; type it again";

/// How that for the last one begins.
pub const NO_PASSPHRASE: &str = "that is not the passphrase of this room";

/// Said to a member who is put out.
pub const PUT_OUT: &str = "Error: you have been put out of the room";

/// Said to a connection that is closed.
pub const CLOSED: &str = "Error: whoever runs this server has closed your connection";

/// Said to a member who was muted.
pub const UNMUTED: &str = "You are heard again.";

/// The error, without [`ERROR`], for a member whom nobody hears, for so long if that is known.
pub fn muted(span: Option<Duration>) -> String {
    match span {
        Some(span) => {
            let seconds = Duration::from_secs(span.as_secs().max(1));
            format!("nobody hears you for {}: you are muted", humantime::format_duration(seconds))
        }
        None => "nobody hears you: you are muted".to_owned(),
    }
}

/// Whether what somebody in the room says, or who is about to come in, means that it leaves.
pub fn is_quit(text: &str) -> bool {
    let text = text.trim();
    text.eq_ignore_ascii_case(FAREWELL) || matches!(text, "quit" | "exit" | "bye" | "/quit")
}

/// The welcome for a newcomer.
pub fn welcome(name: &str) -> String {
    format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.")
}

/// Whether a line is such a welcome, where nobody but the room can have said it.
pub fn is_welcome(line: &str) -> bool {
    line.starts_with("Welcome ")
}

/// Whether the words before a colon are the room's, and nobody's name. (`you` is whoever listens.)
pub fn is_of_room(label: &str) -> bool {
    label != "you" && RESERVED.contains(&label)
}

/// The error, without [`ERROR`], for a name that somebody has.
pub fn taken(name: &str) -> String {
    format!("somebody is called '{name}' already; type another name")
}

/// The same for one that can be taken for somebody else's.
pub fn alike(name: &str) -> String {
    format!("somebody is called something that looks like '{name}' already; type another name")
}

/// Said to the connection of somebody who has its name back through another one.
pub const REPLACED: &str = "Error: you have come back through another connection";

/// The error, without [`ERROR`], for a secret that is not the one of whoever has the name.
pub fn not_the_key(name: &str) -> String {
    format!("this is not the key of '{name}'; type another name")
}

/// Whether an error, without [`ERROR`], is that one.
pub fn is_not_the_key(error: &str) -> bool {
    error.starts_with("this is not the key of ")
}

/// Whether an error, without [`ERROR`], says that another name will do because somebody has this one, or nearly.
pub fn is_taken(error: &str) -> bool {
    error.starts_with("somebody is called ")
}

/// Whether an error, without [`ERROR`], says that this is no name, today and tomorrow.
pub fn is_no_name(error: &str) -> bool {
    error.starts_with("a name is ")
}

/// What a client of another protocol is told, without the mark of an error.
pub fn not_spoken_here(service: &str, protocol: &str) -> String {
    format!("this port speaks {service}, not {protocol}")
}

/// What a client is told that sends what is no text, without the mark of an error.
pub const UTF_16: &str = "this is UTF-16; send UTF-8";

/// The same of Java's ObjectOutputStream.
pub const JAVA_OBJECT: &str = "this is a serialized Java object; send text and a newline";

/// The same of Python's pickle.
pub const PICKLE: &str = "this is a Python pickle; send text and a newline";

/// The same of Erlang's term_to_binary.
pub const ERLANG_TERM: &str = "this is an Erlang term; send text and a newline";

/// The same of Go's encoding/gob.
pub const GOB: &str = "this is a Go gob; send text and a newline";

/// The same of Ada's String'Output.
pub const ADA_BOUNDS: &str = "this is a string with its bounds, as Ada's String'Output writes it; use String'Write, and end with a newline";

/// A sentence in the form in which an HTTP client shows it, to whatever it has asked.
pub fn bad_request(sentence: &str) -> String {
    let length = format!("Content-Length: {}", sentence.len() + 1); // with its line end
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
