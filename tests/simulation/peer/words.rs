//! The daemon's sentences, and the services in `help`.

use ipcd::engine::limits::Settings;
use ipcd::engine::message::{RemoteAddress, Transport};
use ipcd::engine::service::{Service, mux};

use super::PeerLabel;

pub const ACKNOWLEDGEMENT: &str = "Data received";
pub const REFUSAL: &str = "Error: too many connections, try again later";
pub const THANKS: &str = "Message received. Thank you for connecting\r\n";

/// The services that `help` on the mux lists.
pub fn help(remote: RemoteAddress, transport: Transport) -> String {
    let is_for = |service| mux::refusal(&Settings::default(), service, remote, None).is_none();
    let offered = Service::offered().filter(|service| is_for(*service) && service.fits(transport));
    offered.map(|service| format!("{service}\n")).collect()
}

/// What the mux may send before the service's replies; empty on other endpoints.
pub fn help_before(who: &PeerLabel) -> String {
    match who.binding.service {
        Service::Mux => help(who.remote, who.binding.transport),
        _ => String::new(),
    }
}
