//! Log lines on standard error. A terminal stopped with Ctrl-S, a pipe that nobody reads and a full disk lose
//! lines, which are counted and reported; they never block the daemon.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use log::Level;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, fcntl_dupfd_cloexec, retry_on_intr, write};
use rustix::net::{SendFlags, send};
use rustix::pipe::PIPE_BUF;
use rustix::termios::isatty;

use super::reopen;
use super::time;

/// From here on, output to standard error is discarded.
pub fn discard() {
    let nothing = openat(CWD, "/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    // If no descriptor is left or /dev is missing, the session cannot start anyway.
    let _ = nothing.and_then(|nothing| rustix::stdio::dup2_stderr(&nothing));
}

/// How a line shows its time and level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For the journal, which adds the time: a priority, `<4>…` (sd-daemon(3)).
    Priority,
    /// On a terminal: `16:12:57 warning: …`.
    Terminal,
    /// In a file, a pipe or a socket: `2026-11-28T16:12:57.123+01:00 warning: …`.
    File,
}

impl Style {
    /// The beginning of a line that is written now.
    pub fn prefix(self, level: Level) -> String {
        let word = match level {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        match self {
            Style::Priority => {
                let priority = match level {
                    Level::Error => "<3>",
                    Level::Warn => "<4>",
                    Level::Info => "<6>",
                    Level::Debug | Level::Trace => "<7>",
                };
                priority.to_owned()
            }
            Style::Terminal => format!("{} {word}: ", time::short()),
            Style::File => format!("{} {word}: ", time::full()),
        }
    }
}

/// Accepts log lines, one per `write`, and never blocks or fails. A line that cannot be written at once is dropped whole
/// and counted; before the next line that can be written, a line says how many were lost.
#[derive(Debug)]
pub struct Sink {
    mode: WriteMode,
    style: Style,
    /// The number of lines dropped since the last one that was written.
    lost: u64,
    /// The total of dropped lines.
    dropped: u64,
    /// The unwritten rest of a line: at most one line.
    rest: Vec<u8>,
}

/// How to write without blocking.
#[derive(Debug)]
enum WriteMode {
    /// There is no standard error.
    Closed,
    /// A file, or a device that does not block.
    Plain(OwnedFd),
    /// A pipe, FIFO or terminal with our own open file description, with O_NONBLOCK.
    NonBlocking(OwnedFd),
    /// One that could not be reopened: polled each time for space for PIPE_BUF bytes.
    Polled(OwnedFd),
    /// The same for standard error itself, because no descriptor was left.
    Shared,
    /// A socket, such as the journal's.
    Socket(OwnedFd),
}

impl Sink {
    /// A sink for the current standard error. Create it after standard error was redirected (after detaching).
    pub fn stderr(style: Style) -> Self {
        // 3: the three standard streams keep their numbers, even if they are closed.
        match fcntl_dupfd_cloexec(io::stderr(), 3) {
            Ok(fd) => Sink::new(fd, style),
            Err(error) => {
                let mode = if error == Errno::BADF { WriteMode::Closed } else { WriteMode::Shared };
                Sink { mode, style, lost: 0, dropped: 0, rest: Vec::new() }
            }
        }
    }

    /// A sink for any descriptor, without a change for other processes that share it.
    pub fn new(fd: OwnedFd, style: Style) -> Self {
        let kind = fstat(&fd).map(|it| FileType::from_raw_mode(it.st_mode));
        let mode = match kind {
            Ok(FileType::Socket) => WriteMode::Socket(fd),
            Ok(FileType::Fifo) => unshared(fd),
            Ok(FileType::CharacterDevice) if isatty(&fd) => unshared(fd),
            Ok(_) => WriteMode::Plain(fd),
            Err(_) => WriteMode::Polled(fd),
        };
        Sink { mode, style, lost: 0, dropped: 0, rest: Vec::new() }
    }

    /// Switches to another descriptor. Lines dropped so far are reported there.
    pub fn move_to(&mut self, other: Sink) {
        let cut = u64::from(!self.rest.is_empty());
        *self = Sink { lost: self.lost + cut, dropped: self.dropped + cut, ..other };
    }

    /// The number of lines dropped in all.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The number of lines dropped and not yet reported.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes a line, or returns `false` and writes nothing. The rest of a partly written line is kept.
    fn put(&mut self, line: &[u8]) -> bool {
        let rest = std::mem::take(&mut self.rest);
        let unwritten = self.mode.write_some(&rest);
        if unwritten > 0 {
            self.rest = rest;
            self.rest.drain(..self.rest.len() - unwritten);
            return false;
        }
        let unwritten = self.mode.write_some(line);
        if unwritten == line.len() && !line.is_empty() {
            return false;
        }
        self.rest.extend_from_slice(&line[line.len() - unwritten..]);
        true
    }

