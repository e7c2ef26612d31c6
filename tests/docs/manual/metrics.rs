//! The manual lists every family of metrics with its kind and labels, and no other one.

use std::collections::BTreeMap;
use std::rc::Rc;

use ipcd::engine::Engine;
use ipcd::engine::figures::Figures;
use ipcd::engine::limits::Settings;
use ipcd::engine::message::{Binding, ConnectionId, Input, RemoteAddress, Timestamp, Transport};
use ipcd::engine::service::Service;
#[cfg(feature = "nats")]
use ipcd::engine::uplink::{self, InstanceId};

use super::PROTOCOL;

const PEER: ConnectionId = ConnectionId { index: 0, generation: 1 };
const NOW: Timestamp = Timestamp::at(0);

/// The state of a shared room.
#[cfg(feature = "nats")]
fn shared() -> uplink::Settings {
    uplink::Settings {
        servers: vec![uplink::Server::new("127.0.0.1", 1, uplink::Encrypt::IfAsked)],
        credentials: uplink::Credentials::None,
        house: uplink::House::new("house").unwrap(),
        room: uplink::RoomToken::new("class").unwrap(),
        stream: uplink::StreamSettings::default(),
        client: "ipcd".to_owned(),
    }
}

/// The metrics of an engine that knows every figure.
fn told() -> String {
    let settings = Settings { pid: Some(1), memory_bytes_max: Some(1), ..Settings::default() };
    let mut engine = Engine::new(settings);
    #[cfg(feature = "nats")]
    engine.sharing_mut(NOW).begin(shared(), ipcd::engine::linking::Beginning::New(InstanceId([7; 16]), 7));
    let (service, transport) = (Service::Page, Transport::HTTP);
    let binding = Binding { endpoint: "x".into(), service, transport, allowed: None };
    let remote = RemoteAddress::Address("127.0.0.1:5".parse().unwrap());
    engine.handle(NOW, Input::Opened { peer: PEER, binding: &Rc::new(binding), remote });
    let bytes = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    engine.handle(NOW, Input::Bytes { peer: PEER, bytes, more: false });
    engine.handle(NOW, Input::Tick);
    while engine.poll_output().is_some() {}
    assert!(engine.wants_figures() && engine.outgoing(PEER).is_empty(), "the answer waits for them");
    engine.handle(
        NOW,
        Input::Figures(Figures {
            resident_bytes: Some(1),
            descriptors: Some(1),
            descriptors_max: Some(1),
            log_lines_dropped: 0,
            reload: Some((true, NOW)),
            ..Figures::default()
        }),
    );
    engine.handle(NOW, Input::Tick);
    while engine.poll_output().is_some() {}
    String::from_utf8(engine.outgoing(PEER).slices().concat()).unwrap()
}

#[test]
fn every_family_of_metrics_is_in_the_manual_with_its_kind_and_labels() {
    let mut families: BTreeMap<String, (String, String)> = BTreeMap::new();
    let told = told();
    for line in told.split("\r\n\r\n").nth(1).unwrap().lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["#", "TYPE", name, kind] => {
                families.insert(name.to_owned(), (kind.to_owned(), String::new()));
            }
            [sample, _] if sample.contains('{') => {
                let (name, labels) = sample.split_once('{').unwrap();
                let suffixes = ["_total", "_bucket", "_info"];
                let family = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
                let labels = labels.split("=\"").map(|part| part.rsplit(['"', ',']).next().unwrap());
                let labels: Vec<_> = labels.filter(|label| *label != "}").collect();
                families.get_mut(family).unwrap().1 = labels.join(", ");
            }
            _ => {}
        }
    }
    let table = PROTOCOL.split_once(".Ss Metrics\n").unwrap().1.split_once(".El\n").unwrap().0;
    let rows = table.lines().filter_map(|line| line.strip_prefix(".It ")).skip(1);
    let rows = rows.filter(|row| cfg!(feature = "nats") || !row.contains("ipcd_shared_room_"));
    let rows = rows.map(|row| {
        let cells: Vec<&str> = row.split(" Ta ").map(|cell| cell.trim_start_matches("Li ")).collect();
        let [name, kind, labels, _] = cells[..] else { panic!("{row}") };
        (name.to_owned(), (kind.to_owned(), labels.replace('-', "")))
    });
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), families);
}
