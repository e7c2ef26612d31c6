//! Other protocols, recognized by the first bytes of a connection, so that none of them is taken for a message. Knows bytes; knows
//! no connection, pause or service.

use serde::{Deserialize, Serialize};

use super::listed::listed;
use super::number;

listed! {
    /// A protocol that is recognized only to say that it is not spoken here.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub enum WrongProtocol {
        /// HTTP of any version: a request line (RFC 9112, section 3), HTTP/2's preface included.
        Http,
        /// A TLS ClientHello (RFC 8446, section 5.1).
        Tls,
        /// An SSH identification string (RFC 4253, section 4.2).
        Ssh,
        /// A remote desktop's connection request (RFC 1006 around X.224).
        Rdp,
        /// A negotiation of Windows file sharing, after its NetBIOS length.
        Smb,
        /// A request to a SOCKS 4 or 5 proxy (RFC 1928).
        Socks,
        /// The header that a load balancer sends first (HAProxy's PROXY protocol, versions 1 and 2).
        Proxy,
        /// A CONNECT packet.
        Mqtt,
        /// A startup message, or the request for encryption before it.
        Postgres,
        /// An array, as Redis' clients send their commands.
        Redis,
    }
}

impl WrongProtocol {
    /// Its name in an error.
    pub const fn name(self) -> &'static str {
        match self {
            WrongProtocol::Http => "HTTP",
            WrongProtocol::Tls => "TLS",
            WrongProtocol::Ssh => "SSH",
            WrongProtocol::Rdp => "RDP",
            WrongProtocol::Smb => "SMB",
            WrongProtocol::Socks => "SOCKS",
            WrongProtocol::Proxy => "PROXY",
            WrongProtocol::Mqtt => "MQTT",
            WrongProtocol::Postgres => "PostgreSQL",
            WrongProtocol::Redis => "Redis",
        }
    }

    /// Who uses it, for a hint.
    pub const fn speaker(self) -> &'static str {
        match self {
            WrongProtocol::Http => "a browser",
            WrongProtocol::Tls => "https",
            WrongProtocol::Ssh => "an SSH client",
            WrongProtocol::Rdp => "a remote desktop client",
            WrongProtocol::Smb => "Windows file sharing",
            WrongProtocol::Socks => "a client of a SOCKS proxy",
            WrongProtocol::Proxy => "a load balancer",
            WrongProtocol::Mqtt => "an MQTT client",
            WrongProtocol::Postgres => "psql",
            WrongProtocol::Redis => "redis-cli",
        }
    }
}

/// The meaning of a connection's first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// They begin no other protocol.
    No,
    /// They may become one, or be a message: a pause decides for the message.
    Perhaps,
    /// They are the incomplete beginning of this protocol. Without a line end they are never a message, however long
    /// the pause.
    Likely(WrongProtocol),
    /// They are this one.
    Is(WrongProtocol),
}

/// Looks at all bytes so far on a connection that has not had a message.
pub fn look(bytes: &[u8]) -> Guess {
    let [first, ..] = bytes else { return Guess::No };
    match first {
        // No protocol here that begins with text has a method or name of one letter.
        b'!'..=b'~' if bytes.len() == 1 => Guess::No,
        b'*' if is_redis(bytes) => Guess::Is(WrongProtocol::Redis),
        b'!'..=b'~' => match (look_for_http(bytes), look_for_greeting(bytes)) {
            (_, greeting @ Guess::Is(_)) | (Guess::No, greeting) => greeting,
            (http, _) => http,
        },
        _ => look_for_binary(bytes),
    }
}

/// The protocol of a whole first message, given without its line end.
pub fn of_message(message: &[u8]) -> Option<WrongProtocol> {
    match look(message) {
        Guess::Is(protocol) => Some(protocol),
        Guess::No | Guess::Perhaps | Guess::Likely(_) => None,
    }
}

// ---- HTTP

/// Methods that are recognized by their first letters, before a space confirms them (RFC 9110, section 9; RFC 5789; the preface of
/// RFC 9113).
const METHODS: [&[u8]; 10] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH", b"PRI"];

/// The beginnings of a target that is not a path.
const SCHEMES: [&[u8]; 4] = [b"http://", b"https://", b"ws://", b"wss://"];

const VERSION: &[u8] = b"HTTP/";

