//! A conversation with a service of the daemon, in lines.

use super::connect::deadline;
use super::services::ServiceSpec;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use ipcd::endpoint::ResolvedEndpoint;
use ipcd::engine::json;
use ipcd::engine::text::{clean, quote};
use ipcd::engine::words::ERROR;
use rustix::event::PollFlags;

use super::connect::ConnectOptions;
use super::connection::{self, Connection};
use super::error::CliError;
use super::locate;
use super::other_service;
use super::reason;
use super::secure::Secure;
use super::target::Target;
use ipcd::os_error::describe;

/// How long to wait for a service that speaks first.
const GREETING: Duration = Duration::from_millis(250);

/// The longest accepted line, in bytes: the state of ten thousand connections, at a few hundred bytes each.
const LINE_BYTES_MAX: usize = 16 << 20;

/// A connection to a service, in messages of one line each. Received lines have no control characters.
pub(crate) struct Conversation {
    connection: Connection,
    /// Whether the service was selected on a mux.
    is_mux: bool,
    /// Its endpoint.
    pub(crate) endpoint: ResolvedEndpoint,
    /// The name by which it was given, with its port.
    host: String,
    /// The settings of TLS, if it is used.
    secure: Option<Secure>,
    timeout: Duration,
    /// Lines to send, each with its LF.
    outbox: Vec<u8>,
    /// Received, but not yet a complete line.
    partial: Vec<u8>,
    /// Received lines that were not taken yet.
    lines: VecDeque<String>,
    /// Received lines are JSON: their control characters are escaped instead of removed, so the meaning is the same.
    is_json: bool,
    /// No more lines will be sent: half-close when everything is out.
    is_ending: bool,
    /// No more lines will be received.
    is_over: bool,
}

impl Conversation {
    /// Connects to the given endpoint, or to the local daemon, and selects the service on a mux.
    pub(crate) fn begin(options: &ConnectOptions, wanted: &ServiceSpec) -> Result<Conversation, CliError> {
        let deadline = options.deadline();
        let secure = options.tls.at(options.to.as_ref())?;
        let endpoints = match &options.to {
            Some(target) => {
                locate::carries(target, wanted)?;
                target.resolve(deadline)?
            }
            None => locate::local(wanted.port),
        };
        let (connection, endpoint) = locate::open(&endpoints, options.time_limit(), deadline)
            .map_err(|tried| locate::nobody(options, wanted, &tried))?;
        let is_mux = locate::is_mux(&endpoint, wanted.name) && !options.direct;
        let host = options.to.as_ref().map_or_else(String::new, Target::authority);
        let connection = wrapped(connection, &endpoint, secure.as_ref(), wanted, &host)
            .map_err(|error| CliError::Failed(describe(&error)))?;
        let mut conversation =
            Conversation::over(connection, (endpoint, host), secure, options.timeout, is_mux, wanted);
        if options.to.is_some() && wanted.listens_first() && !is_mux && !conversation.is_lossy() {
            conversation.expect_no_greeting(wanted)?;
        }
        Ok(conversation)
    }

    /// Waits a moment, before anything is sent, for the greeting of another service.
    fn expect_no_greeting(&mut self, wanted: &ServiceSpec) -> Result<(), CliError> {
        let until = Some(Instant::now() + GREETING);
        while self.lines.is_empty()
            && !self.is_over
            && connection::wait(self.interest(), until)
                .map_err(|error| self.io_error(&error))?
                .contains(&true)
        {
            self.turn()?;
        }
        match self.lines.front() {
            Some(line) if !line.starts_with(ERROR) && other_service::of(line) != Some(wanted.name) => {
                Err(self.not_there(wanted.name, line))
            }
            _ => Ok(()),
        }
    }

    /// Opens a new connection to the same endpoint without waiting: if it fails, receiving reports it.
    #[cfg_attr(not(feature = "tui"), allow(dead_code))] // a line filter ends with its connection
    pub(crate) fn again(&self, wanted: &ServiceSpec) -> io::Result<Conversation> {
        let connection = Connection::open_soon(&self.endpoint)?;
        let connection = wrapped(connection, &self.endpoint, self.secure.as_ref(), wanted, &self.host)?;
        let endpoint = (self.endpoint.clone(), self.host.clone());
        let again =
            Conversation::over(connection, endpoint, self.secure.clone(), self.timeout, self.is_mux, wanted);
        Ok(Conversation { is_json: self.is_json, ..again })
    }

