//! ipcctl on its own terminal, as a person sees it. Only for tests with the feature `tui`.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::harness::{Daemon, wait_until};

/// The longest that anything may take to appear: keys and signals pass through three processes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// ipcctl on a terminal of its own, and the terminal's contents.
pub struct PtySession {
    child: Child,
    master: File,
    slave: File,
    before: String,
    pub shown: Arc<(Mutex<Shown>, Condvar)>,
}

pub struct Shown {
    pub parser: vt100::Parser,
    /// Everything that was written to the terminal.
    bytes: Vec<u8>,
}

/// The part of a terminal's settings that can be compared.
fn settings(termios: &Termios) -> String {
    format!("{termios:?}")
}

impl PtySession {
    pub fn take(arguments: &[&str]) -> PtySession {
        PtySession::with(arguments, |_| {})
    }

    pub fn with(arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> PtySession {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        command.args(arguments);
        PtySession::of(command, prepare)
    }

    /// A shell with job control, which owns the terminal; ipcctl is found by its name.
    pub fn shell(shell: &[&str]) -> PtySession {
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(shell);
        let programs = Path::new(env!("CARGO_BIN_EXE_ipcctl")).parent().unwrap().display();
        let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).env("PS1", "ready$ ").env_remove("ENV").env_remove("HISTFILE");
        PtySession::of(command, |_| {})
    }

    /// ipcctl without a shell; it owns the terminal.
    pub fn session(arguments: &[&str]) -> PtySession {
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(env!("CARGO_BIN_EXE_ipcctl")).args(arguments);
        PtySession::of(command, |_| {})
    }

    /// ipcctl on a terminal that has this size from the beginning.
    pub fn sized(height: u16, width: u16, arguments: &[&str]) -> PtySession {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
        command.args(arguments);
        PtySession::at(height, width, command, |_| {})
    }

    fn of(command: Command, prepare: impl FnOnce(&mut Command)) -> PtySession {
        PtySession::at(24, 80, command, prepare)
    }

    fn at(rows: u16, columns: u16, mut command: Command, prepare: impl FnOnce(&mut Command)) -> PtySession {
        let (master, slave) = terminal();
        tcsetwinsize(&master, size(rows, columns)).unwrap();
        let before = settings(&tcgetattr(&slave).unwrap());

        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        let end = || slave.try_clone().unwrap();
        command.stdin(end()).stdout(end()).stderr(end());
        prepare(&mut command);
        let child = command.spawn().unwrap();

        let shown = Shown { parser: vt100::Parser::new(extent(rows), extent(columns), 0), bytes: Vec::new() };
        let shown = Arc::new((Mutex::new(shown), Condvar::new()));
        let (mut reader, writer) = (master.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let mut shown = writer.0.lock().unwrap();
                shown.parser.process(&buffer[..count]);
                shown.bytes.extend_from_slice(&buffer[..count]);
                writer.1.notify_all();
            }
        });
        PtySession { child, master, slave, before, shown }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The person's end of the terminal.
    pub fn master(&self) -> &File {
        &self.master
    }

    pub fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen meets this condition, and returns its rows.
    #[track_caller]
    pub fn wait_for(&self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) -> Vec<String> {
        let deadline = Instant::now() + TIMEOUT;
        let mut shown = self.shown.0.lock().unwrap();
        loop {
            let screen = shown.parser.screen();
            let rows = rows(screen);
            if is_so(screen) {
                return rows;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what} on:\n{}", rows.join("\n"));
            shown = self.shown.1.wait_timeout(shown, left).unwrap().0;
        }
    }

    /// Waits for a row that contains this.
    #[track_caller]
    pub fn see(&self, text: &str) -> Vec<String> {
        self.wait_for(text, |screen| count(&rows(screen), text) > 0)
    }

    /// Waits until exactly one row contains this.
    #[track_caller]
    pub fn see_once(&self, text: &str) {
        self.wait_for(&format!("{text} once"), |screen| count(&rows(screen), text) == 1);
    }

    /// Waits until the line that is being typed is this, with the cursor in that column.
    #[track_caller]
    pub fn see_typed(&self, text: &str, column: u16) {
        self.wait_for(&format!("{text:?} typed, and the cursor at {column}"), |screen| {
            let height = screen.size().0.get();
            // The keys are listed below it, if there is room for them.
            let typed = if height >= 10 { height - 2 } else { height - 1 };
            rows(screen)[usize::from(typed)].trim_end() == format!("> {text}").trim_end()
                && screen.cursor_position() == (typed, column + 2)
        });
    }

    pub fn resize(&self, height: u16, width: u16) {
        self.shown.0.lock().unwrap().parser.screen_mut().set_size(extent(height), extent(width));
        tcsetwinsize(&self.master, size(height, width)).unwrap();
        // The kernel signals the terminal's foreground group; this ipcctl has no session of its own.
        self.signal(Signal::WINCH);
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id() as i32).unwrap(), signal).unwrap();
    }

    /// Waits for the end, and checks that the terminal is as before.
    #[track_caller]
    pub fn end(mut self) -> (ExitStatus, Vec<u8>) {
        let status = wait_until("ipcctl ends", || self.child.try_wait().unwrap());
        assert_eq!(settings(&tcgetattr(&self.slave).unwrap()), self.before);
        self.wait_for("the terminal as it was", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
        });
        let bytes = self.shown.0.lock().unwrap().bytes.clone();
        (status, bytes)
    }
}

impl Drop for PtySession {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both ends of a terminal: the person's, and the program's.
pub fn terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (File::from(master), File::from(slave))
}

fn size(height: u16, width: u16) -> Winsize {
    Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 }
}

fn extent(size: u16) -> NonZero<u16> {
    NonZero::new(size).unwrap()
}

pub fn rows(screen: &vt100::Screen) -> Vec<String> {
    screen.rows(0, screen.size().1.get()).map(|row| row.trim_end().to_owned()).collect()
}

pub fn mux(daemon: &Daemon) -> String {
    format!("unix://{}", daemon.socket().display())
}

/// How many times a text is on the screen.
pub fn count(rows: &[String], text: &str) -> usize {
    rows.iter().filter(|row| row.contains(text)).count()
}

/// Checks that none of the control sequences that a peer sent was written to the terminal.
#[track_caller]
pub fn assert_no_control_sequences(bytes: &[u8]) {
    let bytes = String::from_utf8_lossy(bytes);
    for sequence in ["\x1b]", "\x07", "\x1bc", "\u{9b}", "\u{202e}", "\x1b[31mred"] {
        assert!(!bytes.contains(sequence), "{sequence:?} in {bytes:?}");
    }
}
