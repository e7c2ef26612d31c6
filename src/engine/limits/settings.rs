//! The settings that a configuration gives the engine.

use std::time::Duration;

use super::bounds::{
    ANSWERS_PER_SECOND, LINGER, MACHINES_MAX, QUEUED_BYTES_MAX, REFUSED_LINGERING_MAX,
    REQUEST_HEAD_BYTES_MAX, REQUEST_TIMEOUT, SEND_TIMEOUT, WATCHERS_MAX,
};
use crate::engine::allow::names::Names;
use crate::engine::allow::networks::Networks;
use crate::engine::allow::passphrase::Passphrase;
use crate::engine::allow::{self, Allowed};
use crate::engine::http::site::Site;
use crate::engine::service::Service;
use crate::engine::service::facts::Need;

/// The value of `framing` in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FramingRule {
    /// Look at the first burst.
    #[default]
    Auto,
    /// Every message ends with LF.
    Line,
    /// Every burst is a message.
    Raw,
    /// Every message ends with NUL.
    C,
    /// Every message ends with CR LF or CR NUL, and there are Telnet's commands in between.
    Telnet,
}

/// The settings of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Connections of this service at once; `None`: bounded by the total alone.
    pub connections_max: Option<usize>,
    /// Connections of this service from one address, or on Unix sockets one user; 0: no bound of its own.
    pub connections_per_address_max: usize,
    /// Bytes in a message, its line end not counted.
    pub message_bytes_max: usize,
    /// Bytes queued for one client that does not read.
    pub backlog_bytes_max: usize,
    /// Time from the connection to the first complete message; `None`: no bound of its own. The chat has
    /// [`chat_name_timeout`](Settings::chat_name_timeout) instead, and greeting waits for nothing.
    pub first_message_timeout: Option<Duration>,
    /// Silence after which a connection is closed.
    pub idle_timeout: Duration,
    /// Time from a message's first byte to its last.
    pub message_timeout: Duration,
    /// The pause that ends a raw message, and the one between two replies to a raw client.
    pub raw_gap: Duration,
    /// How messages end.
    pub framing: FramingRule,
    /// Who, besides root and the daemon's own user, may select it on the mux, if it is restricted (status and watch);
    /// `None`: everyone.
    pub allowed: Option<Allowed>,
    /// The networks from which it may be selected on a mux on the network.
    pub networks: Networks,
    /// Under which name in its certificate.
    pub names: Names,
    /// Messages a second that one peer may send beyond a burst of [`MESSAGES_BURST`](super::MESSAGES_BURST); 0: no bound.
    pub messages_per_second: u32,
    /// Whether the service has an endpoint of its own (it may still be reachable through the mux).
    pub listening: bool,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        ServiceSettings {
            connections_max: None,
            connections_per_address_max: 0,
            message_bytes_max: 4096,
            backlog_bytes_max: 1024 * 1024,
            first_message_timeout: None,
            idle_timeout: Duration::from_secs(300),
            message_timeout: Duration::from_secs(30),
            raw_gap: Duration::from_millis(20),
            framing: FramingRule::Auto,
            allowed: None,
            networks: Networks::default(),
            names: Names::default(),
            messages_per_second: 0,
            listening: false,
        }
    }
}

impl ServiceSettings {
    /// The defaults of a service.
    pub fn of(service: Service) -> ServiceSettings {
        match service.facts().needs.contains(&Need::Web) {
            true => ServiceSettings {
                message_bytes_max: REQUEST_HEAD_BYTES_MAX,
                message_timeout: REQUEST_TIMEOUT,
                ..ServiceSettings::default()
            },
            false => ServiceSettings::default(),
        }
    }
}

/// The settings that a configuration gives the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Connections at once, of all services, lingering ones counted.
    pub connections_max: usize,
    /// Connections from one address, or on Unix sockets one user, of all services; 0: no bound.
    pub connections_per_address_max: usize,
    /// Bytes of memory for the queues of all connections together. Beyond it, the largest ones are closed.
    pub queued_bytes_max: usize,
    /// Sessions on FIFOs and message queues: one for each such endpoint, in addition to all connections.
    pub standing: usize,
    /// Connections beyond these limits that linger at once.
    pub refused_lingering_max: usize,
    /// How long a lingering close waits for the peer's end of file.
    pub linger: Duration,
    /// How long a connection may accept nothing of its queued data.
    pub send_timeout: Duration,
    /// Machines that stats keeps the reports of: at least 1.
    pub machines_max: usize,
    /// Simultaneous watchers: at least 1.
    pub watchers_max: usize,
    /// Answers a second that one sender of datagrams gets; 0: no bound.
    pub answers_per_second: u32,
    /// One entry per service, in the order of [`Service::ALL`].
    pub services: [ServiceSettings; Service::ALL.len()],
    /// Messages of the room that a newcomer is shown.
    pub chat_history: usize,
    /// Whether a transcript of the room is written: [`poll_transcript`](crate::engine::Engine::poll_transcript)
    /// returns its lines.
    pub transcript: bool,
    /// The passphrase that a newcomer must send after its name.
    pub chat_passphrase: Option<Passphrase>,
    /// Time to give a name in.
    pub chat_name_timeout: Duration,
    /// Under which names the page is asked for, what other pages may do, and what there is to see.
    pub site: Site,
    /// The service a first message on the mux goes to when it names none.
    pub mux_default: Service,
    /// The user, besides root, who may use the control service on the mux.
    pub owner: u32,
    /// The open endpoints as the log shows them, for the status report.
    pub endpoints: Vec<(String, Service)>,
    /// The sum of all bounds in bytes, for the status report; `None`: not computed.
    pub memory_bytes_max: Option<usize>,
    /// The most connections with shared memory, which take further descriptors; the reactor refuses more.
    pub sharing_max: usize,
    /// The daemon's process id, for the same.
    pub pid: Option<u32>,
    /// Whether other machines share the room, for the sum of all bounds.
    pub is_room_shared: bool,
    /// Whether every message is reported as a [`EventKind::Said`](crate::engine::message::EventKind::Said) (log level debug).
    pub report_messages: bool,
}

impl Settings {
    /// The settings of one service.
    pub fn of(&self, service: Service) -> &ServiceSettings {
        &self.services[service as usize]
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            connections_max: 10_000,
            connections_per_address_max: 0,
            queued_bytes_max: QUEUED_BYTES_MAX,
            standing: 0,
            refused_lingering_max: REFUSED_LINGERING_MAX,
            linger: LINGER,
            send_timeout: SEND_TIMEOUT,
            machines_max: MACHINES_MAX,
            watchers_max: WATCHERS_MAX,
            answers_per_second: ANSWERS_PER_SECOND,
            services: Service::ALL.map(|service| ServiceSettings {
                allowed: allow::listed(service, Allowed::default()),
                ..ServiceSettings::of(service)
            }),
            chat_history: 0,
            transcript: false,
            chat_passphrase: None,
            chat_name_timeout: Duration::from_secs(60),
            site: Site::default(),
            mux_default: Service::Multiply,
            owner: 0,
            endpoints: Vec::new(),
            memory_bytes_max: None,
            sharing_max: usize::MAX,
            pid: None,
            is_room_shared: false,
            report_messages: false,
        }
    }
}
