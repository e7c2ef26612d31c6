//! The room of several daemons: its log lives in a stream of NATS JetStream. Pure like the rest of the engine: bytes and the
//! time come in, bytes and events go out.
//!
//! # How it works
//!
//! Each daemon is an *instance*, with a random id. What its members say, and that they come and go, is gathered into
//! *batches*, numbered 1, 2, …; one batch is under way at a time, and is published again, with the same bytes, until it is
//! heard from the log. Everybody reads the same log, skips what it has read before, and so sees the same things in the same
//! order, the author too.

pub mod event;
pub mod ids;
pub mod report;
pub mod settings;
pub mod why;
pub mod wire;

pub use event::{Entry, Event, LogEvent, Outcome, Place, Ticket, Whisper};
pub use ids::{House, InstanceId, LinkId, RoomToken, WhisperId};
pub use report::{Report, State};
pub use settings::{Credentials, Encrypt, Server, Settings, Sign, StreamSettings};
pub use why::Why;
