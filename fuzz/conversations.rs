//! Claims about conversations with the engine, whatever a peer sends.

use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::Engine;
use ipcd::engine::codec::shape::{self, Shape};
use ipcd::engine::limits::Settings;
use ipcd::engine::memory;
use ipcd::engine::message::{Binding, Input, RemoteAddress, Timestamp, Transport};
use ipcd::engine::record::{Record, reader};
use ipcd::engine::service::Service;
use ipcd::engine::service::facts::First;
use ipcd::engine::wrong_protocol::{self, Guess};

use super::is_obeyed;
use super::services::{choose, is_report};
use super::stage::Stage;

/// The first line is a name, the others are messages of that member. A second, silent member receives no line that only the
/// room itself may send.
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

/// Byte 1 chooses the service, byte 2 the number of cuts, and each cut is a byte. The rest is the client's input.
pub fn line_client_hears_the_same_at_every_cut(bytes: &[u8]) {
    let [service, cuts, rest @ ..] = bytes else { return };
    let service = choose(*service, Transport::TCP, |service| !is_report(service));
    let Some((cuts, sends)) = rest.split_at_checked(usize::from(cuts % 8)) else { return };
    // Without a final newline, the detected kind of client depends on the pauses. And a complete request without a newline is
    // acknowledged before it can grow too long.
    if !sends.ends_with(b"\n") || sends.len() > Settings::default().of(service).message_bytes_max {
        return;
    }
    // A message in another protocol is answered as soon as that protocol is recognized, whatever follows.
    if (1..=sends.len().min(64)).any(|end| matches!(wrong_protocol::look(&sends[..end]), Guess::Is(_))) {
        return;
    }
    let mut places: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) * sends.len() / 256).collect();
    places.extend([0, sends.len()]);
    places.sort_unstable();
    // A length prefix, a NUL or a Telnet command shows at once that this is another kind of client.
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

/// Byte 1 chooses the service, byte 2 the method, byte 3 the number of cuts. A cut has two bytes: its position and the
/// pause there. The rest is the target and the fields.
pub fn http_request_is_never_executed(bytes: &[u8]) {
    const METHODS: [&str; 8] =
        ["GET", "POST", "PATCH", "CONNECT", "get", "m-search", "x!#$%&'*+.^_`|~1", "e"];
    let [service, method, cuts, rest @ ..] = bytes else { return };
    let is_heard = |service: Service| service.facts().first != First::Nothing;
    let service = choose(*service, Transport::TCP, |service| is_heard(service) && !is_report(service));
    let method = METHODS[usize::from(*method) % METHODS.len()];
    let Some((cuts, rest)) = rest.split_at_checked(2 * usize::from(cuts % 8)) else { return };
    let (target, fields) =
        rest.split_at(rest.iter().position(|byte| byte.is_ascii_control()).unwrap_or(rest.len()));
    let target: Vec<u8> = target.iter().copied().filter(u8::is_ascii_graphic).collect();
    let request = [method.as_bytes(), b" /", &target, b" HTTP/1.1\r\n", fields].concat();
    // Cut inside the method, the first part can be any word, unless the method is a well-known one.
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
        stage.pass(Duration::from_millis(u64::from(pause) * 39 / 10)); // at most 995 ms
        from = place;
    }
    stage.pass(Duration::from_secs(1));
    let heard = String::from_utf8_lossy(&stage.ends[client].heard[before..]).into_owned();
    let sentence = format!("\r\n\r\nthis port speaks {service}, not HTTP\n");
    assert!(heard.starts_with("HTTP/1.1 400 ") && heard.ends_with(&sentence), "{heard:?}");
    assert_eq!(stage.engine.counters().of(service).messages, 0);
}

