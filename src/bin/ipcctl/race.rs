//! Connects to a host with several addresses: the next address is tried when one has failed, or after a quarter of a
//! second in any case (RFC 8305, section 5); the first connection wins. Knows no message.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use ipcd::endpoint::ResolvedEndpoint;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::connection::Connection;

/// How long to wait for an address before trying the next one in parallel.
const HEAD_START: Duration = Duration::from_millis(250);

/// A tried address, and why it failed.
pub(crate) type Tried = Vec<(ResolvedEndpoint, io::Error)>;

/// Connects to one of these and gives up the others. `deadline`: `None` waits as long as the kernel does.
///
/// # Errors
/// Why each of them failed; those still waiting at the deadline are `TimedOut`.
pub(crate) fn connect(
    endpoints: &[ResolvedEndpoint],
    deadline: Option<Instant>,
) -> Result<(Connection, ResolvedEndpoint), Tried> {
    let mut tried = Tried::new();
    let mut pending: Vec<(Connection, ResolvedEndpoint)> = Vec::new();
    let mut waiting = endpoints.iter();
    let mut next_at = Instant::now();
    loop {
        let now = Instant::now();
        if pending.is_empty() || now >= next_at {
            match waiting.next() {
                Some(endpoint) => match Connection::open_soon(endpoint) {
                    Ok(connection) => {
                        pending.push((connection, endpoint.clone()));
                        next_at = now + HEAD_START;
                    }
                    Err(error) => {
                        tried.push((endpoint.clone(), error));
                        continue;
                    }
                },
                None if pending.is_empty() => return Err(tried),
                None => {}
            }
        }
        if deadline.is_some_and(|deadline| now >= deadline) {
            let late = |endpoint| (endpoint, io::Error::from(ErrorKind::TimedOut));
            tried.extend(pending.into_iter().map(|(_, endpoint)| late(endpoint)));
            tried.extend(waiting.cloned().map(late));
            return Err(tried);
        }
        let until = match waiting.len() {
            0 => deadline,
            _ => Some(deadline.map_or(next_at, |deadline| deadline.min(next_at))),
        };
        let ready = wait(&pending, until);
        let mut at = 0;
        for is_ready in ready {
            match is_ready.then(|| pending[at].0.connected()) {
                None => at += 1,
                Some(Ok(())) => return Ok(pending.swap_remove(at)),
                Some(Err(error)) => {
                    tried.push((pending.remove(at).1, error));
                    next_at = now;
                }
            }
        }
    }
}

/// Waits until one of them succeeds or fails.
fn wait(pending: &[(Connection, ResolvedEndpoint)], until: Option<Instant>) -> Vec<bool> {
    let descriptors = pending.iter().map(|(connection, _)| connection.descriptors().1);
    let mut fds: Vec<PollFd<'_>> =
        descriptors.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT)).collect();
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    let left: Option<Timespec> = left.and_then(|left| left.try_into().ok());
    match poll(&mut fds, left.as_ref()) {
        Err(Errno::INTR) | Ok(_) => fds.iter().map(|fd| !fd.revents().is_empty()).collect(),
        // One that cannot be polled is checked at once, and reports its own error.
        Err(_) => vec![true; pending.len()],
    }
}
