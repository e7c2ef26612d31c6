//! What a service is, apart from what it says: each service's file has its [`Facts`], and whatever depends on the service
//! reads them. So nothing else asks which service it is.

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
    /// What it needs of what carries it, beside room for its longest reply.
    pub needs: &'static [Need],
    /// The TCP port of localhost that it has without a configuration.
    pub default_port: Option<u16>,
    /// What it waits for when somebody has connected.
    pub first: First,
    /// Whether a connection that says nothing is closed.
    pub idle: Idle,
    /// What is missing when somebody says nothing, for a hint; `None`: nobody has to begin.
    pub waits_for: Option<&'static str>,
    /// Whether people type what it waits for: they read before they do.
    pub is_typed: bool,
    /// Whether the first bytes, as far as they have come, are a whole request.
    pub is_complete: fn(&[u8]) -> bool,
    /// Whether a first message is for one other alone, and for nobody who watches.
    pub is_private: fn(&[u8]) -> bool,
    /// Whether those who are connected hear each other: it closes when everybody has been answered, with a word.
    pub is_shared: bool,
    /// Who may choose it on the mux.
    pub openness: Openness,
    /// How long what it says is.
    pub replies: Replies,
    /// What else it keeps in a connection's queues.
    pub keeps: Keeps,
    /// What a hint adds when a reply was left unread.
    pub unread: &'static str,
    /// How everything begins that it says in datagrams, so that two daemons do not answer each other for ever.
    pub own_words: &'static [&'static str],
}

/// What a session does in a service. One that is a function of its message needs no kind of its own.
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

/// What a plain service says to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One message. Not what the peer has sent, unless that is text of at most `max_message` bytes.
    pub words: Cow<'static, str>,
    /// Whether the connection is closed then.
    pub closes: bool,
}

/// What a service waits for when somebody has connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Nothing: it speaks, and closes. It listens to nobody, so that no bound on messages means anything there.
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

/// Who may choose a service on the mux, beside what networks and lists say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Openness {
    /// Everybody.
    Everybody,
    /// Whom the kernel names, and the service's lists let in.
    Named,
    /// The same, and empty lists let in nobody but root and the daemon's own user.
    Masters,
}

/// What a service needs of what carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Somebody who stays, because what was said before counts.
    Session,
    /// Messages of one client: it says something to that one, or is over for that one.
    OneWriter,
    /// Other clients.
    Others,
    /// HTTP, which nothing else is offered on.
    Web,
}

impl Need {
    /// Whether it is met there.
    pub const fn is_met_by(self, transport: &Transport) -> bool {
        match self {
            Need::Session => !matches!(transport.lifetime, Lifetime::Message),
            Need::OneWriter => !transport.many_writers,
            Need::Others => !transport.is_alone,
            Need::Web => transport.is_web,
        }
    }
}

/// How long what a service says is, and so how it can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    /// One reply, and then it closes: nothing queues up.
    One,
    /// Lines of at most so many bytes, each for one recv().
    Pairs(usize),
    /// A report that has no length before it is written: lines for whoever does not get packets.
    Report,
    /// Events without end: lines for whoever would wait for the end of a burst.
    Events,
}

/// What a service keeps in a connection's queues beside messages and replies, as far as `backlog` lets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing.
    Nothing,
    /// What is said before a partner has come.
    ForPartner,
    /// What is told one alone in the room, and what one who leaves has not heard.
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

/// For services to whom any message is a whole one.
pub(super) const fn is_anything(_: &[u8]) -> bool {
    true
}

/// For services in which nothing is for one other alone.
pub(super) const fn is_nothing(_: &[u8]) -> bool {
    false
}
