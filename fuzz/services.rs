//! A byte chooses a service, out of the one table.

use ipcd::engine::message::Transport;
use ipcd::engine::service::Service;
use ipcd::engine::service::facts::Replies;

/// One of the services that can be offered there, and of which that holds.
pub fn choose(byte: u8, transport: Transport, is_one: impl Fn(Service) -> bool) -> Service {
    let is_one = |service: &Service| service.fits(transport) && is_one(*service);
    let services: Vec<_> = Service::ALL.into_iter().filter(is_one).collect();
    services[usize::from(byte) % services.len()]
}

/// Whether its output depends on more than the client's input: on the time, and on other connections.
pub fn is_report(service: Service) -> bool {
    matches!(service.facts().replies, Replies::Report | Replies::Events)
}
