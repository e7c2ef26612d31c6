//! ipcd: every small server of a networking course in one daemon. One thread, one event loop.
//!
//! # The map
//!
//! ```text
//!   main.rs        arguments and exit status                         what the user typed
//!     │            (bin/ipcctl is the client; both report usage errors with usage)
//!   daemon         the life of the process: start, reload, stop      what to do
//!     │ ├────────── config      the configuration, checked as a whole
//!     │ └────────── host        systemd, standard error, the log
//!     ▼
//!   reactor        the only loop: descriptors, readiness, the clock  when
//!     │      │
//!     ▼      ▼
//!   engine   wire, transport    messages, and how bytes come and go
//!            │
//!            ▼
//!          endpoint             where: "tcp://localhost:65432"
//!
//!   os_error       the system's error messages, in the form that all of them use
//! ```
//!
//! Every import points down, and a test checks this (`tests/engine/layering.rs`). The [`engine`] is pure: it has no socket,
//! clock, file or log; the [`reactor`] knows no service. A [`wire`] stands between the two: it turns the bytes of a stream
//! into those of the conversation and back, which with TLS is encryption. [`wire`], [`transport`], [`endpoint`] and [`config`] use
//! only a few parts of the engine (remote addresses, properties of transports, limits, names, services), which the same test lists.
//! `engine/` builds the engine, from the same files, as a library of its own.
//!
//! # One request's path
//!
//! A client sends `5 10` and LF.
//!
//! 1. `poll` returns; the [`reactor`] finds the slot of the event's token and notes the readiness, unless the token's generation
//!    shows that the event belongs to an earlier connection in that slot.
//! 2. It reads once into the one shared buffer and hands the bytes to [`Engine::handle`](engine::Engine::handle).
//! 3. The session's intake splits the bytes into messages; here: a line.
//! 4. The service answers into the session's outbox: `Data received`, LF, `50.0`, LF.
//! 5. [`Engine::poll_urgent`](engine::Engine::poll_urgent) returns `Flush`, and the reactor writes once for the whole burst,
//!    before it reads from another peer. Messages of the room go out at the end of the turn, once for all senders.
//! 6. If the kernel does not accept all of it, the rest stays queued, and the peer is not read from until the queue is empty.
//!
//! An idle session holds no buffer at all. [`Engine::poll_event`](engine::Engine::poll_event) returns the events on the way, and
//! the reactor logs them.
//!
//! # A room of several machines
//!
//! What members say is proposed to the room's timeline. In a room of one daemon, that puts it into the log at once. In a shared
//! room it goes to the `uplink`, a state machine for the protocol of a NATS server, and everyone gets it when it comes back from
//! there. The reactor opens the connections that the engine asks for, and does not know the protocol on them. A server's name is
//! looked up in a thread, which ends with the answer. It is the only thread besides the loop's.
//!
//! # Bounded buffers
//!
//! For each `shm:///NAME?semaphores`, the same program runs as a second process, which waits for the semaphores and passes each
//! message on over a socket: a client that shortens the shared memory kills that process, and not the daemon.
//!
//! # Where a new service goes
//!
//! `CONTRIBUTING.md` explains it: a file in `engine/service/` with its facts, its line in `engine/service/mod.rs`, its
//! dialogues in `tests/protocol/conversations/table.rs`, its documentation in the man pages.

pub mod config;
pub mod daemon;
pub mod endpoint;
pub mod engine;
pub mod host;
pub mod os_error;
pub mod reactor;
pub mod transport;
pub mod usage;
pub mod wire;
