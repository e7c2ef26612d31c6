//! A session's counts that are not in the roster yet.

/// Counts that are not in the roster yet.
#[derive(Debug, Default)]
pub(super) struct Unreported {
    pub(super) requests: u16,
    pub(super) errors: u8,
    pub(super) last: LastMessage,
}

/// The outcome of the last message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum LastMessage {
    #[default]
    Good,
    /// Its sender got an error.
    Erred,
}
