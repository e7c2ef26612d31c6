//! Many descriptors as one: a socket with the others in its queue (SCM_RIGHTS, unix(7)). The service manager compares each
//! new descriptor with all those it stores: a thousand take it a quarter of a second, six thousand take eight seconds.
//! A bundle counts as one.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// Descriptors in one message; the kernel takes 253 (SCM_MAX_FD, unix(7)).
pub const DESCRIPTORS_PER_MESSAGE: usize = 200;

/// Packs descriptors into as few bundles as the kernel's limit on a queue allows. Our copies stay open.
///
/// # Errors
/// More are in flight than we may have open (RLIMIT_NOFILE), or there is no descriptor or memory left.
pub fn pack(descriptors: &[BorrowedFd<'_>]) -> io::Result<Vec<OwnedFd>> {
    let mut fd_bundles = Vec::new();
    let mut chunks = descriptors.chunks(DESCRIPTORS_PER_MESSAGE).peekable();
    while chunks.peek().is_some() {
        // The sending end closes here, which ends the bundle. A stream socket: it keeps messages with
        // descriptors apart, and, unlike datagrams, as many as fit.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, fd_bundle) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let mut count = 0;
        while let Some(chunk) = chunks.peek() {
            match send(&ours, b"+", chunk) {
                Ok(()) => count += 1,
                Err(Errno::AGAIN) if count > 0 => break,
                Err(error) => return Err(error.into()),
            }
            chunks.next();
        }
        fd_bundles.push(fd_bundle);
    }
    Ok(fd_bundles)
}

/// Sends bytes and at most [`DESCRIPTORS_PER_MESSAGE`] descriptors as one message.
///
/// # Errors
/// The kernel's.
pub fn send(into: &OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_MESSAGE))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::INVAL);
    }
    retry_on_intr(|| sendmsg(into, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Unpacks a bundle.
///
/// # Errors
/// It is not a bundle, or we may not have that many descriptors open; those already received are closed.
pub fn unpack(fd_bundle: impl AsFd) -> io::Result<Vec<OwnedFd>> {
    let mut descriptors = Vec::new();
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_MESSAGE))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let message = recvmsg(&fd_bundle, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, flags)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                descriptors.extend(some);
            }
        }
        if message.flags.contains(ReturnFlags::CTRUNC) {
            return Err(Errno::MFILE.into());
        }
        if message.bytes == 0 {
            return Ok(descriptors);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn packed_descriptors_come_out_in_order() {
        let pairs: Vec<(UnixStream, UnixStream)> = (0..450).map(|_| UnixStream::pair().unwrap()).collect();
        let descriptors: Vec<_> = pairs.iter().map(|(ours, _)| ours.as_fd()).collect();
        let fd_bundles = pack(&descriptors).unwrap();
        assert_eq!(fd_bundles.len(), 1);
        let mut peers: Vec<UnixStream> = pairs.into_iter().map(|(_, peer)| peer).collect();
        let taken = unpack(&fd_bundles[0]).unwrap();
        assert_eq!(taken.len(), peers.len());
        for (ours, peer) in taken.into_iter().zip(&mut peers) {
            UnixStream::from(ours).shutdown(Shutdown::Write).unwrap();
            assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        }
    }

    #[test]
    fn empty_bundle_is_not_sent_and_invalid_one_is_an_error() {
        assert!(pack(&[]).unwrap().is_empty());
        assert!(unpack(tempfile::tempfile().unwrap()).is_err());
        let (ours, _peer) = UnixStream::pair().unwrap();
        assert!(unpack(ours).is_err(), "it is never waited for");
    }
}
