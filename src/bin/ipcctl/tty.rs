//! The terminal's settings and modes: taken for a screen, given back, and taken again as often as the program is stopped and
//! goes on. Knows no picture. (crossterm's own raw mode is entered once: it would not notice that a shell has changed the
//! settings meanwhile.)

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, queue};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// Buttons of the mouse, among them its wheel, as text (xterm's modes 1000 and 1006); crossterm's own would also send each
/// move.
const ENABLE_WHEEL: &str = "\x1b[?1000h\x1b[?1006h";
const DISABLE_WHEEL: &str = "\x1b[?1006l\x1b[?1000l";

/// The settings that we found, while it is ours.
static FOUND: Mutex<Option<Termios>> = Mutex::new(None);

fn found() -> std::sync::MutexGuard<'static, Option<Termios>> {
    FOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the terminal, or takes it again. In the background this stops the program, as any who writes there (SIGTTOU).
///
/// # Errors
/// Those of the terminal, one that is gone included.
pub(crate) fn take() -> io::Result<()> {
    let stdin = io::stdin();
    let settings = {
        let mut found = found();
        if found.is_none() {
            *found = Some(tcgetattr(&stdin)?);
        }
        found.clone()
    };
    if let Some(mut settings) = settings {
        settings.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &settings)?;
    }
    let mut stdout = io::stdout().lock();
    queue!(stdout, EnterAlternateScreen, EnableBracketedPaste)?;
    stdout.write_all(ENABLE_WHEEL.as_bytes())?;
    stdout.flush()
}

/// Gives the terminal back as it was. One that is gone, or was not taken, needs nothing.
pub(crate) fn give_back() {
    let Some(settings) = found().take() else { return };
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(DISABLE_WHEEL.as_bytes());
    let _ = queue!(stdout, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = stdout.flush();
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &settings);
}
