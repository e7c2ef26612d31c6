//! The one list of services. A new service is a file beside this one, with its [`Facts`], and its two lines here.

pub mod burst;
pub mod chat;
pub mod control;
pub mod facts;
pub mod greeting;
pub mod hello;
pub mod multiply;
pub mod mux;
pub mod page;
pub mod stats;
pub mod status;
pub mod talk;
pub mod watch;

use serde::{Deserialize, Serialize};

use super::listed::listed;
use super::message::Transport;
use facts::{Facts, Need, Openness};

/// The services, in the order of their numbers, each with its file.
macro_rules! services {
    ($($(#[$doc:meta])* $name:ident = $file:ident),+ $(,)?) => {
        listed! {
            /// The services of endpoints.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
            #[repr(u8)]
            pub enum Service {
                $($(#[$doc])* $name,)+
            }
        }

        /// The facts of each service, in the same order.
        static TABLE: [&Facts; Service::ALL.len()] = [$(&$file::FACTS),+];
    };
}

services! {
    /// Two numbers in, their product out.
    Multiply = multiply,
    /// One sentence out.
    Greeting = greeting,
    /// A room where everyone hears everyone.
    Chat = chat,
    /// One message in, one sentence out.
    Hello = hello,
    /// Connects two clients that come one after the other.
    Talk = talk,
    /// Machines report figures about themselves, and any client can read them.
    Stats = stats,
    /// The daemon's state, as JSON.
    Status = status,
    /// The events of connections, as they happen.
    Watch = watch,
    /// The first message chooses the service.
    Mux = mux,
    /// The page, and every other service as a WebSocket.
    Page = page,
}

impl Service {
    /// Its facts.
    pub const fn facts(self) -> &'static Facts {
        TABLE[self as usize]
    }

    /// Its name in the configuration, in the log, and on the mux.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// Whether it can be offered on an endpoint with this transport.
    pub fn fits(self, transport: Transport) -> bool {
        let facts = self.facts();
        facts.needs.iter().all(|need| need.is_met_by(&transport))
            && facts.replies.fit(transport.unit)
            && facts.needs.contains(&Need::Web) == transport.is_web
    }

    /// Whether a client on an endpoint with this transport can select it there.
    pub fn fits_within(self, transport: Transport) -> bool {
        self.fits(transport.within()) && (!transport.is_web || self.is_at_a_path())
    }

    /// The services that a mux client can choose.
    pub fn offered() -> impl Iterator<Item = Service> {
        Self::ALL.into_iter().filter(|service| !matches!(service, Service::Mux | Service::Page))
    }

    /// Whether it is a WebSocket on the page's endpoints. A service for some users only is not, because the kernel identifies no
    /// user behind a proxy.
    pub fn is_at_a_path(self) -> bool {
        self != Service::Page && self.facts().openness == Openness::Everybody
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
