//! Standard input in lines, read only when data is available, so that it never blocks the conversation.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::buffer::spare_capacity;

use super::error::CliError;
use ipcd::os_error::describe;

/// The longest line, in bytes: the daemon accepts far less, and says so.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The size of a read, in bytes.
const READ_BYTES: usize = 64 << 10;

/// Standard input. Lines without their ends, in UTF-8, with U+FFFD for invalid sequences.
pub(crate) struct Input {
    stdin: io::Stdin,
    partial: Vec<u8>,
    lines: VecDeque<String>,
    is_over: bool,
}

impl Input {
    pub(crate) fn new() -> Input {
        Input { stdin: io::stdin(), partial: Vec::new(), lines: VecDeque::new(), is_over: false }
    }

    /// The descriptor to wait for, unless it has ended or lines are left.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (!self.is_over && self.lines.is_empty()).then(|| self.stdin.as_fd())
    }

    /// Reads once, when data is available.
    pub(crate) fn turn(&mut self) -> Result<(), CliError> {
        let failed = |text: &str| Err(CliError::Failed(format!("standard input: {text}")));
        let start = self.partial.len();
        self.partial.reserve(READ_BYTES);
        match rustix::io::read(&self.stdin, spare_capacity(&mut self.partial)).map_err(io::Error::from) {
            Ok(0) => {
                self.is_over = true;
                self.cut(self.partial.len());
            }
            Ok(_) => {
                if let Some(end) = memchr::memrchr(b'\n', &self.partial[start..]) {
                    self.cut(start + end + 1);
                }
                if self.partial.len() > LINE_BYTES_MAX {
                    return failed("a line is longer than 1 MiB");
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return failed(&describe(&error)),
        }
        Ok(())
    }

    fn cut(&mut self, count: usize) {
        let bytes = &self.partial[..count];
        if count > 0 {
            let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            let line =
                |line: &[u8]| String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
            self.lines.extend(bytes.split(|byte| *byte == b'\n').map(line));
        }
        self.partial.drain(..count);
    }

    /// The next complete line.
    pub(crate) fn line(&mut self) -> Option<String> {
        self.lines.pop_front()
    }

    /// Whether a complete line is available.
    pub(crate) fn has_line(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Whether it has ended and every line was taken.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over && self.lines.is_empty()
    }
}
