//! `ipcctl talk`, and its common part with chat: a screen on a terminal, a line filter elsewhere.

use super::chat_protocol::Speech;
use super::connect::ConnectOptions;
use super::error::CliError;
use super::filter;
use super::filter::Lines;

pub(crate) fn run(reach: &ConnectOptions) -> Result<(), CliError> {
    hold(reach, Speech::Talk, Lines::AsTheyAre)
}

/// `lines`: the meaning of lines from standard input without a screen.
pub(crate) fn hold(reach: &ConnectOptions, speech: Speech, lines: Lines) -> Result<(), CliError> {
    #[cfg(feature = "tui")]
    if super::output::is_interactive() {
        return super::chat_screen::run(reach, speech);
    }
    filter::run(reach, speech, lines)
}
