//! What must hold whatever the bytes are: one function a claim. cargo-fuzz looks for bytes that break one;
//! `tests/engine/fuzz.rs` replays those that did, and the seeds.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ipcd::config::Config;
use ipcd::endpoint::Endpoint;
use ipcd::engine::Engine;
use ipcd::engine::codec::shape::{self, Shape};
use ipcd::engine::diagnosis::form;
use ipcd::engine::foreign::{self, Guess};
use ipcd::engine::limits::{REPORT_BYTES_MAX, STATS_LINE_BYTES_MAX, Settings};
use ipcd::engine::memory;
use ipcd::engine::message::{
    Binding, ConnectionId, EventKind, Input, Kind, Output, RemoteAddress, Timestamp, Transport,
};
use ipcd::engine::name::Name;
use ipcd::engine::record::{Record, reader};
use ipcd::engine::service::stats::{self, Message, Report};
use ipcd::engine::service::{Service, watch};
use ipcd::engine::{diagnosis, json, number, text};

#[path = "forms.rs"]
pub mod forms;

// Parts of ipcctl, which is a program and no library.
#[path = "../src/bin/ipcctl/watch/event.rs"]
#[allow(dead_code)]
mod event;
#[path = "../src/bin/ipcctl/loop_latency.rs"]
mod loop_latency;
#[path = "../src/bin/ipcctl/tables.rs"]
mod tables;