    /// Whether it has selected the service by name.
    pub(crate) fn has_chosen(&self) -> bool {
        self.is_mux
    }

    /// The same for a service that sends JSON.
    pub(crate) fn in_json(mut self) -> Conversation {
        self.is_json = true;
        self
    }

    fn over(
        connection: Connection,
        (endpoint, host): (ResolvedEndpoint, String),
        secure: Option<Secure>,
        timeout: Duration,
        is_mux: bool,
        wanted: &ServiceSpec,
    ) -> Conversation {
        let mut conversation = Conversation {
            connection,
            is_mux,
            endpoint,
            host,
            secure,
            timeout,
            outbox: Vec::new(),
            partial: Vec::new(),
            lines: VecDeque::new(),
            is_json: false,
            is_ending: false,
            is_over: false,
        };
        if is_mux {
            conversation.say(wanted.name);
        }
        conversation
    }

    /// Queues a line. It is sent while waiting for a line, or with [`Conversation::turn`].
    pub(crate) fn say(&mut self, line: &str) {
        // A line end inside would make two messages of it.
        self.outbox.extend(line.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
        self.outbox.push(b'\n');
    }

    /// Declares that no more lines follow.
    pub(crate) fn end(&mut self) {
        self.is_ending = true;
    }

    /// Gives up the connection; only its endpoint still matters. So a daemon that is stopping does not wait for us.
    #[cfg(feature = "tui")] // a line filter ends with its connection
    pub(crate) fn hang_up(&mut self) {
        // A lost connection needs nothing.
        let _ = self.connection.hang_up();
    }

    /// The number of bytes still to send.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox.len()
    }

    /// Whether each message is answered separately and can be lost: then no pipelining.
    pub(crate) fn is_lossy(&self) -> bool {
        matches!(self.connection, Connection::Datagrams(_))
    }

    /// The next line, or `None` at the end; an error if it takes longer than the timeout.
    pub(crate) fn hear(&mut self) -> Result<Option<String>, CliError> {
        self.hear_by(deadline(self.timeout))
    }

