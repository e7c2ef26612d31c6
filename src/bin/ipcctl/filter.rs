//! chat and talk without a terminal: lines in, lines out, without losses.

use std::time::Instant;

use rustix::event::PollFlags;

use super::chat_protocol::{ChatProtocol, Heard, is_removal};
use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::error::{CliError, words};
use super::input::Input;
use super::{connection, literal, output};

/// The most unsent bytes before more is read from standard input.
const UNSENT_BYTES_MAX: usize = 64 << 10;

/// The notice of a talk whose input has ended before its partner said anything: there may not be one for hours.
const ENDED_ALONE: &str =
    "the input has ended; waiting for the partner, who gets your lines, and bye (Ctrl-C: do not wait)";

/// The meaning of lines from standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Messages, whatever they begin with.
    AsTheyAre,
    /// Messages, or commands of the service.
    Commands,
}

pub(crate) fn run(
    options: &ConnectOptions,
    mut protocol: ChatProtocol,
    lines: Lines,
) -> Result<(), CliError> {
    let mut daemon = Conversation::begin(options, protocol.wanted())?;
    protocol.opening().iter().for_each(|line| daemon.say(line));
    let mut input = Input::new();
    let mut has_erred = false;
    let mut has_heard = false;
    let mut is_leaving = false;
    // Lines that we sent and that have not come back: each one extends the time to wait for the farewell; nothing else does.
    let mut unheard: u64 = 0;
    let mut until = options.deadline();
    let stdout = std::io::stdout();
    loop {
        while let Some(line) = daemon.heard() {
            match protocol.handle(line) {
                Heard::Nothing => {}
                Heard::Joined => until = options.deadline(),
                Heard::Asked => match protocol.passphrase() {
                    Some(passphrase) => daemon.say(&passphrase),
                    None => {
                        let error = "this room asks for a passphrase: give a file that contains it with --passphrase-file";
                        return Err(CliError::Refused(vec![error.to_owned()]));
                    }
                },
                Heard::NotIn(error) | Heard::Error(error) if is_removal(&error) => {
                    return Err(CliError::Removed(error));
                }
                Heard::NotIn(error) => return Err(daemon.refused(protocol.wanted().name, &error)),
                Heard::Other(line) => return Err(daemon.not_there(protocol.wanted().name, &line)),
                Heard::Line(line) if protocol.is_echoed() && is_from(&line, &protocol.name()) => {
                    output::print(literal::heard(&line))?;
                    if unheard > 0 {
                        unheard -= 1;
                        until = options.deadline();
                    }
                }
                Heard::Line(line) => {
                    has_heard = true;
                    output::print(&line)?;
                }
                Heard::Error(error) => {
                    output::tell(&error);
                    has_erred = true;
                }
                Heard::Farewell => return ended(has_erred),
            }
        }
        if daemon.is_over() {
            return match protocol {
                ChatProtocol::Talk => ended(has_erred),
                ChatProtocol::Chat { .. } => {
                    Err(CliError::Failed(format!("{}: the connection ended", daemon.endpoint)))
                }
            };
        }
        while protocol.is_in()
            && daemon.unsent() < UNSENT_BYTES_MAX
            && let Some(line) = input.line()
        {
            match (&protocol, lines) {
                (ChatProtocol::Chat { .. }, Lines::AsTheyAre) => daemon.say(&literal::message(&line)),
                _ => daemon.say(&line),
            }
            unheard += 1;
        }
        if protocol.is_in() && input.is_over() && !is_leaving {
            is_leaving = true;
            if !protocol.is_echoed() && !has_heard {
                output::tell(ENDED_ALONE);
            }
            // When it comes back, everything before it was delivered.
            daemon.say(protocol.farewell());
            until = options.deadline();
        }
        let wanted =
            if protocol.is_in() && daemon.unsent() < UNSENT_BYTES_MAX { input.descriptor() } else { None };
        // A partner may take any time to connect.
        let is_urgent = protocol.is_echoed() && (is_leaving || !protocol.is_in());
        let until_now = until.filter(|_| is_urgent);
        // Messages of other members do not show that the room answers us.
        if until_now.is_some_and(|until| until <= Instant::now()) {
            return Err(daemon.too_late());
        }
        let [from, to] = daemon.interest();
        let awaited = [output::reader(&stdout), (wanted, PollFlags::IN), from, to];
        let ready = connection::wait(awaited, until_now);
        match ready.map_err(|error| CliError::Failed(words(&error)))? {
            [true, ..] => return Err(output::unread()),
            [false, false, false, false] => return Err(daemon.too_late()),
            [false, stdin, from, to] => {
                if stdin {
                    input.turn()?;
                }
                if from || to {
                    daemon.turn()?;
                }
            }
        }
    }
}

/// Whether the line is this member's message. No name contains a colon.
fn is_from(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with(": "))
}

/// Errors on the way were reported at once.
fn ended(has_erred: bool) -> Result<(), CliError> {
    if has_erred { Err(CliError::Refused(Vec::new())) } else { Ok(()) }
}
