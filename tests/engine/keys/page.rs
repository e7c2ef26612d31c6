//! The scenes of the page, with its keys, for a browser.

use std::time::Duration;

use ipcd::engine::message::ConnectionId;
use ipcd::engine::service::Service;

use super::stage::Stage;

const REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn ask(stage: &mut Stage, peer: ConnectionId, request: &str) -> String {
    stage.send(peer, request);
    stage.heard(peer)
}

pub fn two_come(stage: &mut Stage, service: Service) -> String {
    let peers = [1, 2].map(|uid| stage.connect(service, uid));
    peers.map(|peer| stage.heard(peer)).join("|")
}

pub fn one_comes_twice(stage: &mut Stage, service: Service) -> String {
    let peers = [1, 1].map(|uid| stage.connect(service, uid));
    peers.map(|peer| stage.heard(peer)).join("|")
}

pub fn long_request(stage: &mut Stage, service: Service) -> String {
    let peer = stage.connect(service, 1);
    let long = format!("A: {}\r\n\r\n", "x".repeat(60));
    ask(stage, peer, &REQUEST.replace("\r\n\r\n", &format!("\r\n{long}")))
}

pub fn deaf_client(stage: &mut Stage, service: Service) -> String {
    let peer = stage.connect(service, 1);
    stage.client(peer).is_slow = true;
    for _ in 0..40 {
        stage.send(peer, REQUEST.repeat(50));
    }
    format!("{} requests", stage.engine.counters().of(service).messages)
}

pub fn silence(stage: &mut Stage, service: Service) -> String {
    let peer = stage.connect(service, 1);
    stage.pass(Duration::from_secs(5));
    assert_eq!(stage.heard(peer), "", "it would take that for the answer to its first request");
    if stage.client(peer).is_open { "there" } else { "gone" }.to_owned()
}

pub fn half_a_request(stage: &mut Stage, service: Service) -> String {
    let peer = stage.connect(service, 1);
    stage.send(peer, &REQUEST[..REQUEST.len() - 2]);
    stage.pass(Duration::from_secs(3));
    stage.heard(peer)
}

pub fn thirty_requests(stage: &mut Stage, service: Service) -> String {
    let peer = stage.connect(service, 1);
    for _ in 0..30 {
        stage.send(peer, REQUEST);
    }
    format!("{} requests", stage.engine.counters().of(service).messages)
}

pub fn by_another_name(stage: &mut Stage, service: Service) -> String {
    let peer = stage.connect(service, 1);
    ask(stage, peer, "GET /chat HTTP/1.1\r\nHost: school.example\r\n\r\n")
}

pub fn metrics(stage: &mut Stage, service: Service) -> String {
    let peer = stage.connect(service, 0);
    let heard = ask(stage, peer, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    heard.lines().next().unwrap_or_default().to_owned()
}

pub fn from_another_page(stage: &mut Stage, service: Service) -> String {
    let peer = stage.connect(service, 1);
    let origin = "Origin: http://localhost:8000\r\n";
    let heard = ask(stage, peer, &format!("GET /hello HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}{origin}\r\n"));
    heard.lines().next().unwrap_or_default().to_owned()
}
