//! `ipcctl talk`, and its common part with chat: a screen on a terminal, a line filter elsewhere.

use super::chat_protocol::ChatProtocol;
use super::connect::ConnectOptions;
use super::error::CliError;
use super::filter;
use super::filter::Lines;

pub(crate) fn run(options: &ConnectOptions) -> Result<(), CliError> {
    hold(options, ChatProtocol::Talk, Lines::AsTheyAre)
}

/// `lines`: the meaning of lines from standard input without a screen.
pub(crate) fn hold(options: &ConnectOptions, protocol: ChatProtocol, lines: Lines) -> Result<(), CliError> {
    #[cfg(feature = "tui")]
    if super::output::is_interactive() {
        return super::chat_screen::run(options, protocol);
    }
    filter::run(options, protocol, lines)
}
