//! One request to multiply, with a `Vec` instead of a socket.

use std::rc::Rc;

use ipcd_engine::engine::Engine;
use ipcd_engine::engine::limits::Settings;
use ipcd_engine::engine::message::{
    Binding, ConnectionId, Input, Output, RemoteAddress, Timestamp, Transport,
};
use ipcd_engine::engine::service::Service;

fn main() {
    let mut engine = Engine::new(Settings::default());
    let (now, peer) = (Timestamp::at(0), ConnectionId { index: 0, generation: 1 });
    let (endpoint, service) = ("a program".to_owned(), Service::Multiply);
    let binding = Rc::new(Binding { endpoint, service, transport: Transport::UNIX, allowed: None });
    let remote = RemoteAddress::Process { uid: 1000, gid: 1000, pid: 1 };
    engine.handle(now, Input::Opened { peer, binding: &binding, remote });
    engine.handle(now, Input::Bytes { peer, bytes: b"5 10\n", more: false });

    let mut written = Vec::new();
    while let Some(output) = engine.poll_output() {
        if output == Output::Flush(peer) {
            let bytes = engine.outgoing(peer).slices().concat();
            engine.handle(now, Input::Sent { peer, bytes: bytes.len() });
            written.extend(bytes);
        }
    }
    print!("{}", String::from_utf8_lossy(&written));
}
