//! Invariants after every turn, and when all work is done.

use ipcd::engine::memory;
use ipcd::engine::service::Service;

use super::World;

/// Turns without input after which no work may be left.
const TURNS_TO_REST: usize = 20_000;

impl World {
    /// The engine's bounds, which are for the greatest number of connections, computed for the present number.
    pub(super) fn bound_memory(&mut self) {
        let of = |service| memory::queues_bytes(&self.settings, service);
        let with_chat = of(Service::Chat);
        let others = Service::ALL.into_iter().filter(|service| *service != Service::Chat);
        let without_chat = others.map(of).max().expect("there are services");
        let shared = ["errors for refused", "the room's log", "machines", "events for watchers"];
        let is_shared = |part: &memory::Part| shared.iter().any(|name| part.name.starts_with(name));
        let room =
            memory::parts(&self.settings).iter().filter(|part| is_shared(part)).map(|part| part.bytes).sum();
        let now = [without_chat, with_chat, room];
        self.memory_max = std::array::from_fn(|at| self.memory_max[at].max(now[at]));
    }

    pub(super) fn check(&mut self) {
        self.engine.check();
        let queued = self.engine.queued_bytes();
        let (mut chatting, mut inside, mut of) = (0, 0, [0; Service::ALL.len()]);
        for actor in self.actors.iter_mut() {
            let took = std::mem::take(&mut actor.link.took);
            actor.blockage.check(self.now, actor.link.blocked, took, &self.seen, &actor.who);
            chatting += usize::from(actor.service == Service::Chat);
            if actor.closed.is_none() {
                inside += 1;
                of[actor.service as usize] += usize::from(actor.opened);
            }
        }
        let [other, chat, room] = self.memory_max;
        let most = chatting * chat + (self.engine.len().max(chatting) - chatting) * other + room;
        assert!(queued <= most, "{queued} bytes are queued, {most} at most");
        let (counted, held) = self.engine.shared_bytes();
        assert_eq!(counted, held, "bytes that all queues take, as they are counted");
        assert_eq!(self.engine.len(), inside, "connections in the table");
        for (service, count) in Service::ALL.into_iter().zip(of) {
            assert_eq!(self.engine.connections_of(service), count, "connections of {service}");
        }
    }

    /// Without more input or time, all work ends, and no peer is forgotten.
    pub(super) fn rest(&mut self) {
        for turn in 0.. {
            let due = self.engine.poll_deadline().is_some_and(|deadline| deadline <= self.now);
            if self.ready.is_empty() && !self.engine.has_work() && !due {
                break;
            }
            assert!(turn < TURNS_TO_REST, "no rest: work {}, deadline due {due}", self.engine.has_work());
            self.turn();
        }
        let World { actors, engine, settings, totals, .. } = self;
        for actor in actors.iter() {
            let (link, wanted) = (&actor.link, engine.is_reading(actor.peer));
            assert!(
                !wanted || link.end_read || !link.readable,
                "{}: wanted, has something to be read, and nobody reads it",
                actor.who
            );
            if !wanted && !link.end_read {
                // It may be held, or its partner does not read.
                let held = actor.may_be_held(settings);
                if held {
                    totals.count("held to a pace");
                }
                let waits = held || link.blocked || actor.is_paced() || actor.service == Service::Talk;
                assert!(waits, "{}: has read all and is not read from", actor.who);
            }
            if !link.blocked && !actor.is_paced() {
                let left = engine.outgoing(actor.peer);
                assert!(left.is_empty(), "{}: something waits for it and it could take it", actor.who);
            }
        }
    }
}
