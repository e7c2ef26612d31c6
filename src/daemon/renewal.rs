//! The certificates in use: replaced at a reload, and checked when one of them expires.

use super::Daemon;
use super::certificates::Checked;
use super::dates::now;

impl Daemon {
    /// New clients are shown these certificates from now on.
    pub(super) fn take(&mut self, checked: Checked) {
        checked.warnings.iter().for_each(|line| log::warn!("{line}"));
        self.reactor.accept_with(checked.acceptor);
        self.dates = checked.dates;
        self.plan_dates();
    }

    /// Logs the warnings about dates, once they are due.
    pub(super) fn check_dates(&mut self) {
        if self.dates_due.is_some_and(|due| self.reactor.now() >= due) {
            self.dates.warnings(now()).iter().for_each(|line| log::warn!("{line}"));
            self.plan_dates();
        }
    }

    fn plan_dates(&mut self) {
        self.dates_due = self.dates.next(now()).map(|wait| self.reactor.now() + wait);
    }
}
