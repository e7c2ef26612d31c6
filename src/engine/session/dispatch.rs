//! From bytes to replies: input is split into messages, and the service handles each.

use super::Session;
use super::dialogue::{Dialogue, Heard, State, Talk};
use super::intake::{Burst, First, Intake, Rest};
use crate::engine::EngineState;
use crate::engine::codec::detect;
use crate::engine::codec::lines;
use crate::engine::codec::telnet::{self, IAC};
use crate::engine::diagnosis::form;
use crate::engine::limits::FramingRule;
use crate::engine::message::{EventKind, FramingMode, Timestamp};
use crate::engine::service::Service;
use crate::engine::service::facts::Keeps;
use crate::engine::service::mux::{self, Choice};
use crate::engine::service::status;
use crate::engine::service::watch::TraceEvent;
use crate::engine::text::{is_empty, quote};
use crate::engine::words::DATA_RECEIVED;
use crate::engine::wrong_protocol;

impl Session {
    /// Handles received bytes. `more`: the burst continues.
    pub(in crate::engine) fn handle_bytes(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        bytes: &[u8],
        more: bool,
    ) {
        let dialogue = &mut self.dialogue;
        shared.counters.of_mut(dialogue.service()).bytes_in += bytes.len() as u64;
        if dialogue.heard < Heard::Bytes && !bytes.is_empty() {
            dialogue.heard = Heard::Bytes;
        }
        if !dialogue.is_serving() {
            return dialogue.overhear(shared, bytes);
        }
        let kind = dialogue.kind;
        if matches!(kind, Some(FramingMode::Packet | FramingMode::WebSocket)) {
            return self.handle_framed(shared, now, bytes, more);
        }
        self.intake.push(kind, more);
        dialogue.outbox.resume(now); // a pause for which nothing waits has no deadline that would end it
        match kind {
            None if matches!(bytes, [b'\n'] | [b'\r', b'\n']) => self.hint_at_late_newline(shared, now),
            Some(FramingMode::Raw) if !more && bytes.ends_with(b"\n") => self.turn_to_lines(shared),
            Some(FramingMode::Line | FramingMode::Telnet) if self.is_telnet(shared, now, bytes) => {
                return self.take_text(shared, now, bytes);
            }
            _ => {}
        }
        self.process_input(shared, now, bytes);
    }

    /// Whether a line client's bytes contain Telnet commands: at the very beginning or, after Ctrl-C, between two messages. No text
    /// begins with IAC.
    fn is_telnet(&mut self, shared: &mut EngineState, now: Timestamp, bytes: &[u8]) -> bool {
        if self.intake.guess.telnet().is_some() {
            return true;
        }
        let has_command = match bytes {
            [IAC] => true,
            [IAC, command, ..] => telnet::is_command(*command),
            [b'\n'] | [b'\r', b'\n'] => {
                self.hint_at_late_newline(shared, now);
                false
            }
            _ => false,
        };
        let is_one = match self.dialogue.kind {
            Some(FramingMode::Telnet) => true,
            _ => {
                let is_between = self.intake.is_empty() && !self.intake.is_skipping();
                has_command
                    && is_between
                    && !self.dialogue.transport().many_writers
                    && self.is_guessed(shared)
            }
        };
        if is_one {
            self.dialogue.hint_at_kind(shared, FramingMode::Telnet, bytes);
            self.intake.guess.be_telnet();
        }
        is_one
    }

    /// Separates a Telnet client's bytes into commands, which it answers, and text, which it handles.
    fn take_text(&mut self, shared: &mut EngineState, now: Timestamp, bytes: &[u8]) {
        if self.intake.has_ended() {
            return; // it has ended its input
        }
        let (replies, has_ended) = self.intake.push_telnet(bytes);
        self.dialogue.outbox.push(&replies);
        self.process_input(shared, now, &[]);
        if has_ended {
            self.intake.end_input();
            self.take_last(shared, now);
        }
    }

    /// Whether the kind of client is still unknown and must be detected.
    fn is_guessed(&self, shared: &EngineState) -> bool {
        shared.settings.of(self.dialogue.binding.service).framing == FramingRule::Auto
    }

    /// Handles bytes whose messages are separated by packets or frames.
    #[cold]
    #[inline(never)]
    fn handle_framed(&mut self, shared: &mut EngineState, now: Timestamp, bytes: &[u8], more: bool) {
        match self.dialogue.kind {
            Some(FramingMode::WebSocket) => self.handle_frames(shared, now, bytes, more),
            _ => self.handle_packet(shared, now, bytes, more),
        }
    }

