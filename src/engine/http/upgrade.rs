//! The opening of a WebSocket (RFC 6455, section 4.2).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha1_smol::Sha1;

use super::request::Request;

/// What a server appends to a client's key (RFC 6455, section 1.3).
const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a client's key.
const KEY_BYTES: usize = 16;

/// Why a WebSocket cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// Its version is not 13.
    Version,
    /// The request breaks this rule.
    Bad(&'static str),
}

/// The answer that opens a WebSocket, with this subprotocol if the request offers it, and whether it does; `None`: the request
/// does not ask for a WebSocket.
///
/// # Errors
/// Why it cannot be opened.
pub fn open(request: &Request<'_>, protocol: Option<&str>) -> Result<Option<(Vec<u8>, bool)>, Unopened> {
    if !request.has_token("upgrade", "websocket") {
        return Ok(None);
    }
    if request.method != "GET" || request.is_old {
        return Err(Unopened::Bad("a WebSocket is opened with GET and HTTP/1.1"));
    }
    if !request.has_token("connection", "upgrade") {
        return Err(Unopened::Bad("Connection: Upgrade is missing"));
    }
    if request.value("sec-websocket-version") != Some("13") {
        return Err(Unopened::Version);
    }
    let key = request.value("sec-websocket-key").unwrap_or_default();
    if BASE64_STANDARD.decode(key).ok().is_none_or(|key| key.len() != KEY_BYTES) {
        return Err(Unopened::Bad("Sec-WebSocket-Key is not 16 bytes in base64"));
    }
    let accept = accept(key);
    let protocol =
        protocol.filter(|known| request.tokens("sec-websocket-protocol").any(|word| word == *known));
    let field = protocol.map_or(String::new(), |protocol| format!("Sec-WebSocket-Protocol: {protocol}\r\n"));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{field}\r\n"
    );
    Ok(Some((answer.into_bytes(), protocol.is_some())))
}

/// The server's answer to a client's key.
pub fn accept(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(SUFFIX.as_bytes());
    BASE64_STANDARD.encode(hash.digest().bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_key_is_the_one_of_the_rfc() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn websocket_is_opened_only_by_a_whole_request_for_one() {
        let opened = |line: &str, fields: &str| {
            let head = format!("{line}\r\nHost: x\r\n{fields}\r\n");
            open(&Request::read(head.as_bytes()).unwrap(), Some("hints"))
        };
        let get = "GET /chat HTTP/1.1";
        let whole = "Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let answer = String::from_utf8(opened(get, whole).unwrap().unwrap().0).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 101 ") && answer.ends_with("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        );
        let deflate = format!("{whole}Sec-WebSocket-Extensions: permessage-deflate\r\n");
        assert!(
            !String::from_utf8(opened(get, &deflate).unwrap().unwrap().0).unwrap().contains("Extensions")
        );
        for (offered, chosen) in [("x, hints", true), ("hint", false), ("x", false)] {
            let fields = format!("{whole}Sec-WebSocket-Protocol: {offered}\r\n");
            let (answer, is_chosen) = opened(get, &fields).unwrap().unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert_eq!(is_chosen, chosen, "{offered}");
            assert_eq!(answer.ends_with("\r\nSec-WebSocket-Protocol: hints\r\n\r\n"), chosen, "{answer}");
        }
        assert_eq!(opened(get, ""), Ok(None));
        assert_eq!(opened(get, "Upgrade: h2c\r\n"), Ok(None));
        assert!(matches!(opened("POST /chat HTTP/1.1", whole), Err(Unopened::Bad(_))));
        for (from, to) in [("upgrade", "x"), ("dGhl", "d"), ("ZQ==", "ZQ"), ("Sec-WebSocket-Key", "X-Key")] {
            assert!(matches!(opened(get, &whole.replace(from, to)), Err(Unopened::Bad(_))), "{from}");
        }
        assert_eq!(opened(get, &whole.replace("13", "8")), Err(Unopened::Version));
    }
}
