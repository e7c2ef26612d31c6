//! Lets a byte choose a service from the project's one list.

use ipcd::engine::message::Transport;
use ipcd::engine::service::Service;
use ipcd::engine::service::facts::Replies;

/// A service that this transport can carry and for which `is_one` holds.
pub fn choose(byte: u8, transport: Transport, is_one: impl Fn(Service) -> bool) -> Service {
    let is_one = |service: &Service| service.fits(transport) && is_one(*service);
    let services: Vec<_> = Service::ALL.into_iter().filter(is_one).collect();
    services[usize::from(byte) % services.len()]
}

/// Whether its output depends on the time and on other connections, not on the client's input alone.
pub fn is_report(service: Service) -> bool {
    matches!(service.facts().replies, Replies::Report | Replies::Events)
}
