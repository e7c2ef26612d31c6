//! The scenes, one for each key. A scene describes what happens in a text, which must be another one with the key.

use std::fmt::Write;
use std::time::Duration;

use ipcd::engine::encryption::EncryptionEvent;
use ipcd::engine::message::{Binding, ConnectionId, Input, RemoteAddress, Transport};
use ipcd::engine::service::Service;
use ipcd::engine::service::facts::{First, Openness, Replies};

use super::page;
use super::stage::{Stage, user};

/// How the effect of a key becomes visible.
pub struct Scene {
    pub key: &'static str,
    /// The table that it is for; empty: any table.
    table: &'static str,
    /// A value without the effect; empty: the key is left out.
    pub without: &'static str,
    pub with: &'static str,
    /// Other keys in the table.
    pub beside: &'static str,
    /// The effect.
    pub sign: &'static str,
    pub play: fn(&mut Stage, Service) -> String,
}

impl Scene {
    pub fn is_of(&self, table: &str) -> bool {
        let service = Service::named(table);
        match self.table {
            // A client of the page speaks HTTP.
            _ if service == Some(Service::Page) => self.table == "page",
            "" => true,
            SERVICES => service.is_some(),
            NETWORK => service.is_some_and(|service| service.facts().openness != Openness::Masters),
            own => own == table,
        }
    }
}

const fn scene(
    key: &'static str,
    without: &'static str,
    with: &'static str,
    sign: &'static str,
    play: fn(&mut Stage, Service) -> String,
) -> Scene {
    Scene { key, table: "", without, with, beside: "", sign, play }
}

const fn page(
    key: &'static str,
    without: &'static str,
    with: &'static str,
    sign: &'static str,
    play: fn(&mut Stage, Service) -> String,
) -> Scene {
    Scene { table: "page", ..scene(key, without, with, sign, play) }
}

/// The tables of all services.
const SERVICES: &str = "SERVICES";

/// The tables of the services that may be on the network.
const NETWORK: &str = "NETWORK";

