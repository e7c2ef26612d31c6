//! Message queues and semaphores of System V (sysvipc(7)), which are numbers: private ones, for two processes of ours.

use std::io;
use std::ptr::null_mut;

use nix::libc::{self, c_int, c_long, c_short};

/// The most bytes of a message that is sent or received here.
const MESSAGE_BYTES_MAX: usize = 1024;

/// A message as the kernel takes it.
#[repr(C)]
struct Message {
    kind: c_long,
    text: [u8; MESSAGE_BYTES_MAX],
}

fn checked(outcome: impl Into<i64>) -> io::Result<i64> {
    match outcome.into() {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}

/// Creates a queue.
///
/// # Errors
/// The kernel's (msgget(2)).
pub fn new_queue() -> io::Result<i32> {
    // SAFETY: two numbers; no memory of ours is involved.
    checked(unsafe { libc::msgget(libc::IPC_PRIVATE, libc::IPC_CREAT | 0o600) }).map(|id| id as i32)
}

/// Adds a message, and waits until there is room.
///
/// # Errors
/// The kernel's (msgop(2)), and a message that is too long.
pub fn send(queue: i32, text: &[u8]) -> io::Result<()> {
    let mut message = Message { kind: 1, text: [0; MESSAGE_BYTES_MAX] };
    message.text.get_mut(..text.len()).ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(text);
    // SAFETY: the kernel reads the kind and `text.len()` bytes after it, which the message has.
    checked(unsafe { libc::msgsnd(queue, (&raw const message).cast(), text.len(), 0) }).map(drop)
}

/// Waits for a message, and appends it.
///
/// # Errors
/// The kernel's (msgop(2)).
pub fn receive(queue: i32, into: &mut Vec<u8>) -> io::Result<()> {
    let mut message = Message { kind: 0, text: [0; MESSAGE_BYTES_MAX] };
    // SAFETY: the kernel writes the kind and at most as many bytes after it as the message has room for.
    let count = unsafe { libc::msgrcv(queue, (&raw mut message).cast(), MESSAGE_BYTES_MAX, 0, 0) };
    let count = checked(count as i64)? as usize;
    into.extend_from_slice(&message.text[..count.min(MESSAGE_BYTES_MAX)]);
    Ok(())
}

/// Removes a queue with what is in it.
pub fn remove_queue(queue: i32) {
    // SAFETY: numbers, and no structure for this command.
    let _ = unsafe { libc::msgctl(queue, libc::IPC_RMID, null_mut()) };
}

/// Creates two semaphores, both 0.
///
/// # Errors
/// The kernel's (semget(2)).
pub fn new_semaphores() -> io::Result<i32> {
    // SAFETY: three numbers.
    checked(unsafe { libc::semget(libc::IPC_PRIVATE, 2, libc::IPC_CREAT | 0o600) }).map(|id| id as i32)
}

/// Adds to one of them; -1 waits until it is not 0.
///
/// # Errors
/// The kernel's (semop(2)).
pub fn change(semaphores: i32, which: u16, by: i16) -> io::Result<()> {
    let mut operation = libc::sembuf { sem_num: which, sem_op: by as c_short, sem_flg: 0 };
    // SAFETY: one operation, which the kernel only reads.
    checked(unsafe { libc::semop(semaphores, &raw mut operation, 1) }).map(drop)
}

/// Removes them.
pub fn remove_semaphores(semaphores: i32) {
    let nothing: c_int = 0;
    // SAFETY: this command takes no further argument; an extra one is ignored.
    let _ = unsafe { libc::semctl(semaphores, 0, libc::IPC_RMID, nothing) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_counts_arrive_until_they_are_removed() {
        let (queue, semaphores) = (new_queue().unwrap(), new_semaphores().unwrap());
        let mut heard = Vec::new();
        send(queue, b"hello").unwrap();
        assert!(send(queue, &[0; MESSAGE_BYTES_MAX + 1]).is_err());
        receive(queue, &mut heard).unwrap();
        assert_eq!(heard, b"hello");
        change(semaphores, 1, 1).unwrap();
        change(semaphores, 1, -1).unwrap();
        remove_queue(queue);
        remove_semaphores(semaphores);
        assert!(send(queue, b"x").is_err() && change(semaphores, 0, 1).is_err());
    }
}
