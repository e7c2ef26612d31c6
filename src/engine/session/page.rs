//! A session on the page: it answers HTTP requests until one of them opens a WebSocket, in which another service begins.

use super::Session;
use super::dialogue::{Dialogue, State};
use crate::engine::EngineState;
use crate::engine::allow;
use crate::engine::codec::websocket::{self, Ending, code};
use crate::engine::counters::ErrorKind;
use crate::engine::http::{Response, Status};
use crate::engine::message::{CloseReason, EventKind, FramingMode, RemoteAddress, Timestamp};
use crate::engine::service::page::{self, MetricsRequest, Remote, Reply, Terms};
use crate::engine::service::{Service, mux};
use crate::engine::words::TOO_MANY;

/// The error for a wrong token.
const NOT_THE_TOKEN: &str =
    "wrong token; the daemon makes a new one at each start, which ipcctl page --teacher shows";

impl Session {
    /// Handles received frames.
    pub(super) fn handle_frames(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        bytes: &[u8],
        more: bool,
    ) {
        self.intake.push(self.dialogue.kind, more);
        if self.intake.has_ended() {
            return; // it has sent a close frame
        }
        let mut bytes = bytes;
        self.answer_frames(shared, now, &mut bytes);
        let begun = self.intake.begun();
        let max = self.dialogue.settings(shared).message_bytes_max;
        let (replies, ending) = self.intake.push_frames(bytes, max);
        self.dialogue.outbox.push(&replies);
        self.process_input(shared, now, &[]);
        match ending {
            Some(ending) if self.is_serving() => self.end_frames(shared, now, ending),
            Some(_) => {}
            None if self.is_serving() => self.intake.note_frames(now, begun),
            None => {}
        }
    }

    /// Handles the end of its frames. All messages before it are answered first, and a report or a list is finished.
    fn end_frames(&mut self, shared: &mut EngineState, now: Timestamp, ending: Ending) {
        let (code, error) = match ending {
            Ending::Closed(code) => (code, None),
            Ending::TooLong => (code::TOO_BIG, Some(self.dialogue.too_long(shared))),
            Ending::NotUtf8 => {
                (code::NOT_UTF_8, Some("a text message is not UTF-8; send bytes as binary".to_owned()))
            }
            Ending::Broken(rule) => (code::PROTOCOL, Some(rule.to_owned())),
        };
        self.intake.end_frames(code, error);
        self.take_last(shared, now);
    }

    /// Opens a WebSocket: the bytes after the request are frames.
    #[cold]
    #[inline(never)]
    pub(super) fn begin_frames(&mut self, shared: &mut EngineState, now: Timestamp, fresh: &mut &[u8]) {
        let rest = self.intake.take_all(fresh);
        let service = self.dialogue.service();
        shared.counters.move_bytes_in(Service::Page, service, rest.len());
        let (more, is_at_end) = (self.intake.goes_on(), self.intake.is_at_end());
        if self.is_serving() && !rest.is_empty() {
            self.handle_frames(shared, now, &rest, more);
        }
        if is_at_end {
            self.intake.end();
            self.take_last(shared, now);
        }
    }
}

impl Dialogue {
    /// Ends a WebSocket with the code of the client's close frame, or with an error and its code.
    pub(super) fn end_frames(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        code: u16,
        error: Option<String>,
    ) {
        let Some(error) = error else {
            return self.finish_with(shared, now, CloseReason::PeerClosed, None, Some(code));
        };
        let reason = match code {
            code::TOO_BIG => CloseReason::PeerTooLong,
            code::NOT_UTF_8 => CloseReason::PeerUnreadable,
            _ => CloseReason::PeerMisframed,
        };
        self.fail(shared, now, reason, error);
    }

