//! The room of several daemons: its log lives in a stream of NATS JetStream. Pure like the rest of the engine: bytes and the
//! time come in, bytes and events go out.
//!
//! # How it works
//!
//! Each daemon is an *instance*, with a random id. What its members say, and that they come and go, is gathered into
//! *batches*, numbered 1, 2, …; one batch is under way at a time, and is published again, with the same bytes, until it is
//! heard from the log. Everybody reads the same log, skips what it has read before, and so sees the same things in the same
//! order, the author too.
//!
//! # The map
//!
//! ```text
//!   machine, lines, frames, turn     the uplink: what it can do, connections, what servers say, what follows
//!     │
//!     ├── servers, link              which server next; one connection: greeting, TLS, credentials, pings
//!     ├── read                       the consumer: gaps, pulls, another log
//!     ├── publish                    the batch under way, and what waits behind it
//!     ├── ledger, members, gap       what the log says: which batches count, who is there, who is gone
//!     ├── presence, health           signs of life; whether the room is whole
//!     ├── whispers                   what goes past the log
//!     ├── sight                      all of it in words, for watchers
//!     ├── api, subjects, batch       JSON of JetStream, subjects, the bytes of a batch
//!     └── wire                       the protocol of a NATS server
//! ```
//!
//! # The reactor's part
//!
//! ```text
//!   dial()            a server: connect to it      connected(), or disconnected() with the reason
//!   wants_tls()       begin TLS                     secured()
//!   received()        what came                     output(), sent()
//!   wants_close()     close it                      closed()
//!   deadline()        then                          tick()
//!   next_event()      until there is none, after each of these calls
//! ```

mod api;
mod batch;
pub mod bounds;
mod chance;
mod event;
mod events;
mod frames;
mod gap;
mod health;
mod ids;
mod ledger;
mod lines;
mod link;
mod machine;
mod members;
mod presence;
mod publish;
mod read;
mod report;
mod servers;
mod settings;
mod sight;
mod subjects;
mod turn;
mod whispers;
mod why;
pub mod wire;

pub use bounds::TEXT_BYTES_MAX;
pub use event::{Entry, Event, LogEvent, Outcome, Place, Seen, Ticket, Whisper};
pub use ids::{House, InstanceId, LinkId, RoomToken, WhisperId};
pub use machine::{SavedUplink, Uplink};
pub use publish::Refusal;
pub use report::{Report, State};
pub use settings::{Credentials, Encrypt, Server, Settings, Sign, StreamSettings};
pub use sight::Direction;
pub use why::Why;