pub const SCENES: &[Scene] = &[
    Scene { table: SERVICES, ..scene("max_connections", "0", "1", "too many connections", two_come) },
    Scene { table: "limits", ..scene("max_connections", "2", "1", "too many connections", two_come) },
    scene("max_connections_per_address", "0", "1", "too many connections", one_comes_twice),
    scene("max_message", "", "8", "message longer than 8 bytes", twenty_bytes),
    scene("backlog", "\"1MiB\"", "\"4KiB\"", "", deaf_client),
    scene("first_message_timeout", "\"0s\"", "\"1s\"", "Error: no message for 1 s", silence),
    scene("idle_timeout", "\"10s\"", "\"1s\"", "Error: idle for 1 s", silence),
    Scene {
        beside: "framing = \"line\"",
        ..scene("message_timeout", "\"10s\"", "\"1s\"", "Error: message not finished after 1 s", half_a_line)
    },
    scene("raw_gap", "\"20ms\"", "\"2s\"", "", without_line_end),
    scene("framing", "\"line\"", "\"c\"", "", with_a_nul),
    scene("messages_per_second", "0", "1", "", thirty_messages),
    scene("listen", "[]", "[\"unix:///run/x/own.sock\"]", "own.sock", endpoints),
    scene("mode", "", "\"0600\"", "600", endpoints),
    scene("group", "", "\"other\"", "other", endpoints),
    scene("allow_users", "[]", "[1000]", "1000 comes in, 1001 does not", users),
    scene("allow_groups", "[]", "[1000]", "1000 comes in, 1001 does not", users),
    Scene {
        table: NETWORK,
        beside: "listen = [\"tcp://127.0.0.1:7\"]",
        ..scene("allow_addresses", "[]", "[\"192.0.2.0/24\"]", "198.51.100.7 may not connect", from_afar)
    },
    scene("allow_addresses", "[]", "[\"192.0.2.0/24\"]", "198.51.100.7", from_afar_through_mux),
    scene("allow_names", "[]", "[\"ada\"]", "eve may not ", eve_through_mux),
    scene("max_queued", "\"256MiB\"", "\"1MiB\"", "too slow", hoarder),
    scene("listen_backlog", "7", "8", "listen_backlog: 8", the_process),
    scene("share_ports", "false", "true", "share_ports: true", the_process),
    scene("shutdown_grace", "\"7s\"", "\"8s\"", "shutdown_grace: 8s", the_process),
    scene("level", "\"info\"", "\"debug\"", "log_level: Debug", the_process),
    scene("certificate", "\"/x/a.pem\"", "\"/x/b.pem\"", "certificate: \"/x/b.pem\"", the_process),
    scene("key", "\"%d/a.pem\"", "\"%d/b.pem\"", "key: \"%d/b.pem\"", the_process),
    scene(
        "certificates",
        "[]",
        "[{ certificate = \"/x/c.pem\", key = \"/x/d.pem\" }]",
        "more: [(\"/x/c.pem\", \"/x/d.pem\")]",
        the_process,
    ),
    scene("client_ca", "\"\"", "\"/x/b.pem\"", "client_ca: Some(\"/x/b.pem\")", the_process),
    Scene {
        beside: "client_ca = \"/x/ca.pem\"",
        ..scene("client_crl", "\"\"", "\"/x/b.pem\"", "client_crl: Some(\"/x/b.pem\")", the_process)
    },
    scene("minimum", "\"1.2\"", "\"1.3\"", "minimum: Tls13", the_process),
    scene("servers", "[]", "[\"nats://a\"]", "host: \"a\"", the_process),
    scene("house", "\"a\"", "\"b\"", "house: \"b\"", the_process),
    scene("credentials", "\"\"", "\"/x/b.creds\"", "credentials: Some(\"/x/b.creds\")", the_process),
    scene("ca", "\"\"", "\"/x/b.pem\"", "ca: Some(\"/x/b.pem\")", the_process),
    scene("handshake_first", "false", "true", "is_handshake_first: true", the_process),
    scene("replicas", "1", "3", "replicas: 3", the_process),
    scene("max_age", "\"2h\"", "\"1h\"", "max_age: 3600s", the_process),
    scene("max_messages", "1000", "2000", "max_messages: 2000", the_process),
    scene("max_bytes", "\"2MiB\"", "\"1MiB\"", "max_bytes: 1048576", the_process),
    scene("room", "\"\"", "\"class\"", "room: \"class\"", the_process),
    scene("transcript", "", "\"/x/chat.log\"", "ann: one", transcript),
    scene("send_timeout", "\"10s\"", "\"1s\"", "gone", reads_nothing),
    scene("linger_timeout", "\"10s\"", "\"1s\"", "gone", lingers),
    Scene { beside: "max_connections = 1", ..scene("max_refused_lingering", "1", "0", "gone", refused) },
    scene("answers_per_second", "0", "1", "", datagrams),
    scene("history", "0", "1", "ben: two", newcomer),
    scene("passphrase", "\"\"", "\"fish\"", "passphrase", newcomer),
    scene("name_timeout", "\"10s\"", "\"1s\"", "Error: no name for 1 s", silence),
    scene("max_machines", "2", "1", "", machines),
    scene("max_watchers", "2", "1", "Error: ", watchers),
    page("max_connections", "0", "1", "503", page::two_come),
    page("max_connections_per_address", "0", "1", "503", page::one_comes_twice),
    page("max_message", "\"1KiB\"", "\"64B\"", "431", page::long_request),
    page("backlog", "\"1MiB\"", "\"4KiB\"", "", page::deaf_client),
    page("first_message_timeout", "\"0s\"", "\"1s\"", "gone", page::silence),
    page("idle_timeout", "\"10s\"", "\"1s\"", "gone", page::silence),
    page("message_timeout", "\"10s\"", "\"1s\"", "408", page::half_a_request),
    page("messages_per_second", "0", "1", "", page::thirty_requests),
    page("raw_gap", "\"20ms\"", "\"2s\"", "", page::silence),
    page("framing", "\"line\"", "\"c\"", "", page::silence),
    page("listen", "[]", "[\"http://127.0.0.1:7\"]", "127.0.0.1:7", endpoints),
    page("mode", "", "\"0600\"", "600", endpoints),
    page("group", "", "\"other\"", "other", endpoints),
    page("allow_users", "[]", "[1000]", "1000 comes in, 1001 does not", users),
    page("allow_groups", "[]", "[1000]", "1000 comes in, 1001 does not", users),
    Scene {
        beside: "listen = [\"http://127.0.0.1:7\"]",
        ..page("allow_addresses", "[]", "[\"192.0.2.0/24\"]", "198.51.100.7 may not connect", from_afar)
    },
    page("allow_names", "[]", "[\"ada\"]", "\"ada\"", the_process),
    page("hosts", "[]", "[\"school.example\"]", "426", page::by_another_name),
    page("origins", "[]", "[\"http://localhost:8000\"]", "101", page::from_another_page),
    page("metrics", "true", "false", "404", page::metrics),
    scene("default", "\"multiply\"", "\"hello\"", "Hello from server", by_default),
];

/// A message that each service accepts, and answers if it answers any.
fn request(service: Service) -> &'static str {
    match service {
        Service::Multiply => "5 10",
        Service::Chat => "ann",
        Service::Stats => "latest nobody",
        Service::Status => "status",
        Service::Watch => "all",
        Service::Mux => "help",
        _ => "Hi",
    }
}

