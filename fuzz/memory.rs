//! A claim about shared memory that a client overwrites at will.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;

use ipcd::host::raw::memory::SharedWords;
use ipcd::transport::rings::{BYTES, RING_MESSAGE_BYTES_MAX, Rings};

fn pair() -> (Rings, Rings) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let descriptors = Rings::offer(&ours.try_clone().unwrap().into()).unwrap();
    (Rings::serve(ours.into(), descriptors).unwrap(), Rings::join(theirs.into()).unwrap())
}

/// Six bytes are a step: an action, the word that it concerns, and a value. The daemon's side keeps reading, writing and sleeping.
/// After the first violation in the requests it reads no more, and no other client notices.
pub fn changed_memory_harms_its_own_session_alone(bytes: &[u8]) {
    let (daemon, client) = pair();
    let (other_daemon, other) = pair();
    let [memory, ..] = client.descriptors();
    let words = SharedWords::map(memory, BYTES / 4).unwrap();
    let mut buffer = vec![0; 2 * RING_MESSAGE_BYTES_MAX];
    let mut is_broken = false;
    for (step, chunk) in bytes.as_chunks::<6>().0.iter().enumerate() {
        let [act, at_low, at_high, values @ ..] = *chunk;
        let (at, value) =
            (u16::from_le_bytes([at_low, at_high]), u32::from_le_bytes([values[0], values[1], values[2], 0]));
        match act % 6 {
            // Near the positions, where changes matter most, or anywhere.
            0 => words[usize::from(at) % 128].store(value, Ordering::Relaxed),
            1 => words[usize::from(at) % words.len()].store(value << (at % 9), Ordering::Relaxed),
            2 => drop(client.send(&[&buffer[..value as usize % 2000]])),
            3 => drop(daemon.send(&[&buffer[..value as usize % (2 * RING_MESSAGE_BYTES_MAX)]])),
            4 => drop(daemon.may_sleep()),
            _ => match daemon.receive(&mut buffer) {
                Ok(count) => assert!(count <= RING_MESSAGE_BYTES_MAX && !is_broken, "{count}"),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    assert!(error.kind() == ErrorKind::InvalidData && !is_broken, "{error}");
                    is_broken = true;
                }
            },
        }
        if step % 8 == 0 {
            other.send(&[b"5 ", b"10"]).unwrap();
            assert_eq!((other_daemon.receive(&mut buffer).unwrap(), &buffer[..4]), (4, &b"5 10"[..]));
        }
    }
}
