//! Why a measurement gave no figures.

use std::io;

use ipcd::os_error::describe;

/// Why there are no figures.
#[derive(Clone, Debug)]
pub(crate) enum MeasureError {
    /// The mechanism or the endpoint does not exist.
    Missing(String),
    /// No answer in time.
    TimedOut(String),
    /// It ended, or answered wrongly.
    Broke(String),
}

impl MeasureError {
    pub(crate) fn text(&self) -> &str {
        match self {
            MeasureError::Missing(text) | MeasureError::TimedOut(text) | MeasureError::Broke(text) => text,
        }
    }

    /// A request or an answer failed. Only datagrams are refused so late: nobody receives them.
    pub(crate) fn of_exchange(error: &io::Error) -> MeasureError {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => MeasureError::Missing(describe(error)),
            _ => MeasureError::Broke(describe(error)),
        }
    }
}
