//! A session that watches the others, and what others see of a session: its mistakes among it.

use super::Session;
use super::dialogue::{Dialogue, Heard, Phase, State};
use crate::engine::World;
use crate::engine::counters::ErrorKind;
use crate::engine::diagnosis::{self, Hint, Place};
use crate::engine::limits::{SILENCE, WATCH_BYTES_HIGH};
use crate::engine::message::{CloseReason, Kind, Moment};
use crate::engine::service::Service;
use crate::engine::service::watch::{self, Actor, Filter, Sight};
use crate::engine::text::private;
use crate::engine::watchtower::Event;

/// One who watches.
#[derive(Debug)]
pub(super) struct Watcher {
    filter: Filter,
    since: Moment,
    /// The number of the event that it is shown next.
    next: u64,
}

impl Dialogue {
    // ---- seeing

    /// Begins to watch, or goes on with another filter.
    pub(super) fn watch(&mut self, world: &mut World, now: Moment, message: &[u8]) {
        let filter = match watch::read(message) {
            Ok(filter) => filter,
            Err(error) => return self.err(world, ErrorKind::Request, error),
        };
        if let Err(full) = world.tower.enter(self.peer, self.origin, world.settings.watchers_max) {
            return self.err(world, ErrorKind::Unavailable, full.to_string());
        }
        self.say(&watch::begin(&filter, now));
        self.state = State::Watch(Some(Box::new(Watcher { filter, since: now, next: world.tower.end() })));
    }

    /// Whether it can be shown more: there is more, and it reads.
    fn is_to_be_shown_more(&self, world: &World) -> bool {
        match (&self.phase, &self.state) {
            (Phase::Serving, State::Watch(Some(watcher))) => {
                watcher.next < world.tower.end()
                    && !self.flags.blocked
                    && self.outbox.len() < WATCH_BYTES_HIGH
            }
            _ => false,
        }
    }

    /// Shows it events, `budget` at most; those it was too slow for are counted.
    fn show(&mut self, world: &World, mut budget: usize) {
        while budget > 0 && self.is_to_be_shown_more(world) {
            budget -= 1;
            let State::Watch(Some(watcher)) = &mut self.state else { return };
            let missed = world.tower.begin().saturating_sub(watcher.next);
            if missed > 0 {
                watcher.next = world.tower.begin();
                let line = watch::missed(&watcher.filter, missed);
                self.say(&line);
                continue;
            }
            let Some(event) = world.tower.event(watcher.next) else { return };
            watcher.next += 1;
            if watcher.filter.wants(event.service, event.origin) {
                let actor =
                    Actor { endpoint: &event.door.endpoint, service: event.service, origin: event.origin };
                let line = watch::write(&watcher.filter, watcher.since, event.at, actor, &event.sight);
                self.say(&line);
            }
        }
    }

    /// It watches no longer.
    pub(super) fn look_away(&mut self, world: &mut World) {
        if let State::Watch(watcher) = &mut self.state
            && watcher.take().is_some()
        {
            world.tower.leave(self.peer);
        }
    }

    // ---- being seen

    /// Where it makes its mistakes.
    pub(super) fn place<'a>(&'a self, world: &'a World) -> Place<'a> {
        Place { here: &self.door.endpoint, endpoints: &world.settings.endpoints }
    }

    /// Lets watchers see it. Of a watcher they see nothing, or one would be shown what it is shown.
    pub(super) fn is_seen(&self, world: &World) -> bool {
        world.tower.is_manned() && self.service() != Service::Watch
    }

    pub(super) fn show_to_watchers(&self, world: &mut World, sight: impl FnOnce() -> Sight) {
        if self.is_seen(world) {
            let (door, at) = (std::rc::Rc::clone(&self.door), world.now);
            world.tower.push(Event {
                at,
                door,
                origin: self.origin,
                service: self.service(),
                sight: sight(),
            });
        }
    }

    /// Lets watchers know of a mistake.
    pub(super) fn hint(&self, world: &mut World, hint: impl FnOnce(&World) -> Option<Hint>) {
        if self.is_seen(world)
            && let Some(hint) = hint(world)
        {
            self.show_to_watchers(world, || Sight::Mistaken(hint));
        }
    }

