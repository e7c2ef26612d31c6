//! Every dialogue over a WebSocket: a message is a frame, sent whole, cut at every byte, or in fragments.

use ipcd::engine::message::{ConnectionId, Transport};
use ipcd::engine::service::Service;

use super::kinds::client::messages;
use super::stage::Stage;
use super::table::{Dialogue, MEMBERS, table};
use crate::page::{client_frame, server_frame, upgrade};

/// A client that has opened the WebSocket of a service while the members are in the room, and has received the answer.
fn opened(service: Service) -> (Stage, ConnectionId) {
    let mut stage = Stage::new();
    for name in MEMBERS {
        let member = stage.connect(Service::Chat);
        stage.send(member, format!("{name}\n").as_bytes());
    }
    let client = stage.connect_on(Service::Page, Transport::HTTP);
    stage.send(client, upgrade(service.name(), "").as_bytes());
    let heard = &mut stage.heard[client.index as usize];
    let end = heard.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer") + 4;
    assert!(heard.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(heard));
    heard.drain(..end);
    (stage, client)
}

/// A line client's input, in frames, with the close frame.
pub fn in_frames(dialogue: &Dialogue) -> Vec<u8> {
    let text = String::from_utf8_lossy(&dialogue.hears).replace("\r\n", "\n");
    let lines = text.strip_suffix('\n').map(|lines| lines.split('\n'));
    let mut frames: Vec<u8> =
        lines.into_iter().flatten().flat_map(|line| server_frame(0x81, line.as_bytes())).collect();
    frames.extend(server_frame(0x88, &1000_u16.to_be_bytes()));
    frames
}

/// Dialogues whose messages are not too long, and that do not request the list of services.
pub fn dialogues() -> Vec<Dialogue> {
    let is_held = |dialogue: &Dialogue| {
        let fits = messages(dialogue).iter().all(|message| message.len() <= 4096);
        let asks = dialogue.service == Service::Mux && dialogue.sends.starts_with(b"help");
        !dialogue.foreign && fits && !asks && dialogue.service.is_at_a_path()
    };
    let dialogues: Vec<Dialogue> = table().into_iter().filter(is_held).collect();
    assert!(dialogues.len() > 150, "{}", dialogues.len());
    dialogues
}

fn hold(dialogue: &Dialogue, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut stage, client) = opened(dialogue.service);
    for piece in pieces {
        if stage.open[client.index as usize] {
            stage.send(client, piece);
        }
    }
    stage.heard.swap_remove(client.index as usize)
}

/// The client's close frame. The service closes when it has sent everything, so its output is complete.
pub fn close() -> Vec<u8> {
    client_frame(0x88, &1000_u16.to_be_bytes())
}

#[test]
fn websocket_hears_in_frames_what_a_line_client_hears_at_every_cut() {
    for dialogue in dialogues() {
        let frames = messages(&dialogue).into_iter().flat_map(|message| client_frame(0x82, message));
        let sends: Vec<u8> = frames.chain(close()).collect();
        let framed = Dialogue { hears: in_frames(&dialogue), ..dialogue };
        framed.check(&hold(&framed, &[&sends]), "over a WebSocket");
        let step = if sends.len() > 100 { sends.len() / 20 } else { 1 };
        for cut in (1..sends.len()).step_by(step) {
            let heard = hold(&framed, &[&sends[..cut], &sends[cut..]]);
            framed.check(&heard, &format!("over a WebSocket, cut at {cut}"));
        }
    }
}

#[test]
fn message_in_fragments_is_one_message() {
    for dialogue in dialogues() {
        let mut sends = Vec::new();
        for message in messages(&dialogue) {
            let (first, rest) = message.split_at(message.len() / 2);
            sends.extend(client_frame(0x02, first));
            sends.extend(client_frame(0x89, b"")); // a ping may come between
            sends.extend(client_frame(0x80, rest));
        }
        sends.extend(close());
        let heard = hold(&dialogue, &[&sends]);
        let pong = server_frame(0x8a, b"");
        let mut rest = &heard[..];
        let mut heard = Vec::new();
        while let [_, length, ..] = rest {
            let length = match length {
                126 => 4 + usize::from(u16::from_be_bytes([rest[2], rest[3]])),
                short => 2 + usize::from(*short),
            };
            let (frame, behind) = rest.split_at(length);
            heard.extend(frame.iter().filter(|_| frame != pong));
            rest = behind;
        }
        let framed = Dialogue { hears: in_frames(&dialogue), ..dialogue };
        framed.check(&heard, "in fragments");
    }
}

#[test]
fn mux_offers_a_websocket_only_public_services() {
    let dialogue = Dialogue { service: Service::Mux, sends: vec![], hears: vec![], foreign: false };
    let asks = |message: &[u8]| {
        let sends: Vec<u8> = client_frame(0x81, message).into_iter().chain(close()).collect();
        String::from_utf8_lossy(&hold(&dialogue, &[&sends])).into_owned()
    };
    let help = asks(b"help");
    assert!(help.contains("multiply") && help.contains("stats"), "{help}");
    assert!(!help.contains("status") && !help.contains("watch") && !help.contains("page"), "{help}");
    // The client is the daemon's own user, as a proxy may be: its connections may belong to anyone.
    for service in ["status", "watch"] {
        assert!(asks(service.as_bytes()).contains("is not offered to browsers"), "{service}");
    }
    assert!(asks(b"control").contains("control is only for root"));
}