    /// Handles one packet, which is one message.
    fn handle_packet(&mut self, shared: &mut EngineState, now: Timestamp, packet: &[u8], truncated: bool) {
        if truncated {
            return self.dialogue.overflow(shared, now); // the rest of the packet is lost
        }
        let mark = if self.dialogue.heard == Heard::Message { &[][..] } else { detect::BYTE_ORDER_MARK };
        let packet = packet.strip_prefix(mark).unwrap_or(packet);
        if self.dialogue.heard != Heard::Message
            && let Some(protocol) = wrong_protocol::of_message(packet)
        {
            self.dialogue.reject(shared, now, protocol);
        }
        if self.is_serving() {
            self.intake.push_packet(packet);
            self.process_input(shared, now, &[]);
        }
    }

    /// Handles the end of the peer's input.
    pub(in crate::engine) fn handle_end_of_file(&mut self, shared: &mut EngineState, now: Timestamp) {
        self.suspect_leaving(shared);
        self.intake.end();
        self.take_last(shared, now);
    }

    /// Handles what waits, because no more input will come.
    pub(super) fn take_last(&mut self, shared: &mut EngineState, now: Timestamp) {
        if self.dialogue.is_alone(shared) {
            self.intake.clear();
        }
        if self.is_serving() {
            self.give_up_overlong(shared, now);
        }
        if self.is_serving() && !self.intake.is_empty() {
            if self.dialogue.kind.is_none() {
                let kind = self.intake.kind_at_end(FramingMode::Line);
                self.dialogue.hint_at_kind(shared, kind, self.intake.bytes());
                self.decide(shared, kind);
            }
            self.process_input(shared, now, &[]);
        }
    }

    /// Continues with waiting messages: there may be room in the queues again.
    pub(in crate::engine) fn resume(&mut self, shared: &mut EngineState, now: Timestamp) {
        self.dialogue.go_on_telling(shared, now);
        if self.is_serving() && self.intake.lacks_room() {
            if self.dialogue.has_room(shared) {
                self.process_input(shared, now, &[]);
            } else if self.dialogue.must_give_way(shared) {
                self.intake.give_way();
            }
        }
    }

    /// Continues with what waited for this turn.
    pub(in crate::engine) fn take_its_turn(&mut self, shared: &mut EngineState, now: Timestamp) {
        if self.intake.gives_way() {
            self.intake.stall();
        }
        self.resume(shared, now);
    }

    /// Handles the whole messages in the waiting bytes, followed by `fresh`.
    pub(super) fn process_input(&mut self, shared: &mut EngineState, now: Timestamp, fresh: &[u8]) {
        let mut fresh = fresh;
        if self.intake.go_on() {
            self.skip_overlong(shared, now, &mut fresh);
        }
        let dialogue = &mut self.dialogue;
        let is_first = dialogue.heard != Heard::Message;
        if is_first {
            self.intake.drop_byte_order_mark(&mut fresh);
        }
        if is_first && dialogue.reject_wrong_protocol(shared, now, self.intake.gather(&mut fresh)) {
            fresh = &[];
        } else if dialogue.kind.is_none() {
            self.look_first(shared, now, &mut fresh);
        }
        if let Some(kind) = self.dialogue.kind {
            self.take_messages(shared, now, kind, &mut fresh);
        }
        if self.dialogue.is_serving() {
            self.intake.keep(fresh);
        } else {
            self.intake.clear();
        }
        self.intake.note_progress(now);
    }

    /// Whether the rest of a message is still to come. It may wait in the peer's kernel until the beginning is acknowledged.
    #[inline]
    pub(in crate::engine) fn waits_for_rest(&self) -> bool {
        let is_told_later =
            || self.dialogue.transport().acknowledges && self.dialogue.kind != Some(FramingMode::Raw);
        !self.intake.is_empty()
            && is_told_later()
            && self.intake.burst() == Burst::Ended
            && !self.intake.is_stalled()
    }

