//! Looks up names of servers without blocking the loop.
//!
//! The system's resolver (getaddrinfo(3)) blocks, for many seconds if a name server is silent. Only the resolver knows the
//! machine's configuration (nsswitch.conf(5)). So it runs in a thread that does nothing else: it gets a name, and sends back
//! addresses. There is no thread while no name is looked up; addresses need none.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use mio::{Registry, Waker};

use super::slots::Source;

/// The most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// The most lookups at once, so that a silent name server does not accumulate threads.
const LOOKUPS_MAX: usize = 4;

/// An answer: its question, and the addresses.
pub(super) type Answer<Q> = (Q, io::Result<Vec<SocketAddr>>);

/// The current lookups.
#[derive(Debug)]
pub(super) struct Resolver<Q> {
    waker: Option<Arc<Waker>>,
    answers: Receiver<Answer<Q>>,
    sender: Sender<Answer<Q>>,
    running: usize,
}

impl<Q> Default for Resolver<Q> {
    fn default() -> Self {
        let (sender, answers) = channel();
        Resolver { waker: None, answers, sender, running: 0 }
    }
}

impl<Q: Send + 'static> Resolver<Q> {
    /// Looks up a host. An address is answered at once. The answer for a name comes from [`poll`](Self::poll) later, after an event
    /// of [`Source::Resolver`].
    ///
    /// # Errors
    /// If too many lookups are running, or no thread can be started.
    pub(super) fn ask(
        &mut self,
        registry: &Registry,
        question: Q,
        host: &str,
        port: u16,
    ) -> io::Result<Option<Answer<Q>>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Some((question, Ok(vec![SocketAddr::new(address, port)]))));
        }
        if self.running >= LOOKUPS_MAX {
            return Err(io::Error::other("earlier lookups of names have no answer yet"));
        }
        let waker = match &self.waker {
            Some(waker) => Arc::clone(waker),
            None => Arc::clone(self.waker.insert(Arc::new(Waker::new(registry, Source::Resolver.token())?))),
        };
        let (sender, host) = (self.sender.clone(), host.to_owned());
        std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs();
            let found = found.map(|addresses| addresses.take(ADDRESSES_MAX).collect());
            // The daemon may be ending, or no longer need the room.
            if sender.send((question, found)).is_ok() {
                let _ = waker.wake();
            }
        })?;
        self.running += 1;
        Ok(None)
    }

    /// The next answer.
    pub(super) fn poll(&mut self) -> Option<Answer<Q>> {
        let answer = self.answers.try_recv().ok()?;
        self.running -= 1;
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn address_is_its_own_answer_and_a_name_wakes_the_loop() {
        let mut poll = Poll::new().unwrap();
        let mut resolver = Resolver::default();
        let at_once = resolver.ask(poll.registry(), 1, "::1", 4222).unwrap();
        let (1, Ok(addresses)) = at_once.unwrap() else { panic!("an answer") };
        assert_eq!(addresses, ["[::1]:4222".parse().unwrap()]);
        assert!(resolver.ask(poll.registry(), 2, "localhost", 1).unwrap().is_none());
        let (mut events, deadline) = (Events::with_capacity(4), Instant::now() + Duration::from_secs(20));
        let (2, Ok(addresses)) = (loop {
            assert!(Instant::now() < deadline);
            poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
            if let Some(answer) = resolver.poll() {
                break answer;
            }
        }) else {
            panic!("an answer")
        };
        assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 1));
        assert!(events.iter().any(|event| Source::of(event.token()) == Source::Resolver));
    }

    #[test]
    fn lookups_are_bounded() {
        let poll = Poll::new().unwrap();
        let mut resolver = Resolver::default();
        for question in 0..LOOKUPS_MAX {
            assert!(resolver.ask(poll.registry(), question, "localhost", 1).unwrap().is_none());
        }
        assert!(resolver.ask(poll.registry(), 9, "localhost", 1).is_err());
        assert!(resolver.ask(poll.registry(), 9, "127.0.0.1", 1).unwrap().is_some(), "an address needs none");
    }
}
