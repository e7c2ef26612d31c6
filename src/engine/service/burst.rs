//! A burst of plain requests that a service answers in one pass, because each is answered alike.

/// How requests and replies are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// Each ends with LF, requests perhaps with CR LF.
    Lines,
    /// Each is a WebSocket's text frame, those of the client masked.
    Frames,
}

/// What was taken and answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The number of bytes of the requests.
    pub taken: usize,
    /// The number of requests.
    pub requests: usize,
}

/// A service's pass over a burst. Its replies are those that the service gives one message at a time.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// Bytes of the longest request that it answers.
    pub request_bytes_max: usize,
    /// The number of bytes to make room for before the replies to so many bytes are written.
    pub reply_bytes: fn(Marks, usize) -> usize,
    /// Answers the plain requests that the bytes begin with, as long as the output has grown by less than this.
    pub answer: fn(&[u8], Marks, usize, &mut Vec<u8>) -> Run,
}