    fn take_messages(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        kind: FramingMode,
        fresh: &mut &[u8],
    ) {
        let Session { intake, dialogue, .. } = self;
        let mut is_behind_string = false;
        let spent = shared.effort.spent();
        while intake.has_more(fresh) && dialogue.is_serving() {
            if is_behind_string && intake.drop_garbage(fresh) {
                return;
            }
            if shared.effort.is_over_since(spent) {
                return intake.give_way();
            }
            dialogue.answer_lines(shared, now, intake, fresh);
            if !intake.has_more(fresh) {
                return;
            }
            if !dialogue.has_room(shared) {
                return dialogue.wait(shared, now, intake, fresh);
            }
            let message = match intake.next(fresh, kind) {
                Some(message) => message,
                None => match intake.rest(fresh, kind, dialogue.settings(shared).message_bytes_max) {
                    Rest::Message(_) if dialogue.transport().many_writers => continue, // not a complete line
                    Rest::Message(message) => message,
                    Rest::TooLong(message, end) => {
                        if !dialogue.reject_long(shared, now, message) {
                            self.begin_overlong(shared, now, fresh, end);
                        }
                        return;
                    }
                    Rest::Unfinished => return,
                },
            };
            // This is the only call, so that it is inlined into this loop.
            let message = match message {
                [0, ..] | [.., 0] if kind != FramingMode::Http => lines::without_nuls(message),
                _ => message,
            };
            is_behind_string |= kind == FramingMode::C && !message.is_empty();
            let before = dialogue.service();
            let is_request = before == Service::Mux && mux::choose(message) == Choice::Default;
            let own = if is_request { message.len() } else { 0 };
            // It is kept for a partner that may come later.
            let is_kept = || shared.settings.mux_default.facts().keeps == Keeps::ForPartner;
            let first = (is_request && is_kept()).then(|| message.to_vec());
            let is_message = dialogue.handle_message(shared, now, message);
            if is_message {
                intake.count_message();
            }
            if kind == FramingMode::Http && dialogue.kind != Some(kind) {
                return self.begin_frames(shared, now, fresh);
            }
            if before == Service::Mux && dialogue.service() != before {
                // It has chosen a service: what came with the choice counts for that service, and so does the choice if it was a
                // request.
                shared.counters.move_bytes_in(before, dialogue.service(), own + intake.len() + fresh.len());
                if let Some(first) = first.filter(|_| dialogue.is_alone(shared)) {
                    intake.put_back(kind, &first, fresh);
                }
            }
        }
    }

    /// Looks at the first bursts, which show the kind of client.
    fn look_first(&mut self, shared: &mut EngineState, now: Timestamp, fresh: &mut &[u8]) {
        let Session { intake, dialogue, .. } = self;
        let service = dialogue.service();
        let is_complete = dialogue.is_complete(shared);
        match intake.look(now, fresh, shared.settings.of(service), is_complete) {
            First::Is(kind) => {
                dialogue.hint_at_kind(shared, kind, intake.gather(fresh));
                self.decide(shared, kind);
                if kind == FramingMode::Telnet {
                    let (replies, has_ended) = self.intake.be_telnet(fresh);
                    self.dialogue.outbox.push(&replies);
                    if has_ended {
                        self.intake.end_input();
                    }
                }
            }
            First::Unreadable(what) => dialogue.reject_unreadable(shared, now, what),
            First::Complete(bytes)
                if !dialogue.outbox.has_open_line() && dialogue.is_multiplication(shared, bytes) =>
            {
                dialogue.outbox.push_unterminated(DATA_RECEIVED);
            }
            First::Complete(_) | First::Unknown => {}
            First::TooLong(bytes) => {
                if !dialogue.reject_long(shared, now, bytes) {
                    let is_complete = dialogue.is_complete(shared)(bytes);
                    self.begin_overlong_guess(shared, now, fresh, is_complete);
                }
            }
        }
    }

    /// Makes a raw client that has ended a burst with LF a line client, unless the configuration says otherwise.
    fn turn_to_lines(&mut self, shared: &mut EngineState) {
        if self.is_guessed(shared) {
            self.decide(shared, FramingMode::Line);
            self.dialogue.outbox.end_pause();
        }
    }

    /// Handles a silence that was long enough: the bytes so far decide the kind of client.
    pub(super) fn end_guessing(&mut self, shared: &mut EngineState, now: Timestamp) {
        if self.intake.guess.ends_with_pause() {
            self.end_overlong(shared, now, FramingMode::Raw);
            return self.intake.note_progress(now);
        }
        let kind = self.intake.end_guessing(self.dialogue.is_complete(shared));
        self.dialogue.hint_at_kind(shared, kind, self.intake.bytes());
        self.decide(shared, kind);
        self.process_input(shared, now, &[]);
    }

    /// Sets the kind of client, which is now known.
    pub(super) fn decide(&mut self, shared: &mut EngineState, kind: FramingMode) {
        self.intake.guess.settle();
        self.dialogue.kind = Some(kind);
        if self.dialogue.encoding().is_paced() {
            self.dialogue.outbox.end_lines();
        }
        self.dialogue.note(shared, EventKind::Decided(kind));
    }
}