/// A claim, as it is called and as it is tested.
pub type Claim = (&'static str, fn(&[u8]));

/// Every claim; each has a target of its name in `fuzz_targets` and its seeds in `seeds`.
pub const CLAIMS: &[Claim] = &[
    ("endpoint_reads_back_as_it_is_written", endpoint_reads_back_as_it_is_written),
    ("number_reads_back_as_it_is_written", number_reads_back_as_it_is_written),
    (
        "configuration_is_read_or_every_mistake_has_a_place",
        configuration_is_read_or_every_mistake_has_a_place,
    ),
    ("name_is_its_own_normal_form", name_is_its_own_normal_form),
    ("no_name_looks_like_room_words", no_name_looks_like_room_words),
    ("no_member_speaks_as_the_room", no_member_speaks_as_the_room),
    ("control_characters_are_removed", control_characters_are_removed),
    ("escaped_json_keeps_its_meaning", escaped_json_keeps_its_meaning),
    ("line_client_hears_the_same_at_every_cut", line_client_hears_the_same_at_every_cut),
    ("engine_keeps_its_bounds_and_ends", engine_keeps_its_bounds_and_ends),
    ("datagram_gets_its_reply_and_no_loop", datagram_gets_its_reply_and_no_loop),
    ("report_reads_back_as_it_is_kept", report_reads_back_as_it_is_kept),
    ("record_is_refused_or_restored", record_is_refused_or_restored),
    ("watch_filter_is_read_or_gets_a_correction", watch_filter_is_read_or_gets_a_correction),
    ("hint_is_one_line_without_control_characters", hint_is_one_line_without_control_characters),
    ("fifo_answers_the_same_at_every_cut", fifo_answers_the_same_at_every_cut),
    ("packet_gets_the_same_reply_as_a_line", packet_gets_the_same_reply_as_a_line),
    ("http_request_is_never_executed", http_request_is_never_executed),
    ("watch_prints_lines_whatever_the_daemon_sends", watch_prints_lines_whatever_the_daemon_sends),
    ("encoded_messages_decode_to_the_same", forms::encoded_messages_decode_to_the_same),
    ("every_prefix_has_a_deadline", forms::every_prefix_has_a_deadline),
    ("known_kind_never_gets_another_kinds_form", forms::known_kind_never_gets_another_kinds_form),
    (
        "message_of_any_length_gets_one_reply_between_two_others",
        forms::message_of_any_length_gets_one_reply_between_two_others,
    ),
    ("status_prints_tables_whatever_the_daemon_sends", status_prints_tables_whatever_the_daemon_sends),
];

pub fn endpoint_reads_back_as_it_is_written(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            let written = endpoint.to_string();
            assert_eq!(written.parse::<Endpoint>().as_ref(), Ok(&endpoint), "{written}");
            assert!(!endpoint.places(Path::new("/run")).is_empty());
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}

pub fn number_reads_back_as_it_is_written(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(value) = number::parse(text) else { return };
    let mut written = Vec::new();
    number::write(value, &mut written);
    let written = String::from_utf8(written).expect("digits");
    let again = number::parse(&written).unwrap_or_else(|| panic!("{written}"));
    assert!(again.to_bits() == value.to_bits() || (again.is_nan() && value.is_nan()), "{text:?}: {written}");
}

pub fn configuration_is_read_or_every_mistake_has_a_place(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Err(errors) = Config::parse(Path::new("f"), text) else { return };
    assert!(errors.iter().next().is_some());
    for (index, error) in errors.iter().enumerate() {
        if index == 100 && error.ends_with(" more errors; correct these first") {
            continue; // the last
        }
        let place = error.strip_prefix("f:").unwrap_or_else(|| panic!("{error}"));
        assert!(place.starts_with(|c: char| c.is_ascii_digit()), "{error}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
}

pub fn name_is_its_own_normal_form(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(name) = Name::new(text) else { return };
    let again = Name::new(&name.shown).expect("a name is one");
    assert_eq!((&again.shown, &again.key), (&name.shown, &name.key));
}

/// Looked at without the name's own idea of its looks.
pub fn no_name_looks_like_room_words(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(name) = Name::new(text) else { return };
    let seen = |text: &str| unicode_security::skeleton(text).collect::<String>().to_lowercase();
    let small = |text: &str| seen(&text.to_lowercase());
    for reserved in ["Error", "In the room", "Commands", "you", "server", "system", "Server is shutting down"]
    {
        assert!(seen(&name.shown) != seen(reserved) && small(&name.shown) != small(reserved), "{text:?}");
    }
    for part in [" has joined the chat", " has left the chat"] {
        assert!(
            !seen(&name.shown).contains(&seen(part)) && !small(&name.shown).contains(&small(part)),
            "{text:?}"
        );
    }
    assert!(
        !name
            .shown
            .contains(|c: char| ":*(){}/".contains(c) || is_obeyed(c) || text::is_invisible(c) && c != ' ')
    );
}

/// The first line is a name, the others are what its owner says. Another member, who says nothing, hears no line that only the
/// room itself says to it alone.
pub fn no_member_speaks_as_the_room(bytes: &[u8]) {
    let mut stage = Stage::new(Settings::default());
    let bob = stage.connect(Service::Chat, Transport::TCP);
    stage.send(bob, b"bob\n");
    let before = stage.ends[bob].heard.len();
    let eve = stage.connect(Service::Chat, Transport::TCP);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        stage.send(eve, line);
    }
    stage.end(eve);
    let heard = String::from_utf8(stage.ends[bob].heard.split_off(before)).expect("UTF-8");
    for line in heard.lines() {
        let is_own =
            ["Error: ", "In the room: ", "Commands: ", "you (to "].iter().any(|own| line.starts_with(own));
        let is_whole = matches!(line, "{quit}" | "Server is shutting down.");
        assert!(!is_own && !is_whole, "{line}");
        assert!(!line.contains(is_obeyed), "{line:?}");
    }
}

pub fn control_characters_are_removed(bytes: &[u8]) {
    let quoted = text::quote(bytes);
    assert!(!quoted.chars().any(char::is_control), "{quoted:?}");
    let cleaned = text::clean(bytes);
    assert!(!cleaned.chars().any(is_obeyed), "{cleaned:?}");
}

/// As it is printed: what was read, what was read and is written again, and what is no JSON at all.
pub fn escaped_json_keeps_its_meaning(bytes: &[u8]) {
    let said = String::from_utf8_lossy(bytes);
    let escaped = json::escape(&said);
    let is_harmless = |text: &str| !text.contains(|c| c != '\n' && text::is_invisible(c));
    assert!(is_harmless(&escaped), "{escaped:?}");
    let Ok(value) = serde_json::from_str::<serde_json::Value>(&said) else { return };
    let mut written = Vec::new();
    json::write(&mut written, &value);
    let written = String::from_utf8(written).expect("text");
    assert!(!written.contains('\n'), "{written:?}");
    for text in [&escaped, &*json::to_string(&value), &*json::to_string_pretty(&value), &*written] {
        assert!(is_harmless(text), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).ok().as_ref(), Some(&value), "{text:?}");
    }
}

/// The first byte chooses the service, the second how many cuts follow, a byte each; then what the client sends.
pub fn line_client_hears_the_same_at_every_cut(bytes: &[u8]) {
    let [service, cuts, rest @ ..] = bytes else { return };
    let service = [Service::Multiply, Service::Greeting, Service::Chat, Service::Mux, Service::Stats]
        [usize::from(service % 5)];
    let Some((cuts, sends)) = rest.split_at_checked(usize::from(cuts % 8)) else { return };
    // How a client that never ends a line is framed depends on when it pauses. And an unterminated request that is
    // complete so far is acknowledged before it can grow too long.
    if !sends.ends_with(b"\n") || sends.len() > Settings::default().of(service).message_bytes_max {
        return;
    }
    // Another protocol is answered as soon as it is known, however it would have gone on.
    if (1..=sends.len().min(64)).any(|end| matches!(foreign::look(&sends[..end]), Guess::Is(_))) {
        return;
    }
    let mut places: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) * sends.len() / 256).collect();
    places.extend([0, sends.len()]);
    places.sort_unstable();
    // And a length, a NUL or a Telnet command makes it another kind of client as soon as it is there.
    let is_text = |begun: &[u8]| matches!(shape::of(begun, sends.len()), Shape::Text | Shape::Unclear);
    if !places.iter().all(|place| is_text(&sends[..*place])) {
        return;
    }
    let whole = Stage::hold(service, &[sends]);
    let pieces: Vec<&[u8]> =
        places.windows(2).map(|pair| &sends[pair[0]..pair[1]]).filter(|piece| !piece.is_empty()).collect();
    let cut = Stage::hold(service, &pieces);
    assert_eq!(String::from_utf8_lossy(&cut), String::from_utf8_lossy(&whole), "{places:?}");
}

