//! How often the engine checks itself.

/// A check looks at all sessions. With this many sessions or fewer it runs after every input; with n times as many, after every n
/// inputs.
const SESSIONS_PER_INPUT: usize = 4;

/// The number of inputs since the last check, in a build with debug assertions.
#[derive(Debug, Default)]
pub(in crate::engine) struct Checks {
    unchecked: usize,
}

impl Checks {
    /// Whether a check is due, with this many sessions.
    pub(in crate::engine) fn is_due(&mut self, sessions: usize) -> bool {
        self.unchecked += 1;
        let due = self.unchecked * SESSIONS_PER_INPUT >= sessions;
        if due {
            self.unchecked = 0;
        }
        due
    }
}
