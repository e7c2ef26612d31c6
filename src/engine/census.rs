//! How many connections there are, of which service and from where. Knows limits; has never seen a connection.

use std::collections::HashMap;
use std::net::IpAddr;

use super::limits::Settings;
use super::message::Origin;
use super::service::Service;

/// Whom a limit per address counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Neighbourhood {
    /// This address.
    Address(IpAddr),
    /// This user.
    User(u32),
    /// All whom the kernel does not name.
    Unknown,
    /// Whoever writes to standard input.
    Input,
    /// Whoever writes to a FIFO.
    Writers,
}

impl From<Origin> for Neighbourhood {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Address(address) => Neighbourhood::Address(address.ip()),
            Origin::Process { uid, .. } => Neighbourhood::User(uid),
            Origin::Unknown { .. } => Neighbourhood::Unknown,
            Origin::Input => Neighbourhood::Input,
            Origin::Writers => Neighbourhood::Writers,
        }
    }
}

/// The connections that were let in.
#[derive(Debug, Default)]
pub struct Census {
    total: usize,
    services: [usize; Service::ALL.len()],
    /// Sessions on FIFOs, which no limit keeps out and which keep nobody out.
    standing: [usize; Service::ALL.len()],
    /// Per neighbourhood in total (`None`) and per service; kept only while some limit per address is set.
    neighbours: Option<HashMap<(Option<Service>, Neighbourhood), usize>>,
}

impl Census {
    /// All connections.
    #[cfg(test)]
    pub fn total(&self) -> usize {
        self.total
    }

    /// Those of one service.
    pub fn of(&self, service: Service) -> usize {
        self.services[service as usize] + self.standing[service as usize]
    }

    /// Counts a new connection, unless a limit is reached.
    pub fn admit(&mut self, settings: &Settings, service: Service, origin: Origin) -> bool {
        let admitted = self.total < settings.connections_max
            && within(self.neighbours_of(None, origin), settings.connections_per_address_max)
            && self.has_place(settings, service, origin);
        if admitted {
            self.count(service, origin);
        }
        admitted
    }

    /// Counts a connection that goes on with another service, unless that one's limit is reached.
    pub fn change(&mut self, settings: &Settings, from: Service, to: Service, origin: Origin) -> bool {
        let admitted = self.has_place(settings, to, origin);
        if admitted {
            self.release(from, origin);
            self.count(to, origin);
        }
        admitted
    }

    /// Counts a connection out.
    pub fn release(&mut self, service: Service, origin: Origin) {
        if origin == Origin::Writers {
            self.standing[service as usize] -= 1;
            return;
        }
        self.total -= 1;
        self.services[service as usize] -= 1;
        if let Some(neighbours) = &mut self.neighbours {
            for key in [(None, origin.into()), (Some(service), origin.into())] {
                if let Some(count) = neighbours.get_mut(&key) {
                    *count -= 1;
                    if *count == 0 {
                        neighbours.remove(&key);
                    }
                }
            }
        }
    }

    /// Counts everybody anew, for new settings.
    pub fn retake(&mut self, settings: &Settings, everybody: impl Iterator<Item = (Service, Origin)>) {
        let limited = settings.connections_per_address_max > 0
            || settings.services.iter().any(|service| service.connections_per_address_max > 0);
        *self = Census { neighbours: limited.then(HashMap::new), ..Census::default() };
        everybody.for_each(|(service, origin)| self.count(service, origin));
    }

    fn has_place(&self, settings: &Settings, service: Service, origin: Origin) -> bool {
        let limits = settings.of(service);
        limits.connections_max.is_none_or(|max| self.services[service as usize] < max)
            && within(self.neighbours_of(Some(service), origin), limits.connections_per_address_max)
    }

    fn neighbours_of(&self, service: Option<Service>, origin: Origin) -> usize {
        let neighbours = self.neighbours.as_ref();
        neighbours.and_then(|neighbours| neighbours.get(&(service, origin.into()))).copied().unwrap_or(0)
    }

    /// Counts a connection that has been let in before.
    pub fn count(&mut self, service: Service, origin: Origin) {
        if origin == Origin::Writers {
            self.standing[service as usize] += 1;
            return;
        }
        self.total += 1;
        self.services[service as usize] += 1;
        if let Some(neighbours) = &mut self.neighbours {
            *neighbours.entry((None, origin.into())).or_default() += 1;
            *neighbours.entry((Some(service), origin.into())).or_default() += 1;
        }
    }
}

/// Whether there is a place left; a limit of 0 is none.
fn within(count: usize, max: usize) -> bool {
    max == 0 || count < max
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32) -> Origin {
        Origin::Process { uid, gid: 1, pid: 1 }
    }

    #[test]
    fn each_limit_holds_and_a_place_given_back_is_a_place() {
        let mut settings =
            Settings { connections_max: 3, connections_per_address_max: 2, ..Settings::default() };
        settings.services[Service::Chat as usize].connections_max = Some(1);
        settings.services[Service::Multiply as usize].connections_per_address_max = 1;
        let mut census = Census::default();
        census.retake(&settings, std::iter::empty());
        assert!(census.admit(&settings, Service::Multiply, user(1)));
        assert!(!census.admit(&settings, Service::Multiply, user(1)), "one of multiply each");
        assert!(census.admit(&settings, Service::Chat, user(1)));
        assert!(!census.admit(&settings, Service::Greeting, user(1)), "two each in total");
        assert!(!census.admit(&settings, Service::Chat, user(2)), "one in chat");
        assert!(census.admit(&settings, Service::Mux, user(2)));
        assert!(!census.change(&settings, Service::Mux, Service::Chat, user(2)));
        assert!(census.change(&settings, Service::Mux, Service::Greeting, user(2)));
        assert!(!census.admit(&settings, Service::Greeting, user(3)), "three in all");
        census.release(Service::Chat, user(1));
        assert!(census.admit(&settings, Service::Chat, user(3)));
        assert_eq!((census.total(), census.of(Service::Chat), census.of(Service::Mux)), (3, 1, 0));
        census.count(Service::Chat, Origin::Writers);
        assert_eq!((census.total(), census.of(Service::Chat)), (3, 2), "a FIFO takes nobody's place");
        census.release(Service::Chat, Origin::Writers);
        assert_eq!(census.of(Service::Chat), 1);
    }
}
