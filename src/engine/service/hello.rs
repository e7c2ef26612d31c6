//! One message in, one sentence out, and then it closes.

use super::facts::{
    Answer, Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_anything, is_nothing,
};
use crate::engine::words::HELLO;

/// Its facts.
pub const FACTS: Facts = Facts {
    name: "hello",
    conduct: Conduct::Plain(answer),
    needs: &[Need::OneWriter],
    default_port: None,
    first: First::Message,
    idle: Idle::Silent,
    waits_for: Some("any message"),
    is_typed: false,
    is_complete: is_anything,
    is_private: is_nothing,
    is_shared: false,
    openness: Openness::Everybody,
    replies: Replies::One,
    burst: None,
    keeps: Keeps::Nothing,
    unread: "",
    own_words: &[HELLO, "Error: "],
};

/// Its answer to every message.
pub fn answer(_: &[u8]) -> Answer {
    Answer { words: HELLO.into(), closes: true }
}
