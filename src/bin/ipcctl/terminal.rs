//! The terminal: drawing, restoring it whenever the program stops or ends, and all events while we have it.

use std::io::{self, BufWriter, Read, Stdout, Write};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use crossterm::event::{
    self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEvent, MouseEventKind,
};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use rustix::event::PollFlags;
use rustix::process::{Signal, kill_current_process_group};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::daemon::Conversation;
use super::error::CliError;
use super::{connection, tty};
use ipcd::os_error::describe;

/// The rough maximum size of a frame: a large screen, all of it new.
const FRAME_BYTES: usize = 64 << 10;

/// An event.
pub(crate) enum ScreenEvent {
    /// A key.
    Key(KeyEvent),
    /// Pasted text, unchanged.
    Paste(String),
    /// The mouse wheel: this many rows up, or down if negative.
    Wheel(isize),
    /// The screen was resized or regained: redraw.
    Redraw,
    /// The conversation had a turn: check for lines, and for its end.
    Daemon(Result<(), CliError>),
    /// The deadline has passed.
    Due,
}

/// Rows for one notch of the wheel.
const WHEEL_ROWS: isize = 3;

/// The whole screen, until this is dropped; a panic restores the terminal before its message.
pub(crate) struct Screen {
    /// Never dropped: its destructor shows the cursor, which we do ourselves, and panics if the terminal is gone.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
    /// The last frame.
    area: Rect,
    keys: Receiver<io::Result<Event>>,
    /// A byte for each key.
    key_waker: UnixStream,
    /// A byte for each signal that ends the program.
    signal_waker: UnixStream,
    signal: Arc<AtomicUsize>,
    /// A byte each time the program continues after a stop.
    resume_waker: UnixStream,
}

impl Screen {
    /// Takes the terminal over.
    pub(crate) fn enter() -> Result<Screen, CliError> {
        Screen::open().map_err(|error| {
            tty::give_back();
            failed(&error)
        })
    }

