//! A shared room, whose log is stored in a stream of NATS JetStream. Pure like the rest of the engine: bytes and the time come in,
//! bytes and events go out.
//!
//! # How it works
//!
//! Each daemon is an *instance*, with a random id. What its members say, and that they join and leave, is collected into
//! *batches*, numbered 1, 2, … One batch is published at a time, and repeated with the same bytes until it comes back from the
//! log. All instances, the author too, read the same log and skip what they have read before, so they see the same entries in the
//! same order.
//!
//! # The map
//!
//! ```text
//!   machine, connections, frames, turn   the uplink: its interface, connections, input from servers, what follows
//!     │
//!     ├── servers, link              the choice of a server; one connection: greeting, TLS, credentials, pings
//!     ├── read                       the consumer: gaps, pulls, another log
//!     ├── publish                    the current batch, and the entries that wait
//!     ├── ledger, members, gap       the log's contents: which batches count, who is there, who is gone
//!     ├── presence, health           signs of life; whether the room is whole
//!     ├── whispers                   private messages, outside of the log
//!     ├── describe                   the traffic in words, for watchers
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
mod connections;
mod describe;
mod event;
mod events;
mod frames;
mod gap;
mod health;
mod ids;
mod ledger;
mod link;
mod machine;
mod members;
mod presence;
mod publish;
mod random;
mod read;
mod reason;
mod report;
mod servers;
mod settings;
mod subjects;
mod turn;
mod whispers;
pub mod wire;

pub use bounds::TEXT_BYTES_MAX;
pub use event::{Direction, Entry, EntryPosition, Event, LogEvent, Outcome, Seen, Ticket, Whisper};
pub use ids::{House, InstanceId, LinkId, RoomToken, WhisperId};
pub use machine::{SavedUplink, Uplink};
pub use publish::Refusal;
pub use reason::Reason;
pub use report::{Report, State};
pub use settings::{Credentials, Encrypt, Server, Settings, Sign, StreamSettings};
