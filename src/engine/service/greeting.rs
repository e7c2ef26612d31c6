//! One sentence, then goodbye.

/// All that it ever says; with CR LF, whatever the client's kind.
pub const WORDS: &[u8] = b"Message received. Thank you for connecting\r\n";
