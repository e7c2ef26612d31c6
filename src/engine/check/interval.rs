//! How often the engine checks itself.

/// Sessions that each input pays for: a check looks at all of them, and with so many or fewer each input is followed by one.
const SESSIONS_PER_INPUT: usize = 4;

/// The number of inputs since the last check, in a build with debug assertions.
#[derive(Debug, Default)]
pub(in crate::engine) struct Checks {
    unchecked: usize,
}

impl Checks {
    /// Whether it is time, with so many sessions.
    pub(in crate::engine) fn is_due(&mut self, sessions: usize) -> bool {
        self.unchecked += 1;
        let due = self.unchecked * SESSIONS_PER_INPUT >= sessions;
        if due {
            self.unchecked = 0;
        }
        due
    }
}
