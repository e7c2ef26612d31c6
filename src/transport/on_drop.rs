//! What happens to the files or queues of an endpoint when it is dropped.

/// When they are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnDrop {
    /// If we have just created them: the start or reload that they were created for may still fail.
    RemoveIfNew,
    /// If ipcd created them and nothing waits in them.
    RemoveIfEmpty,
    /// In any case: the endpoint is not offered any more.
    Remove,
    /// Never: the next process goes on with them, or a writer waits for it.
    Keep,
}

impl OnDrop {
    /// Whether it is removed; `is_new`: we have just created it.
    pub(super) fn removes(self, is_new: bool, is_empty: impl FnOnce() -> bool) -> bool {
        match self {
            OnDrop::RemoveIfNew => is_new,
            OnDrop::RemoveIfEmpty => is_empty(),
            OnDrop::Remove => true,
            OnDrop::Keep => false,
        }
    }
}
