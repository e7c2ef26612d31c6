//! The number of connections of each service and from each source. Knows limits; has never seen a connection.

use std::collections::HashMap;

use super::allow;
use super::limits::{PLACES_KEPT, Settings};
use super::message::RemoteAddress;
use super::service::Service;
use super::source::Source;

/// The admitted connections.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    total: usize,
    services: [usize; Service::ALL.len()],
    /// Sessions on FIFOs and message queues: no limit refuses them, and they take nobody's place.
    exempt: [usize; Service::ALL.len()],
    /// Per source in total (`None`) and per service; kept only while some limit per address is set.
    sources: Option<HashMap<(Option<Service>, Source), usize>>,
}

impl ConnectionCounts {
    /// All connections.
    #[cfg(test)]
    pub fn total(&self) -> usize {
        self.total
    }

    /// Connections to one service.
    pub fn of(&self, service: Service) -> usize {
        self.services[service as usize] + self.exempt[service as usize]
    }

    /// Counts a new connection, unless a limit is reached.
    pub fn admit(&mut self, settings: &Settings, service: Service, remote: RemoteAddress) -> bool {
        let kept = kept_for(settings, remote);
        let admitted = self.total < settings.connections_max + kept
            && is_within(self.of_source(None, remote), settings.connections_per_address_max, kept)
            && self.has_place(settings, service, remote);
        if admitted {
            self.count(service, remote);
        }
        admitted
    }

    /// Counts a connection that changes to another service, unless that one's limit is reached.
    pub fn change(&mut self, settings: &Settings, from: Service, to: Service, remote: RemoteAddress) -> bool {
        let admitted = self.has_place(settings, to, remote);
        if admitted {
            self.release(from, remote);
            self.count(to, remote);
        }
        admitted
    }

    /// Removes a connection from the counts.
    pub fn release(&mut self, service: Service, remote: RemoteAddress) {
        if remote == RemoteAddress::Writers {
            self.exempt[service as usize] -= 1;
            return;
        }
        self.total -= 1;
        self.services[service as usize] -= 1;
        if let Some(sources) = &mut self.sources {
            for key in [(None, remote.into()), (Some(service), remote.into())] {
                if let Some(count) = sources.get_mut(&key) {
                    *count -= 1;
                    if *count == 0 {
                        sources.remove(&key);
                    }
                }
            }
        }
    }

    /// Asserts that these are the counts of all counted connections. It sorts them and looks each source up once, because counting
    /// them into a second table would take a third of the simulation's time.
    ///
    /// # Panics
    /// If they are not.
    pub(super) fn check(
        &self,
        settings: &Settings,
        everybody: impl Iterator<Item = (Service, RemoteAddress)>,
    ) {
        let mut counted = ConnectionCounts::default();
        let mut sources = Vec::new();
        for (service, remote) in everybody {
            counted.count(service, remote);
            if remote != RemoteAddress::Writers {
                sources.extend([(None, remote.into()), (Some(service), remote.into())]);
            }
        }
        assert_eq!(
            (self.total, self.services, self.exempt),
            (counted.total, counted.services, counted.exempt),
            "the counts of connections, and the sessions that count"
        );
        assert_eq!(
            self.sources.is_some(),
            is_limited(settings),
            "sources are counted while something limits them"
        );
        let Some(kept) = &self.sources else { return };
        // Sorted, because looking each up would cost more: this runs after every input of a simulation.
        sources.sort_unstable();
        let mut kept: Vec<_> = kept.iter().map(|(source, count)| (*source, *count)).collect();
        kept.sort_unstable();
        let counted = sources.chunk_by(|a, b| a == b).map(|run| (run[0], run.len()));
        assert!(
            kept.iter().copied().eq(counted),
            "sources that are counted, and those that have connections"
        );
    }

    /// Counts all connections again, because the settings have changed.
    pub fn retake(&mut self, settings: &Settings, everybody: impl Iterator<Item = (Service, RemoteAddress)>) {
        *self = ConnectionCounts {
            sources: is_limited(settings).then(HashMap::new),
            ..ConnectionCounts::default()
        };
        everybody.for_each(|(service, remote)| self.count(service, remote));
    }

    fn has_place(&self, settings: &Settings, service: Service, remote: RemoteAddress) -> bool {
        let (limits, kept) = (settings.of(service), kept_for(settings, remote));
        limits.connections_max.is_none_or(|max| self.services[service as usize] < max + kept)
            && is_within(self.of_source(Some(service), remote), limits.connections_per_address_max, kept)
    }

    fn of_source(&self, service: Option<Service>, remote: RemoteAddress) -> usize {
        let sources = self.sources.as_ref();
        sources.and_then(|sources| sources.get(&(service, remote.into()))).copied().unwrap_or(0)
    }