    /// The line about lost lines.
    fn loss(&self) -> String {
        let prefix = self.style.prefix(Level::Warn);
        let lines = if self.lost == 1 { "line" } else { "lines" };
        format!("{prefix}{} log {lines} could not be written\n", self.lost)
    }
}

impl Write for Sink {
    /// Accepts one line with its newline. Always reports that all of it was written.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lost > 0 && self.put(self.loss().as_bytes()) {
            self.lost = 0;
        }
        if self.lost > 0 || !self.put(line) {
            self.lost += 1;
            self.dropped += 1;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteMode {
    /// Writes until the kernel accepts no more, and returns how many bytes are left.
    fn write_some(&self, bytes: &[u8]) -> usize {
        let mut left = bytes;
        while !left.is_empty() {
            match retry_on_intr(|| self.write_once(left)) {
                Ok(written) if written > 0 => left = &left[written..],
                // There is no place to report the error; the line counts as lost.
                _ => break,
            }
        }
        left.len()
    }

    fn write_once(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self {
            WriteMode::Closed => Err(Errno::BADF),
            WriteMode::Plain(fd) | WriteMode::NonBlocking(fd) => write(fd, bytes),
            WriteMode::Polled(fd) => write_if_taken(fd.as_fd(), bytes),
            WriteMode::Shared => write_if_taken(io::stderr().as_fd(), bytes),
            WriteMode::Socket(fd) => send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
        }
    }
}

/// Writes what a blocking descriptor accepts without blocking.
fn write_if_taken(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    let mut asked = [PollFd::new(&fd, PollFlags::OUT)];
    poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    if !asked[0].revents().contains(PollFlags::OUT) {
        return Err(Errno::AGAIN);
    }
    write(fd, &bytes[..bytes.len().min(PIPE_BUF)])
}

/// Reopens a pipe or terminal, because O_NONBLOCK belongs to the open file description: set on the inherited one,
/// it would affect the shell that started us, and every other writer.
fn unshared(fd: OwnedFd) -> WriteMode {
    match reopen::nonblocking(fd.as_fd(), OFlags::WRONLY) {
        Ok(own) => WriteMode::NonBlocking(own),
        // Another user's pipe (after a change of user), or there is no /proc.
        Err(_) => WriteMode::Polled(fd),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::io::Read;
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::time::{Duration, Instant};

    use rustix::fs::fcntl_getfl;
    use rustix::io::dup;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    const LINE: &[u8] = b"info: 0123456789 0123456789 0123456789 0123456789 0123456\n";

    /// A terminal's line without the time at its beginning.
    fn untimed(text: &str) -> &str {
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.len() == 8 && time.chars().all(|c| c == ':' || c.is_ascii_digit()), "{text}");
        rest
    }

    /// Writes until lines are lost, and says how many were not.
    fn fill(sink: &mut Sink) -> u64 {
        let mut written = 0;
        while sink.lost() < 3 {
            sink.write_all(LINE).unwrap();
            written += 1;
        }
        written - 3
    }

    /// A full sink accepts lines again once somebody has read, and reports the lost ones.
    fn loses_and_recovers(sink: &mut Sink, reader: &mut (impl Read + AsFd)) {
        let written = fill(sink);
        assert!(written > 0);
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut text = String::new();
        let mut buffer = vec![0; 65536];
        while !text.ends_with("again\n") {
            assert!(Instant::now() < deadline, "still {} lost", sink.lost());
            let mut asked = [PollFd::new(&*reader, PollFlags::IN)];
            if poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 })).unwrap() > 0 {
                let n = reader.read(&mut buffer).unwrap();
                // A terminal makes CR LF of LF.
                text.push_str(&String::from_utf8_lossy(&buffer[..n]).replace('\r', ""));
            } else if sink.lost() > 0 {
                sink.write_all(b"info: again\n").unwrap();
            }
        }
        let line = std::str::from_utf8(LINE).unwrap();
        let rest = text.strip_prefix(&line.repeat(written as usize)).expect("whole lines, in order");
        let notice = untimed(rest.strip_suffix("info: again\n").unwrap());
        assert!(notice.starts_with("warning: ") && notice.ends_with(" log lines could not be written\n"));
        assert_eq!(notice.lines().count(), 1);
        assert_eq!(sink.lost(), 0);
    }

    #[test]
    fn unread_pipe_loses_lines_without_blocking() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let shared = dup(&writer).unwrap();
        let mut sink = Sink::new(writer, Style::Terminal);
        assert!(matches!(sink.mode, WriteMode::NonBlocking(_)));
        loses_and_recovers(&mut sink, &mut File::from(reader));
        assert!(!fcntl_getfl(&shared).unwrap().contains(OFlags::NONBLOCK), "who shares the pipe may wait");
    }

    #[test]
    fn unreopenable_pipe_is_polled_before_writing() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut sink = Sink::new(writer.try_clone().unwrap(), Style::Terminal);
        sink.mode = WriteMode::Polled(writer);
        loses_and_recovers(&mut sink, &mut File::from(reader));
    }

    #[test]
    fn pipe_without_a_reader_is_no_error() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut sink = Sink::new(writer, Style::Terminal);
        drop(reader);
        sink.write_all(LINE).unwrap();
        assert_eq!(sink.lost(), 1);
    }

    #[test]
    fn stopped_terminal_loses_lines_without_blocking() {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let terminal =
            openat(CWD, name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
                .unwrap();
        let mut sink = Sink::new(terminal, Style::Terminal);
        assert!(matches!(sink.mode, WriteMode::NonBlocking(_)));
        loses_and_recovers(&mut sink, &mut File::from(master));
    }

    #[test]
    fn unread_socket_loses_lines_without_blocking() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut sink = Sink::new(ours.into(), Style::Terminal);
        loses_and_recovers(&mut sink, &mut theirs);
        drop(theirs);
        sink.write_all(LINE).unwrap();
        assert_eq!(sink.lost(), 1, "and no SIGPIPE");

        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let mut sink = Sink::new(ours.into(), Style::Priority);
        fill(&mut sink);
        let mut buffer = [0; 100];
        theirs.set_nonblocking(true).unwrap();
        while theirs.recv(&mut buffer).is_ok() {}
        sink.write_all(b"<6>again\n").unwrap();
        let n = theirs.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..n], b"<4>3 log lines could not be written\n");
    }

    #[test]
    fn full_disk_is_counted() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut sink = Sink::new(full.into(), Style::Terminal);
        for _ in 0..3 {
            sink.write_all(LINE).unwrap();
        }
        assert_eq!((sink.lost(), sink.rest.len()), (3, 0));
        assert_eq!(untimed(&sink.loss()), "warning: 3 log lines could not be written\n");
        sink.mode = WriteMode::Plain(File::create("/dev/null").unwrap().into());
        sink.write_all(LINE).unwrap();
        assert_eq!(sink.lost(), 0);
    }

    #[test]
    fn line_has_a_time_where_nothing_else_adds_one() {
        assert_eq!(Style::Priority.prefix(Level::Debug), "<7>");
        assert_eq!(untimed(&Style::Terminal.prefix(Level::Info)), "info: ");
        let full = Style::File.prefix(Level::Error);
        let (time, word) = full.split_at("2026-11-28T16:12:57.123+01:00".len());
        assert_eq!(word, " error: ");
        let shape = time.replace(|c: char| c.is_ascii_digit(), "9").replace('-', "+");
        assert_eq!(shape, "9999+99+99T99:99:99.999+99:99");
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    }

    #[test]
    fn one_lost_line_is_reported_as_one_line() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut sink = Sink::new(full.into(), Style::Terminal);
        sink.write_all(LINE).unwrap();
        assert_eq!(untimed(&sink.loss()), "warning: 1 log line could not be written\n");
    }

    #[test]
    fn file_is_shared_with_other_writers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut file = File::create(&path).unwrap();
        let mut sink = Sink::new(dup(&file).unwrap(), Style::Terminal);
        file.write_all(b"before\n").unwrap();
        sink.write_all(b"info: between\n").unwrap();
        file.write_all(b"after\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\ninfo: between\nafter\n");
    }

    #[test]
    fn unfinished_line_is_completed_first() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let mut sink = Sink::new(writer, Style::Terminal);
        // Longer than a pipe takes at once, and so not atomic.
        let long = [b'x'; 100_000];
        sink.write_all(&long).unwrap();
        let rest = sink.rest.len();
        assert!(rest > 0 && sink.lost() == 0);
        sink.write_all(LINE).unwrap();
        assert_eq!((sink.rest.len(), sink.lost()), (rest, 1));

        let mut reader = File::from(reader);
        let mut got = vec![0; long.len() - rest];
        reader.read_exact(&mut got).unwrap();
        sink.write_all(LINE).unwrap();
        drop(sink);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let told = text.strip_prefix(&"x".repeat(rest)).unwrap();
        let expected = "warning: 1 log line could not be written\n".to_owned();
        assert_eq!(untimed(told), expected + std::str::from_utf8(LINE).unwrap());
    }

    #[test]
    fn missing_standard_error_never_fails() {
        let mut sink =
            Sink { mode: WriteMode::Closed, style: Style::Terminal, lost: 0, dropped: 0, rest: Vec::new() };
        sink.write_all(LINE).unwrap();
        sink.flush().unwrap();
        assert_eq!(sink.lost(), 1);
        sink.write_all(b"").unwrap();
    }
}