/// The first byte chooses the service, the second the method, the third says how many cuts follow, two bytes each: where,
/// and how long a pause is made there; then the target and the fields.
pub fn http_request_is_never_executed(bytes: &[u8]) {
    const SERVICES: [Service; 6] =
        [Service::Multiply, Service::Chat, Service::Hello, Service::Talk, Service::Stats, Service::Mux];
    const METHODS: [&str; 8] =
        ["GET", "POST", "PATCH", "CONNECT", "get", "m-search", "x!#$%&'*+.^_`|~1", "e"];
    let [service, method, cuts, rest @ ..] = bytes else { return };
    let service = SERVICES[usize::from(*service) % SERVICES.len()];
    let method = METHODS[usize::from(*method) % METHODS.len()];
    let Some((cuts, rest)) = rest.split_at_checked(2 * usize::from(cuts % 8)) else { return };
    let (target, fields) =
        rest.split_at(rest.iter().position(|byte| byte.is_ascii_control()).unwrap_or(rest.len()));
    let target: Vec<u8> = target.iter().copied().filter(u8::is_ascii_graphic).collect();
    let request = [method.as_bytes(), b" /", &target, b" HTTP/1.1\r\n", fields].concat();
    // Within a method it may be a word as any other, unless everybody knows the method.
    let first =
        if method.len() > 2 && method.chars().all(|c| c.is_ascii_uppercase()) { 2 } else { method.len() + 1 };
    let mut places: Vec<(usize, u8)> = cuts
        .chunks(2)
        .map(|cut| (first + usize::from(cut[0]) % (request.len() - first), cut[1]))
        .chain([(request.len(), 0)])
        .collect();
    places.sort_unstable();
    places.dedup_by_key(|(place, _)| *place);
    let mut stage = Stage::new(Settings::default());
    let client = stage.connect(service, Transport::TCP);
    let before = stage.ends[client].heard.len();
    let mut from = 0;
    for (place, pause) in places {
        stage.send(client, &request[from..place]);
        stage.pass(Duration::from_millis(u64::from(pause) * 39 / 10)); // less than a second
        from = place;
    }
    stage.pass(Duration::from_secs(1));
    let heard = String::from_utf8_lossy(&stage.ends[client].heard[before..]).into_owned();
    let sentence = format!("\r\n\r\nthis port speaks {service}, not HTTP\n");
    assert!(heard.starts_with("HTTP/1.1 400 ") && heard.ends_with(&sentence), "{heard:?}");
    assert_eq!(stage.engine.counters().of(service).messages, 0);
}

