//! Runs the ring's own code under every schedule of one writer and one reader with at most two preemptions. A thread can be
//! preempted at each word, and a store may stay in its processor until a fence (as on x86). No thread may sleep for ever.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::{Ring, Word};

/// The most preemptions: switches from a thread that could have gone on.
const SWITCHES_MAX: usize = 2;

/// Of one byte each, so that two fill the ring.
const MESSAGES: u8 = 3;
const RING_WORDS: usize = 4;

/// The words of a ring: four, and the messages.
const WORDS: usize = 4 + RING_WORDS;

const WRITER: usize = 0;
const READER: usize = 1;

/// Positions pass 0 during a run.
const START: u32 = u32::MAX - 2;

#[derive(Default)]
struct State {
    memory: [u32; WORDS],
    /// Stores that only their thread sees.
    held: [VecDeque<(usize, u32)>; 2],
    rung: [bool; 2],
    sleeps: [bool; 2],
    done: [bool; 2],
    turn: usize,
    switches: usize,
    /// The choices so far, each out of how many.
    path: Vec<(usize, usize)>,
    at: usize,
    is_stuck: bool,
}

#[derive(Default)]
struct World {
    state: Mutex<State>,
    changed: Condvar,
}

thread_local! {
    static SELF: RefCell<Option<(Arc<World>, usize)>> = const { RefCell::new(None) };
}

impl State {
    fn drain(&mut self, thread: usize) {
        while let Some((word, value)) = self.held[thread].pop_front() {
            self.memory[word] = value;
        }
    }

    fn can_run(&self, thread: usize) -> bool {
        !self.done[thread] && (!self.sleeps[thread] || self.rung[thread])
    }

    fn choose(&mut self, options: usize) -> usize {
        if self.at == self.path.len() {
            self.path.push((0, options));
        }
        self.at += 1;
        self.path[self.at - 1].0
    }

    /// Chooses the next thread, after a step of `thread`.
    fn switch(&mut self, thread: usize) {
        let other = 1 - thread;
        let (goes_on, can_switch) = (self.can_run(thread), self.can_run(other));
        if !goes_on && !can_switch {
            self.is_stuck = !self.done.iter().all(|done| *done);
            return;
        }
        let mut options = Vec::new();
        if goes_on {
            options.push((thread, false));
        }
        if can_switch && (!goes_on || self.switches < SWITCHES_MAX) {
            options.push((other, true));
            if !self.held[thread].is_empty() {
                options.push((other, false));
            }
        }
        let (next, drains) = match options.len() {
            1 => options[0],
            count => options[self.choose(count)],
        };
        self.switches += usize::from(goes_on && next != thread);
        if drains {
            self.drain(thread);
        }
        self.turn = next;
    }
}

impl World {
    fn lock(&self, thread: usize) -> MutexGuard<'_, State> {
        let state = self.state.lock().unwrap();
        let state = self.changed.wait_while(state, |state| state.turn != thread && !state.is_stuck).unwrap();
        if state.is_stuck {
            drop(state);
            std::panic::resume_unwind(Box::new("stuck"));
        }
        state
    }

    /// One step of this thread.
    fn step<T>(act: impl FnOnce(&mut State, usize) -> T) -> T {
        let (world, thread) = SELF.with(|own| own.borrow().clone()).unwrap();
        let mut state = world.lock(thread);
        let outcome = act(&mut state, thread);
        state.switch(thread);
        world.changed.notify_all();
        outcome
    }
}

fn ring_bell(of: usize) {
    World::step(|state, thread| {
        state.drain(thread);
        state.rung[of] = true;
    });
}

fn sleep() {
    World::step(|state, thread| {
        state.drain(thread);
        state.sleeps[thread] = true;
    });
    World::step(|state, thread| (state.sleeps[thread], state.rung[thread]) = (false, false));
}

/// A word of the ring; `F`: whether fences have an effect.
struct Modelled<F>(usize, PhantomData<F>);

struct Fences;
struct NoFences;

trait Fencing {
    const FENCES: bool;
}

