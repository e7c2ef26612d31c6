//! chat and talk without a terminal: lines in, lines out, without losses.

use std::ops::ControlFlow;
use std::time::Instant;

use rustix::event::PollFlags;

use super::chat_protocol::{ChatProtocol, Heard, is_removal};
use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::error::CliError;
use super::input::Input;
use super::{connection, literal, output};
use ipcd::os_error::describe;

/// The most unsent bytes before more is read from standard input.
const UNSENT_BYTES_MAX: usize = 64 << 10;

/// Printed if the input of a talk ends before the partner says anything: there may be no partner for hours.
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
    let mut filter = Filter {
        options,
        daemon,
        protocol,
        lines,
        input: Input::new(),
        has_erred: false,
        has_heard: false,
        is_leaving: false,
        unheard: 0,
        until: options.deadline(),
    };
    loop {
        while let Some(line) = filter.daemon.heard() {
            if filter.handle(line)?.is_break() {
                return filter.outcome();
            }
        }
        if filter.daemon.is_over() {
            return match filter.protocol {
                ChatProtocol::Talk => filter.outcome(),
                ChatProtocol::Chat { .. } => {
                    Err(CliError::Failed(format!("{}: the connection ended", filter.daemon.endpoint)))
                }
            };
        }
        filter.send();
        filter.leave();
        filter.wait()?;
    }
}

/// A member that sends the lines of standard input, and prints the received ones.
struct Filter<'o> {
    options: &'o ConnectOptions,
    daemon: Conversation,
    protocol: ChatProtocol,
    lines: Lines,
    input: Input,
    has_erred: bool,
    has_heard: bool,
    is_leaving: bool,
    /// Lines that we sent and that have not come back: each one extends the time to wait for the farewell; nothing else does.
    unheard: u64,
    until: Option<Instant>,
}

impl Filter<'_> {
    /// Handles a line; breaks at the farewell.
    fn handle(&mut self, line: String) -> Result<ControlFlow<()>, CliError> {
        match self.protocol.handle(line) {
            Heard::Nothing => {}
            Heard::Joined => self.until = self.options.deadline(),
            Heard::Asked => match self.protocol.passphrase() {
                Some(passphrase) => self.daemon.say(&passphrase),
                None => {
                    let error = "this room asks for a passphrase: give a file that contains it with --passphrase-file";
                    return Err(CliError::Refused(vec![error.to_owned()]));
                }
            },
            Heard::NotIn(error) | Heard::Error(error) if is_removal(&error) => {
                return Err(CliError::Removed(error));
            }
            Heard::NotIn(error) => return Err(self.daemon.refused(self.protocol.wanted().name, &error)),
            Heard::Other(line) => return Err(self.daemon.not_there(self.protocol.wanted().name, &line)),
            Heard::Line(line) if self.protocol.is_echoed() && is_from(&line, &self.protocol.name()) => {
                output::print(literal::heard(&line))?;
                if self.unheard > 0 {
                    self.unheard -= 1;
                    self.until = self.options.deadline();
                }
            }
            Heard::Line(line) => {
                self.has_heard = true;
                output::print(&line)?;
            }
            Heard::Error(error) => {
                output::tell(&error);
                self.has_erred = true;
            }
            Heard::Farewell => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn may_send(&self) -> bool {
        self.protocol.is_in() && self.daemon.unsent() < UNSENT_BYTES_MAX
    }

    /// Sends the lines that are here, as many as may be unsent.
    fn send(&mut self) {
        while self.may_send()
            && let Some(line) = self.input.line()
        {
            match (&self.protocol, self.lines) {
                (ChatProtocol::Chat { .. }, Lines::AsTheyAre) => self.daemon.say(&literal::message(&line)),
                _ => self.daemon.say(&line),
            }
            self.unheard += 1;
        }
    }

    /// Says farewell at the end of the input.
    fn leave(&mut self) {
        if !self.protocol.is_in() || !self.input.is_over() || self.is_leaving {
            return;
        }
        self.is_leaving = true;
        if !self.protocol.is_echoed() && !self.has_heard {
            output::tell(ENDED_ALONE);
        }
        // When it comes back, everything before it was delivered.
        self.daemon.say(self.protocol.farewell());
        self.until = self.options.deadline();
    }

    /// Waits for the daemon and for input, and takes what has arrived.
    fn wait(&mut self) -> Result<(), CliError> {
        let wanted = if self.may_send() { self.input.descriptor() } else { None };
        // A partner may take any time to connect.
        let is_urgent = self.protocol.is_echoed() && (self.is_leaving || !self.protocol.is_in());
        let until = self.until.filter(|_| is_urgent);
        // Messages of other members do not show that the room answers us.
        if until.is_some_and(|until| until <= Instant::now()) {
            return Err(self.daemon.too_late());
        }
        let stdout = std::io::stdout();
        let [from, to] = self.daemon.interest();
        let awaited = [output::reader(&stdout), (wanted, PollFlags::IN), from, to];
        let ready = connection::wait(awaited, until);
        match ready.map_err(|error| CliError::Failed(describe(&error)))? {
            [true, ..] => return Err(output::unread()),
            [false, false, false, false] => return Err(self.daemon.too_late()),
            [false, stdin, from, to] => {
                if stdin {
                    self.input.turn()?;
                }
                if from || to {
                    self.daemon.turn()?;
                }
            }
        }
        Ok(())
    }

    /// Errors on the way were reported at once.
    fn outcome(&self) -> Result<(), CliError> {
        if self.has_erred { Err(CliError::Refused(Vec::new())) } else { Ok(()) }
    }
}

/// Whether the line is this member's message. No name contains a colon.
fn is_from(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with(": "))
}
