//! The engine with a configuration as a person writes it, the clients' ends of its connections, and a clock.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ipcd::config::Config;
use ipcd::engine::Engine;
use ipcd::engine::message::{Binding, ConnectionId, Input, Output, RemoteAddress, Timestamp};
use ipcd::engine::service::Service;

/// The client's end of one connection.
#[derive(Default)]
pub struct Client {
    pub heard: Vec<u8>,
    pub is_open: bool,
    /// Set until something is sent to it.
    pub is_slow: bool,
    /// Set if it reads nothing.
    pub is_deaf: bool,
    /// Set if the daemon has shut down its side.
    pub is_shut: bool,
}

pub struct Stage {
    pub config: Config,
    pub engine: Engine,
    pub now: Timestamp,
    pub clients: Vec<Client>,
    pub log: Vec<String>,
}

/// A service's endpoint in the tests' configurations: on a Unix socket, and for mux also on the network.
pub fn listening(service: Service) -> String {
    if service == Service::Page {
        return on_unix(service);
    }
    let network = if service == Service::Mux { ", \"tcp://127.0.0.1:9\"" } else { "" };
    format!("listen = [\"unix:///run/x/{service}.sock\"{network}]\n")
}

/// Services that need users are only on Unix sockets, because users on the network are not identified.
fn on_unix(service: Service) -> String {
    let scheme = if service == Service::Page { "http+unix" } else { "unix" };
    format!("listen = [\"{scheme}:///run/x/{service}.sock\"]\n")
}

/// A user that no rule mentions.
pub fn user(uid: u32) -> RemoteAddress {
    RemoteAddress::Process { uid, gid: uid, pid: 1 }
}

impl Stage {
    /// A service as a file configures it. `table`: the table that contains the lines, in addition to every service's endpoint.
    pub fn new(table: &str, lines: &str) -> Stage {
        let mut text = String::new();
        for service in Service::ALL {
            let (own, endpoint) = match service.name() == table {
                true => (lines, !lines.contains("listen")),
                false => ("", true),
            };
            let endpoint = match endpoint {
                true if own.contains("allow_users") || own.contains("allow_groups") => on_unix(service),
                true if lines.contains("allow_names") => listening(service).replace("tcp://", "tls://"),
                true => listening(service),
                false => String::new(),
            };
            text += &format!("[{service}]\n{endpoint}{own}\n");
        }
        if lines.contains("allow_names") {
            text += "[tls]\nclient_ca = \"/x/ca.pem\"\n";
        }
        if Service::named(table).is_none() {
            text += &format!("[{table}]\n{lines}\n");
        }
        Stage::of(&text)
    }

    pub fn of(text: &str) -> Stage {
        let config = Config::parse(Path::new("f"), text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let mut settings = config.settings.clone();
        settings.owner = 990; // no client is this user, so that none has a reserved place
        let engine = Engine::new(settings);
        Stage { config, engine, now: Timestamp::at(0), clients: Vec::new(), log: Vec::new() }
    }

    /// A client on the service's own endpoint, which its lists admit.
    pub fn connect(&mut self, service: Service, uid: u32) -> ConnectionId {
        let binding = self.binding(service);
        self.connect_to(Binding { allowed: None, ..binding }, user(uid))
    }

    /// The service's endpoint, as configured.
    pub fn binding(&self, service: Service) -> Binding {
        let listen = self.config.listens.iter().find(|listen| listen.service == service).unwrap();
        let (transport, allowed) = (listen.transport(), listen.allowed.clone());
        Binding { endpoint: listen.endpoint.to_string(), service, transport, allowed }
    }

    pub fn connect_to(&mut self, binding: Binding, remote: RemoteAddress) -> ConnectionId {
        let peer = ConnectionId { index: self.clients.len() as u32, generation: 1 };
        self.clients.push(Client { is_open: true, ..Client::default() });
        self.engine.handle(self.now, Input::Opened { peer, binding: &Rc::new(binding), remote });
        self.settle();
        peer
    }

    /// Sends one burst, if it is read.
    pub fn send(&mut self, peer: ConnectionId, bytes: impl AsRef<[u8]>) {
        if self.client(peer).is_open && self.engine.is_reading(peer) {
            self.engine.handle(self.now, Input::Bytes { peer, bytes: bytes.as_ref(), more: false });
        }
        self.settle();
    }

    pub fn client(&mut self, peer: ConnectionId) -> &mut Client {
        &mut self.clients[peer.index as usize]
    }

    /// Its input since the last call.
    pub fn heard(&mut self, peer: ConnectionId) -> String {
        String::from_utf8(std::mem::take(&mut self.client(peer).heard)).unwrap()
    }

    /// The reply to a datagram, and the log lines about it.
    pub fn ask(&mut self, service: Service, bytes: &[u8]) -> String {
        let binding = Binding { transport: ipcd::engine::message::Transport::UDP, ..self.binding(service) };
        let (binding, remote) = (Rc::new(binding), RemoteAddress::Address(([127, 0, 0, 1], 5000).into()));
        let input =
            Input::Datagram { binding: &binding, remote, bytes, truncated: false, address: Some(b"") };
        self.engine.handle(self.now, input);
        let mut answer = String::new();
        while let Some(reply) = self.engine.poll_reply() {
            answer += &format!("{}\n", String::from_utf8(reply).unwrap());
            self.engine.handle(self.now, Input::Replied(Ok(())));
        }
        self.settle();
        answer
    }

    pub fn pass(&mut self, span: Duration) {
        let then = self.now + span;
        while let Some(deadline) = self.engine.poll_deadline().filter(|deadline| *deadline <= then) {
            self.now = self.now.max(deadline);
            self.settle();
        }
        self.now = then;
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            self.engine.handle(self.now, Input::Tick);
            while let Some(output) = self.engine.poll_output() {
                match output {
                    Output::Flush(peer) | Output::Retry(peer) => self.flush(peer),
                    Output::Close(peer) | Output::Reset(peer) => self.client(peer).is_open = false,
                    Output::ShutdownWrite(peer) => self.client(peer).is_shut = true,
                    Output::Reading(..) | Output::Acknowledge(_) | Output::Ask(..) => {}
                }
            }
            while let Some(event) = self.engine.poll_event() {
                self.log.push(format!("{:?}", event.what));
            }
            if self.engine.wants_figures() {
                self.engine.handle(self.now, Input::Figures(Default::default()));
            }
            if !self.engine.has_work() {
                return;
            }
        }
    }

    fn flush(&mut self, peer: ConnectionId) {
        if self.client(peer).is_slow {
            return;
        }
        if self.client(peer).is_deaf {
            return self.engine.handle(self.now, Input::Blocked { peer });
        }
        loop {
            let bytes = self.engine.outgoing(peer).slices().concat();
            if bytes.is_empty() {
                return;
            }
            self.client(peer).heard.extend_from_slice(&bytes);
            self.engine.handle(self.now, Input::Sent { peer, bytes: bytes.len() });
        }
    }
}
