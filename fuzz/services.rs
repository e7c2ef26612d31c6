//! A byte chooses a service, out of the one table.

use ipcd::engine::service::Service;
use ipcd::engine::service::facts::Replies;

/// One of the services of which that holds.
pub fn choose(byte: u8, is_one: impl Fn(Service) -> bool) -> Service {
    let services: Vec<_> = Service::ALL.into_iter().filter(|service| is_one(*service)).collect();
    services[usize::from(byte) % services.len()]
}

/// Whether what it says depends on more than what the client says: on the time, and on other connections.
pub fn is_report(service: Service) -> bool {
    matches!(service.facts().replies, Replies::Report | Replies::Events)
}
