//! How peers connect: first the observer, then peers of all kinds, and whether the limits and lists must refuse them.

use std::rc::Rc;

use ipcd::engine::limits::PLACES_KEPT;
use ipcd::engine::message::{Binding, ConnectionId, Input, RemoteAddress, Transport};
use ipcd::engine::service::Service;

use super::World;
use crate::peer::Actor;

/// A binding with a list admits these, of users and groups 0 to 2, and the observer.
pub const LISTED_USERS: [u32; 2] = [1, 77];
pub const LISTED_GROUP: u32 = 2;

impl World {
    pub(super) fn invite_observer(&mut self) {
        let binding = self.bindings.iter().find(|binding| binding.service == Service::Mux).map(Rc::clone);
        let binding = binding.expect("there is a door to the mux");
        let remote = RemoteAddress::Process { uid: 77, gid: 1, pid: 1 };
        // Admitted whatever the limits are, which apply after it has connected.
        let mut free = self.settings.clone();
        (free.connections_max, free.connections_per_address_max) = (1, 0);
        for service in &mut free.services {
            (service.connections_max, service.connections_per_address_max) = (None, 0);
        }
        self.engine.handle(self.now, Input::Reconfigure(Box::new(free)));
        let actor = Actor::observer(&mut self.random, &binding, remote, &self.settings);
        self.observer = Some(self.open(actor));
        let peer = self.observer.expect("it was just invited");
        for _ in 0..5 {
            self.act_all(true);
            self.turn();
        }
        assert!(
            self.actors.get_mut(peer).is_some_and(|actor| actor.is_in_the_room()),
            "the observer is in the room"
        );
        self.engine.handle(self.now, Input::Reconfigure(Box::new(self.settings.clone())));
    }

    pub(super) fn come_in(&mut self) {
        let present = self.actors.count();
        for _ in 0..self.random.within(0, 2) {
            if present < self.crowd && self.random.percent(50) {
                let binding = self.bindings[self.random.below(self.bindings.len())].clone();
                let remote = if binding.transport == Transport::TCP {
                    let address = [127, 0, 0, self.random.within(1, 4) as u8];
                    RemoteAddress::Address((address, self.random.within(1024, 65535) as u16).into())
                } else {
                    RemoteAddress::Process {
                        uid: self.random.below(3) as u32,
                        gid: self.random.below(3) as u32,
                        pid: self.random.next() as u32,
                    }
                };
                self.serial += 1;
                let actor = Actor::any(&mut self.random, &binding, remote, &self.settings, self.serial);
                self.open(actor);
            }
        }
    }

    pub(super) fn open(&mut self, mut actor: Actor) -> ConnectionId {
        let peer = self.actors.reserve();
        let (binding, remote, serial) = (Rc::clone(&actor.who.binding), actor.who.remote, self.serial);
        (actor.since, actor.seen) = (self.now, self.seen.len());
        actor.peer = peer;
        actor.link.readable = true;
        // A new connection has often sent something already.
        if self.random.percent(50) {
            actor.act(&mut self.random, true, self.chunk);
        }
        self.actors.put(actor);
        self.push(peer);
        let kept_out = self.is_full(&binding, remote) || !is_on_the_list(&binding, remote);
        self.tell(Input::Opened { peer, binding: &binding, remote });
        let opened = self.actors.get_mut(peer).is_some_and(|actor| actor.opened);
        if serial > 0 {
            assert_eq!(
                opened, !kept_out,
                "let in although a limit was reached or a list has it not, or refused"
            );
        }
        self.totals.count(if opened { "let in" } else { "refused at the door" });
        peer
    }

    /// Whether some limit excludes a new client.
    pub(super) fn is_full(&self, binding: &Binding, remote: RemoteAddress) -> bool {
        // All network clients come from loopback, which is one address. Root has places of its own.
        let kept = if matches!(remote, RemoteAddress::Process { uid: 0, .. }) { PLACES_KEPT } else { 0 };
        let near = |other: RemoteAddress| match (remote, other) {
            (RemoteAddress::Address(_), RemoteAddress::Address(_)) => true,
            (RemoteAddress::Process { uid: a, .. }, RemoteAddress::Process { uid: b, .. }) => a == b,
            _ => false,
        };
        let inside = || self.actors.iter().filter(|actor| actor.opened && actor.closed.is_none());
        let here = || inside().filter(|actor| actor.service == binding.service);
        let limits = self.settings.of(binding.service);
        let reached = |count: usize, max: usize| max > 0 && count >= max + kept;
        inside().count() >= self.settings.connections_max + kept
            || limits.connections_max.is_some_and(|max| here().count() >= max + kept)
            || reached(
                inside().filter(|actor| near(actor.who.remote)).count(),
                self.settings.connections_per_address_max,
            )
            || reached(
                here().filter(|actor| near(actor.who.remote)).count(),
                limits.connections_per_address_max,
            )
    }
}

/// Whether a binding's list, if there is one, admits a peer: root always, and those in the list.
fn is_on_the_list(binding: &Binding, remote: RemoteAddress) -> bool {
    let RemoteAddress::Process { uid, gid, .. } = remote else { return binding.allowed.is_none() };
    binding.allowed.is_none() || uid == 0 || LISTED_USERS.contains(&uid) || gid == LISTED_GROUP
}