impl Dialogue {
    /// A function that tells whether first bytes are a complete request.
    fn is_complete(&self, shared: &EngineState) -> impl Fn(&[u8]) -> bool + use<> {
        let (service, default) = (self.service(), shared.settings.mux_default);
        move |bytes| {
            !detect::is_part_of_mark(bytes)
                && wrong_protocol::look(bytes) == wrong_protocol::Guess::No
                && is_complete(service, default, bytes)
        }
    }

    /// Logs what a client of greeting sends. Input after the end is ignored.
    fn overhear(&mut self, shared: &mut EngineState, bytes: &[u8]) {
        if matches!(self.state, State::Greeting) && self.heard != Heard::Message && !is_empty(bytes) {
            self.heard = Heard::Message;
            shared.counters.of_mut(Service::Greeting).messages += 1;
            self.note(shared, EventKind::Remarked(quote(bytes.trim_ascii())));
        }
    }

    /// Lets its messages wait: for room, or for another turn.
    fn wait(&mut self, shared: &mut EngineState, now: Timestamp, intake: &mut Intake, fresh: &mut &[u8]) {
        match self.must_give_way(shared) {
            true => intake.give_way(),
            false => intake.stall(),
        }
        self.reject_first(shared, now, intake.gather(fresh));
    }

    /// Handles one whole message. Returns whether it had any content.
    pub(super) fn handle_message(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        message: &[u8],
    ) -> bool {
        let is_too_long = |dialogue: &Dialogue, shared: &EngineState| {
            message.len() > dialogue.settings(shared).message_bytes_max
        };
        if !is_too_long(self, shared) {
            self.keep_pace(shared, now, message);
        }
        loop {
            // This comes first: whether a long blank line is refused must not depend on how its bytes arrived.
            if is_too_long(self, shared) {
                self.reject_overlong(shared, now, message);
                return false;
            }
            if is_empty(message) {
                return false;
            }
            if self.reject_first(shared, now, message) {
                return false;
            }
            self.heard = Heard::Message;
            // On the mux, a message may choose a service and also be its first request.
            if !self.hear(shared, now, message) {
                return true;
            }
        }
    }

    /// Handles a message. Returns whether the service that it chose must handle it too.
    fn hear(&mut self, shared: &mut EngineState, now: Timestamp, message: &[u8]) -> bool {
        self.active = now;
        shared.counters.of_mut(self.service()).messages += 1;
        self.count_requests(shared, 1);
        if shared.settings.report_messages || self.is_seen(shared) {
            self.hint(shared, |_| form::of_encoding(message));
            let saying = self.saying(shared, message);
            match shared.settings.report_messages {
                true => self.note(shared, saying),
                false => self.show_to_watchers(shared, || TraceEvent::Happened(saying)),
            }
        }
        let again = self.answer(shared, now, message);
        if self.transport().lossy {
            self.drop_unread(shared);
        }
        again
    }

    fn answer(&mut self, shared: &mut EngineState, now: Timestamp, message: &[u8]) -> bool {
        match self.state {
            State::Multiply | State::Advised => self.multiply(shared, message),
            State::Outside | State::Greeting | State::Joining => {}
            State::Chat(Err(_)) => self.name(shared, now, message),
            State::Chat(Ok(member_id)) => self.chat(shared, now, member_id, message),
            State::Plain(service) => self.answer_plainly(shared, now, service, message),
            State::Talk(Talk::Here(pair_end) | Talk::Meeting(pair_end)) => {
                self.talk(shared, now, pair_end, message)
            }
            State::Talk(Talk::Coming | Talk::Over) => {}
            State::Stats(_) => self.stats(shared, now, message),
            State::Status(_) => self.state = State::Status(Some(status::asked(message))),
            State::Watch(_) => self.watch(shared, now, message),
            State::Mux => return self.choose(shared, now, message),
            State::Page(_) => self.serve_page(shared, now, message),
            State::Guarded(service) => self.show_token(shared, now, service, message),
            State::Control | State::Ordered => self.control(shared, message),
        }
        false
    }
}

/// Whether the first bytes are a whole request of the service.
fn is_complete(service: Service, mux_default: Service, bytes: &[u8]) -> bool {
    let is_complete = |service: Service| (service.facts().is_complete)(bytes);
    is_complete(service) || service == Service::Mux && is_complete(mux_default)
}
