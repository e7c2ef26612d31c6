//! The facts of a service, apart from its words. Each service's file has its [`Facts`], and everything that depends on the service
//! reads them, so no other code asks which service it is.

use std::borrow::Cow;

use super::burst::Burst;
use crate::engine::limits::REPLY_BYTES_MAX;
use crate::engine::transport::{Lifetime, Transport, Unit};

/// One row of the table of services.
#[derive(Debug)]
pub struct Facts {
    /// Its name in the configuration, in the log, and on the mux.
    pub name: &'static str,
    /// What a session does in it.
    pub conduct: Conduct,
    /// What it needs from a transport, in addition to room for its longest reply.
    pub needs: &'static [Need],
    /// The TCP port on localhost that it has without a configuration.
    pub default_port: Option<u16>,
    /// What it waits for after a client has connected.
    pub first: First,
    /// Whether a silent connection is closed.
    pub idle: Idle,
    /// The message that a silent client has not sent, for a hint; `None`: no client has to send first.
    pub waits_for: Option<&'static str>,
    /// Whether people type its messages: they read first.
    pub is_typed: bool,
    /// Whether the first bytes, as far as they have arrived, are a whole request.
    pub is_complete: fn(&[u8]) -> bool,
    /// Whether a first message is private, and hidden from watchers.
    pub is_private: fn(&[u8]) -> bool,
    /// Whether its clients hear each other. Then, at a stop, it closes with a message once everyone has been answered.
    pub is_shared: bool,
    /// Who may select it on the mux.
    pub openness: Openness,
    /// The length of its output.
    pub replies: Replies,
    /// How it answers many plain messages at once; `None`: it answers each by itself.
    pub burst: Option<Burst>,
    /// What else it keeps in a connection's queues.
    pub keeps: Keeps,
    /// What a hint adds when a reply was left unread.
    pub unread: &'static str,
    /// The beginnings of all its datagrams, so that two daemons do not answer each other for ever.
    pub own_words: &'static [&'static str],
}

/// What a session does in a service. A service whose answer depends only on the message is `Plain`.
#[derive(Clone, Copy, Debug)]
pub enum Conduct {
    /// It answers each message independently.
    Plain(fn(&[u8]) -> Answer),
    /// See [`multiply`](super::multiply).
    Multiply,
    /// See [`greeting`](super::greeting).
    Greeting,
    /// See [`chat`](super::chat).
    Chat,
    /// See [`talk`](super::talk).
    Talk,
    /// See [`stats`](super::stats).
    Stats,
    /// See [`status`](super::status).
    Status,
    /// See [`watch`](super::watch).
    Watch,
    /// See [`mux`](super::mux).
    Mux,
    /// See [`page`](super::page).
    Page,
}

/// The answer of a plain service to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One message. It may repeat the client's text, whose length `max_message` bounds.
    pub words: Cow<'static, str>,
    /// Whether the connection is closed afterwards.
    pub closes: bool,
}

/// What a service waits for after a client has connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Nothing: it sends something and closes. It reads no input, so bounds on messages do not apply.
    Nothing,
    /// A name, within `name_timeout`.
    Name,
    /// A message, within `first_message_timeout`.
    Message,
}

/// Whether `idle_timeout` closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Never.
    Never,
    /// While it has no partner.
    Alone,
    /// When nothing waits on either side.
    Silent,
}

/// Which users may select a service on the mux. Networks and lists restrict it further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openness {
    /// Everyone.
    Everybody,
    /// Users that the kernel identifies and the service's lists allow.
    Named,
    /// The same, but empty lists allow only root and the daemon's own user.
    Masters,
}

/// What a service needs from its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A client that stays connected, because earlier messages matter.
    Session,
    /// Messages of one client each: it sends something to that client, or ends for it.
    OneWriter,
    /// A way back: its replies are what it is for.
    Replies,
    /// Other clients.
    Others,
    /// HTTP, and only HTTP.
    Web,
    /// Bytes that pass through the kernel. Shared memory is for those services for which people write such programs.
    Kernel,
}

impl Need {
    /// Whether a transport meets it.
    pub const fn is_met_by(self, transport: &Transport) -> bool {
        match self {
            Need::Session => !matches!(transport.lifetime, Lifetime::Message),
            Need::OneWriter => !transport.many_writers,
            Need::Replies => !transport.is_one_way,
            Need::Others => !transport.is_alone,
            Need::Web => transport.is_web,
            Need::Kernel => !transport.is_memory,
        }
    }
}

/// The length of a service's output, which decides how it can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    /// One reply, and then it closes: nothing queues up.
    One,
    /// Any number of messages. The daemon's own words in one are at most this many bytes; `max_message` bounds a client's text in it.
    Many(usize),
    /// A report, whose length is unknown before it is written. Clients get it as lines, unless they get packets.
    Report,
    /// Endless events. Clients get them as lines, because others would wait for the end of a burst.
    Events,
}

/// What a service keeps in a connection's queues in addition to messages and replies, up to `backlog`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing.
    Nothing,
    /// Messages from before the partner's arrival.
    ForPartner,
    /// Direct messages in the room, and the unsent messages of a member that leaves.
    OfRoom,
}

impl Replies {
    /// Whether the longest reply fits into one message of a transport with messages.
    pub const fn fit(self, unit: Unit) -> bool {
        match (unit, self) {
            (Unit::Bytes, _) => true,
            (Unit::Message { .. }, Replies::Report) => false,
            (Unit::Message { bytes_max }, _) => self.bytes_max() <= bytes_max,
        }
    }

    /// Bytes of the longest reply that is queued in one piece.
    pub const fn bytes_max(self) -> usize {
        match self {
            Replies::Many(max) => max,
            Replies::One | Replies::Report | Replies::Events => REPLY_BYTES_MAX,
        }
    }
}

/// For services to which any message is complete.
pub(super) const fn is_anything(_: &[u8]) -> bool {
    true
}

/// For services without private messages.
pub(super) const fn is_nothing(_: &[u8]) -> bool {
    false
}
