//! `ipcctl kick`, `mute`, `unmute`, `say` and `close`: actions of the administrator on other clients.

use super::services::CONTROL;
use std::time::Duration;

use clap::Args;

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

    /// For this time, for example 5min; without it: until unmute
    #[arg(value_name = "FOR", value_parser = humantime::parse_duration)]
    span: Option<Duration>,
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
    pub(crate) fn request(&self) -> String {
        let span = self
            .span
            .map(|span| format!(" {}", humantime::format_duration(span).to_string().replace(' ', "")));
        format!("mute {}{}", self.name, span.unwrap_or_default())
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
pub(crate) fn run(reach: &ConnectOptions, request: &str) -> Result<(), CliError> {
    if request.contains(char::is_control) {
        let what = request.escape_debug();
        return Err(CliError::Usage(format!("'{what}': it must be one line without control characters")));
    }
    let mut daemon = Conversation::begin(reach, &CONTROL)?;
    daemon.say(request);
    match daemon.hear_by(reach.deadline())? {
        Some(line) => match (line.strip_prefix("OK: "), line.strip_prefix("Error: ")) {
            (Some(done), _) => output::print(done),
            (None, Some(error)) => Err(CliError::Refused(vec![error.to_owned()])),
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
        let mute = |span| Mute { name: "ann lee".to_owned(), span }.request();
        assert_eq!(mute(Some(Duration::from_secs(330))), "mute ann lee 5m30s");
        assert_eq!(mute(None), "mute ann lee");
        assert_eq!(humantime::parse_duration("5m30s").unwrap(), Duration::from_secs(330));
    }
}