    fn open() -> io::Result<Screen> {
        let (signal_waker, ringer) = UnixStream::pair()?;
        ringer.set_nonblocking(true)?;
        let signal = Arc::default();
        for number in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
            // First the signal's number, then the wake-up: handlers run in the order of their registration.
            signal_hook::flag::register_usize(number, Arc::clone(&signal), number as usize)?;
            signal_hook::low_level::pipe::register(number, ringer.try_clone()?)?;
        }
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            tty::give_back();
            before(panic);
        }));
        let (resume_waker, ringer) = UnixStream::pair()?;
        ringer.set_nonblocking(true)?;
        resume_waker.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGCONT, ringer)?;
        tty::take()?;
        let area = area()?;
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        // One write for each frame, so that a partial frame is never visible.
        let stdout = BufWriter::with_capacity(FRAME_BYTES, io::stdout());
        let terminal = ManuallyDrop::new(Terminal::with_options(CrosstermBackend::new(stdout), options)?);
        let (keys, key_waker) = keyboard()?;
        Ok(Screen { terminal, area, keys, key_waker, signal_waker, signal, resume_waker })
    }

    /// Draws a frame; only changes are written.
    pub(crate) fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> Result<(), CliError> {
        self.fit().and_then(|()| self.terminal.draw(view).map(|_| ())).map_err(|error| failed(&error))
    }

    /// Updates to the current size of the terminal.
    fn fit(&mut self) -> io::Result<()> {
        let area = area()?;
        if area != self.area {
            self.area = area;
            self.terminal.resize(area)?;
        }
        Ok(())
    }

    /// Stops the program, as Ctrl-Z does elsewhere, and continues when it is resumed.
    fn suspend(&mut self) -> io::Result<()> {
        tty::give_back();
        // The whole process group, as the terminal would do: a script that waits for us is stopped too, and the shell
        // notices. If no shell could resume us, the kernel ignores this.
        kill_current_process_group(Signal::TSTP)?;
        self.resume()
    }

    /// Takes over the terminal again, whatever was done to it meanwhile.
    fn resume(&mut self) -> io::Result<()> {
        tty::take()?;
        self.area = area()?;
        // The next frame is drawn completely.
        self.terminal.resize(self.area)
    }

    /// Waits for the next event: on the terminal, in the conversation if there is one, or the deadline.
    /// A signal that ends the program is [`CliError::Signal`]; hand it on.
    pub(crate) fn next(
        &mut self,
        daemon: Option<&mut Conversation>,
        deadline: Option<Instant>,
    ) -> Result<ScreenEvent, CliError> {
        loop {
            let nothing = [(None, PollFlags::IN), (None, PollFlags::OUT)];
            let [from, to] = daemon.as_ref().map_or(nothing, |daemon| daemon.interest());
            let key = (Some(self.key_waker.as_fd()), PollFlags::IN);
            let signal = (Some(self.signal_waker.as_fd()), PollFlags::IN);
            // POLLHUP is always reported; the keyboard's thread would not notice the end.
            let stdin = io::stdin();
            let hangup = (Some(stdin.as_fd()), PollFlags::empty());
            let wake = (Some(self.resume_waker.as_fd()), PollFlags::IN);
            let ready = connection::wait([signal, hangup, wake, key, from, to], deadline);
            let [signal, hangup, wake, key, read, write] = ready.map_err(|error| failed(&error))?;
            if signal {
                return Err(CliError::Signal(self.signal.load(Ordering::SeqCst) as i32));
            }
            if hangup {
                return Err(CliError::Failed("the terminal is gone".to_owned()));
            }
            if wake {
                while matches!(self.resume_waker.read(&mut [0; 64]), Ok(1..)) {}
                self.resume().map_err(|error| failed(&error))?;
                return Ok(ScreenEvent::Redraw);
            }
            if key {
                self.key_waker.read_exact(&mut [0]).map_err(|error| failed(&error))?;
                match self.keys.recv() {
                    Ok(Ok(Event::Key(key))) if is_suspend(key) => {
                        self.suspend().map_err(|error| failed(&error))?;
                        return Ok(ScreenEvent::Redraw);
                    }
                    Ok(Ok(Event::Mouse(MouseEvent { kind: MouseEventKind::ScrollUp, .. }))) => {
                        return Ok(ScreenEvent::Wheel(WHEEL_ROWS));
                    }
                    Ok(Ok(Event::Mouse(MouseEvent { kind: MouseEventKind::ScrollDown, .. }))) => {
                        return Ok(ScreenEvent::Wheel(-WHEEL_ROWS));
                    }
                    Ok(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                        return Ok(ScreenEvent::Key(key));
                    }
                    Ok(Ok(Event::Paste(text))) => return Ok(ScreenEvent::Paste(text)),
                    Ok(Ok(Event::Resize(..))) => return Ok(ScreenEvent::Redraw),
                    Ok(Err(error)) => return Err(failed(&error)),
                    Ok(Ok(_)) | Err(_) => continue,
                }
            }
            match daemon {
                Some(daemon) if read || write => return Ok(ScreenEvent::Daemon(daemon.turn())),
                _ => return Ok(ScreenEvent::Due),
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        tty::give_back();
    }
}

fn is_suspend(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('z')
        && key.modifiers.contains(KeyModifiers::CONTROL)
        && key.kind != KeyEventKind::Release
}

/// The size of the output terminal. (crossterm would use the controlling terminal, which may be a different one.)
fn area() -> io::Result<Rect> {
    let size = rustix::termios::tcgetwinsize(io::stdout())?;
    // A terminal that does not know its size says 0.
    let or = |size, usual| if size == 0 { usual } else { size };
    Ok(Rect::new(0, 0, or(size.ws_col, 80), or(size.ws_row, 24)))
}

/// Reads the keyboard in a thread, because crossterm can only wait for the keyboard; each event wakes the main thread.
fn keyboard() -> io::Result<(Receiver<io::Result<Event>>, UnixStream)> {
    let (waker, mut ringer) = UnixStream::pair()?;
    let (sender, keys) = mpsc::sync_channel(64);
    std::thread::Builder::new().name("keyboard".to_owned()).spawn(move || {
        loop {
            let event = event::read();
            let is_last = event.is_err();
            if sender.send(event).is_err() || ringer.write_all(&[0]).is_err() || is_last {
                return;
            }
        }
    })?;
    Ok((keys, waker))
}

fn failed(error: &io::Error) -> CliError {
    CliError::Failed(format!("terminal: {}", describe(error)))
}
