//! A guess in the record of a restart, in the present form or in that of ipcd 0.1.0.

use serde::Deserialize;

use crate::engine::message::Timestamp;

/// A guess in one of the two forms; `S` is the present one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Guess<S> {
    Now(Option<Box<S>>),
    Old(State),
}

/// The form of 0.1.0; each variant has the time at which silence decides.
#[derive(Deserialize)]
pub(super) enum State {
    /// One byte that may be a message.
    OneByte(Timestamp),
    /// Complete requests, which end at these positions.
    Gap { until: Timestamp, cuts: Vec<u32> },
    /// An incomplete request.
    LikelyLine(Timestamp),
}
