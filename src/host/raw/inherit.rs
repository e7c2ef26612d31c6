//! Descriptors from the service manager (sd_listen_fds(3)): turns numbers in the environment into owned descriptors.

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::host::foreign;
use crate::os_error::describe;

/// A descriptor that was handed over.
#[derive(Debug)]
pub struct Inherited {
    /// The descriptor, close-on-exec.
    pub fd: OwnedFd,
    /// Its name: FileDescriptorName= of a socket unit, or the FDNAME it was stored under.
    pub name: String,
}

/// Takes the descriptors of LISTEN_FDS, LISTEN_PID, LISTEN_PIDFDID and LISTEN_FDNAMES; a second call returns none. Call it
/// before the process opens anything itself, so that a wrong LISTEN_FDS cannot name our own descriptors.
///
/// # Errors
/// What is wrong with the variables. Then nothing is taken.
pub fn take() -> Result<Vec<Inherited>, String> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    if foreign::other_pidfd_id().is_some() {
        return Ok(Vec::new());
    }
    let named = sd_notify::listen_fds_with_names().map_err(|error| {
        format!("the descriptors of LISTEN_FDS cannot be used: {}; they are ignored", describe(&error))
    })?;
    let owned = named.map(|(fd, name)| {
        // SAFETY: sd_listen_fds(3) gives these numbers, from 3 on, to this very process (LISTEN_PID was compared), and
        // sd-notify has just found each of them open. Nothing else owns them: nothing has been opened before this call,
        // and no second call comes this far.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Inherited { fd, name }
    });
    Ok(owned.collect())
}