/// A request line, or the beginning of one. A method is any token (RFC 9110, section 9.1), except a number, which begins a
/// calculation: `5 / 2`.
fn look_for_http(bytes: &[u8]) -> Guess {
    let (line, is_whole) = match memchr::memchr(b'\n', bytes) {
        Some(end) => (bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]), true),
        None => (bytes, false),
    };
    let method_end = line.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(line.len());
    let (method, rest) = line.split_at(method_end);
    if rest.is_empty() {
        let is_begun = !is_whole && METHODS.iter().any(|known| known.starts_with(method));
        return if is_begun { Guess::Perhaps } else { Guess::No };
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    // Most calculations begin with a whole number, which is recognized as quickly.
    let is_number = |method: &[u8]| {
        method.iter().all(u8::is_ascii_digit)
            || std::str::from_utf8(method).is_ok_and(|text| number::parse(text).is_some())
    };
    if !is_blank(&rest[0]) || is_number(method) {
        return Guess::No;
    }
    let rest = rest.trim_ascii_start();
    let is_target = is_target(method, rest);
    // The version is the last word: a target with a space in it is wrong, but HTTP all the same.
    let version = rest.rsplit(is_blank).next().unwrap_or_default();
    let has_version = version.len() < rest.len();
    if is_target && has_version && matches!(version.strip_prefix(VERSION), Some([b'0'..=b'9', ..])) {
        return Guess::Is(WrongProtocol::Http);
    }
    if is_whole {
        return Guess::No;
    }
    // No message for us continues like this after a well-known method and a space.
    if rest.is_empty() && METHODS.contains(&method) {
        return Guess::Likely(WrongProtocol::Http);
    }
    let words = rest.split(is_blank).filter(|word| !word.is_empty()).count();
    if is_target {
        let fits = words == 1 || words == 2 && (VERSION.starts_with(version) || version.is_empty());
        return if fits { Guess::Likely(WrongProtocol::Http) } else { Guess::No };
    }
    let is_scheme_begun = SCHEMES.iter().any(|scheme| is_beginning(rest, scheme));
    if is_scheme_begun { Guess::Perhaps } else { Guess::No }
}

/// Whether the text after the method begins like a target (RFC 9112, section 3.2).
fn is_target(method: &[u8], rest: &[u8]) -> bool {
    let target = rest.split(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
    let scheme = target.windows(3).position(|three| three == b"://").map(|end| &target[..end]);
    let is_scheme = |scheme: &[u8]| {
        scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
    };
    matches!(target, [b'/', ..] | b"*")
        || scheme.is_some_and(is_scheme)
        || (method.eq_ignore_ascii_case(b"CONNECT") && !target.is_empty())
}

/// Whether a byte may be in a token (RFC 9110, section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `bytes` is an incomplete beginning of `whole`, ignoring case. The empty text is the beginning of everything.
fn is_beginning(bytes: &[u8], whole: &[u8]) -> bool {
    whole.get(..bytes.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(bytes))
}

// ---- others that begin with text

const SSH: &[u8] = b"SSH-";

const PROXY: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];

fn look_for_greeting(bytes: &[u8]) -> Guess {
    match bytes.strip_prefix(SSH) {
        Some([b'0'..=b'9', b'.', ..]) => return Guess::Is(WrongProtocol::Ssh),
        Some([] | [b'0'..=b'9']) => return Guess::Perhaps,
        Some(_) => return Guess::No,
        None if SSH.starts_with(bytes) => return Guess::Perhaps,
        None => {}
    }
    if PROXY.iter().any(|header| bytes.starts_with(header)) {
        return Guess::Is(WrongProtocol::Proxy);
    }
    if PROXY.iter().any(|header| header.starts_with(bytes)) { Guess::Perhaps } else { Guess::No }
}

/// `*1 CR LF $`: an array of strings, and then the length of its first string.
fn is_redis(bytes: &[u8]) -> bool {
    const DIGITS_MAX: usize = 7; // 1,048,576 elements at most
    let digits = bytes[1..].iter().take(DIGITS_MAX).take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && bytes[1 + digits..].starts_with(b"\r\n$")
}

// ---- others that begin with bytes that are not text

