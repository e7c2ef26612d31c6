use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::epoll;

use super::*;

fn pair() -> (Rings, Rings) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let ours = OwnedFd::from(ours);
    let descriptors = Rings::offer(&ours).unwrap();
    (Rings::serve(ours, descriptors).unwrap(), Rings::join(theirs.into()).unwrap())
}

fn take(rings: &Rings) -> Option<Vec<u8>> {
    let mut buffer = vec![0; RING_MESSAGE_BYTES_MAX];
    match rings.receive(&mut buffer) {
        Ok(count) => Some(buffer[..count].to_vec()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        other => panic!("{other:?}"),
    }
}

/// A small random number generator (xorshift).
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

#[test]
fn messages_arrive_whole_and_in_order_however_they_are_cut() {
    let (daemon, client) = pair();
    let mut seed = 7;
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..next(&mut seed) % 40).map(|byte| byte as u8).collect();
        let (first, rest) = bytes.split_at(next(&mut seed) as usize % (bytes.len() + 1));
        let (second, third) = rest.split_at(next(&mut seed) as usize % (rest.len() + 1));
        assert_eq!(client.send(&[first, second, third]).unwrap(), bytes.len());
        assert_eq!(take(&daemon), Some(bytes.clone()));
        assert_eq!(daemon.send(&[&bytes]).unwrap(), bytes.len());
        assert_eq!(take(&client), Some(bytes));
    }
    assert_eq!((take(&daemon), take(&client)), (None, None));
}

#[test]
fn full_ring_accepts_no_more_and_long_message_arrives_in_parts() {
    let (daemon, client) = pair();
    let message = vec![b'x'; 999];
    let sent = (0..).take_while(|_| client.send(&[&message]).is_ok()).count();
    assert_eq!(sent, RING_WORDS / (1 + 250));
    assert_eq!(client.send(&[&message]).unwrap_err().kind(), ErrorKind::WouldBlock);
    (0..sent).for_each(|_| assert_eq!(take(&daemon).as_ref(), Some(&message)));
    let long = "é".repeat(2 * RING_MESSAGE_BYTES_MAX);
    let taken = daemon.send(&[long.as_bytes()]).unwrap();
    assert!(
        taken < long.len() && taken > RING_MESSAGE_BYTES_MAX - 4,
        "as much as there is room for: {taken}"
    );
    let heard: Vec<u8> = std::iter::from_fn(|| take(&client)).flatten().collect();
    assert!(long.as_bytes().starts_with(&heard) && heard.len() == taken);
    assert!(std::str::from_utf8(&heard).is_ok());
}

#[test]
fn sides_that_sleep_wake_each_other_and_lose_nothing() {
    const COUNT: u32 = 20_000;
    let (ours, theirs) = UnixStream::pair().unwrap();
    let ours = OwnedFd::from(ours);
    let descriptors = Rings::offer(&ours).unwrap();
    let sleep = |rings: &Rings, events: &OwnedFd| {
        if rings.may_sleep() {
            let mut some = Vec::with_capacity(4);
            epoll::wait(events, rustix::buffer::spare_capacity(&mut some), None).unwrap();
        }
    };
    let watch = |rings: &Rings| {
        let events = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&events, rings.bell(), epoll::EventData::new_u64(0), flags).unwrap();
        events
    };
    let echo = thread::spawn(move || {
        let rings = Rings::serve(ours, descriptors).unwrap();
        let events = watch(&rings);
        for _ in 0..COUNT {
            let message = loop {
                match take(&rings) {
                    Some(message) => break message,
                    None => sleep(&rings, &events),
                }
            };
            while rings.send(&[&message]).is_err() {
                sleep(&rings, &events);
            }
        }
    });
    let rings = Rings::join(theirs.into()).unwrap();
    let events = watch(&rings);
    let (mut asked, mut answered) = (0, 0);
    while answered < COUNT {
        while asked < COUNT && asked - answered < 3 {
            rings.send(&[&asked.to_ne_bytes()]).unwrap();
            asked += 1;
        }
        match take(&rings) {
            Some(message) => {
                assert_eq!(message, answered.to_ne_bytes());
                answered += 1;
            }
            None => sleep(&rings, &events),
        }
    }
    echo.join().unwrap();
}

