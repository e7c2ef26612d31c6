//! What a service says to one peer, and what it knows of it. Takes whole messages; has never seen how they are cut.

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
use crate::engine::service::status::Progress;
use crate::engine::service::talk::PairEnd;
use crate::engine::service::watch::TraceEvent;
use crate::engine::text::about;

/// The side of a session that faces its service.
#[derive(Debug)]
pub(super) struct Dialogue {
    pub(super) peer: ConnectionId,
    pub(super) binding: Rc<Binding>,
    pub(super) remote: RemoteAddress,
    pub(super) opened: Timestamp,
    /// The last complete message, or the moment when the last reply had gone out.
    pub(super) active: Timestamp,
    pub(super) state: State,
    pub(super) phase: Phase,
    /// How its messages end, once that is known.
    pub(super) kind: Option<FramingMode>,
    pub(super) outbox: Outbox,
    pub(super) heard: Heard,
    pub(super) sending: Sending,
    pub(super) unreported: Unreported,
    // These two are the engine's business; here they fit where nothing else would.
    /// Memory that the session's queues took when it was [counted](super::Session::account).
    pub(super) held: u32,
    pub(super) membership: Membership,
}

/// How much has come from a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Heard {
    #[default]
    Nothing,
    /// The same, and watchers know of its silence.
    NothingYet,
    /// Bytes, and no message in them.
    Bytes,
    /// Its first message has been looked at.
    Message,
}

/// Whether the kernel takes bytes for a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sending {
    /// It does.
    #[default]
    Free,
    /// It does not, since the moment that [`EngineState::unread`] has.
    Blocked,
    /// It has not for too long, and is to be asked once more, because it tells of room only once a third (TCP) or three
    /// quarters (Unix) of its buffer are free, and a peer may take longer for that and read all the same.
    RetryWanted,
    /// The answer to that question is all that is waited for.
    Retried,
}

/// Where a connection is in its life.
#[derive(Debug)]
pub(super) enum Phase {
    /// It is served.
    Serving,
    /// It is given the rest of a long reply, and no other: its service is no longer offered.
    Withdrawn,
    /// Its last words are queued; progress was last made at the moment.
    Draining(CloseReason, Timestamp),
    /// It has its last words, and until the moment to read them; then comes a reset.
    AwaitingReset(CloseReason, Timestamp),
    /// Our side is shut down; we wait for its end of file, until the moment at most.
    Lingering(CloseReason, Timestamp),
}

/// What is said to it, and what its service knows of it.
#[derive(Debug)]
pub(super) enum State {
    /// It has not been let in, or never is: it counts nowhere.
    Outside,
    Multiply,
    Greeting,
    /// `Err`: it has no name yet, since the moment.
    Chat(Result<MemberId, Timestamp>),
    /// One that answers each message by itself.
    Plain(Service),
    Talk(Talk),
    /// `Some`: it is being told the list of all machines.
    Stats(Option<Box<ListCursor>>),
    /// How far the report is that it is being given.
    Status(Option<Progress>),
    /// `None`: it has not said what it wants to see.
    Watch(Option<Box<Watcher>>),
    Mux,
    /// It sends HTTP requests.
    Page,
    /// The mux itself is spoken to, by somebody who may control the daemon.
    Control,
}

/// How far it is in talk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Talk {
    /// It has an end of a line; perhaps nobody is at the other.
    Here(PairEnd),
    /// The same, and it is about to hear what its partner has said before it came: its own words wait for that.
    Meeting(PairEnd),
    /// It talks no more.
    Over,
}

impl Talk {
    /// Its end of a line.
    pub(super) fn end(self) -> Option<PairEnd> {
        match self {
            Talk::Here(end) | Talk::Meeting(end) => Some(end),
            Talk::Over => None,
        }
    }
}

impl Dialogue {
    /// The service it is in.
    pub(super) fn service(&self) -> Service {
        match self.state {
            State::Outside => self.binding.service,
            State::Multiply => Service::Multiply,
            State::Greeting => Service::Greeting,
            State::Chat(_) => Service::Chat,
            State::Plain(service) => service,
            State::Talk(_) => Service::Talk,
            State::Stats(_) => Service::Stats,
            State::Status(_) => Service::Status,
            State::Watch(_) => Service::Watch,
            State::Mux | State::Control => Service::Mux,
            State::Page => Service::Page,
        }
    }

    /// Its place in the room, while it has one.
    pub(super) fn member_id(&self) -> Option<MemberId> {
        match (&self.phase, &self.state) {
            (Phase::Serving, State::Chat(Ok(member_id))) => Some(*member_id),
            _ => None,
        }
    }

    /// Whether the kernel takes nothing for it.
    #[inline]
    pub(super) fn is_blocked(&self) -> bool {
        self.sending != Sending::Free
    }

    pub(super) fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving | Phase::Withdrawn)
    }

    /// Whether it was let in, and counts among the connections.
    pub(super) fn is_counted(&self) -> bool {
        !matches!(self.state, State::Outside)
    }

    /// What it travels on.
    pub(super) fn transport(&self) -> &Transport {
        &self.binding.transport
    }

    pub(super) fn settings<'a>(&self, shared: &'a EngineState) -> &'a ServiceSettings {
        shared.settings.of(self.service())
    }

    /// How its messages are told apart on the way out.
    pub(super) fn encoding(&self) -> Encoding {
        Encoding::of(self.kind, self.service())
    }

    /// What is said next ends with LF, whoever hears it, unless that is a packet or a frame.
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

    /// Tells the peer what was wrong with its message.
    pub(super) fn err(&mut self, shared: &mut EngineState, kind: ErrorKind, error: String) {
        self.say(&format!("Error: {error}"));
        self.note_error(shared, kind, error);
    }

    /// The same; the log quotes the message, if it is not private.
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
        // Whoever watches has just seen the message.
        self.show_to_watchers(shared, || TraceEvent::Happened(EventKind::Erred(error)));
        self.log(shared, EventKind::Erred(logged));
    }

    fn count_error_reply(&mut self, shared: &mut EngineState, kind: ErrorKind, error: &str) {
        shared.counters.of_mut(self.service()).count_error(kind);
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
