//! The terminal's settings and modes: set for a screen, restored, and set again whenever the program is stopped and
//! resumed. Does not draw. (crossterm enters raw mode only once, so it would not notice that a shell has changed the
//! settings meanwhile.)

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, queue};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// Mouse buttons, including the wheel, as text (xterm's modes 1000 and 1006); crossterm's own setting would also send each
/// move.
const ENABLE_WHEEL: &str = "\x1b[?1000h\x1b[?1006h";
const DISABLE_WHEEL: &str = "\x1b[?1006l\x1b[?1000l";

/// The original settings, while we have the terminal.
static FOUND: Mutex<Option<Termios>> = Mutex::new(None);

fn found() -> std::sync::MutexGuard<'static, Option<Termios>> {
    FOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes over the terminal, also again. In the background this stops the program, like any write to the terminal (SIGTTOU).
///
/// # Errors
/// Those of the terminal, also if it is gone.
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

/// Restores the terminal. Does nothing if it is gone or was not taken over.
pub(crate) fn give_back() {
    let Some(settings) = found().take() else { return };
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(DISABLE_WHEEL.as_bytes());
    let _ = queue!(stdout, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = stdout.flush();
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &settings);
}