#[test]
fn client_that_blocks_its_bell_does_not_stop_the_daemon() {
    let (daemon, client) = pair();
    rustix::io::write(&client.ours, &(u64::MAX - 2).to_ne_bytes()).unwrap(); // its counter is full
    rustix::io::ioctl_fionbio(&client.ours, false).unwrap();
    assert!(client.may_sleep());
    let begun = Instant::now();
    daemon.send(&[b"wake up"]).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(take(&client).unwrap(), b"wake up");
}

#[test]
fn rules_broken_in_memory_are_named_and_nothing_is_read_after_that() {
    for (word, value, broken) in [
        (WRITTEN, RING_WORDS as u32 + 1, Broken::Position),
        (WRITTEN, u32::MAX, Broken::Position),
        (WRITTEN, 1, Broken::Length), // the length says 5
        (DATA, u32::MAX, Broken::Length),
        (DATA, RING_MESSAGE_BYTES_MAX as u32 + 1, Broken::Length),
    ] {
        let (daemon, client) = pair();
        client.send(&[b"hello"]).unwrap();
        client.words[word].store(value, Ordering::Relaxed);
        let error = daemon.receive(&mut [0; 100_000]).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidData, broken.to_string()));
        assert_eq!(take(&daemon), None);
        assert!(daemon.may_sleep() && !daemon.has_message());
        assert_eq!(daemon.send(&[b"Error: "]).unwrap(), 7, "it can still get an error");
    }
    let (daemon, client) = pair();
    client.words[HEADER_WORDS + READ].store(9, Ordering::Relaxed); // more than was written
    assert_eq!(daemon.send(&[b"x"]).unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(daemon.send(&[b"x"]).unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn memory_that_changes_at_any_time_never_harms_the_reader() {
    let (daemon, client) = pair();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (memory, stop) = (client.memory.try_clone().unwrap(), &stop);
    thread::scope(|scope| {
        scope.spawn(move || {
            let words = SharedWords::map(&memory, WORDS).unwrap();
            let mut seed = 4711;
            while !stop.load(Ordering::Relaxed) {
                let value = next(&mut seed);
                let word = match value % 4 {
                    0 => [WRITTEN, READ, READER_WAITS, WRITER_WAITS][value as usize / 4 % 4],
                    1 => HEADER_WORDS + [WRITTEN, READ][value as usize / 4 % 2],
                    _ => DATA + value as usize / 4 % 300,
                };
                words[word].store((value >> 32) as u32 % 400, Ordering::Relaxed);
            }
        });
        let (mut buffer, deadline) =
            (vec![0; RING_MESSAGE_BYTES_MAX], Instant::now() + Duration::from_millis(300));
        let (mut read, mut broken) = (0, 0);
        while Instant::now() < deadline || read + broken < 100 {
            match daemon.receive(&mut buffer) {
                Ok(count) => {
                    assert!(count <= 4 * RING_WORDS);
                    read += 1;
                }
                Err(error) => broken += usize::from(error.kind() == ErrorKind::InvalidData),
            }
            let _ = daemon.send(&[b"an answer"]);
            daemon.is_broken.set(false); // as another client would find it
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn another_process_goes_on_where_the_last_one_stopped() {
    let (daemon, client) = pair();
    for message in ["one", "two", "three"] {
        client.send(&[message.as_bytes()]).unwrap();
    }
    daemon.send(&[b"answer one"]).unwrap();
    assert_eq!(take(&daemon).unwrap(), b"one");
    let socket = daemon.socket().try_clone().unwrap();
    let descriptors = daemon.descriptors().map(|fd| fd.try_clone_to_owned().unwrap());
    drop(daemon);
    let next = Rings::resume(socket, descriptors).unwrap();
    next.send(&[b"answer two"]).unwrap();
    assert_eq!([take(&next).unwrap(), take(&next).unwrap()], [b"two".to_vec(), b"three".to_vec()]);
    assert_eq!(
        [take(&client).unwrap(), take(&client).unwrap()],
        [b"answer one".to_vec(), b"answer two".to_vec()]
    );
}

#[test]
fn socket_without_shared_memory_is_refused_with_a_reason() {
    let refused = |said: &[u8]| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        rustix::io::write(&ours, said).unwrap();
        drop(ours);
        Rings::join(theirs.into()).unwrap_err().to_string()
    };
    assert_eq!(refused(b"Error: too many\x1b[2J\n"), "too many\\x1b[2J");
    let other = "it offers no shared memory of version 1; is it a shm:// endpoint?";
    assert_eq!(refused(b"Greetings from the cave!"), other);
    assert_eq!(refused(opening().as_bytes()), other, "without descriptors");
    assert_eq!(refused(b""), other);
}
