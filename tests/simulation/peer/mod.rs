//! A virtual peer: its messages (`roles`, `script`); how it sends, reads and leaves (`behaviour`); what it receives (`hearing`),
//! and what it must receive (`expect`). All of that follows from the manual alone.

mod behaviour;
mod expect;
mod framing;
mod hearing;
mod last_words;
mod roles;
mod script;
mod words;

use std::fmt;
use std::rc::Rc;

use ipcd::engine::limits::Settings;
use ipcd::engine::message::{Binding, CloseReason, ConnectionId, FramingMode, RemoteAddress, Timestamp};
use ipcd::engine::service::Service;

use crate::blockage::Blockage;
use crate::link::{Bytes, Link};
use crate::random::Random;
use behaviour::{Ending, Manner, Reading};
use expect::Conversation;
use framing::Framing;
use hearing::Receiver;
use script::Script;

pub use roles::MACHINES;

/// The messages that any client may send without a pause.
pub const BURST: usize = 10;

/// Names a peer in the message of a failure.
pub struct PeerLabel {
    /// 0: the observer.
    serial: u64,
    pub binding: Rc<Binding>,
    pub remote: RemoteAddress,
}

impl fmt::Display for PeerLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.serial {
            0 => f.write_str("the observer"),
            serial => write!(f, "peer {serial} at {} from {}", self.binding.endpoint, self.remote),
        }
    }
}

pub struct Actor {
    pub peer: ConnectionId,
    pub who: PeerLabel,
    /// The service that it has selected, or else that of its endpoint.
    pub service: Service,
    pub link: Link,
    /// Whether it was admitted.
    pub opened: bool,
    pub closed: Option<CloseReason>,
    /// Whether its last message was lost because it did not read.
    pub words_lost: bool,
    pub blockage: Blockage,
    /// How many messages the engine says it has taken.
    pub said: u64,
    /// When it was admitted, and how many settings had applied by then.
    pub since: Timestamp,
    pub seen: usize,
    /// How many bytes the engine was given.
    pub taken: u64,
    taken_at_error: u64,
    sent: u64,
    sent_at_stop: u64,
    framing: Framing,
    conversation: Conversation,
    script: Script,
    sending: Bytes,
    manner: Manner,
    receiver: Receiver,
    is_observer: bool,
}

impl Actor {
    /// A peer with an empty script, which connects to `binding`.
    fn new(
        random: &mut Random,
        binding: &Rc<Binding>,
        remote: RemoteAddress,
        settings: &Settings,
        serial: u64,
    ) -> Actor {
        let framing = Framing::new(random, binding, settings);
        let (reading, ending) = (Reading::any(random), Ending::any(random));
        let link = Link {
            outbound_room: random.pick(&[1, 10, 64, 500, 4096, 20_000, 200_000]),
            tells_late: random.percent(30),
            ..Link::default()
        };
        Actor {
            peer: ConnectionId { index: 0, generation: 0 },
            who: PeerLabel { serial, binding: Rc::clone(binding), remote },
            service: binding.service,
            link,
            opened: false,
            closed: None,
            words_lost: false,
            blockage: Blockage::default(),
            said: 0,
            since: Timestamp::at(0),
            seen: 0,
            taken: 0,
            taken_at_error: 0,
            sent: 0,
            sent_at_stop: 0,
            framing,
            conversation: Conversation::Noise,
            script: Script::default(),
            sending: Bytes::default(),
            manner: Manner::new(random, reading, ending),
            receiver: Receiver::default(),
            is_observer: false,
        }
    }

    // ---- the engine's reports about it

    /// Another connection has its name: it tries one that nobody else uses.
    pub fn note_error(&mut self, error: &str, serial: u64) {
        self.taken_at_error = self.taken;
        if let Conversation::Chat(chat) = &mut self.conversation
            && !chat.is_in_the_room()
            && error.starts_with("the name '")
        {
            let unit = format!("again{serial}\n").into_bytes();
            chat.insert_name(self.sent, unit.len() as u64);
            self.sending.push(&unit);
        }
    }

    pub fn note_decision(&mut self, kind: FramingMode) {
        if !self.framing.decide(kind, &self.who) {
            return;
        }
        assert!(self.taken > 0 || self.link.fin, "{}: {kind:?} after nothing", self.who);
        let wrong = (kind == FramingMode::Raw) != self.framing.raw;
        if wrong && !matches!(self.conversation, Conversation::Noise) && !self.script.is_foreign {
            let excused = if self.framing.raw { self.link.fin } else { !self.manner.whole_first_line };
            assert!(
                excused,
                "{}: taken for {kind:?} after {} bytes, {} of {:?}",
                self.who, self.taken, self.sent, self.script
            );
            self.framing.ambiguous = true;
        }
    }

    pub fn note_joined(&mut self, name: &str, ordinal: usize) {
        if let Conversation::Chat(chat) = &mut self.conversation {
            chat.note_joined(name, ordinal, &self.who);
        }
    }

    pub fn note_stop(&mut self) {
        self.sent_at_stop = self.sent;
    }

    // ---- its properties

    pub fn is_on_packets(&self) -> bool {
        self.who.binding.transport.has_messages()
    }

    /// Whether its replies are sent one by one, with pauses between.
    pub fn is_paced(&self) -> bool {
        let is_one_by_one = self.framing.is_known_raw() || self.framing.decided == Some(FramingMode::C);
        is_one_by_one && !matches!(self.service, Service::Status | Service::Watch)
    }

    /// Whether its connection ends with a reset: it is a chat client that is raw, or may still be.
    pub fn may_be_window(&self) -> bool {
        let listens = self.service == Service::Talk && !self.framing.is_known_raw();
        !self.framing.is_known_line() && self.is_chatting() && !listens
    }

    /// Whether it may have to wait because it has sent so much.
    pub fn may_be_held(&self, settings: &Settings) -> bool {
        // Others of its source may have used up its burst in the room.
        let is_in_chat = matches!(self.service, Service::Chat);
        // Its pieces may be many messages until its kind is known.
        let is_unclear = matches!(self.conversation, Conversation::Noise)
            || self.framing.ambiguous
            || !self.manner.whole_first_line;
        settings.of(self.service).messages_per_second > 0
            && (self.script.begun > BURST || is_unclear || is_in_chat)
    }

    pub fn is_observer(&self) -> bool {
        self.is_observer
    }

    pub fn is_in_the_room(&self) -> bool {
        matches!(&self.conversation, Conversation::Chat(chat) if chat.is_in_the_room())
    }

    fn is_chatting(&self) -> bool {
        matches!(self.service, Service::Chat | Service::Talk)
    }
}
