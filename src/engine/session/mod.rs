//! One peer: what it is being told, what of its own words is not yet a message, what waits to be sent to it, and when
//! patience ends. Bytes fall through [`Session::handle_bytes`] → framing → [`Session::answer`] → outbox.

mod ending;
mod fifo;
mod holding;
mod patience;
mod restart;
mod state;
mod stats;
mod strangers;
mod watching;

use std::rc::Rc;

use memchr::memchr;
use thin_vec::ThinVec;

use super::allow;
use super::counters::ErrorKind;
use super::deadlines::Alarm;
use super::diagnosis;
use super::foreign::{self, Guess};
use super::framing::{Decision, Framing, without_cr};
use super::limits::{OUTBOX_BYTES_HIGH, ROOM_BURST_BYTES, ServiceSettings};
use super::message::{CloseReason, Door, Happening, Kind, Medium, Moment, Note, Origin, Peer};
use super::number;
use super::outbox::{Outbox, Style};
use super::room::Seat;
use super::service::multiply;
use super::service::mux::{self, Choice};
use super::service::status::Progress;
use super::service::talk::{self, Chair};
use super::service::watch::Sight;
use super::service::{Service, chat, control, greeting, hello};
use super::text::{clean, is_empty, quote};
use super::{Letter, World};
pub(super) use stats::Telling;
use watching::Watcher;

/// Said when a limit on connections is reached.
const TOO_MANY: &str = "Error: too many connections, try again later";

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) peer: Peer,
    pub(super) door: Rc<Door>,
    pub(super) origin: Origin,
    pub(super) alarm: Alarm,
    opened: Moment,
    state: State,
    phase: Phase,
    framing: Framing,
    /// Bytes that are not yet a message, or that wait because too much waits to be sent.
    inbox: ThinVec<u8>,
    /// How many of them are known to hold no LF.
    scanned: u32,
    outbox: Outbox,
    /// When the unfinished message in the inbox began.
    begun: Option<Moment>,
    /// The last complete message, or the moment when the last reply had gone out.
    active: Moment,
    /// Memory that its queues took when it was [counted](Session::account).
    held: u32,
    flags: Flags,
}

/// Facts about a session that are independent of its phase.
#[derive(Debug, Default)]
struct Flags {
    /// Its end of file has come.
    ended: bool,
    /// What is in the inbox ends with the end of a burst or of the stream: its tail is a message.
    tail_is_message: bool,
    /// More of the burst has come than was read: the next read says how it goes on.
    goes_on: bool,
    /// How often in a row that was so, since its last message.
    full_reads: u16,
    /// The inbox holds messages that wait for room in a queue.
    stalled: bool,
    /// The kernel takes nothing for it.
    blocked: bool,
    /// Its first message has been looked at.
    spoke: bool,
    /// It counts in the census.
    counted: bool,
    /// It is about to hear what its partner has said before it came: its own words wait for that.
    meeting: bool,
    /// The daemon stops, and the kernel holds nothing more from it.
    dry: bool,
    /// The rest of a line that was too long is still to come (on a FIFO).
    skipping: bool,
    /// It stands in a list of the engine's: to be flushed, or to go on.
    flush_called: bool,
    waiting: bool,
    /// Something has come from it, and something was sent to it.
    heard: bool,
    told: bool,
    /// Watchers know of its silence.
    hinted: bool,
    reporting: bool,
    /// The reactor was told not to read from it.
    deaf: bool,
    /// Its service is no longer offered: it is given the rest of a long reply, and no other.
    withdrawn: bool,
}

/// Where a connection is in its life.
#[derive(Debug)]
enum Phase {
    /// It is served.
    Serving,
    /// Its last words are queued; progress was last made at the moment.
    Draining(CloseReason, Moment),
    /// It has its last words, and until the moment to read them; then comes a reset.
    Parting(CloseReason, Moment),
    /// Our side is shut down; we wait for its end of file, until the moment at most.
    Lingering(CloseReason, Moment),
}