/// A client that has entered the service and received its first message. In talk it has a partner.
fn guest(stage: &mut Stage, service: Service) -> (ConnectionId, Option<ConnectionId>) {
    let peer = stage.connect(service, 1);
    let other = (service == Service::Talk).then(|| stage.connect(service, 2));
    if service == Service::Chat {
        stage.send(peer, "ann\n");
    }
    stage.heard(peer);
    (peer, other)
}

fn two_come(stage: &mut Stage, service: Service) -> String {
    let peers = [1, 2].map(|uid| stage.connect(service, uid));
    peers.map(|peer| stage.heard(peer)).join("|")
}

fn one_comes_twice(stage: &mut Stage, service: Service) -> String {
    let peers = [1, 1].map(|uid| stage.connect(service, uid));
    peers.map(|peer| stage.heard(peer)).join("|")
}

fn twenty_bytes(stage: &mut Stage, service: Service) -> String {
    if service.facts().first == First::Nothing {
        return stage.ask(service, b"xxxxxxxxxxxxxxxxxxxx"); // input on a connection is ignored
    }
    let (peer, _) = guest(stage, service);
    stage.send(peer, "xxxxxxxxxxxxxxxxxxxx\n");
    stage.heard(peer)
}

/// A client that sends without end, while it (in talk, its partner) reads nothing.
fn deaf_client(stage: &mut Stage, service: Service) -> String {
    let (peer, other) = guest(stage, service);
    let deaf = other.unwrap_or(peer);
    // A member of the room is dropped once its kernel accepts nothing. Elsewhere requests wait before that.
    match service {
        Service::Chat => stage.client(deaf).is_deaf = true,
        _ => stage.client(deaf).is_slow = true,
    }
    let (speaker, line) = match service {
        Service::Chat => (stage.connect(service, 3), "x".repeat(30)),
        Service::Stats => (peer, "help".to_owned()),
        Service::Watch => (peer, "nonsense".to_owned()),
        _ => (peer, request(service).to_owned()),
    };
    for _ in 0..40 {
        stage.send(speaker, format!("{line}\n").repeat(50));
    }
    let counters = stage.engine.counters().of(service);
    format!("{} messages, {} too slow", counters.messages, counters.too_slow)
}

fn silence(stage: &mut Stage, service: Service) -> String {
    let peer = stage.connect(service, 1);
    stage.pass(Duration::from_secs(3));
    stage.heard(peer)
}

fn half_a_line(stage: &mut Stage, service: Service) -> String {
    let (peer, _) = guest(stage, service);
    stage.send(peer, "5 1");
    stage.pass(Duration::from_secs(3));
    stage.heard(peer)
}

/// All output within a second after these bytes were sent.
fn after_a_second(stage: &mut Stage, service: Service, bytes: String) -> String {
    let peer = stage.connect(service, 1);
    let partner = (service == Service::Talk).then(|| stage.connect(service, 2));
    stage.send(peer, bytes);
    stage.pass(Duration::from_secs(1));
    [Some(peer), partner].into_iter().flatten().map(|peer| stage.heard(peer)).collect()
}

fn without_line_end(stage: &mut Stage, service: Service) -> String {
    after_a_second(stage, service, request(service).to_owned())
}

fn with_a_nul(stage: &mut Stage, service: Service) -> String {
    after_a_second(stage, service, format!("{}\0", request(service)))
}

fn thirty_messages(stage: &mut Stage, service: Service) -> String {
    let (peer, _) = guest(stage, service);
    for _ in 0..30 {
        stage.send(peer, format!("{}\n", request(service)));
    }
    format!("{} messages", stage.engine.counters().of(service).messages)
}

/// Keys of the reactor and the transport; tests of a real daemon show their effect.
fn endpoints(stage: &mut Stage, service: Service) -> String {
    let listens = stage.config.listens.iter().filter(|listen| listen.service == service);
    listens.map(|listen| format!("{} {:o} {}", listen.endpoint, listen.mode, listen.group)).collect()
}

/// The same for keys of the process.
fn the_process(stage: &mut Stage, _: Service) -> String {
    format!("{:?}", stage.config)
}

fn users(stage: &mut Stage, service: Service) -> String {
    let mut story = String::new();
    for uid in [1000, 1001] {
        let peer = stage.connect_to(stage.binding(service), user(uid));
        let comes_in = !stage.heard(peer).contains("may not use this socket");
        write!(story, "{uid} {}, ", if comes_in { "comes in" } else { "does not" }).unwrap();
    }
    story
}