/// Version 2 of the PROXY protocol begins with two blank lines. It is recognized only if it arrives at once.
const PROXY_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn look_for_binary(bytes: &[u8]) -> Guess {
    use WrongProtocol as F;
    let is = |whole: bool, protocol| if whole { Guess::Is(protocol) } else { Guess::Perhaps };
    match bytes {
        [0x16, 0x03, 0x00..=0x04, ..] => Guess::Is(F::Tls),
        [0x16] | [0x16, 0x03] => Guess::Perhaps,
        [b'\r', ..] if bytes.starts_with(PROXY_2) => Guess::Is(F::Proxy),
        // TPKT: version 3, a length of 11 at least; X.224: a length, CR.
        [0x03, 0x00, 0x00, 11..=255, _, 0xe0, ..] => Guess::Is(F::Rdp),
        [0x03] | [0x03, 0x00] | [0x03, 0x00, 0x00] | [0x03, 0x00, 0x00, 11..=255] => Guess::Perhaps,
        [0x03, 0x00, 0x00, 11..=255, _] => Guess::Perhaps,
        [0x00, 0x00, _, _, 0xfe | 0xff, rest @ ..] if begins_alike(rest, b"SMB") => {
            is(rest.len() >= 3, F::Smb)
        }
        // A length; then the version, 3.0 to 3.2, or the code of a request for encryption or cancellation.
        [0x00, 0x00, _, _, 0x00, rest @ ..] if is_startup(rest) => is(rest.len() >= 3, F::Postgres),
        [0x00, 0x00, 0x00, 8 | 16, 0x04, rest @ ..] if is_request(rest) => is(rest.len() >= 3, F::Postgres),
        [0x00] | [0x00, 0x00] | [0x00, 0x00, _] | [0x00, 0x00, _, _] => Guess::Perhaps,
        // Version 5, the number of methods, and the methods: IANA has assigned numbers up to 9.
        [0x05] => Guess::Perhaps,
        [0x05, count @ 1..=16, methods @ ..]
            if methods.len() <= usize::from(*count)
                && methods.iter().all(|method| matches!(method, 0..=9 | 0x80..)) =>
        {
            is(methods.len() == usize::from(*count), F::Socks)
        }
        // Version 4, CONNECT or BIND, a port, an address, a user's name, NUL.
        [0x04] | [0x04, 1 | 2] | [0x04, 1 | 2, _] => Guess::Perhaps,
        [0x04, 1 | 2, 0, 0, ..] => Guess::No, // a length of 260, and then text
        [0x04, 1 | 2, _, _, rest @ ..] => {
            let user = rest.get(4..).unwrap_or_default();
            is(user.contains(&0), F::Socks)
        }
        [0x10, rest @ ..] => look_for_mqtt(rest),
        _ => Guess::No,
    }
}

/// Whether one is the beginning of the other.
fn begins_alike(bytes: &[u8], whole: &[u8]) -> bool {
    bytes.iter().zip(whole).all(|(one, other)| one == other)
}

fn is_startup(rest: &[u8]) -> bool {
    match rest {
        [3, 0, minor, ..] => *minor <= 2,
        _ => begins_alike(rest, &[3, 0]),
    }
}

fn is_request(rest: &[u8]) -> bool {
    match rest {
        [0xd2, 0x16, code, ..] => matches!(code, 0x2e..=0x30),
        _ => begins_alike(rest, &[0xd2, 0x16]),
    }
}

