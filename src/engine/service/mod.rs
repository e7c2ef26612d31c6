//! The one list of services. A new service is a file beside this one and a line in each `match` here.

pub mod chat;
pub mod control;
pub mod greeting;
pub mod hello;
pub mod multiply;
pub mod mux;
pub mod stats;
pub mod status;
pub mod talk;
pub mod watch;

use serde::{Deserialize, Serialize};

use super::message::Medium;

/// What is said on an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Service {
    /// Two numbers in, their product out.
    Multiply,
    /// One sentence out.
    Greeting,
    /// A room where everybody hears everybody.
    Chat,
    /// One message in, one sentence out.
    Hello,
    /// Two who come one after the other talk to each other.
    Talk,
    /// Machines report their figures, and anybody asks for them.
    Stats,
    /// What the daemon is and does, as JSON.
    Status,
    /// What connections do, as it happens.
    Watch,
    /// The first message chooses the service.
    Mux,
}

impl Service {
    /// Every service, in the order of their numbers.
    pub const ALL: [Service; 9] = [
        Service::Multiply,
        Service::Greeting,
        Service::Chat,
        Service::Hello,
        Service::Talk,
        Service::Stats,
        Service::Status,
        Service::Watch,
        Service::Mux,
    ];

    /// Its name in the configuration, in the log, and on the mux.
    pub const fn name(self) -> &'static str {
        match self {
            Service::Multiply => "multiply",
            Service::Greeting => "greeting",
            Service::Chat => "chat",
            Service::Hello => "hello",
            Service::Talk => "talk",
            Service::Stats => "stats",
            Service::Status => "status",
            Service::Watch => "watch",
            Service::Mux => "mux",
        }
    }

    /// Whether it can be offered on such an endpoint.
    pub fn fits(self, medium: Medium) -> bool {
        match medium {
            Medium::Tcp | Medium::Unix => true,
            Medium::Packets => self != Service::Status, // a report can be longer than a packet
            Medium::Datagrams => matches!(self, Service::Multiply | Service::Greeting | Service::Hello),
            Medium::Fifo => matches!(self, Service::Multiply | Service::Chat),
            Medium::Pipe => !matches!(
                self,
                Service::Chat | Service::Talk | Service::Stats | Service::Status | Service::Watch
            ),
        }
    }

    /// The services that a mux client can choose.
    pub fn offered() -> impl Iterator<Item = Service> {
        Self::ALL.into_iter().filter(|service| *service != Service::Mux)
    }

    /// The service of that name, if there is one.
    pub fn named(name: &str) -> Option<Service> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
