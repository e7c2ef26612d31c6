//! A client of a `shm://` endpoint.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use ipcd::engine::transport::RING_MESSAGE_BYTES_MAX;
use ipcd::transport::rings::Rings;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::{TIMEOUT, show, wait_until};

/// The client's side. It sleeps until the daemon wakes it or is gone.
pub struct Shared {
    pub rings: Rings,
    events: OwnedFd,
}

impl Shared {
    pub fn connect(path: &Path) -> Shared {
        Shared::try_connect(path).unwrap()
    }

    pub fn try_connect(path: &Path) -> std::io::Result<Shared> {
        let socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        let rings = Rings::join(socket.into())?;
        let events = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&events, rings.bell(), EventData::new_u64(0), EventFlags::IN | EventFlags::ET)?;
        epoll::add(&events, rings.socket(), EventData::new_u64(1), EventFlags::RDHUP)?;
        Ok(Shared { rings, events })
    }

    #[track_caller]
    pub fn say(&self, message: impl AsRef<[u8]>) {
        wait_until("room in the ring", || self.try_say(&message).then_some(()));
    }

    /// Adds a message, if there is room.
    pub fn try_say(&self, message: impl AsRef<[u8]>) -> bool {
        self.rings.send(&[message.as_ref()]).is_ok()
    }

    fn take(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; RING_MESSAGE_BYTES_MAX];
        match self.rings.receive(&mut buffer) {
            Ok(count) => Some(buffer[..count].to_vec()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                None
            }
        }
    }

    /// The next message; `None`: the end.
    #[track_caller]
    pub fn next(&self) -> Option<Vec<u8>> {
        let mut has_ended = false;
        loop {
            if let Some(message) = self.take() {
                return Some(message);
            }
            if has_ended {
                return None;
            }
            if self.rings.may_sleep() {
                let mut events = Vec::with_capacity(2);
                let timeout = TIMEOUT.try_into().unwrap();
                epoll::wait(&self.events, spare_capacity(&mut events), Some(&timeout)).unwrap();
                assert!(!events.is_empty(), "nothing comes, and no end");
                has_ended = events.iter().any(|event| event.data.u64() == 1);
            }
        }
    }

    #[track_caller]
    pub fn hear(&self, expected: impl AsRef<[u8]>) {
        let message = self.next().expect("the end");
        assert_eq!(show(&message), show(expected.as_ref()));
    }

    #[track_caller]
    pub fn hear_end(&self) {
        let message = self.next();
        assert!(message.is_none(), "{:?}", message.map(|message| show(&message)));
    }

    /// Every message up to the end, each with an LF after it.
    #[track_caller]
    pub fn hear_rest(&self) -> Vec<u8> {
        let messages = std::iter::from_fn(|| self.next());
        messages.flat_map(|message| [&message[..], b"\n"].concat()).collect()
    }

    pub fn half_close(&self) {
        let _ = socket2::SockRef::from(self.rings.socket()).shutdown(Shutdown::Write);
    }
}