    /// Answers a request.
    #[cold]
    pub(super) fn serve_page(&mut self, shared: &mut EngineState, now: Timestamp, head: &[u8]) {
        let remote = match self.is_own(shared) {
            true => Remote::Own,
            false => Remote::Other,
        };
        match page::answer(&shared.settings.site, head, remote) {
            Reply::Answer { bytes, keeps_open, error } => {
                let reason = if error.is_some() { CloseReason::PeerBadRequest } else { CloseReason::Served };
                if let Some(error) = error {
                    self.note_error(shared, ErrorKind::Request, error);
                }
                self.outbox.push(&bytes);
                if !keeps_open {
                    self.finish(shared, now, reason, None);
                }
            }
            Reply::Metrics(request) => self.state = State::Page(Some(request)),
            Reply::Open { bytes, service, terms: Terms::Guarded } => {
                self.outbox.push(&bytes);
                self.kind = Some(FramingMode::WebSocket);
                self.state = State::Guarded(service);
            }
            Reply::Open { bytes, service, terms } => {
                self.open_frames(shared, now, service, &bytes);
                if terms == Terms::Advised && matches!(self.state, State::Multiply) {
                    self.state = State::Advised;
                }
            }
        }
    }

    /// Refuses a request, of which these bytes have arrived, with an HTTP answer that says why.
    #[cold]
    pub(super) fn fail_request(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        reason: CloseReason,
        error: String,
        request: &[u8],
    ) {
        match status_of(reason) {
            Some(status) if self.kind == Some(FramingMode::Http) && page::is_for_head(request) => {
                let mut answer = Vec::new();
                Response { is_head: true, ..Response::text(status, &format!("{error}\n")) }
                    .write(&mut answer);
                self.note_error(shared, ErrorKind::of(reason), error);
                self.finish(shared, now, reason, None);
                self.outbox.push(&answer);
            }
            _ => self.fail(shared, now, reason, error),
        }
    }

    /// Whether the client is on this machine and may read the metrics.
    fn is_own(&self, shared: &EngineState) -> bool {
        match self.remote {
            RemoteAddress::Address(address) => address.ip().to_canonical().is_loopback(),
            remote => allow::is_master(remote, shared.settings.owner),
        }
    }

    /// Notes that the metrics were sent.
    #[cold]
    pub(super) fn end_metrics(&mut self, shared: &mut EngineState, now: Timestamp, request: MetricsRequest) {
        self.state = State::Page(None);
        if !request.keeps_open {
            self.finish(shared, now, CloseReason::Served, None);
        }
    }

    /// Begins a service in a WebSocket.
    fn open_frames(&mut self, shared: &mut EngineState, now: Timestamp, service: Service, opening: &[u8]) {
        if let Some(error) = self.refusal(shared, service) {
            return self.fail(shared, now, CloseReason::PeerDenied, error);
        }
        if !shared.connection_counts.change(&shared.settings, Service::Page, service, self.remote) {
            return self.refuse(shared, now, service, CloseReason::TooMany, TOO_MANY);
        }
        self.outbox.push(opening);
        self.kind = Some(FramingMode::WebSocket);
        self.note(shared, EventKind::Chose(service));
        self.enter(shared, now, service);
    }

    /// Checks the token of a client that wants a guarded service. The token is neither logged nor shown to watchers.
    #[cold]
    #[inline(never)]
    pub(super) fn show_token(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        service: Service,
        message: &[u8],
    ) {
        if !page::is_token(&shared.settings.site, message.trim_ascii()) {
            return self.fail(shared, now, CloseReason::PeerDenied, NOT_THE_TOKEN.to_owned());
        }
        let name = shared.certified.get(self.peer).map(Box::as_ref);
        if let Some(error) = mux::refusal_of_place(&shared.settings, service, self.remote, name) {
            return self.fail(shared, now, CloseReason::PeerDenied, error);
        }
        if !shared.connection_counts.change(&shared.settings, Service::Page, service, self.remote) {
            return self.refuse(shared, now, service, CloseReason::TooMany, TOO_MANY);
        }
        self.say("OK");
        self.note(shared, EventKind::Chose(service));
        self.enter(shared, now, service);
        if service == Service::Mux {
            self.state = State::Control;
        }
    }

