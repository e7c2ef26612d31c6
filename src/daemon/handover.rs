//! What goes from one process to the next over a restart, through the service manager: descriptors under these names, and
//! beside them a sealed memory file that says what they are.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

use crate::endpoint::Place;
use crate::engine::record::{Record, VERSION};
use crate::host::manager::Manager;
use crate::host::parcel;
use crate::host::raw::inherit::Inherited;
use crate::reactor::Reactor;
use crate::transport::fifo::Fifo;
use crate::transport::link::Link;
use crate::transport::listener::{Listener, listening_place};

/// Parcels of connections.
const CONNECTIONS: &str = "ipcd-connections";

/// Listeners that ipcd opened by itself.
const LISTENER: &str = "ipcd-listener";

/// The ends of FIFOs: what is in them is not lost while somebody has them.
const FIFO: &str = "ipcd-fifo";

/// The record of the connections.
const RECORD: &str = "ipcd-record";

/// The record's first word.
const MAGIC: &str = "ipcd-record";

/// Nothing may change a record once it is written.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::GROW).union(SealFlags::SHRINK).union(SealFlags::SEAL);

/// The largest record that is read, in bytes.
const RECORD_BYTES_MAX: u64 = 4 << 30;

/// What this process was given at its start.
#[derive(Debug, Default)]
pub(super) struct Bequest {
    /// Listening sockets.
    pub(super) listeners: Vec<(Place, Listener)>,
    /// What the process before knew of its connections.
    pub(super) record: Record,
    /// The connections, still packed: a start that fails takes none of them from the next attempt.
    pub(super) parcels: Vec<OwnedFd>,
    /// To be held until the FIFOs are open again.
    pub(super) fifos: Vec<OwnedFd>,
    /// What could not be used, a line for the log each.
    pub(super) warnings: Vec<String>,
}

impl Bequest {
    /// Looks at what was handed over.
    pub(super) fn of(inherited: Vec<Inherited>) -> Bequest {
        let mut bequest = Bequest::default();
        let mut record = None;
        for Inherited { fd, name } in inherited {
            match name.as_str() {
                CONNECTIONS => bequest.parcels.push(fd),
                RECORD => record = Some(fd),
                FIFO => bequest.fifos.push(fd),
                name => bequest.take_listener(fd, name),
            }
        }
        match record.map(read) {
            Some(Ok(record)) => bequest.record = record,
            Some(Err(error)) => bequest.warnings.push(format!(
                "the record of connections before the restart cannot be read: {error}; they are closed"
            )),
            None if bequest.parcels.is_empty() => {}
            None => bequest.warnings.push(
                "connections were kept over a restart, but no record of them; they are closed".to_owned(),
            ),
        }
        bequest
    }

    fn take_listener(&mut self, fd: OwnedFd, name: &str) {
        let kept = name != LISTENER;
        let listener = listening_place(&fd).and_then(|place| {
            Ok((place.clone(), Listener::inherited(fd, place, kept).map_err(|error| error.to_string())?))
        });
        match listener {
            Ok(listener) => self.listeners.push(listener),
            Err(what) => self.warnings.push(format!(
                "the descriptor {} that was handed over is {what}; it is closed; correct ipcd.socket",
                name.escape_default()
            )),
        }
    }
}

/// Opens the parcels. Connections that cannot be taken are closed, with a line in the log.
pub(super) fn unpack(parcels: Vec<OwnedFd>) -> Vec<Link> {
    let mut links = Vec::new();
    for parcel in parcels {
        match parcel::unpack(parcel) {
            Ok(connections) => links.extend(connections.into_iter().map(Link::of)),
            Err(error) => {
                log::warn!("connections from before the restart cannot be taken: {error}; they are closed");
            }
        }
    }
    links
}

/// Has the manager forget what it kept: a copy of a connection that is held elsewhere hides its end from the peer.
pub(super) fn forget(manager: &Manager) {
    [CONNECTIONS, LISTENER, FIFO, RECORD].iter().for_each(|name| manager.forget(name));
}

/// Gives everything to the manager. Afterwards this process must end without another word to a peer.
///
/// # Errors
/// The manager did not take it. It is told to forget what it has taken.
pub(super) fn hand_over(reactor: &Reactor, manager: &Manager) -> io::Result<usize> {
    let outcome = try_hand_over(reactor, manager);
    if outcome.is_err() {
        forget(manager);
    }
    outcome
}

fn try_hand_over(reactor: &Reactor, manager: &Manager) -> io::Result<usize> {
    let (record, links) = reactor.save();
    let memory = write(&record)?;
    let links: Vec<_> = links.into_iter().map(AsFd::as_fd).collect();
    let parcels = parcel::pack(&links)?;
    let parcels: Vec<_> = parcels.iter().map(AsFd::as_fd).collect();
    let listeners: Vec<_> = reactor.own_listeners().map(AsFd::as_fd).collect();
    manager.store(RECORD, &[memory.as_fd()])?;
    manager.store(LISTENER, &listeners)?;
    let fifos: Vec<_> = reactor.fifos().flat_map(Fifo::descriptors).collect();
    manager.store(FIFO, &fifos)?;
    manager.store(CONNECTIONS, &parcels)?;
    manager.wait_until_seen()?;
    Ok(links.len())
}

/// Writes a record into a memory file and seals it.
fn write(record: &Record) -> io::Result<File> {
    let body = serde_json::to_vec(record)?;
    let memory = memfd_create(RECORD, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(memory);
    writeln!(file, "{MAGIC} {VERSION} {} {:08x}", body.len(), crc32fast::hash(&body))?;
    file.write_all(&body)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file)
}

/// Reads a record back, if it is whole, sealed, and of our version.
fn read(fd: OwnedFd) -> Result<Record, String> {
    let mut file = File::from(fd);
    match fcntl_get_seals(&file) {
        Ok(seals) if seals.contains(SEALS) => {}
        _ => return Err("it is not a sealed memory file".to_owned()),
    }
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.take(RECORD_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Record, String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("it has no first line")?;
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "its first line is no text")?;
    let body = &bytes[end + 1..];
    let fields: Vec<&str> = head.split(' ').collect();
    let [MAGIC, version, length, sum] = fields[..] else {
        return Err("its first line is not a record's".to_owned());
    };
    if version != VERSION.to_string() {
        return Err(format!("it is of version {}, this is {VERSION}", version.escape_default()));
    }
    if length != body.len().to_string() {
        return Err(format!("it has {} bytes, not {}", body.len(), length.escape_default()));
    }
    if sum != format!("{:08x}", crc32fast::hash(body)) {
        return Err("its checksum is wrong".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_a_damaged_one_does_not() {
        let mut file = write(&Record { history: vec!["alice: hi".to_owned()], ..Record::default() }).unwrap();
        assert!(file.write(b"x").is_err(), "it is sealed");
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(read(file.into()).unwrap().history, ["alice: hi"]);
        assert!(parse(&bytes).is_ok());
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            assert!(parse(&damaged).is_err(), "byte {index}");
            assert!(parse(&bytes[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn a_file_that_can_still_be_changed_is_no_record() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"ipcd-record 1 0 00000000\n").unwrap();
        assert!(read(file.into()).unwrap_err().contains("sealed"));
    }
}
