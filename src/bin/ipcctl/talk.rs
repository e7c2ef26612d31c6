//! `ipcctl talk`, and what it has in common with chat: a screen on a terminal, a line filter elsewhere.

use super::filter::Lines;
use super::speech::Speech;
use super::{Reach, Trouble, filter};

pub(crate) fn run(reach: &Reach) -> Result<(), Trouble> {
    hold(reach, Speech::Talk, Lines::AsTheyAre)
}

/// `lines`: what is meant by those of standard input, where there is no screen.
pub(crate) fn hold(reach: &Reach, speech: Speech, lines: Lines) -> Result<(), Trouble> {
    #[cfg(feature = "tui")]
    if super::output::is_interactive() {
        return super::room::run(reach, speech);
    }
    filter::run(reach, speech, lines)
}