    /// The last words in the peer's form: an HTTP answer, or frames.
    #[cold]
    #[inline(never)]
    pub(super) fn say_last(&mut self, reason: CloseReason, words: Option<&str>, code: Option<u16>) {
        let mut last = Vec::new();
        match (self.kind, words) {
            // Without a request there is no answer: the client would take it for the answer to its next request.
            (Some(FramingMode::Http), Some(words)) => {
                if let Some(status) = status_of(reason) {
                    let body =
                        format!("{}\n", words.strip_prefix(crate::engine::words::ERROR).unwrap_or(words));
                    Response::text(status, &body).write(&mut last);
                }
            }
            (Some(FramingMode::WebSocket), words) => {
                if let Some(words) = words {
                    websocket::encode(words.as_bytes(), &mut last);
                }
                websocket::encode_close(code.unwrap_or(code_of(reason)), &mut last);
            }
            _ => {}
        }
        self.outbox.push(&last);
    }
}

/// The status of the answer for a connection that is closed for this reason; `None`: the client expects no answer.
fn status_of(reason: CloseReason) -> Option<Status> {
    match reason {
        CloseReason::PeerUnfinished => Some(Status::RequestTimeout),
        CloseReason::PeerTooLong => Some(Status::HeadTooLarge),
        CloseReason::PeerDenied | CloseReason::NotAllowed | CloseReason::AddressNotAllowed => {
            Some(Status::Forbidden)
        }
        CloseReason::TooMany => Some(Status::Unavailable),
        CloseReason::PeerWrongProtocol(_) | CloseReason::PeerBadRequest => Some(Status::BadRequest),
        _ => None,
    }
}

/// The code of the close frame for a connection that is closed for this reason.
fn code_of(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::Served
        | CloseReason::PeerClosed
        | CloseReason::PeerReset
        | CloseReason::PeerQuit
        | CloseReason::PeerReplaced
        | CloseReason::PartnerLeft => code::NORMAL,
        CloseReason::Stopping | CloseReason::Withdrawn => code::GOING_AWAY,
        CloseReason::PeerMisframed => code::PROTOCOL,
        CloseReason::PeerUnreadable => code::NOT_UTF_8,
        CloseReason::PeerTooLong => code::TOO_BIG,
        _ => code::POLICY,
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use crate::engine::Engine;
    use crate::engine::limits::Settings;
    use crate::engine::message::{Binding, ConnectionId, Input, RemoteAddress, Timestamp, Transport};
    use crate::engine::service::Service;

    const PEER: ConnectionId = ConnectionId { index: 0, generation: 1 };
    const NOW: Timestamp = Timestamp::at(0);
    const OPENING: &[u8] =
        b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    /// A frame whose mask is 0.
    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
    }

    /// Takes all output.
    fn told(engine: &mut Engine) -> Vec<u8> {
        let mut told = Vec::new();
        for _ in 0..4 {
            while engine.poll_output().is_some() {}
            let bytes = engine.outgoing(PEER).slices().concat();
            engine.handle(NOW, Input::Sent { peer: PEER, bytes: bytes.len() });
            told.extend(bytes);
        }
        told
    }

    #[test]
    fn close_frame_behind_words_that_wait_is_answered_with_its_code() {
        let mut engine = Engine::new(Settings::default());
        let (service, transport) = (Service::Page, Transport::HTTP);
        let binding = Binding { endpoint: "x".into(), service, transport, allowed: None };
        let remote = RemoteAddress::Address("127.0.0.1:5".parse().unwrap());
        engine.handle(NOW, Input::Opened { peer: PEER, binding: &Rc::new(binding), remote });
        let say = |engine: &mut Engine, bytes: &[u8]| {
            engine.handle(NOW, Input::Bytes { peer: PEER, bytes, more: false });
        };
        say(&mut engine, &[OPENING, &client_frame(0x81, b"alice")].concat());
        told(&mut engine);
        engine.handle(NOW, Input::Blocked { peer: PEER });
        let closing = client_frame(0x88, &4001_u16.to_be_bytes());
        say(&mut engine, &[client_frame(0x81, b"hey"), closing].concat());
        assert!(engine.outgoing(PEER).is_empty(), "it waits");
        engine.handle(NOW, Input::Writable { peer: PEER });
        let told = told(&mut engine);
        let expected = [&b"\x81\x0aalice: hey"[..], b"\x88\x02", &4001_u16.to_be_bytes()].concat();
        assert_eq!(told.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}