/// What is said to it, and what its service knows of it.
#[derive(Debug)]
enum State {
    /// It has not been let in, or never is.
    Outside,
    Multiply,
    Greeting,
    /// `Err`: it has no name yet, since the moment.
    Chat(Result<Seat, Moment>),
    Hello,
    /// `None`: it talks no more.
    Talk(Option<Chair>),
    /// `Some`: it is being told the list of all machines.
    Stats(Option<Box<Telling>>),
    /// How far the report is that it is being given.
    Status(Option<Progress>),
    /// `None`: it has not said what it wants to see.
    Watch(Option<Box<Watcher>>),
    Mux,
    /// The mux itself is spoken to, by somebody who may control the daemon.
    Control,
}

impl Session {
    /// A connection comes in: it is let in and told what its service tells everybody, or refused.
    pub(super) fn open(
        world: &mut World,
        now: Moment,
        peer: Peer,
        door: &Rc<Door>,
        origin: Origin,
    ) -> Session {
        let mut session = Session {
            peer,
            door: Rc::clone(door),
            origin,
            alarm: Alarm::default(),
            opened: now,
            state: State::Outside,
            phase: Phase::Serving,
            framing: match door.medium {
                Medium::Packets => Framing::Known(Kind::Packet),
                _ => Framing::new(world.settings.of(door.service).framing),
            },
            inbox: ThinVec::new(),
            scanned: 0,
            outbox: Outbox::default(),
            begun: None,
            active: now,
            held: 0,
            flags: Flags::default(),
        };
        if session.is_on_fifo() {
            session.open_fifo(world, now);
        } else if let Some(uid) = session.refused_user(world) {
            session.refuse(world, now, door.service, CloseReason::NotAllowed, &allow::refusal(uid));
        } else if world.census.admit(&world.settings, door.service, origin) {
            session.flags.counted = true;
            session.note(world, Happening::Opened);
            session.enter(world, now, door.service);
        } else {
            session.refuse(world, now, door.service, CloseReason::TooMany, TOO_MANY);
        }
        session
    }

    /// Begins a service.
    fn enter(&mut self, world: &mut World, now: Moment, service: Service) {
        world.counters.of_mut(service).connections += 1;
        let before = self.style();
        self.state = match service {
            Service::Multiply => State::Multiply,
            Service::Greeting => State::Greeting,
            Service::Chat => State::Chat(Err(now)),
            Service::Hello => State::Hello,
            Service::Talk => State::Talk(Some(world.talk.sit(self.peer))),
            Service::Stats => State::Stats(None),
            // Who chose it has asked.
            Service::Status if self.door.service != Service::Status => State::Status(Some(Progress::Begun)),
            Service::Status => State::Status(None),
            Service::Watch => State::Watch(None),
            Service::Mux => State::Mux,
        };
        self.active = now;
        if (before, self.style()) == (Style::Paced, Style::Bare) {
            self.outbox.stop_pacing();
        }
        match self.state {
            State::Greeting => {
                match self.style() {
                    Style::Packets => self.say(greeting::WORDS.trim_end()),
                    _ => self.outbox.push(greeting::WORDS.as_bytes()),
                }
                self.finish(world, now, CloseReason::Served, None);
            }
            State::Chat(_) if self.is_on_fifo() => self.join_from_fifo(world),
            State::Chat(_) => self.say(chat::GREETING),
            State::Talk(_) => self.meet(world),
            State::Multiply
            | State::Hello
            | State::Stats(_)
            | State::Status(_)
            | State::Watch(_)
            | State::Mux
            | State::Outside
            | State::Control => {}
        }
    }

    /// The user who it is, if that one may not come in.
    fn refused_user(&self, world: &World) -> Option<u32> {
        self.door.allowed.as_ref()?.refuses(self.origin, world.settings.owner)
    }

    fn refuse(&mut self, world: &mut World, now: Moment, service: Service, reason: CloseReason, words: &str) {
        self.end_lines_with_lf();
        world.counters.of_mut(service).refused += 1;
        self.finish(world, now, reason, Some(words));
    }

