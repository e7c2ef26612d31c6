//! One sentence, then goodbye.

/// All that it ever says; with CR LF, whatever the client's kind, but where a message is a packet.
pub const WORDS: &str = "Message received. Thank you for connecting\r\n";
