//! Claims about the endpoints for browsers, whatever a browser sends or a program that claims to be one.

use ipcd::engine::limits::Settings;
use ipcd::engine::message::Transport;
use ipcd::engine::service::Service;

use super::stage::Stage;

/// A request that opens a WebSocket.
const OPENING: &[u8] =
    b"GET /multiply HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The longest run of frames whose replies fit into a queue, so that the replies before a mistake do not depend on the cuts.
const FRAMES_BYTES_MAX: usize = 1000;

/// Byte 1 is the number of cuts, and each cut is a byte. Returns the cuts and the rest.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [cuts, rest @ ..] = bytes else { return None };
    rest.split_at_checked(usize::from(cuts % 8))
}

/// The bytes in the pieces between the cuts.
fn pieces<'a>(cuts: &[u8], bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) * bytes.len() / 256).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).filter(|piece| !piece.is_empty()).collect()
}

fn heard(opening: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    let mut stage = Stage::new(Settings::default());
    let client = stage.connect(Service::Page, Transport::HTTP);
    stage.send(client, opening);
    pieces.iter().for_each(|piece| stage.send(client, piece));
    stage.engine.check();
    std::mem::take(&mut stage.ends[client].heard)
}

/// After the cuts, a byte chooses the method and the host, and the rest follows the request line. Each answer is complete, and a
/// request for another host is not served.
pub fn web_request_is_answered_the_same_at_every_cut(bytes: &[u8]) {
    const METHODS: [&str; 8] = ["GET", "GET", "HEAD", "POST", "get", "OPTIONS", "x!#", "GET"];
    const PATHS: [&str; 8] = ["/", "/healthz", "/multiply", "/metrics", "/chat?x", "/nothing", "*", "//"];
    let Some((cuts, [method, path, rest @ ..])) = split(bytes) else { return };
    let is_foreign = method & 0x80 != 0;
    let method = METHODS[usize::from(*method) % METHODS.len()];
    let path = PATHS[usize::from(*path) % PATHS.len()];
    let host = if is_foreign { "other.example" } else { "localhost" };
    let request = [format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n").as_bytes(), rest].concat();
    let whole = heard(b"", &[&request]);
    let cut = heard(b"", &pieces(cuts, &request));
    assert_eq!(cut.escape_ascii().to_string(), whole.escape_ascii().to_string(), "{cuts:?}");
    let mut rest = &whole[..];
    while !rest.is_empty() {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head") + 4;
        let (head, behind) = rest.split_at(end);
        let head = std::str::from_utf8(head).expect("text");
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|head| head.get(..3)).expect("a status");
        assert!(!is_foreign || matches!(status, "400" | "421" | "431" | "505"), "{head}");
        if status == "101" {
            return;
        }
        let length = head.split("\r\nContent-Length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length = length.map_or(0, |length| length.parse().expect("a number"));
        // The answer to HEAD has no body.
        let has_body = !behind.is_empty() && !behind.starts_with(b"HTTP/1.1 ");
        rest = if has_body { behind.split_at_checked(length).expect("a whole body").1 } else { behind };
    }
}

/// What a WebSocket receives: texts, pongs, and the code of its close frame.
fn told(mut frames: &[u8]) -> (Vec<String>, Vec<Vec<u8>>, Option<u16>) {
    let (mut texts, mut pongs, mut code) = (Vec::new(), Vec::new(), None);
    while let [first, second, rest @ ..] = frames {
        assert_eq!(code, None, "a close frame is the last one");
        let (length, rest) = match second {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            short => (usize::from(*short), rest),
        };
        let (payload, rest) = rest.split_at(length);
        match first {
            0x81 => texts.push(String::from_utf8(payload.to_vec()).expect("UTF-8")),
            0x8a => pongs.push(payload.to_vec()),
            0x88 => code = Some(u16::from_be_bytes([payload[0], payload[1]])),
            other => panic!("{other:x}"),
        }
        frames = rest;
    }
    (texts, pongs, code)
}

/// After the cuts come frames, valid or not. Pings may be answered sooner if more arrives at once.
pub fn frames_are_answered_the_same_at_every_cut(bytes: &[u8]) {
    let Some((cuts, frames)) = split(bytes) else { return };
    if frames.len() > FRAMES_BYTES_MAX {
        return;
    }
    let opened = heard(OPENING, &[]).len();
    let whole = told(&heard(OPENING, &[frames])[opened..]);
    let cut = told(&heard(OPENING, &pieces(cuts, frames))[opened..]);
    assert_eq!(cut, whole, "{cuts:?}");
    let behind = told(&heard(&[OPENING, frames].concat(), &[])[opened..]);
    assert_eq!(behind, whole, "right behind the request");
}
