//! A service's conversation with one peer, and what it knows about the peer. It takes whole messages, however they were received.

use std::rc::Rc;

use super::unreported::Unreported;
use super::watcher::Watcher;
use crate::engine::EngineState;
use crate::engine::codec::Encoding;
use crate::engine::counters::ErrorKind;
use crate::engine::limits::ServiceSettings;
use crate::engine::machines::ListCursor;
use crate::engine::message::{
    Binding, CloseReason, ConnectionId, Event, EventKind, FramingMode, RemoteAddress, Timestamp, Transport,
};
use crate::engine::outbox::Outbox;
use crate::engine::ready_list::Membership;
use crate::engine::room::MemberId;
use crate::engine::service::Service;
use crate::engine::service::page::MetricsRequest;
use crate::engine::service::status::Progress;
use crate::engine::service::talk::PairEnd;
use crate::engine::service::watch::TraceEvent;
use crate::engine::text::about;

/// The part of a session that its service uses.
#[derive(Debug)]
pub(super) struct Dialogue {
    pub(super) peer: ConnectionId,
    pub(super) binding: Rc<Binding>,
    pub(super) remote: RemoteAddress,
    pub(super) opened: Timestamp,
    /// The time of the last complete message, or of the end of the last reply.
    pub(super) active: Timestamp,
    pub(super) state: State,
    pub(super) phase: Phase,
    /// Its framing, once known.
    pub(super) kind: Option<FramingMode>,
    pub(super) outbox: Outbox,
    pub(super) heard: Heard,
    pub(super) sending: Sending,
    pub(super) unreported: Unreported,
    // The engine uses the next two fields. They are here because this struct has a gap for them.
    /// The memory of the session's queues, as [counted](super::Session::account) last.
    pub(super) held: u32,
    pub(super) membership: Membership,
}

/// How much a peer has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Heard {
    #[default]
    Nothing,
    /// Nothing, and watchers were told about its silence.
    NothingYet,
    /// Bytes, but no whole message.
    Bytes,
    /// A whole message, which has been handled.
    Message,
}

/// Whether the kernel takes bytes for a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sending {
    /// It accepts them.
    #[default]
    Free,
    /// It accepts none, since the time in [`EngineState::unread`].
    Blocked,
    /// It has accepted none for too long, and should be tried once more. The kernel reports room only once a third (TCP) or three
    /// quarters (Unix) of the buffer are free, and a slow reader may not get there in time.
    RetryWanted,
    /// It was tried once more; the result decides.
    Retried,
}

/// The phases of a connection.
#[derive(Debug)]
pub(super) enum Phase {
    /// It is served.
    Serving,
    /// Its service is no longer offered: it only gets the rest of a long reply.
    Withdrawn,
    /// Its last words are queued; with the time of the last progress.
    Draining(CloseReason, Timestamp),
    /// Its last words are sent; it has until this time to read them, and is then reset.
    AwaitingReset(CloseReason, Timestamp),
    /// Our side is shut down; we wait for its end of file, at most until this time.
    Lingering(CloseReason, Timestamp),
}

/// The service, and the service's data about the client.
#[derive(Debug)]
pub(super) enum State {
    /// It is not admitted, now or ever, and not counted.
    Outside,
    Multiply,
    /// Multiply, in a WebSocket whose client also gets the hints about its requests.
    Advised,
    Greeting,
    /// `Err`: it has no name yet, since this time.
    Chat(Result<MemberId, Timestamp>),
    /// It has a name, and joins the room once the shared log says so.
    Joining,
    /// A service that answers each message independently.
    Plain(Service),
    Talk(Talk),
    /// `Some`: it is receiving the list of all machines.
    Stats(Option<Box<ListCursor>>),
    /// How far the report is that it is receiving.
    Status(Option<Progress>),
    /// `None`: it has not sent its filter yet.
    Watch(Option<Box<Watcher>>),
    Mux,
    /// It sends HTTP requests. `Some`: it has requested the metrics, which wait for figures of the process.
    Page(Option<MetricsRequest>),
    /// It wants this service (`Mux`: control), and must send the token first.
    Guarded(Service),
    /// Orders to the daemon, from a client that may control it.
    Control,
    /// The same, and the last order is not answered yet.
    Ordered,
}

/// The phases of talk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Talk {
    /// It has no end of a pair yet, because its handshake is not complete.
    Coming,
    /// It has one end of a pair; the other end may be free.
    Here(PairEnd),
    /// The same, and it is about to receive what its partner said earlier. Its own messages wait until then.
    Meeting(PairEnd),
    /// It has left its pair.
    Over,
}

