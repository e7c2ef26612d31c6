//! epoll with a timeout. It never sleeps: the load generator has a processor of its own, and on a virtual machine, waking a process
//! there costs the server more than the measured work.

use std::os::fd::AsFd;
use std::time::Instant;

use anyhow::{Result, bail};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::endpoint::TIMEOUT;

const EVENTS: usize = 1024;

pub struct Poller {
    epoll: Epoll,
    events: Vec<EpollEvent>,
}

impl Poller {
    pub fn new() -> Result<Poller> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Poller { epoll, events: vec![EpollEvent::empty(); EVENTS] })
    }

    pub fn add(&self, socket: impl AsFd, token: usize) -> Result<()> {
        Ok(self.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, token as u64))?)
    }

    /// Waits for readable connections and returns how many there are, at least one; [`Poller::token`] names them.
    pub fn wait(&mut self) -> Result<usize> {
        let mut since = None;
        loop {
            match self.look(0)? {
                0 if since.get_or_insert_with(Instant::now).elapsed() < TIMEOUT => {}
                0 => bail!("no answer within {TIMEOUT:?}"),
                ready => return Ok(ready),
            }
        }
    }

    /// How many are readable within some milliseconds.
    pub fn look(&mut self, milliseconds: u16) -> Result<usize> {
        loop {
            match self.epoll.wait(&mut self.events, EpollTimeout::from(milliseconds)) {
                Err(nix::errno::Errno::EINTR) => {}
                ready => return Ok(ready?),
            }
        }
    }

    pub fn token(&self, nth: usize) -> usize {
        self.events[nth].data() as usize
    }
}
