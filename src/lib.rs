//! ipcd: every small server of a networking course in one real daemon. One thread, one event loop.
//!
//! # The map
//!
//! ```text
//!   main.rs        arguments and exit status                         what a person typed
//!     │            (bin/ipcctl is the client; both word mistakes with usage)
//!   daemon         the life of the process: start, reload, stop      what is to be done
//!     │ ├────────── config      what was asked for, checked whole
//!     │ └────────── host        systemd, standard error, the log
//!     ▼
//!   reactor        the only loop: descriptors, readiness, the clock  when
//!     │      │
//!     ▼      ▼
//!   engine   wire, transport    what is said        │  how bytes come and go
//!            │
//!            ▼
//!          endpoint             where: "tcp://localhost:65432"
//! ```
//!
//! Every import points down, and a test reads them (`tests/engine/layering.rs`). The [`engine`] is pure: no socket, clock, file
//! or log in it; the [`reactor`] knows no service. A [`wire`] stands between the two: it makes the bytes of the
//! conversation out of those on a stream, and the other way round. [`transport`], [`endpoint`] and [`config`] borrow words of the
//! engine's vocabulary (where somebody comes from, properties of transports, limits, names, services); the same test lists them, and they borrow nothing else of it.
//! `engine/` compiles the engine, from the same files, as a library that needs nothing of the rest.
//!
//! # One request's path
//!
//! A client sends `5 10` and LF.
//!
//! 1. `poll` wakes; [`reactor`] finds the slot that the event's token means, unless the token's generation says that it
//!    was meant for an earlier connection in that slot, and remembers the edge.
//! 2. It reads once into the one shared buffer and hands the bytes to [`Engine::handle`](engine::Engine::handle).
//! 3. The session's intake cuts messages out of them; here: a line.
//! 4. The service answers into the session's outbox: `Data received`, LF, `50.0`, LF.
//! 5. [`Engine::poll_urgent`](engine::Engine::poll_urgent) says `Flush`, and the reactor writes once for the whole burst,
//!    before it reads from anybody else. What the room says goes out at the end of the turn, once for all who have spoken.
//! 6. Should the kernel not take all of it, the rest stays queued, and the peer is not read from until it has gone.
//!
//! An idle session holds no buffer at all. What happened on the way comes out of
//! [`Engine::poll_note`](engine::Engine::poll_note), and the reactor logs it.
//!
//! # Where a new service goes
//!
//! `CONTRIBUTING.md` goes through it: a file in `engine/service/` with its facts, its line in `engine/service/mod.rs`, its
//! dialogues in `tests/protocol/conversations/table.rs`, its words in the man pages.

pub mod config;
pub mod daemon;
pub mod endpoint;
pub mod engine;
pub mod host;
pub mod reactor;
pub mod transport;
pub mod usage;
pub mod wire;