/// Byte 1 is the number of cuts, and each cut is a byte. The rest is what writers write.
pub fn fifo_answers_the_same_at_every_cut(bytes: &[u8]) {
    let [cuts, rest @ ..] = bytes else { return };
    let Some((cuts, sends)) = rest.split_at_checked(usize::from(cuts % 8)) else { return };
    let mut places: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) * sends.len() / 256).collect();
    places.extend([0, sends.len()]);
    places.sort_unstable();
    let heard = |pieces: &[&[u8]]| {
        let mut stage = Stage::new(Settings { standing: 4096, ..Settings::default() });
        let fifo = stage.connect(Service::Multiply, Transport::FIFO);
        pieces.iter().for_each(|piece| stage.send(fifo, piece));
        assert!(stage.ends[fifo].is_open, "nothing that is written ends a FIFO");
        String::from_utf8_lossy(&stage.ends[fifo].heard).into_owned()
    };
    let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &sends[pair[0]..pair[1]]).collect();
    assert_eq!(heard(&pieces), heard(&[sends]), "{places:?}");
}

/// Sends each line to one service as a packet and to another as a line. The replies are the same, except for line ends.
pub fn packet_gets_the_same_reply_as_a_line(bytes: &[u8]) {
    // A burst that begins with IAC holds Telnet commands if it comes from a line client.
    if bytes.len() > Settings::default().of(Service::Multiply).message_bytes_max
        || bytes.first() == Some(&0xff)
    {
        return;
    }
    const FIRST: &[u8] = b"1 1\n"; // shows multiply's protocol and a line client
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

/// Byte 1 chooses the service, the rest is the datagram. Whatever it says: if the reply goes to another daemon, that one does not
/// reply again for ever.
pub fn datagram_gets_its_reply_and_no_loop(bytes: &[u8]) {
    let [service, bytes @ ..] = bytes else { return };
    let service = choose(*service, Transport::UDP, |_| true);
    let mut engine = Engine::new(Settings::default());
    let mut answer = |service: Service, bytes: &[u8]| -> Vec<Vec<u8>> {
        let binding =
            Rc::new(Binding { endpoint: "stage".into(), service, transport: Transport::UDP, allowed: None });
        let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
        let (truncated, address) = (false, Some(&b"/own"[..]));
        engine.handle(
            Timestamp::at(0),
            Input::Datagram { binding: &binding, remote, bytes, truncated, address },
        );
        let mut replies = Vec::new();
        while let Some(reply) = engine.poll_reply() {
            engine.handle(Timestamp::at(0), Input::Replied(Ok(())));
            replies.push(reply);
        }
        while engine.poll_event().is_some() {}
        replies
    };
    let replies = answer(service, bytes);
    assert!(replies.len() <= if service == Service::Multiply { 2 } else { 1 }, "{replies:?}");
    let is_error = |reply: &Vec<u8>| reply.starts_with(b"Error: ");
    assert!(replies.len() == 1 || !replies.iter().any(is_error), "{replies:?}");
    for reply in replies {
        // A reply ends with a NUL if and only if the request did.
        let text = if bytes.ends_with(b"\0") { reply.strip_suffix(b"\0") } else { Some(&reply[..]) };
        let text = std::str::from_utf8(text.expect("a NUL at the end")).expect("UTF-8");
        assert!(!text.chars().any(char::is_control) && text.len() <= 512, "{text:?}");
        for again in answer(service, &reply) {
            assert!(answer(service, &again).is_empty(), "{again:?}");
        }
    }
}

/// Each byte is a step in the life of a few connections; some steps are followed by their own data.
pub fn engine_keeps_its_bounds_and_ends(bytes: &[u8]) {
    let settings =
        Settings { connections_max: 12, refused_lingering_max: 2, standing: 4096, ..Settings::default() };
    let bound = memory::bytes_max(&settings);
    let mut stage = Stage::new(settings);
    let mut rest = bytes;
    while let [step, tail @ ..] = rest {
        rest = tail;
        let number = usize::from(step >> 3);
        match step & 7 {
            0 => {
                let service = Service::ALL[number % Service::ALL.len()];
                let media =
                    [Transport::TCP, Transport::UNIX, Transport::UNIXSEQ, Transport::FIFO, Transport::MQ];
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