/// The first byte says how many cuts follow, a byte each; then what writers wrote.
pub fn fifo_answers_the_same_at_every_cut(bytes: &[u8]) {
    let [cuts, rest @ ..] = bytes else { return };
    let Some((cuts, sends)) = rest.split_at_checked(usize::from(cuts % 8)) else { return };
    let mut places: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) * sends.len() / 256).collect();
    places.extend([0, sends.len()]);
    places.sort_unstable();
    let heard = |pieces: &[&[u8]]| {
        let mut stage = Stage::new(Settings { fifos: 4096, ..Settings::default() });
        let fifo = stage.connect(Service::Multiply, Transport::FIFO);
        pieces.iter().for_each(|piece| stage.send(fifo, piece));
        assert!(stage.ends[fifo].is_open, "nothing that is written ends a FIFO");
        String::from_utf8_lossy(&stage.ends[fifo].heard).into_owned()
    };
    let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &sends[pair[0]..pair[1]]).collect();
    assert_eq!(heard(&pieces), heard(&[sends]), "{places:?}");
}

/// Each line is a packet to one and a line to the other, who hear the same but for the ends of the lines.
pub fn packet_gets_the_same_reply_as_a_line(bytes: &[u8]) {
    // A line client's burst that begins with IAC has Telnet's commands in it.
    if bytes.len() > Settings::default().of(Service::Multiply).message_bytes_max
        || bytes.first() == Some(&0xff)
    {
        return;
    }
    const FIRST: &[u8] = b"1 1\n"; // no other protocol begins so, and no other kind of client
    let lines = [FIRST, bytes, b"\n"].concat();
    let packets: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
    let mut stage = Stage::new(Settings::default());
    let client = stage.connect(Service::Multiply, Transport::UNIXSEQ);
    packets.iter().for_each(|packet| stage.send(client, packet));
    stage.end(client);
    let mut by_line = Stage::hold(Service::Multiply, &[FIRST, &lines[FIRST.len()..]]);
    by_line.retain(|byte| *byte != b'\n');
    let heard = &stage.ends[client].heard;
    assert_eq!(String::from_utf8_lossy(heard), String::from_utf8_lossy(&by_line));
}

/// What a client that watches makes of a line, which it has cleaned before, and JSON has escaped.
pub fn watch_prints_lines_whatever_the_daemon_sends(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n').map(text::clean) {
        let shown = match event::WatchLine::of(&line) {
            event::WatchLine::Seen(seen) => seen.line(seen.time),
            event::WatchLine::Watching { filter, .. } => filter,
            event::WatchLine::Error(error) => error,
            event::WatchLine::Missed(_) | event::WatchLine::Other => continue,
        };
        assert!(!shown.contains(is_obeyed), "{shown:?}");
    }
}

