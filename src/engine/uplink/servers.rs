//! Decides which server to try next: the configured ones, then those that a cluster has named. The order changes with each round,
//! and a pause follows each round. Knows addresses and time, and opens nothing.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::super::message::Timestamp;
use super::bounds::{DIAL_MAX, DIAL_MIN, DISCOVERED_SERVERS_MAX, REFUSED_PAUSE};
use super::random::Random;
use super::settings::Server;
use super::wire::info::host_and_port;

/// All servers.
#[derive(Debug)]
pub struct Servers {
    configured: Vec<Server>,
    discovered: Vec<Server>,
    /// Servers of this round that were not tried yet.
    round: VecDeque<Server>,
    /// No server is tried before this time.
    at: Timestamp,
    pause: Duration,
    /// Servers that refused our credentials, and until when they are not tried.
    refused: Vec<(Server, Timestamp)>,
}

impl Servers {
    pub fn new(configured: Vec<Server>, now: Timestamp) -> Servers {
        Servers {
            configured,
            discovered: Vec::new(),
            round: VecDeque::new(),
            at: now,
            pause: DIAL_MIN,
            refused: Vec::new(),
        }
    }

    /// When the next server may be tried.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The next server, except one that is about to close.
    pub fn next(&mut self, except: Option<&Server>, random: &mut Random, now: Timestamp) -> Option<Server> {
        if now < self.at {
            return None;
        }
        self.refused.retain(|(_, until)| *until > now);
        if self.round.is_empty() {
            for part in [&self.configured, &self.discovered] {
                let mut part = part.clone();
                random.shuffle(&mut part);
                let fresh =
                    part.into_iter().filter(|server| !self.round.iter().any(|other| is_same(other, server)));
                let fresh: Vec<Server> = fresh.collect();
                self.round.extend(fresh);
            }
        }
        while let Some(server) = self.round.pop_front() {
            let is_refused = self.refused.iter().any(|(other, _)| is_same(other, &server));
            if !is_refused && except.is_none_or(|except| !is_same(except, &server)) {
                return Some(server);
            }
        }
        let refused = self.refused.iter().map(|(_, until)| *until).min();
        self.wait(refused.filter(|_| except.is_none()), random, now);
        None
    }

    /// Notes that a server could not be reached, or was lost. The next one of this round is due at once; after a round there is a
    /// pause.
    pub fn failed(&mut self, random: &mut Random, now: Timestamp) {
        if self.round.is_empty() { self.wait(None, random, now) } else { self.at = now }
    }

    fn wait(&mut self, until: Option<Timestamp>, random: &mut Random, now: Timestamp) {
        let pause = self.pause / 2 + random.part_of(self.pause / 2);
        self.at = until.unwrap_or(now + pause).max(now + pause);
        self.pause = (self.pause * 2).min(DIAL_MAX);
    }

    /// Notes that a server has refused our credentials.
    pub fn refused(&mut self, server: Server, now: Timestamp) {
        self.refused.push((server, now + REFUSED_PAUSE));
    }

    /// Makes the next server due at once, because the current one is about to close.
    pub fn hurry(&mut self, now: Timestamp) {
        self.at = now;
    }

    /// Notes that a connection has lasted.
    pub fn lasted(&mut self) {
        self.pause = DIAL_MIN;
        self.round.clear();
    }

    /// Takes the servers that a server names as its cluster.
    pub fn discover(&mut self, by: &Server, urls: &[String]) {
        if urls.is_empty() {
            return;
        }
        let known = |(host, port): (&str, u16)| {
            let is_address = host.parse::<IpAddr>().is_ok();
            Server {
                host: host.to_owned(),
                port,
                encrypt: by.encrypt,
                name: if is_address { by.name.clone() } else { host.to_owned() },
            }
        };
        self.discovered = urls
            .iter()
            .filter_map(|url| host_and_port(url))
            .map(known)
            .take(DISCOVERED_SERVERS_MAX)
            .collect();
        // A configured server keeps its own name.
        self.discovered.retain(|server| !self.configured.iter().any(|other| is_same(other, server)));
    }

    /// Applies another configuration.
    pub fn configure(&mut self, configured: Vec<Server>, now: Timestamp) {
        *self = Servers::new(configured, now);
    }
}

fn is_same(one: &Server, other: &Server) -> bool {
    one.host == other.host && one.port == other.port
}

#[cfg(test)]
mod tests {
    use super::super::settings::Encrypt;
    use super::*;

    fn server(host: &str) -> Server {
        Server::new(host, 4222, Encrypt::Always)
    }

    #[test]
    fn every_server_is_tried_once_a_round_and_rounds_have_growing_pauses() {
        let (mut random, mut now) = (Random::new(1), Timestamp::at(0));
        let mut servers = Servers::new(vec![server("a"), server("b")], now);
        servers.discover(&server("a"), &["10.0.0.1:4222".into(), "a:4222".into(), "wrong".into()]);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let mut round = Vec::new();
            for _ in 0..3 {
                let next = servers.next(None, &mut random, now).expect("at once within a round");
                round.push((next.host, next.name));
                servers.failed(&mut random, now);
            }
            assert_eq!(round[2], ("10.0.0.1".into(), "a".into()), "those of the cluster come last");
            round.sort();
            assert_eq!(round[1..], [("a".into(), "a".into()), ("b".into(), "b".into())]);
            assert_eq!(servers.next(None, &mut random, now), None);
            pauses.push(servers.at().since(now));
            now = servers.at();
        }
        assert!(pauses[0] <= DIAL_MIN && pauses[8] >= DIAL_MAX / 2 && pauses[8] <= DIAL_MAX, "{pauses:?}");
        servers.lasted();
        servers.failed(&mut random, now);
        assert!(servers.at().since(now) <= DIAL_MIN);
    }

    #[test]
    fn server_that_refuses_credentials_is_not_tried_for_a_minute() {
        let (mut random, mut now) = (Random::new(1), Timestamp::at(0));
        let mut servers = Servers::new(vec![server("a")], now);
        let refusing = servers.next(None, &mut random, now).unwrap();
        servers.refused(refusing, now);
        servers.failed(&mut random, now);
        while servers.at() < Timestamp::at(0) + REFUSED_PAUSE {
            now = servers.at();
            assert_eq!(servers.next(None, &mut random, now), None, "{now:?}");
        }
        now = servers.at();
        assert_eq!(servers.next(None, &mut random, now), Some(server("a")));
    }

    #[test]
    fn server_that_is_about_to_close_is_not_chosen_again() {
        let (mut random, now) = (Random::new(1), Timestamp::at(0));
        let mut servers = Servers::new(vec![server("a"), server("b")], now);
        assert_eq!(servers.next(Some(&server("a")), &mut random, now), Some(server("b")));
    }
}