/// After the type of a CONNECT packet: its length in one to four bytes, then the length of the protocol's name, and the name.
fn look_for_mqtt(bytes: &[u8]) -> Guess {
    let more = bytes.iter().take(3).take_while(|byte| **byte & 0x80 != 0).count();
    let name = bytes.get(more + 1..).unwrap_or_default();
    let names: [&[u8]; 2] = [b"\0\x04MQTT", b"\0\x06MQIsdp"];
    match names.iter().find(|whole| begins_alike(name, whole)) {
        Some(whole) if name.len() >= whole.len() => Guess::Is(WrongProtocol::Mqtt),
        Some(_) => Guess::Perhaps,
        None => Guess::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each client's first bytes.
    const FIRST_BYTES: &[(WrongProtocol, &[u8])] = &[
        (WrongProtocol::Http, b"GET / HTTP/1.1\r\n"),
        (WrongProtocol::Http, b"get /a?b HTTP/1.1\r\n"),
        (WrongProtocol::Http, b"M-SEARCH * HTTP/1.1\r\n"),
        (WrongProtocol::Http, b"x!#$%&'*+-.^_`|~ /a b HTTP/1.0\n"),
        (WrongProtocol::Http, b"CONNECT example.com:443 HTTP/1.1\r\n"),
        (WrongProtocol::Http, b"GET http://example.com/ HTTP/1.1\r\n"),
        (WrongProtocol::Http, b"GET\t/  HTTP/1.1\r\n"),
        (WrongProtocol::Http, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (WrongProtocol::Tls, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        (WrongProtocol::Ssh, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
        (WrongProtocol::Rdp, b"\x03\x00\x00\x2b\x26\xe0\x00\x00\x00\x00\x00Cookie: mstshash=x\r\n"),
        (WrongProtocol::Smb, b"\x00\x00\x00\x45\xffSMBr\x00\x00\x00\x00"),
        (WrongProtocol::Smb, b"\x00\x00\x00\xe8\xfeSMB@\x00"),
        (WrongProtocol::Socks, b"\x05\x01\x00"),
        (WrongProtocol::Socks, b"\x05\x03\x00\x01\x02"),
        (WrongProtocol::Socks, b"\x04\x01\x00\x50\x7f\x00\x00\x01user\x00"),
        (WrongProtocol::Proxy, b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 33000\r\n"),
        (WrongProtocol::Proxy, b"PROXY UNKNOWN\r\n"),
        (WrongProtocol::Proxy, b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"),
        (WrongProtocol::Mqtt, b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"),
        (WrongProtocol::Mqtt, b"\x10\x90\x01\x00\x06MQIsdp\x03\x02"),
        (WrongProtocol::Postgres, b"\x00\x00\x00\x08\x04\xd2\x16\x2f"),
        (WrongProtocol::Postgres, b"\x00\x00\x00\x25\x00\x03\x00\x00user\x00x\x00"),
        (WrongProtocol::Redis, b"*1\r\n$4\r\nPING\r\n"),
    ];

    #[test]
    fn each_protocol_is_known_by_its_first_bytes_and_any_prefix_waits() {
        for (protocol, bytes) in FIRST_BYTES {
            assert_eq!(look(bytes), Guess::Is(*protocol), "{}", bytes.escape_ascii());
            let first = (1..=bytes.len()).find(|end| look(&bytes[..*end]) == Guess::Is(*protocol)).unwrap();
            for end in 0..=bytes.len() {
                let guess = look(&bytes[..end]);
                match guess {
                    Guess::Is(found) => assert!(found == *protocol && end >= first, "{end}"),
                    Guess::Likely(found) => assert!(found == *protocol && end < first),
                    Guess::No | Guess::Perhaps => assert!(end < first, "{}", bytes[..end].escape_ascii()),
                }
            }
        }
        assert!(
            WrongProtocol::ALL.iter().all(|protocol| FIRST_BYTES.iter().any(|(known, _)| known == protocol))
        );
    }

    /// The place of a pause does not matter, inside a well-known method or after it.
    #[test]
    fn request_line_prefix_is_not_taken_for_a_message() {
        for end in 2.."GET / HTTP/1.1".len() {
            let guess = look(&b"GET / HTTP/1.1"[..end]);
            match end {
                ..=3 => assert_eq!(guess, Guess::Perhaps, "{end}"),
                4..=11 => assert_eq!(guess, Guess::Likely(WrongProtocol::Http), "{end}"),
                _ => {}
            }
        }
        for line in
            ["get /", "Foo /a", "PUT *", "get http://x", "connect x:1", "a / ", "a /b HT", "a /b HTTP/"]
        {
            assert_eq!(look(line.as_bytes()), Guess::Likely(WrongProtocol::Http), "{line}");
        }
        for line in ["get ", "GET h", "get HTTPS:", "DE", "OPTIONS"] {
            assert_eq!(look(line.as_bytes()), Guess::Perhaps, "{line}");
        }
    }

    #[test]
    fn first_messages_of_people_and_clients_are_no_foreign_protocol() {
        for text in [
            "5 10",
            "5 / 2",
            "5 /2",
            "1e5 * 2",
            "inf /2",
            "5*",
            "-5 *",
            "alice",
            "Ann",
            "g",
            "G",
            "Hello from client",
            "hi",
            "alice smith",
            "alice HTTP/1.1",
            "I like HTTP/2",
            "see /tmp/x please",
            "GET a",
            "gets",
            "A HTTP/x",
            "HTTP/1.1",
            "GETTING",
            "SSH",
            "SSH-key",
            "PROXY me",
            "chat",
            "* * *",
            "*1",
            "*bob*",
            "O'Brien",
            "",
            "{\"cpu\": 1}",
            "/quit",
            "{quit}",
            "\r\n\r\n",
            "\r\n\r\nbob\r\n",
        ] {
            for text in [text.to_owned(), format!("{text}\n"), format!("{text}\r\n")] {
                let guess = look(text.as_bytes());
                assert!(matches!(guess, Guess::No | Guess::Perhaps), "{text:?}: {guess:?}");
                assert!(guess == Guess::No || !text.ends_with('\n'), "{text:?}: no pause after a line end");
            }
        }
        assert_eq!(look(b"GET /\n"), Guess::No, "a line, and its version is missing");
    }

    #[test]
    fn length_prefixes_before_text_are_no_foreign_protocol() {
        for length in 1..300_usize {
            let text = "x".repeat(length);
            let short = u16::try_from(length).unwrap().to_be_bytes();
            let (big, little) = ((length as u32).to_be_bytes(), (length as u32).to_le_bytes());
            for prefix in [&short[..], &big, &little] {
                let guess = look(&[prefix, text.as_bytes()].concat());
                let is_short = length < 3; // a pause decides
                assert!(guess == Guess::No || (is_short && guess == Guess::Perhaps), "{prefix:?}: {guess:?}");
            }
            let seven_bits = if length < 128 {
                vec![length as u8]
            } else {
                vec![length as u8 | 0x80, (length >> 7) as u8]
            };
            let guess = look(&[&seven_bits, text.as_bytes()].concat());
            assert!(guess == Guess::No, "{seven_bits:?}: {guess:?}");
        }
    }
}