impl Talk {
    /// Its end of a pair.
    pub(super) fn end(self) -> Option<PairEnd> {
        match self {
            Talk::Here(end) | Talk::Meeting(end) => Some(end),
            Talk::Coming | Talk::Over => None,
        }
    }
}

impl Dialogue {
    /// Its service.
    pub(super) fn service(&self) -> Service {
        match self.state {
            State::Outside => self.binding.service,
            State::Multiply | State::Advised => Service::Multiply,
            State::Greeting => Service::Greeting,
            State::Chat(_) | State::Joining => Service::Chat,
            State::Plain(service) => service,
            State::Talk(_) => Service::Talk,
            State::Stats(_) => Service::Stats,
            State::Status(_) => Service::Status,
            State::Watch(_) => Service::Watch,
            State::Mux | State::Control | State::Ordered => Service::Mux,
            State::Page(_) | State::Guarded(_) => Service::Page,
        }
    }

    /// Its id in the room, if it is a member.
    pub(super) fn member_id(&self) -> Option<MemberId> {
        match (&self.phase, &self.state) {
            (Phase::Serving, State::Chat(Ok(member_id))) => Some(*member_id),
            _ => None,
        }
    }

    /// Whether the kernel accepts nothing for it.
    #[inline]
    pub(super) fn is_blocked(&self) -> bool {
        self.sending != Sending::Free
    }

    pub(super) fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving | Phase::Withdrawn)
    }

    /// Whether it was admitted, and is counted.
    pub(super) fn is_counted(&self) -> bool {
        !matches!(self.state, State::Outside)
    }

    /// The transport of its endpoint.
    pub(super) fn transport(&self) -> &Transport {
        &self.binding.transport
    }

    pub(super) fn settings<'a>(&self, shared: &'a EngineState) -> &'a ServiceSettings {
        shared.settings.of(self.service())
    }

    /// How its messages are encoded.
    #[inline]
    pub(super) fn encoding(&self) -> Encoding {
        Encoding::of(self.kind, self.service())
    }

    /// From the next message on, messages end with LF, for every kind of client except those with packets or frames.
    pub(super) fn end_lines_with_lf(&mut self) {
        if !matches!(self.kind, Some(FramingMode::Packet | FramingMode::Http | FramingMode::WebSocket)) {
            if self.encoding().is_paced() {
                self.outbox.join();
            }
            self.kind = Some(FramingMode::Line);
        }
    }

    pub(super) fn say(&mut self, words: &str) {
        self.outbox.say(self.encoding(), words);
    }

    /// Sends an error about a message.
    pub(super) fn err(&mut self, shared: &mut EngineState, kind: ErrorKind, error: String) {
        self.say(&format!("Error: {error}"));
        self.note_error(shared, kind, error);
    }

    /// The same; the log quotes the message, unless it is private.
    #[cold]
    #[inline(never)]
    pub(super) fn err_about(
        &mut self,
        shared: &mut EngineState,
        kind: ErrorKind,
        message: &[u8],
        error: String,
    ) {
        self.say(&format!("Error: {error}"));
        self.note_error_about(shared, kind, message, error);
    }

    #[cold]
    #[inline(never)]
    pub(super) fn note_error_about(
        &mut self,
        shared: &mut EngineState,
        kind: ErrorKind,
        message: &[u8],
        error: String,
    ) {
        let logged = match self.is_private(shared, message) {
            true => error.clone(),
            false => about(&error, message),
        };
        self.count_error_reply(shared, kind, &error);
        // Watchers have just seen the message itself.
        self.show_to_watchers(shared, || TraceEvent::Happened(EventKind::Erred(error)));
        self.log(shared, EventKind::Erred(logged));
    }

    fn count_error_reply(&mut self, shared: &mut EngineState, kind: ErrorKind, error: &str) {
        shared.counters.of_mut(self.service()).count_error(kind);
        shared.effort.count_error();
        self.count_error(shared);
        self.remember_error(shared, kind, error);
    }

    pub(super) fn note_error(&mut self, shared: &mut EngineState, kind: ErrorKind, error: String) {
        self.count_error_reply(shared, kind, &error);
        self.note(shared, EventKind::Erred(error));
    }

    pub(super) fn note(&self, shared: &mut EngineState, what: EventKind) {
        self.show_to_watchers(shared, || TraceEvent::Happened(what.clone()));
        self.log(shared, what);
    }

    fn log(&self, shared: &mut EngineState, what: EventKind) {
        shared.note(Event {
            peer: Some(self.peer),
            binding: Rc::clone(&self.binding),
            remote: self.remote,
            what,
        });
    }
}
