//! Opens a place to listen, or says what blocks it and what to do about it.

use rustix::io::Errno;
use rustix::net::SocketType;

pub use super::error::{OpenError, OpenErrorKind};
use super::listener::Listener;
pub use super::options::Options;
use super::{inet, unix};
use crate::endpoint::ResolvedEndpoint;

/// An open place.
#[derive(Debug)]
pub struct Opened {
    /// The listening socket.
    pub listener: Listener,
    /// Deviations from the request, each as a line for the log.
    pub warnings: Vec<String>,
}

/// Opens a listening socket at `place`. A failed attempt removes everything that it created.
///
/// # Errors
/// An [`OpenError`] names the place, the obstacle, and what to do.
pub fn open(place: &ResolvedEndpoint, options: &Options) -> Result<Opened, OpenError> {
    let opened = match place {
        ResolvedEndpoint::Tcp(address)
        | ResolvedEndpoint::Tls(address)
        | ResolvedEndpoint::Http(address)
        | ResolvedEndpoint::Https(address) => inet::tcp(*address, options).map(|fd| (fd, None, Vec::new())),
        ResolvedEndpoint::Unix(path) | ResolvedEndpoint::HttpUnix(path) | ResolvedEndpoint::Shm(path) => {
            unix::open(path, SocketType::STREAM, options)
                .map(|(fd, files, warnings)| (fd, Some(files), warnings))
        }
        ResolvedEndpoint::UnixSeq(path) => unix::open(path, SocketType::SEQPACKET, options)
            .map(|(fd, files, warnings)| (fd, Some(files), warnings)),
        ResolvedEndpoint::Udp(address) => {
            inet::udp(*address, options.share_port).map(|fd| (fd, None, Vec::new()))
        }
        ResolvedEndpoint::UnixGram(path) => unix::open(path, SocketType::DGRAM, options)
            .map(|(fd, files, warnings)| (fd, Some(files), warnings)),
        // `pair::open` opens these.
        ResolvedEndpoint::Fifo(_) | ResolvedEndpoint::Mq(_) | ResolvedEndpoint::Buffer(_) => {
            Err(OpenErrorKind::Other(Errno::PROTONOSUPPORT.into()))
        }
    };
    match opened {
        Ok((fd, files, warnings)) => {
            Ok(Opened { listener: Listener::new(files, fd, place.clone()), warnings })
        }
        Err(kind) => Err(OpenError { place: place.clone(), kind }),
    }
}

#[cfg(test)]
mod tests;
