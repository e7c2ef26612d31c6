//! One message in, one sentence out, then goodbye.

/// All that it ever says.
pub const WORDS: &str = "Hello from server";
