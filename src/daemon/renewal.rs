//! The certificates in use: replaced at a reload, and looked at when one of them ends.

use super::Daemon;
use super::certificates::Checked;
use super::dates::now;

impl Daemon {
    /// Those who connect from now on are shown these certificates.
    pub(super) fn take(&mut self, checked: Checked) {
        checked.warnings.iter().for_each(|line| log::warn!("{line}"));
        self.reactor.accept_with(checked.acceptor);
        self.dates = checked.dates;
        self.plan_dates();
    }

    /// Tells what is to be told of dates, once its moment has come.
    pub(super) fn look_at_dates(&mut self) {
        if self.dates_due.is_some_and(|due| self.reactor.now() >= due) {
            self.dates.warnings(now()).iter().for_each(|line| log::warn!("{line}"));
            self.plan_dates();
        }
    }

    fn plan_dates(&mut self) {
        self.dates_due = self.dates.next(now()).map(|wait| self.reactor.now() + wait);
    }
}