    /// The same for an answer of several lines, with a deadline for all of them (`None`: none).
    pub(crate) fn hear_by(&mut self, deadline: Option<Instant>) -> Result<Option<String>, CliError> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(Some(line));
            }
            if self.is_over {
                return Ok(None);
            }
            self.turn()?;
            if !self.lines.is_empty() || self.is_over {
                continue;
            }
            // The deadline also holds for an answer that trickles in.
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(self.too_late());
            }
            let [read, write] =
                connection::wait(self.interest(), deadline).map_err(|error| self.io_error(&error))?;
            if !read && !write {
                return Err(self.too_late());
            }
        }
    }

    /// The next line that has already arrived.
    pub(crate) fn heard(&mut self) -> Option<String> {
        self.lines.pop_front()
    }

    /// Whether it has ended and every line was taken.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over && self.lines.is_empty()
    }

    /// What to wait for, for [`connection::wait`].
    pub(crate) fn interest(&self) -> [(Option<BorrowedFd<'_>>, PollFlags); 2] {
        let (from, to) = self.connection.descriptors();
        let has_more = !self.outbox.is_empty() || self.is_ending;
        let has_more = self.connection.wants_write(has_more);
        [((!self.is_over).then_some(from), PollFlags::IN), (has_more.then_some(to), PollFlags::OUT)]
    }

    /// Sends and reads what is possible now; never blocks.
    pub(crate) fn turn(&mut self) -> Result<(), CliError> {
        // A server that closes early has said why: read that before reporting the failure.
        let sent = self.send();
        self.receive().map_err(|error| self.io_error(&error))?;
        match sent {
            Err(error) if self.lines.is_empty() => Err(self.io_error(&error)),
            _ => Ok(()),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let mut sent = 0;
        let mut outcome = Ok(());
        while sent < self.outbox.len() {
            let rest = &self.outbox[sent..];
            let line = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            let written = match self.connection.has_messages() {
                // Whole or not at all.
                true => self.connection.write(&rest[..line - 1]).map(|_| line),
                false => self.connection.write(rest),
            };
            match written {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    outcome = Err(error);
                    sent = self.outbox.len();
                }
            }
        }
        self.outbox.drain(..sent);
        if self.is_ending && self.outbox.is_empty() && self.connection.is_open() && outcome.is_ok() {
            self.is_ending = false;
            // The other side may have closed; its last lines can still be read.
            let _ = self.connection.half_close();
        }
        outcome
    }

    fn receive(&mut self) -> io::Result<()> {
        match self.connection.read(&mut self.partial) {
            Ok(count) if count == 0 && self.connection.has_end() || self.connection.is_ended() => {
                self.is_over = true;
                self.cut(self.partial.len());
            }
            Ok(_) if self.connection.has_messages() => {
                self.lines.push_back(self.harmless(&self.partial));
                self.partial.clear();
            }
            Ok(_) => {
                if let Some(end) = memchr::memrchr(b'\n', &self.partial) {
                    self.cut(end + 1);
                }
                if self.partial.len() > LINE_BYTES_MAX {
                    let error =
                        format!("its line is longer than {} MiB; this is not ipcd", LINE_BYTES_MAX >> 20);
                    return Err(io::Error::new(ErrorKind::InvalidData, error));
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // A reset: treated as the end, after the lines before it.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && !self.lines.is_empty() => {
                self.is_over = true;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Splits the first bytes into lines.
    fn cut(&mut self, count: usize) {
        let bytes = &self.partial[..count];
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if count > 0 {
            let lines: Vec<String> =
                bytes.split(|byte| *byte == b'\n').map(|line| self.harmless(line)).collect();
            self.lines.extend(lines);
        }
        self.partial.drain(..count);
    }

    /// A line without control characters for a terminal.
    fn harmless(&self, line: &[u8]) -> String {
        match self.is_json {
            true if line.starts_with(b"{") => {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                json::escape(&String::from_utf8_lossy(line)).into_owned()
            }
            _ => clean(line),
        }
    }

    /// The daemon did not answer within the timeout.
    pub(crate) fn too_late(&self) -> CliError {
        let timeout = humantime::format_duration(self.timeout);
        CliError::TimedOut(format!(
            "{}: no answer within {timeout}; --timeout changes this time",
            self.endpoint
        ))
    }

    /// The answer is longer than any daemon's.
    pub(crate) fn too_much(&self, bound: &str) -> CliError {
        CliError::Failed(format!("{}: its answer is longer than {bound}; this is not ipcd", self.endpoint))
    }

    /// The answer is not from the expected service.
    pub(crate) fn not_there(&self, name: &str, line: &str) -> CliError {
        CliError::Failed(match other_service::of(line).filter(|found| *found != name) {
            Some(found) => format!("{}: this is {found}, not {name}", self.endpoint),
            None => {
                format!("{}: unexpected reply '{}'; is this {name}?", self.endpoint, quote(line.as_bytes()))
            }
        })
    }

    /// The meaning of an error, without its `Error: `: the service refuses, or another one does not understand us.
    pub(crate) fn refused(&self, name: &str, error: &str) -> CliError {
        let line = format!("{ERROR}{error}");
        match other_service::of(&line).filter(|found| *found != name) {
            Some(_) => self.not_there(name, &line),
            None => CliError::Refused(vec![error.to_owned()]),
        }
    }

    fn io_error(&self, error: &io::Error) -> CliError {
        let text = format!("{}: {}", self.endpoint, reason::of(&self.endpoint, error));
        match error.kind() {
            // A datagram was rejected: this is known only now.
            ErrorKind::ConnectionRefused => CliError::Unreachable(text),
            _ => CliError::Failed(text),
        }
    }
}

/// The connection with what the kind of endpoint adds to it: TLS, and a WebSocket.
fn wrapped(
    connection: Connection,
    endpoint: &ResolvedEndpoint,
    secure: Option<&Secure>,
    wanted: &ServiceSpec,
    host: &str,
) -> io::Result<Connection> {
    let connection = connection.secured(secure)?;
    Ok(match endpoint.scheme().transport.is_web {
        true => connection.in_frames(wanted.name, host),
        false => connection,
    })
}
