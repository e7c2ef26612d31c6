//! One sentence, and then it closes.

use super::facts::{Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_anything, is_nothing};
use crate::engine::words::MESSAGE_RECEIVED;

/// Its facts.
pub const FACTS: Facts = Facts {
    name: "greeting",
    conduct: Conduct::Greeting,
    needs: &[Need::OneWriter, Need::Kernel],
    default_port: Some(9999),
    first: First::Nothing,
    idle: Idle::Never,
    waits_for: None,
    is_typed: false,
    is_complete: is_anything,
    is_private: is_nothing,
    is_shared: false,
    openness: Openness::Everybody,
    replies: Replies::One,
    burst: None,
    keeps: Keeps::Nothing,
    unread: "",
    own_words: &[MESSAGE_RECEIVED, "Error: "],
};

/// All that it ever sends. It ends with CR LF, whatever the client's kind, unless messages are packets.
pub const WORDS: &str = "Message received. Thank you for connecting\r\n";
