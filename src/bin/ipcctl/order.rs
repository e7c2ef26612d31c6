//! `ipcctl kick`, `mute`, `unmute`, `say` and `close`: actions of the administrator on other clients.

use super::services::CONTROL;
use clap::Args;
use ipcd::engine::text::quote;
use ipcd::engine::words::ERROR;

use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::error::CliError;
use super::{control, output};

/// Remove a member from the chat room; it may come back
#[derive(Args)]
pub(crate) struct Kick {
    /// Its name in the room
    name: String,
}

/// Stop delivering a member's messages in the chat room
#[derive(Args)]
pub(crate) struct Mute {
    /// Its name in the room
    name: String,

    /// How long, for example 5min; without it: until unmute
    #[arg(value_name = "FOR")]
    span: Vec<String>,
}

/// Deliver a member's messages again
#[derive(Args)]
pub(crate) struct Unmute {
    /// Its name in the room
    name: String,
}

/// Send a message to everyone in the chat room, marked as from the teacher
#[derive(Args)]
pub(crate) struct Say {
    /// The text
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    text: Vec<String>,
}

/// Close all connections of an address, or of a user or process on this machine
#[derive(Args)]
pub(crate) struct Close {
    /// An address such as 192.168.1.20, one with its port, uid:UID or pid:PID
    address: String,
}

impl Kick {
    pub(crate) fn request(&self) -> String {
        format!("kick {}", self.name)
    }
}

impl Mute {
    /// The time may be several words: `5 min`.
    pub(crate) fn request(&self) -> Result<String, CliError> {
        if self.span.is_empty() {
            return Ok(format!("mute {}", self.name));
        }
        let span = humantime::parse_duration(&self.span.join(" ")).ok().filter(|span| !span.is_zero());
        let span = span.ok_or_else(|| {
            let said = quote(self.span.join(" ").as_bytes());
            CliError::Usage(format!(
                "'{said}' is not a time, for example 5min; a name of several words needs quotes: ipcctl mute 'ann lee' 5min"
            ))
        })?;
        Ok(format!("mute {} {}", self.name, humantime::format_duration(span).to_string().replace(' ', "")))
    }
}

impl Unmute {
    pub(crate) fn request(&self) -> String {
        format!("unmute {}", self.name)
    }
}

impl Say {
    pub(crate) fn request(&self) -> String {
        format!("say {}", self.text.join(" "))
    }
}

impl Close {
    pub(crate) fn request(&self) -> String {
        format!("close {}", self.address)
    }
}

/// Sends the request and prints the result.
pub(crate) fn run(options: &ConnectOptions, request: &str) -> Result<(), CliError> {
    if request.contains(char::is_control) {
        let what = request.escape_debug();
        return Err(CliError::Usage(format!("'{what}': it must be one line without control characters")));
    }
    let mut daemon = Conversation::begin(options, &CONTROL)?;
    daemon.say(request);
    match daemon.hear_by(options.deadline())? {
        Some(line) => match (line.strip_prefix("OK: "), line.strip_prefix(ERROR)) {
            (Some(done), _) => output::print(done),
            (None, Some(error)) => Err(daemon.refused(CONTROL.name, error)),
            (None, None) => Err(control::not_the_mux(&daemon)),
        },
        None => Err(CliError::Failed("the daemon closed the connection without an answer".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_one_word_after_the_name() {
        let mute = |span: &str| {
            let span = span.split_whitespace().map(str::to_owned).collect();
            Mute { name: "ann lee".to_owned(), span }.request().map_err(|error| error.lines().concat())
        };
        for span in ["5m30s", "330s", "5min 30s", "5 min 30 s"] {
            assert_eq!(mute(span).as_deref(), Ok("mute ann lee 5m30s"), "{span}");
        }
        assert_eq!(mute("").as_deref(), Ok("mute ann lee"));
        for wrong in ["lee", "5", "lee 5min", "0s", "5 parsecs"] {
            let said = mute(wrong).unwrap_err();
            assert!(said.starts_with(&format!("'{wrong}' is not a time, for example 5min;")), "{said}");
        }
    }
}