impl Fencing for Fences {
    const FENCES: bool = true;
}

impl Fencing for NoFences {
    const FENCES: bool = false;
}

impl<F: Fencing> Word for Modelled<F> {
    fn load(&self, _: Ordering) -> u32 {
        World::step(|state, thread| {
            let held = state.held[thread].iter().rev().find(|(word, _)| *word == self.0);
            held.map_or(state.memory[self.0], |(_, value)| *value)
        })
    }

    fn store(&self, value: u32, _: Ordering) {
        World::step(|state, thread| state.held[thread].push_back((self.0, value)));
    }

    fn fence() {
        if F::FENCES {
            World::step(State::drain);
        }
    }
}

fn write<F: Fencing>(ring: Ring<'_, Modelled<F>>) {
    let mut written = START;
    for message in 0..MESSAGES {
        written = loop {
            match ring.put(written, &[&[message]]).unwrap() {
                Some(at) => break at,
                None => sleep(),
            }
        };
        if ring.must_wake_reader() {
            ring_bell(READER);
        }
    }
}

fn read<F: Fencing>(ring: Ring<'_, Modelled<F>>) {
    let (mut read, mut buffer) = (START, [0; 4]);
    for message in 0..MESSAGES {
        loop {
            if let Some((count, at)) = ring.take(read, &mut buffer).unwrap() {
                assert_eq!((count, buffer[0]), (1, message));
                read = at;
                break;
            }
            if ring.may_sleep(read) {
                sleep();
            }
        }
        if ring.must_wake_writer() {
            ring_bell(WRITER);
        }
    }
}

/// Runs one schedule; returns it, and whether a thread sleeps for ever.
fn run<F: Fencing>(path: Vec<(usize, usize)>) -> (Vec<(usize, usize)>, bool) {
    let world = Arc::new(World::default());
    {
        let mut state = world.state.lock().unwrap();
        (state.memory[0], state.memory[1], state.path) = (START, START, path);
    }
    std::thread::scope(|scope| {
        for thread in [WRITER, READER] {
            let world = Arc::clone(&world);
            scope.spawn(move || {
                SELF.with(|own| *own.borrow_mut() = Some((Arc::clone(&world), thread)));
                let words: Vec<Modelled<F>> = (0..WORDS).map(|word| Modelled(word, PhantomData)).collect();
                let [written, read_word, reader_waits, writer_waits, data @ ..] = &words[..] else { return };
                let ring = Ring { written, read: read_word, reader_waits, writer_waits, data };
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    if thread == WRITER {
                        write(ring)
                    } else {
                        read(ring)
                    }
                    World::step(|state, thread| {
                        state.drain(thread);
                        state.done[thread] = true;
                    });
                }));
                if outcome.is_err() {
                    world.state.lock().unwrap().is_stuck = true;
                    world.changed.notify_all();
                }
            });
        }
    });
    let mut state = world.state.lock().unwrap();
    (std::mem::take(&mut state.path), state.is_stuck)
}

/// Runs all schedules, or up to the first in which a thread sleeps for ever; returns their number, and whether there was one.
fn explore<F: Fencing>() -> (usize, bool) {
    let (mut path, mut count) = (Vec::new(), 0);
    loop {
        let (mut taken, is_stuck) = run::<F>(path);
        count += 1;
        if is_stuck {
            return (count, true);
        }
        // Depth first: the last choice with an untried option takes that option.
        while taken.last().is_some_and(|(chosen, options)| chosen + 1 == *options) {
            taken.pop();
        }
        let Some(last) = taken.last_mut() else { return (count, false) };
        last.0 += 1;
        path = taken;
    }
}

#[test]
fn no_schedule_leaves_a_side_asleep_or_mixes_messages() {
    let (count, is_stuck) = explore::<Fences>();
    assert!(!is_stuck, "schedule {count}");
    assert!(count > 500, "{count}");
}

#[test]
fn schedules_without_fences_leave_a_side_asleep() {
    let (count, is_stuck) = explore::<NoFences>();
    assert!(is_stuck, "{count} schedules");
}