    /// When silence from the beginning on becomes worth a word, while somebody watches.
    pub(super) fn silence_deadline(&self, world: &World) -> Option<Moment> {
        let is_silent = self.heard == Heard::Nothing && !self.is_on_fifo() && self.is_seen(world);
        (is_silent && diagnosis::of_silence(self.service(), false).is_some()).then(|| self.opened + SILENCE)
    }

    pub(super) fn hint_at_silence(&mut self, world: &mut World) {
        self.heard = Heard::NothingYet;
        let service = self.service();
        self.hint(world, |_| diagnosis::of_silence(service, false));
    }

    /// The connection was lost.
    pub(super) fn hint_at_reset(&self, world: &mut World) {
        let service = self.service();
        let waits = self.kind == Some(Kind::Raw) && !self.outbox.is_empty();
        if self.flags.told && !self.is_on_fifo() {
            self.hint(world, |_| {
                Some(match waits && service == Service::Multiply {
                    true => diagnosis::of_leaving_early(),
                    false => diagnosis::of_reset(service),
                })
            });
        }
    }

    /// Whether what it says next is multiply's.
    fn is_multiplier(&self, world: &World) -> bool {
        match self.state {
            State::Multiply => true,
            State::Mux => world.settings.mux_default == Service::Multiply,
            _ => false,
        }
    }

    /// It is gone.
    pub(super) fn hint_at_end(&self, world: &mut World, reason: CloseReason) {
        let by_itself = matches!(
            reason,
            CloseReason::PeerClosed
                | CloseReason::PeerReset
                | CloseReason::PeerIdle
                | CloseReason::PeerSilent
                | CloseReason::PeerNameless
        );
        if by_itself && self.heard < Heard::Bytes && self.flags.counted && !self.is_on_fifo() {
            let service = self.service();
            self.hint(world, |_| diagnosis::of_silence(service, true));
        }
    }
}

impl Session {
    /// Whether it can be shown more: there is more, and it reads.
    pub(in crate::engine) fn is_to_be_shown_more(&self, world: &World) -> bool {
        self.dialogue.is_to_be_shown_more(world)
    }

    /// Shows it events, `budget` at most; those it was too slow for are counted.
    pub(in crate::engine) fn show(&mut self, world: &World, budget: usize) {
        self.dialogue.show(world, budget);
    }

    /// Lets watchers see it. Of a watcher they see nothing, or one would be shown what it is shown.
    pub(in crate::engine) fn is_seen(&self, world: &World) -> bool {
        self.dialogue.is_seen(world)
    }

    pub(in crate::engine) fn show_to_watchers(&self, world: &mut World, sight: impl FnOnce() -> Sight) {
        self.dialogue.show_to_watchers(world, sight);
    }

    /// It leaves, and perhaps too early: the acknowledgement has gone out, and the result has not.
    pub(super) fn hint_at_leaving(&self, world: &mut World) {
        let dialogue = &self.dialogue;
        let is_between = match dialogue.kind {
            None => self.intake.guess.is_gap() && dialogue.outbox.is_open() && dialogue.outbox.is_empty(),
            Some(Kind::Raw) => !dialogue.outbox.is_empty(),
            Some(_) => false,
        };
        if self.is_serving() && dialogue.flags.told && is_between && self.service() == Service::Multiply {
            dialogue.hint(world, |_| Some(diagnosis::of_leaving_early()));
        }
    }

    /// It has paused, or is given up, in the middle of a message.
    pub(super) fn hint_at_fragment(&self, world: &mut World) {
        let asks = self.dialogue.is_multiplier(world);
        let inbox = self.intake.bytes();
        self.dialogue.hint(world, |world| {
            // The better hint comes when the message is read.
            let is_named = asks && diagnosis::of_request(inbox, self.dialogue.place(world)).is_some();
            (!is_named).then(|| match self.dialogue.is_private(world, inbox) {
                true => diagnosis::of_unfinished(private(inbox.len()).as_bytes()),
                false => diagnosis::of_unfinished(inbox),
            })
        });
    }
}
