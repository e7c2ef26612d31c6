//! Queued signals with a value (sigqueue(3)): SIGRTMIN+1 is used.

use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::time::Duration;

use nix::libc::{self, siginfo_t, sigset_t, sigval, timespec};

fn number() -> i32 {
    libc::SIGRTMIN() + 1
}

fn set() -> sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset(3) makes the whole set, and cannot fail for memory that is there; the number is a signal's.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), number());
        set.assume_init()
    }
}

/// From now on the signal waits until it is [taken](wait), in this thread and those that it starts.
///
/// # Errors
/// The C library's (pthread_sigmask(3)).
pub fn block() -> io::Result<()> {
    // SAFETY: a set that is only read, and no room for the old one.
    match unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set(), null_mut()) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Queues the signal for a process, with a value.
///
/// # Errors
/// EPERM: it is another user's. ESRCH: there is none. EAGAIN: too many are queued (RLIMIT_SIGPENDING).
pub fn queue(pid: i32, value: usize) -> io::Result<()> {
    let value = sigval { sival_ptr: std::ptr::without_provenance_mut(value) };
    // SAFETY: numbers; the value is a number too, which is never used as an address.
    match unsafe { libc::sigqueue(pid, number(), value) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits for the signal, which must be [blocked](block), and takes it; returns its value. `None`: it did not come in time.
///
/// # Errors
/// EINTR: another signal came (sigtimedwait(2)).
pub fn wait(timeout: Duration) -> io::Result<Option<usize>> {
    let mut info = MaybeUninit::<siginfo_t>::zeroed();
    let timeout = timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
    // SAFETY: a set and a time that are only read, and space for the signal's details, for which zeros are valid. It is a
    // queued signal, so that it has a value, of which the number is taken.
    unsafe {
        if libc::sigtimedwait(&set(), info.as_mut_ptr(), &timeout) == number() {
            return Ok(Some(info.assume_init_ref().si_value().sival_ptr.addr()));
        }
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        error => Err(error),
    }
}

extern "C" fn nothing(_: i32) {}

/// From now on SIGTERM, SIGINT and SIGHUP only interrupt system calls that wait (EINTR).
///
/// # Errors
/// The C library's (sigaction(2)).
pub fn only_interrupt() -> io::Result<()> {
    for number in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let handler: extern "C" fn(i32) = nothing;
        // SAFETY: all zero but for a function that may be called at any time; without SA_RESTART.
        let outcome = unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = handler as libc::sighandler_t;
            libc::sigaction(number, &action, null_mut())
        };
        if outcome != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_for_a_signal_ends_at_the_timeout() {
        block().unwrap();
        assert_eq!(wait(Duration::ZERO).unwrap(), None);
    }
}