fn afar() -> RemoteAddress {
    RemoteAddress::Address("198.51.100.7:5000".parse().unwrap())
}

fn from_afar(stage: &mut Stage, service: Service) -> String {
    let peer = stage.connect_to(stage.binding(service), afar());
    stage.heard(peer)
}

/// A client at the mux's endpoint on the network.
fn far_on_mux(stage: &mut Stage) -> ConnectionId {
    let allowed = stage.config.listens.iter().rfind(|listen| listen.service == Service::Mux).unwrap();
    let allowed = allowed.allowed.clone();
    let binding =
        Binding { endpoint: "tcp://x".into(), service: Service::Mux, transport: Transport::TCP, allowed };
    stage.connect_to(binding, afar())
}

fn from_afar_through_mux(stage: &mut Stage, service: Service) -> String {
    let peer = far_on_mux(stage);
    stage.send(peer, format!("{service}\n"));
    stage.heard(peer)
}

/// A client whose certificate has this name.
fn eve_through_mux(stage: &mut Stage, service: Service) -> String {
    let peer = far_on_mux(stage);
    let event = EncryptionEvent::Begun { how: "TLS", name: Some("eve") };
    stage.engine.handle(stage.now, Input::Encryption { peer, event });
    stage.send(peer, format!("{service}\n"));
    stage.heard(peer)
}

/// Clients of two users that read nothing; one holds much more than the other.
fn hoarder(stage: &mut Stage, _: Service) -> String {
    let mut lost = String::new();
    for uid in 0..64 {
        let peer = stage.connect(Service::Multiply, uid % 2);
        stage.client(peer).is_deaf = true;
        for _ in 0..20 {
            stage.send(peer, "9 9\n".repeat(1000));
        }
    }
    let too_slow = stage.engine.counters().of(Service::Multiply).too_slow;
    if too_slow > 0 {
        lost += "too slow";
    }
    lost
}

fn transcript(stage: &mut Stage, _: Service) -> String {
    stage.engine.handle(stage.now, ipcd::engine::message::Input::Tick);
    let (peer, _) = guest(stage, Service::Chat);
    stage.send(peer, "one\n");
    std::iter::from_fn(|| stage.engine.poll_transcript()).map(String::from).collect()
}

fn reads_nothing(stage: &mut Stage, service: Service) -> String {
    let peer = stage.connect(service, 1);
    stage.client(peer).is_deaf = true;
    stage.send(peer, format!("{}\n", request(service)));
    stage.pass(Duration::from_secs(5));
    if stage.client(peer).is_open { "there" } else { "gone" }.to_owned()
}

fn lingers(stage: &mut Stage, _: Service) -> String {
    let peer = stage.connect(Service::Hello, 1);
    stage.send(peer, "Hi\n");
    assert!(stage.client(peer).is_shut && stage.client(peer).is_open);
    stage.pass(Duration::from_secs(3));
    if stage.client(peer).is_open { "there" } else { "gone" }.to_owned()
}

fn refused(stage: &mut Stage, service: Service) -> String {
    stage.connect(service, 1);
    let second = stage.connect(service, 2);
    if stage.client(second).is_open { "there" } else { "gone" }.to_owned()
}

fn datagrams(stage: &mut Stage, _: Service) -> String {
    (0..30).map(|_| stage.ask(Service::Hello, b"Hi")).collect()
}

fn newcomer(stage: &mut Stage, service: Service) -> String {
    for (name, word) in [("ann", "one"), ("ben", "two")] {
        let member = stage.connect(service, 1);
        stage.send(member, format!("{name}\n"));
        stage.send(member, "fish\n");
        stage.send(member, format!("{word}\n"));
    }
    let peer = stage.connect(service, 1);
    stage.send(peer, "cat\n");
    stage.heard(peer)
}

fn machines(stage: &mut Stage, service: Service) -> String {
    let (peer, _) = guest(stage, service);
    for host in ["one", "two"] {
        stage.send(peer, format!("{{\"host\":\"{host}\",\"cpu_percent\":1}}\n"));
    }
    stage.heard(peer);
    stage.send(peer, "latest one\n");
    stage.heard(peer)
}

fn watchers(stage: &mut Stage, service: Service) -> String {
    let peers = [1, 2].map(|uid| stage.connect(service, uid));
    peers.iter().for_each(|peer| stage.send(*peer, "all\n"));
    peers.map(|peer| stage.heard(peer)).join("|")
}

fn by_default(stage: &mut Stage, service: Service) -> String {
    assert_ne!(service.facts().replies, Replies::One);
    let peer = stage.connect(service, 1);
    stage.send(peer, "five ten\n");
    stage.heard(peer)
}
