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
    /// Every message ends with CR LF or CR NUL, and there are Telnet commands between messages.
    Telnet,
}

/// The settings of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Simultaneous connections to this service; `None`: bounded by the total only.
    pub connections_max: Option<usize>,
    /// Connections to this service from one address or, on Unix sockets, one user; 0: no limit.
    pub connections_per_address_max: usize,
    /// Bytes in a message, without its line end.
    pub message_bytes_max: usize,
    /// Bytes queued for one client that does not read.
    pub backlog_bytes_max: usize,
    /// Time from the connection to the first complete message; `None`: no limit. The chat has
    /// [`chat_name_timeout`](Settings::chat_name_timeout) instead, and greeting expects no message.
    pub first_message_timeout: Option<Duration>,
    /// A connection that is silent for this long is closed.
    pub idle_timeout: Duration,
    /// Time from a message's first byte to its last.
    pub message_timeout: Duration,
    /// The pause that ends a raw message, and the pause between two replies to a raw client.
    pub raw_gap: Duration,
    /// How messages end.
    pub framing: FramingRule,
    /// Who may select it on the mux, in addition to root and the daemon's own user, if it is restricted (status and watch); `None`:
    /// everyone.
    pub allowed: Option<Allowed>,
    /// The networks from which clients may select it on a mux on the network.
    pub networks: Networks,
    /// The names in certificates with which clients may select it.
    pub names: Names,
    /// Messages per second from one peer beyond a burst of [`MESSAGES_BURST`](super::MESSAGES_BURST); 0: no limit.
    pub messages_per_second: u32,
    /// Whether the service has an endpoint of its own. (Clients may also reach it through the mux.)
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
    /// Simultaneous connections to all services, including lingering ones.
    pub connections_max: usize,
    /// Connections to all services from one address or, on Unix sockets, one user; 0: no limit.
    pub connections_per_address_max: usize,
    /// Bytes of memory for the queues of all connections together. Beyond it, the largest ones are closed.
    pub queued_bytes_max: usize,
    /// Sessions on FIFOs and message queues: one for each such endpoint, in addition to all connections.
    pub standing: usize,
    /// Connections beyond these limits that may linger at the same time.
    pub refused_lingering_max: usize,
    /// How long a lingering close waits for the peer's end of file.
    pub linger: Duration,
    /// How long a connection may accept nothing of its queued data.
    pub send_timeout: Duration,
    /// Machines whose reports stats keeps: at least 1.
    pub machines_max: usize,
    /// Simultaneous watchers: at least 1.
    pub watchers_max: usize,
    /// Answers per second to one sender of datagrams; 0: no limit.
    pub answers_per_second: u32,
    /// One entry per service, in the order of [`Service::ALL`].
    pub services: [ServiceSettings; Service::ALL.len()],
    /// Messages of the room that a new member is shown.
    pub chat_history: usize,
    /// Whether a transcript of the room is written: [`poll_transcript`](crate::engine::Engine::poll_transcript)
    /// returns its lines.
    pub transcript: bool,
    /// The passphrase that a new member must send after its name.
    pub chat_passphrase: Option<Passphrase>,
    /// How long a client of the chat may take to give a name.
    pub chat_name_timeout: Duration,
    /// The page's names and files, and what other pages may do.
    pub site: Site,
    /// The service for a first message on the mux that names none.
    pub mux_default: Service,
    /// The user, besides root, who may use the control service on the mux.
    pub owner: u32,
    /// The open endpoints as the log shows them, for the status report.
    pub endpoints: Vec<(String, Service)>,
    /// The sum of all bounds in bytes, for the status report; `None`: not computed.
    pub memory_bytes_max: Option<usize>,
    /// The most connections with shared memory, which take more descriptors; the reactor refuses further ones.
    pub sharing_max: usize,
    /// The daemon's process id, for the status report.
    pub pid: Option<u32>,
    /// Whether the room is shared, for the sum of all bounds.
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
