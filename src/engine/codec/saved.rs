//! A guess in the record of a restart: in the present form, or as ipcd 0.1.0 wrote it.

use serde::Deserialize;

use crate::engine::message::Timestamp;

/// Either of them; `S` is the present form.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Guess<S> {
    Now(Option<Box<S>>),
    Old(State),
}

/// As 0.1.0 wrote it; each says when silence decides.
#[derive(Deserialize)]
pub(super) enum State {
    /// One byte that could be a message.
    OneByte(Timestamp),
    /// Complete requests, which end at these positions.
    Gap { until: Timestamp, cuts: Vec<u32> },
    /// Something incomplete.
    LikelyLine(Timestamp),
}
