//! A shared room, whose log is stored in a stream of NATS JetStream. Pure like the rest of the engine: bytes and the time come in,
//! bytes and events go out.
//!
//! # How it works
//!
//! Each daemon is an *instance*, with a random id. What its members say, and that they join and leave, is collected into *batches*,
//! numbered 1, 2, … One batch is published at a time, and repeated with the same bytes until it is heard from the log. Everyone
//! reads the same log, skips what was read before, and so sees the same things in the same order. That includes the author.
//!
//! # The map
//!
//! ```text
//!   machine, lines, frames, turn     the uplink: its interface, connections, input from servers, what follows
//!     │
//!     ├── servers, link              the choice of a server; one connection: greeting, TLS, credentials, pings
//!     ├── read                       the consumer: gaps, pulls, another log
//!     ├── publish                    the batch under way, and what waits behind it
//!     ├── ledger, members, gap       what the log says: which batches count, who is there, who is gone
//!     ├── presence, health           signs of life; whether the room is whole
//!     ├── whispers                   private messages, outside of the log
//!     ├── sight                      all of it in words, for watchers
//!     ├── api, subjects, batch       JSON of JetStream, subjects, the bytes of a batch
//!     └── wire                       the protocol of a NATS server
//! ```
//!
//! # The reactor's part
//!
//! ```text
//!   dial()            connect to this server       connected(), or disconnected() with the reason
//!   wants_tls()       begin TLS                     secured()
//!   received()        pass on input                 output(), sent()
//!   wants_close()     close the connection          closed()
//!   deadline()        when to call                  tick()
//!   next_event()      take all events, after each of these calls
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
pub use event::{Direction, Entry, Event, LogEvent, Outcome, Place, Seen, Ticket, Whisper};
pub use ids::{House, InstanceId, LinkId, RoomToken, WhisperId};
pub use machine::{SavedUplink, Uplink};
pub use publish::Refusal;
pub use report::{Report, State};
pub use settings::{Credentials, Encrypt, Server, Settings, Sign, StreamSettings};
pub use why::Why;
