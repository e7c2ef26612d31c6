//! Figures about the daemon's own process, for the status report.

use nix::sys::resource::{Resource, getrlimit};

use super::{Daemon, page};
use crate::engine::figures::Figures;
use crate::host;

impl Daemon {
    /// Gives the engine the figures that a status report is waiting for.
    pub(super) fn tell_figures(&mut self) {
        if self.reactor.engine().wants_figures() {
            self.renew_figures();
        }
    }

    /// Gives the engine the figures as they are now: a report after a reload shows its outcome.
    pub(super) fn renew_figures(&mut self) {
        let figures = Figures {
            resident_bytes: resident_bytes(),
            descriptors: descriptors(),
            descriptors_max: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft),
            log_lines_dropped: host::log::lines_dropped(),
            reload: self.status.reload,
            pages: page::addresses(&self.config),
        };
        self.reactor.tell_figures(figures);
    }
}

/// The second number of /proc/self/statm is in pages (proc_pid_statm(5)).
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Since Linux 6.2 the size of the directory is the number of descriptors; before, they must be counted.
fn descriptors() -> Option<u64> {
    match std::fs::metadata("/proc/self/fd").ok()?.len() {
        0 => Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as u64),
        count => Some(count),
    }
}
