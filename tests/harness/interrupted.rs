//! Calls that a signal interrupts. A read with a timeout from a socket ends with EINTR whenever the process is stopped and goes on,
//! even without a handler (signal(7)): a machine that is paused, a debugger.

use std::io::{ErrorKind, Result};

/// What the call returns once it is not interrupted. Of the calls for reading, `read`, `recv` and `peek` need it; std itself
/// repeats the others.
pub fn uninterrupted<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
