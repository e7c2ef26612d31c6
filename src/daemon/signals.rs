//! Clients that get a signal when something was said: a queued one (sigqueue(3)), whose value is the number of messages since
//! the previous one.

use std::io::ErrorKind;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, geteuid, pidfd_open, test_kill_process};

use super::Daemon;
use super::recipient::Recipient;
use crate::engine::message::{ConnectionId, RemoteAddress, Timestamp};
use crate::engine::service::Service;
use crate::host::raw::signal;

/// The most clients that get signals.
const RECIPIENTS_MAX: usize = 64;

/// The shortest time between two signals to one client; what is said meanwhile is counted in the next one.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a process of this user gets no signals from a daemon of user `own`.
fn refusal(uid: u32, own: u32) -> Option<String> {
    (uid != own).then(|| {
        format!(
            "signals go only to processes of the daemon's own user (uid {own}), and yours has uid {uid}; the drop-in /usr/share/doc/ipcd/examples/signals.conf runs it as another user"
        )
    })
}

impl Daemon {
    /// From now on, the process behind this connection gets signals.
    pub(super) fn register(&mut self, peer: ConnectionId) -> Result<(), Vec<String>> {
        if self.recipients.iter().any(|recipient| recipient.peer == peer) {
            return Ok(());
        }
        self.recipient(peer).map(|recipient| self.recipients.push(recipient)).map_err(|error| vec![error])
    }

    fn recipient(&self, peer: ConnectionId) -> Result<Recipient, String> {
        let Some(RemoteAddress::Process { uid, pid, .. }) = self.reactor.engine().remote(peer) else {
            return Err(
                "the kernel does not identify your process, so no signal can be sent; use a Unix socket"
                    .to_owned(),
            );
        };
        if let Some(error) = refusal(uid, geteuid().as_raw()) {
            return Err(error);
        }
        if self.recipients.len() >= RECIPIENTS_MAX {
            return Err(format!("{RECIPIENTS_MAX} clients get signals already; try again later"));
        }
        let unseen = "the daemon cannot see your process, which is in another PID namespace";
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(unseen)?;
        let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| unseen)?;
        test_kill_process(pid).map_err(|errno| match errno {
            Errno::PERM => format!(
                "the daemon may not send signals to pid {} (EPERM); if its unit's sandbox forbids that, the drop-in /usr/share/doc/ipcd/examples/signals.conf allows it",
                pid.as_raw_nonzero()
            ),
            errno => format!("no signal can be sent to pid {}: {errno}", pid.as_raw_nonzero()),
        })?;
        Ok(Recipient { peer, pid, process, told: self.said(), next: self.reactor.now() })
    }

    /// What was said in the room, and what machines have reported, since the start.
    fn said(&self) -> u64 {
        let counters = self.reactor.engine().counters();
        [Service::Chat, Service::Stats].into_iter().map(|service| counters.of(service).messages).sum()
    }

    /// Sends the signals that are due.
    pub(super) fn send_signals(&mut self) {
        if self.recipients.is_empty() {
            return;
        }
        let (said, now) = (self.said(), self.reactor.now());
        let engine = self.reactor.engine();
        self.recipients.retain_mut(|recipient| {
            if engine.remote(recipient.peer).is_none() {
                return false;
            }
            let new = said.saturating_sub(recipient.told);
            if new == 0 || recipient.next > now {
                return true;
            }
            recipient.next = now + PAUSE;
            let value = usize::try_from(new).unwrap_or(usize::MAX);
            if !recipient.is_alive() {
                return false;
            }
            match signal::queue(recipient.pid.as_raw_nonzero().get(), value) {
                Ok(()) => {
                    recipient.told = said;
                    true
                }
                // Too many wait for it already (RLIMIT_SIGPENDING): later.
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            }
        });
    }

    /// When the next signal is due.
    pub(super) fn signals_due(&self) -> Option<Timestamp> {
        let said = if self.recipients.is_empty() { 0 } else { self.said() };
        self.recipients.iter().filter(|recipient| recipient.told < said).map(|recipient| recipient.next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_of_another_user_gets_no_signals() {
        assert_eq!(refusal(7, 7), None);
        let error = refusal(0, 7).unwrap();
        assert!(error.contains("own user (uid 7), and yours has uid 0"), "{error}");
    }
}