    /// Counts a connection that was admitted earlier.
    pub fn count(&mut self, service: Service, remote: RemoteAddress) {
        if remote == RemoteAddress::Writers {
            self.exempt[service as usize] += 1;
            return;
        }
        self.total += 1;
        self.services[service as usize] += 1;
        if let Some(sources) = &mut self.sources {
            *sources.entry((None, remote.into())).or_default() += 1;
            *sources.entry((Some(service), remote.into())).or_default() += 1;
        }
    }
}

/// Whether some limit counts by source.
fn is_limited(settings: &Settings) -> bool {
    settings.connections_per_address_max > 0
        || settings.services.iter().any(|service| service.connections_per_address_max > 0)
}

/// Places beyond each limit for users who may control the daemon, so that nobody can prevent a reload or a restart by taking all
/// other places.
fn kept_for(settings: &Settings, remote: RemoteAddress) -> usize {
    if allow::is_master(remote, settings.owner) { PLACES_KEPT } else { 0 }
}

/// Whether there is a place left; a limit of 0 means no limit.
fn is_within(count: usize, max: usize, kept: usize) -> bool {
    max == 0 || count < max + kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32) -> RemoteAddress {
        RemoteAddress::Process { uid, gid: 1, pid: 1 }
    }

    #[test]
    fn each_limit_holds_and_released_places_are_reused() {
        let mut settings = Settings {
            owner: 990,
            connections_max: 3,
            connections_per_address_max: 2,
            ..Settings::default()
        };
        settings.services[Service::Chat as usize].connections_max = Some(1);
        settings.services[Service::Multiply as usize].connections_per_address_max = 1;
        let mut connection_counts = ConnectionCounts::default();
        connection_counts.retake(&settings, std::iter::empty());
        assert!(connection_counts.admit(&settings, Service::Multiply, user(1)));
        assert!(!connection_counts.admit(&settings, Service::Multiply, user(1)), "one of multiply each");
        assert!(connection_counts.admit(&settings, Service::Chat, user(1)));
        assert!(!connection_counts.admit(&settings, Service::Greeting, user(1)), "two each in total");
        assert!(!connection_counts.admit(&settings, Service::Chat, user(2)), "one in chat");
        assert!(connection_counts.admit(&settings, Service::Mux, user(2)));
        assert!(!connection_counts.change(&settings, Service::Mux, Service::Chat, user(2)));
        assert!(connection_counts.change(&settings, Service::Mux, Service::Greeting, user(2)));
        assert!(!connection_counts.admit(&settings, Service::Greeting, user(3)), "three in all");
        connection_counts.release(Service::Chat, user(1));
        assert!(connection_counts.admit(&settings, Service::Chat, user(3)));
        assert_eq!(
            (
                connection_counts.total(),
                connection_counts.of(Service::Chat),
                connection_counts.of(Service::Mux)
            ),
            (3, 1, 0)
        );
        connection_counts.count(Service::Chat, RemoteAddress::Writers);
        assert_eq!(
            (connection_counts.total(), connection_counts.of(Service::Chat)),
            (3, 2),
            "a FIFO takes nobody's place"
        );
        connection_counts.release(Service::Chat, RemoteAddress::Writers);
        assert_eq!(connection_counts.of(Service::Chat), 1);
    }
    #[test]
    fn root_and_the_owner_have_eight_places_beyond_every_limit() {
        let mut settings = Settings {
            owner: 990,
            connections_max: 2,
            connections_per_address_max: 1,
            ..Settings::default()
        };
        settings.services[Service::Mux as usize].connections_max = Some(1);
        settings.services[Service::Mux as usize].connections_per_address_max = 1;
        let mut connection_counts = ConnectionCounts::default();
        connection_counts.retake(&settings, std::iter::empty());
        assert!(connection_counts.admit(&settings, Service::Mux, user(1)));
        assert!(connection_counts.admit(&settings, Service::Chat, user(2)));
        let from_root = RemoteAddress::Address("127.0.0.1:5".parse().unwrap());
        for remote in [user(1), user(3), RemoteAddress::Input, from_root] {
            assert!(!connection_counts.admit(&settings, Service::Mux, remote), "{remote}");
        }
        for number in 0..PLACES_KEPT {
            let uid = if number % 2 == 0 { 0 } else { 990 };
            assert!(connection_counts.admit(&settings, Service::Mux, user(uid)), "{number}");
        }
        assert!(!connection_counts.admit(&settings, Service::Mux, user(0)), "no more than that");
        connection_counts.release(Service::Mux, user(1));
        connection_counts.release(Service::Chat, user(2));
        for _ in 0..PLACES_KEPT - 2 {
            connection_counts.release(Service::Mux, user(0));
            assert!(
                !connection_counts.admit(&settings, Service::Chat, user(1)),
                "theirs count like all others"
            );
            connection_counts.admit(&settings, Service::Mux, user(990));
        }
    }
}
