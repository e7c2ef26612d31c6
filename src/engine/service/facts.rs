//! The facts of a service, apart from its words: each service's file has its [`Facts`], and everything that depends on
//! the service reads them. So nothing else asks which service it is.

use std::borrow::Cow;

use crate::engine::limits::REPLY_BYTES_MAX;
use crate::engine::transport::{Lifetime, Transport, Unit};

/// One row of the table of services.
#[derive(Debug)]
pub struct Facts {
    /// Its name in the configuration, in the log, and on the mux.
    pub name: &'static str,
    /// What a session does in it.
    pub conduct: Conduct,
    /// Its requirements for a transport, beside room for its longest reply.
    pub needs: &'static [Need],
    /// The TCP port of localhost that it has without a configuration.
    pub default_port: Option<u16>,
    /// What it waits for after a client has connected.
    pub first: First,
    /// Whether a silent connection is closed.
    pub idle: Idle,
    /// The missing message of a silent client, for a hint; `None`: no client has to begin.
    pub waits_for: Option<&'static str>,
    /// Whether people type its messages: they read before they do.
    pub is_typed: bool,
    /// Whether the first bytes, as far as they have come, are a whole request.
    pub is_complete: fn(&[u8]) -> bool,
    /// Whether a first message is for one other alone, and hidden from watchers.
    pub is_private: fn(&[u8]) -> bool,
    /// Whether its clients hear each other: at a stop it closes when everyone has been answered, with a word.
    pub is_shared: bool,
    /// Who may select it on the mux.
    pub openness: Openness,
    /// The length of its output.
    pub replies: Replies,
    /// What else it keeps in a connection's queues.
    pub keeps: Keeps,
    /// The addition to a hint when a reply was left unread.
    pub unread: &'static str,
    /// The beginnings of all of its datagrams, so that two daemons do not answer each other for ever.
    pub own_words: &'static [&'static str],
}

/// What a session does in a service. A service whose answer is a function of the message needs no kind of its own.
#[derive(Clone, Copy, Debug)]
pub enum Conduct {
    /// It answers each message by itself.
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
    /// One message. It is the peer's only if it is text of at most `max_message` bytes.
    pub words: Cow<'static, str>,
    /// Whether the connection is closed then.
    pub closes: bool,
}

/// What a service waits for after a client has connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Nothing: it speaks, and closes. It reads no input, so bounds on messages do not apply.
    Nothing,
    /// A name, for which there is `name_timeout`.
    Name,
    /// A message, for which there is `first_message_timeout`.
    Message,
}

/// Whether `idle_timeout` closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// It does not.
    Never,
    /// While its partner has not come.
    Alone,
    /// When nothing waits on either side.
    Silent,
}

/// Who may select a service on the mux, in addition to networks and lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openness {
    /// Everybody.
    Everybody,
    /// Users that the kernel identifies and the service's lists allow.
    Named,
    /// The same, but empty lists allow only root and the daemon's own user.
    Masters,
}

/// A service's requirements for its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A client that stays, because earlier messages count.
    Session,
    /// Messages of one client: it says something to that one, or is over for that one.
    OneWriter,
    /// A way back: its replies are what it is for.
    Replies,
    /// Other clients.
    Others,
    /// HTTP, which nothing else is offered on.
    Web,
    /// Bytes that pass through the kernel: memory that a peer shares is for the services whose users write such programs.
    Kernel,
}

impl Need {
    /// Whether it is met there.
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

/// The length of a service's output, and so how it can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    /// One reply, and then it closes: nothing queues up.
    One,
    /// Lines of at most so many bytes, each for one recv().
    Pairs(usize),
    /// A report whose length is unknown before it is written: lines for clients that do not get packets.
    Report,
    /// Events without end: lines for clients that would wait for the end of a burst.
    Events,
}

/// What a service keeps in a connection's queues beside messages and replies, up to `backlog`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing.
    Nothing,
    /// Messages from before a partner has come.
    ForPartner,
    /// Direct messages in the room, and the unheard messages of a member that leaves.
    OfRoom,
}

impl Replies {
    /// Whether the longest one is one message there, if messages are kept apart.
    pub const fn fit(self, unit: Unit) -> bool {
        match (unit, self) {
            (Unit::Bytes, _) => true,
            (Unit::Message { .. }, Replies::Report) => false,
            (Unit::Message { bytes_max }, _) => self.bytes_max() <= bytes_max,
        }
    }

    /// Bytes of the longest one that is queued in one piece.
    pub const fn bytes_max(self) -> usize {
        match self {
            Replies::Pairs(max) => max,
            Replies::One | Replies::Report | Replies::Events => REPLY_BYTES_MAX,
        }
    }
}

/// For services that accept any message as complete.
pub(super) const fn is_anything(_: &[u8]) -> bool {
    true
}

/// For services without messages for one other alone.
pub(super) const fn is_nothing(_: &[u8]) -> bool {
    false
}