pub fn status_prints_tables_whatever_the_daemon_sends(bytes: &[u8]) {
    let Ok(report) = serde_json::from_str(&text::clean(bytes)) else { return };
    let shown = tables::show(&report);
    assert!(!shown.contains(|c| c != '\n' && is_obeyed(c)), "{shown:?}");
}

/// Whether a terminal takes it for something else than a character.
fn is_obeyed(c: char) -> bool {
    c != '\t' && c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first byte chooses the service, the rest is the datagram. Whatever it says, a daemon that is answered by another one
/// falls silent.
pub fn datagram_gets_its_reply_and_no_loop(bytes: &[u8]) {
    let [service, bytes @ ..] = bytes else { return };
    let service = [Service::Multiply, Service::Greeting, Service::Hello][usize::from(service % 3)];
    let mut engine = Engine::new(Settings::default());
    let mut answer = |service: Service, bytes: &[u8]| -> Vec<Vec<u8>> {
        let binding =
            Rc::new(Binding { endpoint: "stage".into(), service, transport: Transport::UDP, allowed: None });
        let origin = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
        let (truncated, address) = (false, Some(&b"/own"[..]));
        engine.handle(
            Timestamp::at(0),
            Input::Datagram { binding: &binding, origin, bytes, truncated, address },
        );
        let mut replies = Vec::new();
        while let Some(reply) = engine.poll_reply() {
            engine.handle(Timestamp::at(0), Input::Replied(Ok(())));
            replies.push(reply);
        }
        while engine.poll_note().is_some() {}
        replies
    };
    let replies = answer(service, bytes);
    assert!(replies.len() <= if service == Service::Multiply { 2 } else { 1 }, "{replies:?}");
    let is_error = |reply: &Vec<u8>| reply.starts_with(b"Error: ");
    assert!(replies.len() == 1 || !replies.iter().any(is_error), "{replies:?}");
    for reply in replies {
        // A NUL for a NUL, and no other.
        let text = if bytes.ends_with(b"\0") { reply.strip_suffix(b"\0") } else { Some(&reply[..]) };
        let text = std::str::from_utf8(text.expect("a NUL at the end")).expect("UTF-8");
        assert!(!text.chars().any(char::is_control) && text.len() <= 512, "{text:?}");
        for again in answer(service, &reply) {
            assert!(answer(service, &again).is_empty(), "{again:?}");
        }
    }
}

/// Each byte is a step in the life of a few connections, some with bytes of their own behind them.
pub fn engine_keeps_its_bounds_and_ends(bytes: &[u8]) {
    let settings =
        Settings { connections_max: 12, refused_lingering_max: 2, fifos: 4096, ..Settings::default() };
    let bound = memory::bytes_max(&settings);
    let mut stage = Stage::new(settings);
    let mut rest = bytes;
    while let [step, tail @ ..] = rest {
        rest = tail;
        let number = usize::from(step >> 3);
        match step & 7 {
            0 => {
                let service = Service::ALL[number % Service::ALL.len()];
                let media = [Transport::TCP, Transport::UNIX, Transport::UNIXSEQ, Transport::FIFO];
                let transport = media[number / Service::ALL.len() % media.len()];
                if service.fits(transport) {
                    stage.connect(service, transport);
                }
            }
            1 | 2 => {
                let (count, tail) =
                    rest.split_first().map_or((0, rest), |(count, tail)| (usize::from(*count), tail));
                let (said, tail) = tail.split_at(count.min(tail.len()));
                rest = tail;
                stage.send(number, said);
            }
            3 => stage.end(number),
            4 => stage.lose(number),
            5 => stage.stuck(number),
            6 => stage.unstick(number),
            _ => stage.pass(Duration::from_millis(1 << (number % 20))),
        }
        stage.engine.check();
        assert!(stage.engine.queued_bytes() <= bound);
    }
    let by = stage.now + Duration::from_secs(5);
    stage.engine.handle(stage.now, Input::Stop { by });
    stage.pass(Duration::from_secs(5));
    assert!(stage.engine.is_done() && stage.engine.is_empty());
}

pub fn report_reads_back_as_it_is_kept(bytes: &[u8]) {
    let report = match stats::read(bytes) {
        Ok(Message::Report(report)) => report,
        Ok(_) => return,
        Err(error) => {
            assert!(!error.chars().any(char::is_control), "{error:?}");
            return assert!(error.len() <= STATS_LINE_BYTES_MAX, "{error}");
        }
    };
    assert!(report.text.len() <= REPORT_BYTES_MAX && report.host.as_deref().is_none_or(text::is_host));
    assert!(!report.text.chars().any(text::is_invisible), "{:?}", report.text);
    let again = stats::read(report.text.as_bytes());
    assert_eq!(again, Ok(Message::Report(Report { host: None, ..report })));
}

pub fn record_is_refused_or_restored(bytes: &[u8]) {
    let of_one_text = serde_json::from_slice(bytes).ok().map(Record::of_one_text);
    let Some(record) = of_one_text.or_else(|| reader::read(bytes).ok()) else { return };
    let mut stage = Stage::new(Settings::default());
    stage.now = record.now;
    let present = record.sessions.into_iter().map(|(_, saved)| (stage.place(), saved)).collect();
    stage.engine.restore_machines(stage.now, record.machines);
    stage.engine.restore(stage.now, (record.history, record.log), present, Vec::new());
    stage.settle();
    for number in 0..stage.ends.len() {
        stage.send(number, b"5 10\n");
        stage.end(number);
    }
    stage.pass(Duration::from_secs(600));
    stage.engine.check();
}

pub fn watch_filter_is_read_or_gets_a_correction(bytes: &[u8]) {
    let is_clean = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    match watch::read(bytes) {
        Ok(filter) => {
            let shown = filter.to_string();
            assert!(is_clean(&shown), "{shown:?}");
            if shown.is_ascii() && !shown.contains('\\') {
                let again = watch::read(shown.as_bytes()).expect("a filter is one");
                assert_eq!(again.to_string(), shown);
            }
        }
        Err(error) => assert!(is_clean(&error), "{error:?}"),
    }
}

pub fn hint_is_one_line_without_control_characters(bytes: &[u8]) {
    let endpoints = [("tcp://[::1]:1".to_owned(), Service::Chat)];
    let place = diagnosis::Place { here: "tcp://[::1]:2", endpoints: &endpoints };
    let name = String::from_utf8_lossy(bytes);
    let hints = [
        diagnosis::of_request(bytes, place),
        diagnosis::of_name(&name, place),
        Some(diagnosis::of_unfinished(bytes)),
        Some(form::of_joined(2, bytes)),
        form::of_encoding(bytes),
        form::of_kind(Kind::C, bytes),
    ];
    for hint in hints.into_iter().flatten() {
        assert!(!hint.text.chars().any(char::is_control), "{:?}", hint.text);
    }
}

/// The engine, and the far end of each connection.
struct Stage {
    engine: Engine,
    now: Timestamp,
    ends: Vec<End>,
    notes: Vec<EventKind>,
}

#[derive(Default)]
struct End {
    heard: Vec<u8>,
    is_open: bool,
    ended: bool,
    /// It does not read.
    stuck: bool,
}

impl Stage {
    fn new(settings: Settings) -> Stage {
        Stage { engine: Engine::new(settings), now: Timestamp::at(0), ends: Vec::new(), notes: Vec::new() }
    }

    fn place(&mut self) -> ConnectionId {
        self.ends.push(End { is_open: true, ..End::default() });
        ConnectionId { index: self.ends.len() as u32 - 1, generation: 1 }
    }

    fn connect(&mut self, service: Service, transport: Transport) -> usize {
        let peer = self.place();
        let binding = Rc::new(Binding { endpoint: "stage".into(), service, transport, allowed: None });
        self.engine.handle(
            self.now,
            Input::Opened {
                peer,
                binding: &binding,
                origin: RemoteAddress::Process { uid: 1, gid: 1, pid: 1 },
            },
        );
        self.settle();
        peer.index as usize
    }

    /// A peer that is still there, counted round.
    fn peer(&self, number: usize) -> Option<ConnectionId> {
        let index = number.checked_rem(self.ends.len())?;
        self.ends[index].is_open.then_some(ConnectionId { index: index as u32, generation: 1 })
    }

    /// One burst, unless the peer is not being read from.
    fn send(&mut self, number: usize, bytes: &[u8]) {
        let Some(peer) = self.peer(number) else { return };
        if !self.ends[peer.index as usize].ended && self.engine.is_reading(peer) && !bytes.is_empty() {
            self.engine.handle(self.now, Input::Bytes { peer, bytes, more: false });
            self.settle();
        }
    }

    fn end(&mut self, number: usize) {
        let Some(peer) = self.peer(number) else { return };
        if !std::mem::replace(&mut self.ends[peer.index as usize].ended, true) {
            self.engine.handle(self.now, Input::EndOfFile { peer });
            self.settle();
        }
    }

    fn lose(&mut self, number: usize) {
        let Some(peer) = self.peer(number) else { return };
        self.engine.handle(self.now, Input::Lost { peer });
        self.settle();
    }

    fn stuck(&mut self, number: usize) {
        if let Some(peer) = self.peer(number) {
            self.ends[peer.index as usize].stuck = true;
        }
    }

    fn unstick(&mut self, number: usize) {
        let Some(peer) = self.peer(number) else { return };
        if std::mem::take(&mut self.ends[peer.index as usize].stuck) {
            self.engine.handle(self.now, Input::Writable { peer });
            self.settle();
        }
    }

    /// Does what the engine asks, until nothing is left to be done at this moment.
    fn settle(&mut self) {
        loop {
            self.engine.handle(self.now, Input::Tick);
            while let Some(output) = self.engine.poll_output() {
                match output {
                    Output::Flush(peer) => self.flush(peer),
                    Output::Close(peer) | Output::Reset(peer) => {
                        self.ends[peer.index as usize].is_open = false
                    }
                    Output::Retry(_)
                    | Output::ShutdownWrite(_)
                    | Output::Reading(..)
                    | Output::Acknowledge(_)
                    | Output::Ask(..) => {}
                }
            }
            while let Some(note) = self.engine.poll_note() {
                self.notes.push(note.what);
            }
            if !self.engine.has_work() {
                return;
            }
        }
    }

    fn flush(&mut self, peer: ConnectionId) {
        loop {
            let bytes = self.engine.outgoing(peer).slices().concat();
            let end = &mut self.ends[peer.index as usize];
            if bytes.is_empty() {
                return;
            }
            if end.stuck {
                return self.engine.handle(self.now, Input::Blocked { peer });
            }
            end.heard.extend_from_slice(&bytes);
            self.engine.handle(self.now, Input::Sent { peer, bytes: bytes.len() });
        }
    }

    fn pass(&mut self, span: Duration) {
        let then = self.now + span;
        while !self.engine.is_done()
            && let Some(deadline) = self.engine.poll_deadline().filter(|deadline| *deadline <= then)
        {
            self.now = self.now.max(deadline);
            self.settle();
        }
        self.now = then;
        self.settle();
    }

    /// What a client hears that sends these pieces, all at one moment, and half-closes.
    fn hold(service: Service, pieces: &[&[u8]]) -> Vec<u8> {
        let mut stage = Stage::new(Settings::default());
        let client = stage.connect(service, Transport::TCP);
        for piece in pieces {
            stage.send(client, piece);
        }
        stage.end(client);
        std::mem::take(&mut stage.ends[client].heard)
    }
}
