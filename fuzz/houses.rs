//! Claims about the input from a NATS server and from the log in it, all of which others may have written.

use ipcd::engine::message::Timestamp;
use ipcd::engine::uplink::bounds::MEMORY_BYTES_MAX;
use ipcd::engine::uplink::wire::decode::{Decoder, Frame};
use ipcd::engine::uplink::{
    Credentials, Encrypt, Entry, Event, House, InstanceId, RoomToken, Server, Settings, StreamSettings,
    Uplink,
};

/// All frames as text, up to an error.
fn frames(pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut told = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(None) => break,
                Ok(Some(Frame::Overlong(message))) => told.push(format!("overlong {:?}", message.reply)),
                Ok(Some(frame)) => told.push(format!("{frame:?}")),
                Err(error) => {
                    told.push(error.to_owned());
                    return told;
                }
            }
        }
        assert!(decoder.bytes() < MEMORY_BYTES_MAX);
    }
    told
}

/// The frames that a server's bytes contain do not depend on how the bytes arrive.
pub fn server_is_heard_the_same_at_every_cut(bytes: &[u8]) {
    let whole = frames(&[bytes]);
    assert_eq!(frames(&bytes.chunks(1).collect::<Vec<_>>()), whole);
    for cut in [bytes.len() / 3, bytes.len() / 2, bytes.len().saturating_sub(2)] {
        let (one, other) = bytes.split_at(cut);
        assert_eq!(frames(&[one, other]), whole, "cut at {cut}");
    }
}

/// Whatever a server sends, the uplink keeps its bounds, reports nothing that a terminal would obey, and has a deadline as long as
/// it has something to do.
pub fn uplink_keeps_its_bounds_whatever_a_server_says(bytes: &[u8]) {
    let mut now = Timestamp::at(0);
    let settings = Settings {
        servers: vec![Server::new("n", 4222, Encrypt::IfAsked)],
        credentials: Credentials::None,
        house: House::new("h").expect("a name"),
        room: RoomToken::new("a").expect("a name"),
        stream: StreamSettings::default(),
        client: "fuzz".into(),
    };
    let mut uplink = Uplink::new(settings, InstanceId([1; 16]), 1, now);
    uplink.watch(bytes.len().is_multiple_of(2));
    let _ = uplink.propose(Entry::Joined("ann"), now);
    let (link, _) = uplink.dial(now).expect("there is a server");
    uplink.connected(link, now);
    for piece in bytes.split_inclusive(|byte| *byte == 0xff) {
        // A byte that no frame has outside its payload stands for time that passes.
        uplink.received(link, piece, now);
        check(&mut uplink);
        now = now + std::time::Duration::from_millis(1700);
        uplink.tick(now);
        check(&mut uplink);
        let _ = uplink.propose(Entry::Said { name: "ann", text: "hi" }, now);
    }
    let is_dialling = uplink.dial(now).is_some();
    assert!(is_dialling || uplink.wants_close().is_some() || uplink.deadline().is_some_and(|at| at > now));
}

fn check(uplink: &mut Uplink) {
    let is_visible = |text: &str| !text.chars().any(|c| c.is_control() && c != '\t');
    while let Some(event) = uplink.next_event() {
        match event {
            Event::Entry { entry, .. } | Event::Refused { entry, .. } => {
                let (Entry::Joined(text)
                | Entry::Left(text)
                | Entry::Said { text, .. }
                | Entry::Acted { text, .. }
                | Entry::Announced(text)) = entry;
                assert!(is_visible(text), "{text:?}");
                if let Entry::Said { name, .. } | Entry::Acted { name, .. } = entry {
                    assert!(is_visible(name), "{name:?}");
                }
            }
            Event::Whisper(whisper) => assert!(is_visible(whisper.text) && is_visible(whisper.from)),
            Event::Seen(seen) => assert!(is_visible(seen.text) && is_visible(seen.name), "{seen:?}"),
            Event::Log(event) => assert!(is_visible(&event.to_string()), "{event}"),
            Event::Down(why) => assert!(is_visible(&why.to_string()), "{why}"),
            _ => {}
        }
    }
    if let Some(link) = uplink.wants_close() {
        assert!(uplink.output(link).len() < MEMORY_BYTES_MAX);
    }
}
