//! The teacher's part of the page: WebSockets that require the token first.

use super::page::{OPENED, client_frame, server_frame, token, upgrade};
use crate::harness::{BESIDE, Client, Daemon, USUAL};

const PAGE: &str = "[page]\nlisten = [\"http://{ip}:33080\"]\n";

/// A WebSocket that has sent the token.
fn opened(daemon: &Daemon, service: &str, token: &str) -> Client {
    let mut client = daemon.tcp(33080);
    client.say(upgrade(service, ""));
    client.hear(OPENED);
    client.say(client_frame(0x81, token.as_bytes()));
    client
}

#[test]
fn teachers_view_opens_with_the_token_and_only_with_it() {
    let daemon = Daemon::talkative(&format!("{USUAL}{BESIDE}{PAGE}"));
    let token = token(&daemon);
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    for service in ["status", "watch", "control"] {
        for wrong in [&token[1..], "status"] {
            let mut client = opened(&daemon, service, wrong);
            let told = client.hear_rest();
            let error = "Error: wrong token; the daemon makes a new one at each start, which ipcctl page --teacher shows";
            let refused = [server_frame(0x81, error.as_bytes()), server_frame(0x88, &1008_u16.to_be_bytes())];
            assert_eq!(told, refused.concat(), "{service} {wrong:?}");
        }
    }
    let mut control = opened(&daemon, "control", &token);
    control.hear(server_frame(0x81, b"OK"));
    for order in ["reload", "handover", "token", "kick ann", "close 127.0.0.1"] {
        control.say(client_frame(0x81, order.as_bytes()));
        control.hear(server_frame(0x81, b"Error: a client of the page may only use say"));
    }
    let mut ann = Client::member(&daemon, "ann");
    control.say(client_frame(0x81, b"say five more minutes"));
    control.hear(server_frame(0x81, b"OK: sent to one member"));
    ann.hear("[teacher] five more minutes\n");
    let log = daemon.stop();
    assert!(!log.iter().any(|line| line.contains(&token)), "the token is in the log: {log:#?}");
}

/// A message in several frames and their number, once all have arrived.
fn message(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut rest, mut text, mut frames) = (bytes, Vec::new(), 0);
    loop {
        let [first, length, behind @ ..] = rest else { return None };
        let (length, behind) = match (length, behind) {
            (126, [high, low, behind @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), behind),
            (126 | 127, _) => return None, // a piece of a report is at most 64 KiB long
            (length, behind) => (usize::from(*length), behind),
        };
        assert_eq!(first & 0x0f, if frames == 0 { 1 } else { 0 }, "a text, and what continues it");
        text.extend(behind.get(..length)?);
        frames += 1;
        if first & 0x80 != 0 {
            assert_eq!(behind.len(), length, "more than one message");
            return Some((text, frames));
        }
        rest = &behind[length..];
    }
}

#[test]
fn report_is_one_message_in_several_frames() {
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}"));
    let members: Vec<Client> =
        (0..300).map(|number| Client::member(&daemon, &format!("m{number}"))).collect();
    let mut status = opened(&daemon, "status", &token(&daemon));
    let (accepted, mut bytes) = (server_frame(0x81, b"OK"), Vec::new());
    let (text, frames) = loop {
        // The report may arrive together with what comes before it.
        let piece = status.recv();
        assert!(!piece.is_empty(), "it ends within the report");
        bytes.extend(piece);
        if let Some(whole) = bytes.strip_prefix(&accepted[..]).and_then(message) {
            break whole;
        }
    };
    let report: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert!(frames > 1, "{frames} frames of {} bytes", text.len());
    assert!(report["connections"].as_array().unwrap().len() > members.len());
    assert!(report["clients"].is_array(), "the token is for what watch shows, too");
    drop(members);
    daemon.stop();
}