    /// The service it is in.
    pub(super) fn service(&self) -> Service {
        match self.state {
            State::Outside => self.door.service,
            State::Multiply => Service::Multiply,
            State::Greeting => Service::Greeting,
            State::Chat(_) => Service::Chat,
            State::Hello => Service::Hello,
            State::Talk(_) => Service::Talk,
            State::Stats(_) => Service::Stats,
            State::Status(_) => Service::Status,
            State::Watch(_) => Service::Watch,
            State::Mux | State::Control => Service::Mux,
        }
    }

    /// Its place in the room, while it has one.
    pub(super) fn seat(&self) -> Option<Seat> {
        match (&self.phase, &self.state) {
            (Phase::Serving, State::Chat(Ok(seat))) => Some(*seat),
            _ => None,
        }
    }

    /// Its place in the room, if only what the room says waits for it, and nothing that it has said waits for room.
    pub(super) fn listening_seat(&self) -> Option<Seat> {
        self.seat().filter(|_| self.outbox.is_empty() && !self.flags.stalled)
    }

    pub(super) fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving)
    }

    pub(super) fn is_counted(&self) -> bool {
        self.flags.counted
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn settings<'a>(&self, world: &'a World) -> &'a ServiceSettings {
        world.settings.of(self.service())
    }

    /// How its messages are told apart on the way out.
    pub(super) fn style(&self) -> Style {
        match (self.framing.kind(), self.service()) {
            (None | Some(Kind::Line), _) | (Some(Kind::Raw), Service::Status | Service::Watch) => {
                Style::Lines
            }
            (Some(Kind::Packet), _) => Style::Packets,
            (Some(Kind::Raw), Service::Multiply | Service::Stats | Service::Mux) => Style::Paced,
            (Some(Kind::Raw), Service::Greeting | Service::Chat | Service::Hello | Service::Talk) => {
                Style::Bare
            }
        }
    }

    /// Whether each of its messages is a packet.
    pub(super) fn is_on_packets(&self) -> bool {
        self.framing.kind() == Some(Kind::Packet)
    }

    fn say(&mut self, words: &str) {
        self.outbox.say(self.style(), words);
    }

    fn note(&self, world: &mut World, what: Happening) {
        self.show_to_watchers(world, || Sight::Happened(what.clone()));
        world.note(Note { peer: Some(self.peer), door: Rc::clone(&self.door), origin: self.origin, what });
    }

    // ---- what comes in

    /// Whether the peer is to be read from: not when it does not read itself.
    pub(super) fn wants_input(&self, world: &World) -> bool {
        !self.flags.ended && (!self.is_serving() || !self.is_held_back(world))
    }

    /// Whether it waits for somebody to talk with.
    fn is_alone(&self, world: &World) -> bool {
        matches!(self.state, State::Talk(Some(_))) && self.partner(world).is_none()
    }

    /// Whom it talks with.
    fn partner(&self, world: &World) -> Option<Peer> {
        match self.state {
            State::Talk(Some(chair)) => world.talk.partner(chair),
            _ => None,
        }
    }

    fn is_held_back(&self, world: &World) -> bool {
        if self.is_on_fifo() {
            return self.flags.stalled;
        }
        // What is said before a partner has come is kept for that one.
        let keeps = self.is_alone(world) && self.inbox.len() < self.settings(world).backlog_bytes_max;
        (self.flags.stalled && !keeps)
            || (self.flags.blocked && self.seat().is_some())
            || self.outbox.len() >= OUTBOX_BYTES_HIGH
            || (self.flags.blocked && !self.outbox.is_empty())
    }

    /// Whether more may be asked of the services on this peer's behalf, while it is served.
    fn has_room(&self, world: &mut World) -> bool {
        if self.flags.withdrawn {
            return false;
        }
        let is_member = match self.state {
            State::Status(Some(_)) | State::Stats(Some(_)) => return false, // one after the other
            State::Talk(Some(chair)) => {
                let max = line_bytes_max(world);
                return !self.flags.meeting && world.talk.has_room(chair, max);
            }
            State::Chat(Ok(_)) if world.room.fresh() >= ROOM_BURST_BYTES => return false,
            State::Chat(Ok(_)) => true,
            _ => false,
        };
        if self.is_on_fifo() && self.flags.blocked {
            return true; // what nobody reads is dropped, and only then
        }
        let high = OUTBOX_BYTES_HIGH.min(self.settings(world).backlog_bytes_max);
        self.outbox.len() < high && !(is_member && self.flags.blocked)
    }

    /// Bytes came. `more`: the burst goes on.
    pub(super) fn handle_bytes(&mut self, world: &mut World, now: Moment, bytes: &[u8], more: bool) {
        world.counters.of_mut(self.service()).bytes_in += bytes.len() as u64;
        self.flags.heard |= !bytes.is_empty();
        if !self.is_serving() {
            // What a greeted client says is for the log; what anybody else says after the end is for nobody.
            if matches!(self.state, State::Greeting)
                && self.flags.counted
                && !self.flags.spoke
                && !is_empty(bytes)
            {
                self.flags.spoke = true;
                world.counters.of_mut(Service::Greeting).messages += 1;
                self.note(world, Happening::Remarked(quote(bytes.trim_ascii())));
            }
            return;
        }
        if self.flags.tail_is_message && self.framing.kind() == Some(Kind::Raw) && !self.inbox.is_empty() {
            self.inbox.push(b'\n'); // the burst before ended here
        }
        if self.is_on_packets() {
            return self.handle_packet(world, now, bytes, more);
        }
        (self.flags.tail_is_message, self.flags.goes_on) = (!more, more);
        self.flags.full_reads = if more { self.flags.full_reads.saturating_add(1) } else { 0 };
        self.outbox.resume(now); // a pause that nothing waited for has no deadline
        if self.inbox.is_empty() {
            let consumed = self.consume(world, now, bytes);
            self.inbox.extend_from_slice(&bytes[consumed..]);
        } else {
            self.inbox.extend_from_slice(bytes);
            self.consume_inbox(world, now);
        }
        self.note_progress(now);
    }

    /// One packet is one message: it is kept as a line, in which an LF within it must not end it.
    fn handle_packet(&mut self, world: &mut World, now: Moment, packet: &[u8], truncated: bool) {
        if truncated {
            return self.overflow(world, now);
        }
        if let Some(foreign) = foreign::of_message(packet).filter(|_| !self.flags.spoke) {
            self.reject(world, now, foreign);
        }
        if !self.is_serving() {
            return;
        }
        let message = without_cr(packet.strip_suffix(b"\n").unwrap_or(packet));
        let inner = |byte: &u8| if *byte == b'\n' { b'\r' } else { *byte }; // both are white space, or removed
        let line = message.iter().map(inner).chain([b'\n']);
        self.inbox.extend(line);
        self.consume_inbox(world, now);
        self.note_progress(now);
    }

    /// What is said next ends with LF, whoever hears it, unless that is a packet.
    fn end_lines_with_lf(&mut self) {
        if !self.is_on_packets() {
            self.framing = Framing::Known(Kind::Line);
        }
    }

    /// The peer will send nothing more.
    pub(super) fn handle_end_of_file(&mut self, world: &mut World, now: Moment) {
        self.hint_at_leaving(world);
        self.flags.ended = true;
        if self.is_alone(world) {
            self.inbox = ThinVec::new();
            self.flags.stalled = false;
        }
        if self.is_serving() && !self.inbox.is_empty() {
            self.decide(world, |framing| Decision::Is(framing.handle_end_of_file()));
            self.flags.tail_is_message = true;
            self.consume_inbox(world, now);
            self.note_progress(now);
        }
    }

    /// There may be room in the queues again.
    pub(super) fn resume(&mut self, world: &mut World, now: Moment) {
        self.go_on_telling(world, now);
        if self.is_serving() && self.flags.stalled && self.has_room(world) {
            self.consume_inbox(world, now);
            self.note_progress(now);
        }
    }

    fn consume_inbox(&mut self, world: &mut World, now: Moment) {
        let mut inbox = std::mem::take(&mut self.inbox);
        let consumed = self.consume(world, now, &inbox);
        if consumed > 0 {
            self.begun = None; // what is left of it is another message
        }
        if consumed < inbox.len() {
            inbox.drain(..consumed);
            self.inbox = inbox;
        }
    }

    /// After input: whether a message is begun.
    fn note_progress(&mut self, now: Moment) {
        if self.inbox.is_empty() && !self.flags.skipping {
            self.begun = None;
        } else if !self.flags.stalled {
            self.begun.get_or_insert(now);
        }
    }

    /// Takes whole messages off the front of `bytes`; how many bytes that were.
    fn consume(&mut self, world: &mut World, now: Moment, bytes: &[u8]) -> usize {
        self.flags.stalled = false;
        if self.reject_foreign(world, now, bytes) {
            return bytes.len();
        }
        if self.framing.kind().is_none() && !self.decide_by_burst(world, now, bytes) {
            return if self.is_serving() { 0 } else { bytes.len() };
        }
        let mut at = if self.flags.skipping { self.skip(bytes) } else { 0 };
        while at < bytes.len() {
            if !self.is_serving() {
                return bytes.len();
            }
            if !self.has_room(world) {
                self.flags.stalled = true;
                self.reject_first(world, now, &bytes[at..]);
                break;
            }
            let scanned = (std::mem::take(&mut self.scanned) as usize).min(bytes.len() - at);
            match memchr(b'\n', &bytes[at + scanned..]) {
                Some(offset) => {
                    let end = at + scanned + offset;
                    self.handle_message(world, now, without_cr(&bytes[at..end]));
                    at = end + 1;
                }
                None if without_cr(&bytes[at..]).len() > self.settings(world).message_bytes_max => {
                    self.overflow_within(world, now, &bytes[at..]);
                    if self.is_on_fifo() {
                        self.flags.skipping = true;
                        return bytes.len();
                    }
                }
                None if self.is_on_fifo() && self.flags.ended => return bytes.len(), // no line
                None if self.flags.tail_is_message
                    && (self.flags.ended || self.framing.kind() == Some(Kind::Raw)) =>
                {
                    self.handle_message(world, now, without_cr(&bytes[at..]));
                    at = bytes.len();
                }
                None => {
                    self.scanned = u32::try_from(bytes.len() - at).unwrap_or(u32::MAX);
                    break;
                }
            }
        }
        if !self.is_serving() { bytes.len() } else { at }
    }

    /// Looks at the first bursts; whether the kind of client is known now.
    fn decide_by_burst(&mut self, world: &mut World, now: Moment, bytes: &[u8]) -> bool {
        let settings = self.settings(world);
        let has_line = memchr(b'\n', bytes).is_some();
        if !has_line && without_cr(bytes).len() > settings.message_bytes_max {
            self.overflow_within(world, now, bytes);
            return false;
        }
        if !has_line && !self.flags.tail_is_message {
            return false; // the rest of the first burst is there already
        }
        let raw_gap = settings.raw_gap;
        let (service, default) = (self.service(), world.settings.mux_default);
        let decision = self.decide(world, |framing| {
            framing.handle_burst(now, raw_gap, bytes, |bytes| {
                foreign::look(bytes) == Guess::No && is_complete(service, default, bytes)
            })
        });
        match decision {
            Decision::Is(_) => return true,
            Decision::WaitComplete if self.is_multiplication(world, bytes) => {
                self.outbox.say_openly(multiply::ACKNOWLEDGEMENT);
            }
            Decision::WaitComplete | Decision::Wait => {}
        }
        false
    }

    /// Whether `bytes`, a complete request, is multiply's to answer.
    fn is_multiplication(&self, world: &World, bytes: &[u8]) -> bool {
        match self.state {
            State::Multiply => true,
            State::Mux => {
                let fits = bytes.len() <= world.settings.of(Service::Multiply).message_bytes_max;
                let is_default = mux::choose(bytes) == Choice::Default;
                world.settings.mux_default == Service::Multiply && is_default && fits
            }
            State::Greeting
            | State::Chat(_)
            | State::Hello
            | State::Talk(_)
            | State::Stats(_)
            | State::Status(_)
            | State::Watch(_)
            | State::Outside
            | State::Control => false,
        }
    }

    fn decide(&mut self, world: &mut World, step: impl FnOnce(&mut Framing) -> Decision) -> Decision {
        let known = self.framing.kind().is_some();
        let decision = step(&mut self.framing);
        if let (false, Decision::Is(kind)) = (known, decision) {
            self.note(world, Happening::Decided(kind));
        }
        decision
    }

    // ---- what it means

    /// One whole message.
    fn handle_message(&mut self, world: &mut World, now: Moment, message: &[u8]) {
        // The length first: whether a blank line is too long must not depend on how it was cut on its way.
        if message.len() > self.settings(world).message_bytes_max {
            return self.overflow(world, now);
        }
        if is_empty(message) {
            return;
        }
        if self.reject_first(world, now, message) {
            return;
        }
        self.flags.spoke = true;
        self.active = now;
        self.flags.full_reads = 0;
        world.counters.of_mut(self.service()).messages += 1;
        if world.settings.report_messages {
            self.note(world, Happening::Said(quote(message)));
        } else {
            self.show_to_watchers(world, || Sight::Happened(Happening::Said(quote(message))));
        }
        self.answer(world, now, message);
        if self.is_on_fifo() {
            self.drop_unread(world);
        }
    }

    fn answer(&mut self, world: &mut World, now: Moment, message: &[u8]) {
        match self.state {
            State::Multiply => self.multiply(world, message),
            State::Outside | State::Greeting => {}
            State::Chat(Err(_)) => self.name(world, now, message),
            State::Chat(Ok(seat)) => self.chat(world, now, seat, message),
            State::Hello => {
                self.say(hello::WORDS);
                self.finish(world, now, CloseReason::Served, None);
            }
            State::Talk(Some(chair)) => self.talk(world, now, chair, message),
            State::Talk(None) => {}
            State::Stats(_) => self.stats(world, now, message),
            State::Status(_) => self.state = State::Status(Some(Progress::Begun)),
            State::Watch(_) => self.watch(world, now, message),
            State::Mux => self.choose(world, now, message),
            State::Control => self.control(world, message),
        }
    }

    fn multiply(&mut self, world: &mut World, message: &[u8]) {
        let style = self.style();
        if !self.outbox.is_open() {
            self.outbox.say(style, multiply::ACKNOWLEDGEMENT);
        }
        match multiply::evaluate(message) {
            Ok(value) => self.outbox.say(style, number::Text::of(value)),
            Err(complaint) => {
                self.err(world, complaint.kind(), complaint.to_string());
                self.hint(world, |world| diagnosis::of_request(message, self.place(world)));
            }
        }
    }

    fn name(&mut self, world: &mut World, now: Moment, message: &[u8]) {
        let bare = self.style() == Style::Bare;
        match chat::handle_name(&mut world.room, self.peer, message, bare) {
            chat::Verdict::Joined(seat, rest) => {
                let name = world.room.name(seat).to_owned();
                self.say(&chat::welcome(&name));
                let style = self.style();
                self.outbox.expect(world.room.history_bytes());
                world.room.history().for_each(|line| self.outbox.say(style, line));
                world.room.set_blocked(seat, self.flags.blocked);
                self.state = State::Chat(Ok(seat));
                self.note(world, Happening::Joined(name.clone()));
                self.hint(world, |world| diagnosis::of_name(&name, self.place(world)));
                if !is_empty(rest.as_bytes()) {
                    self.chat(world, now, seat, rest.as_bytes());
                }
            }
            chat::Verdict::Erred(error) => self.err(world, ErrorKind::Name, error),
            chat::Verdict::Quit => self.finish(world, now, CloseReason::PeerQuit, Some(chat::FAREWELL)),
            chat::Verdict::Done => {}
        }
    }

    fn chat(&mut self, world: &mut World, now: Moment, seat: Seat, message: &[u8]) {
        match chat::handle_message(&mut world.room, seat, message) {
            chat::Verdict::Quit if self.is_on_fifo() => {
                self.err_on_fifo(world, ErrorKind::Command, fifo::STAYS.to_owned());
            }
            chat::Verdict::Quit => self.finish(world, now, CloseReason::PeerQuit, Some(chat::FAREWELL)),
            chat::Verdict::Erred(error) => self.note_error(world, ErrorKind::Command, error), // it heard of it in the room
            chat::Verdict::Done | chat::Verdict::Joined(..) => {}
        }
    }

    /// Takes its place at a line; who waited there hears of it.
    fn meet(&mut self, world: &mut World) {
        if let Some(partner) = self.partner(world) {
            self.flags.meeting = true;
            world.letters.push_back((partner, Letter::Met(self.origin)));
        }
    }

    fn talk(&mut self, world: &mut World, now: Moment, chair: Chair, message: &[u8]) {
        let Some(partner) = world.talk.partner(chair) else { return };
        let text = clean(message);
        if !text.trim().is_empty() {
            world.talk.add(chair, text.len() + 1);
            world.letters.push_back((partner, Letter::Said(text)));
        }
        if talk::is_bye(message) {
            self.finish(world, now, CloseReason::PeerQuit, None);
        }
    }

    /// Another session has something for it.
    pub(super) fn handle_letter(&mut self, world: &mut World, now: Moment, letter: Letter) {
        if !self.is_serving() {
            return;
        }
        match letter {
            Letter::Met(partner) => {
                self.note(world, Happening::Met(partner));
                self.resume(world, now);
                if let Some(partner) = self.partner(world) {
                    world.letters.push_back((partner, Letter::GoOn));
                }
            }
            Letter::Said(text) => {
                self.say(&text);
                self.report_held(world);
            }
            Letter::GoOn => {
                self.flags.meeting = false;
                self.resume(world, now);
            }
            Letter::Left => {
                self.state = State::Talk(None);
                self.finish(world, now, CloseReason::PartnerLeft, None);
            }
        }
    }

    /// Its partner may say more once little enough waits to be sent.
    fn report_held(&mut self, world: &mut World) {
        if let State::Talk(Some(chair)) = self.state
            && let Some(partner) = world.talk.set_held(chair, self.outbox.len(), line_bytes_max(world))
        {
            world.letters.push_back((partner, Letter::GoOn));
        }
    }

    fn choose(&mut self, world: &mut World, now: Moment, message: &[u8]) {
        let medium = self.door.medium;
        let (service, rest) = match mux::choose(message) {
            Choice::Help => {
                let offered = Service::offered();
                let origin = self.origin;
                let offered = offered.filter(|service| service.fits(medium) && service.is_for(origin));
                return offered.for_each(|service| self.say(service.name()));
            }
            // No daemon is behind standard input.
            Choice::Control
                if medium != Medium::Pipe && control::is_allowed(self.origin, world.settings.owner) =>
            {
                self.state = State::Control;
                return;
            }
            Choice::Control => {
                let error = "control is for root and the daemon's own user, on the Unix socket".to_owned();
                return self.fail(world, now, CloseReason::PeerDenied, error);
            }
            Choice::Named(service) => (service, None),
            Choice::Default => (world.settings.mux_default, Some(message)),
        };
        if !service.fits(medium) {
            let error = match medium {
                Medium::Packets => {
                    format!("{service} is not offered here: its answer is longer than a packet")
                }
                _ => format!("{service} is not offered here: it lives in the daemon; try help"),
            };
            return self.err(world, ErrorKind::Unavailable, error);
        }
        if !service.is_for(self.origin) {
            let error = format!("{service} is for the Unix socket, where it is known who asks");
            return self.err(world, ErrorKind::Unavailable, error);
        }
        if !world.census.change(&world.settings, Service::Mux, service, self.origin) {
            return self.refuse(world, now, service, CloseReason::TooMany, TOO_MANY);
        }
        self.note(world, Happening::Chose(service));
        self.enter(world, now, service);
        if let Some(message) = rest
            && self.is_serving()
        {
            self.handle_message(world, now, message);
        }
    }

    fn control(&mut self, world: &mut World, message: &[u8]) {
        match control::request(message) {
            Some(request) => world.requests.push_back((self.peer, request)),
            None => {
                let error = format!("unknown request: '{}' (known: reload, handover)", quote(message));
                self.err(world, ErrorKind::Command, error);
            }
        }
    }

    /// What became of a request.
    pub(super) fn handle_answer(&mut self, lines: &[String]) {
        if matches!((&self.phase, &self.state), (Phase::Serving, State::Control)) {
            lines.iter().for_each(|line| self.say(line));
        }
    }

    /// Tells the peer what was wrong with its message.
    fn err(&mut self, world: &mut World, kind: ErrorKind, error: String) {
        self.say(&format!("Error: {error}"));
        self.note_error(world, kind, error);
    }

    fn note_error(&mut self, world: &mut World, kind: ErrorKind, error: String) {
        world.counters.of_mut(self.service()).count_error(kind);
        self.note(world, Happening::Erred(error));
    }

    // ---- what goes out

    /// The first `count` bytes of the outbox's offer were sent.
    pub(super) fn handle_sent(&mut self, world: &mut World, now: Moment, count: usize) {
        self.flags.told = true;
        let style = self.style();
        let mut gap = self.settings(world).raw_gap;
        if let Some(stop) = world.stop.as_ref().filter(|_| style == Style::Paced) {
            // A long paced queue must not outlast the grace.
            gap = gap.min(stop.by.since(now) / (2 * (self.outbox.messages() as u32 + 1)));
        }
        self.outbox.sent(style, count, now, gap);
        if self.outbox.is_empty() {
            self.active = now;
        }
        self.report_held(world);
        if let Phase::Draining(_, progress) = &mut self.phase {
            *progress = now;
        }
    }

    /// The kernel takes bytes for it, or does not.
    pub(super) fn set_blocked(&mut self, world: &mut World, blocked: bool) {
        self.flags.blocked = blocked;
        if let Some(seat) = self.seat() {
            world.room.set_blocked(seat, blocked);
        }
    }

    /// Whether the outbox has something that may go out now.
    pub(super) fn is_flushable(&self) -> bool {
        !self.flags.blocked && !self.outbox.is_empty() && self.outbox.pause().is_none()
    }

    /// Marks that it stands in the list of those to be flushed (or no longer); whether it did.
    pub(super) fn mark_called(&mut self, called: bool) -> bool {
        std::mem::replace(&mut self.flags.flush_called, called)
    }

    /// Whether the reactor has to be told to read from it again.
    pub(super) fn is_to_be_heard_again(&mut self, world: &World, now: Moment) -> bool {
        let deaf = !self.wants_input(world);
        let again = std::mem::replace(&mut self.flags.deaf, deaf) && !deaf;
        if again {
            self.begun = self.begun.map(|_| now); // it could not go on: its time starts again
        }
        again
    }

    /// The same for the list of those that wait for room in the chat's log.
    pub(super) fn mark_waiting(&mut self, waiting: bool) -> bool {
        std::mem::replace(&mut self.flags.waiting, waiting)
    }

    /// Whether it holds messages for which its own queue has room: it waits for the room's.
    pub(super) fn is_waiting_for_room(&self) -> bool {
        self.flags.stalled && self.seat().is_some() && (!self.flags.blocked || self.is_on_fifo())
    }
}

/// Bytes waiting for a talker, from which on its partner's next messages wait.
fn line_bytes_max(world: &World) -> usize {
    OUTBOX_BYTES_HIGH.min(world.settings.of(Service::Talk).backlog_bytes_max)
}

/// Whether the first bytes are a whole request of the service.
fn is_complete(service: Service, mux_default: Service, bytes: &[u8]) -> bool {
    match service {
        Service::Multiply => multiply::is_complete(bytes),
        Service::Mux => mux::choose(bytes) != Choice::Default || is_complete(mux_default, mux_default, bytes),
        Service::Greeting
        | Service::Chat
        | Service::Hello
        | Service::Talk
        | Service::Stats
        | Service::Status
        | Service::Watch => true,
    }
}
