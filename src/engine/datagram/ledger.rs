//! Estimates whose unread answers are in the send buffer of a Unix datagram endpoint, which all users share. The kernel reports
//! only their sum. Knows users and bytes, and no socket.

/// One user's unread answers may take one part in this many of the buffer.
const PARTS: usize = 4;

/// The most that one answer takes of the buffer, with the kernel's overhead: 513 bytes take 1,280 on 6.18.
pub const ANSWER_BYTES: usize = 1536;

/// The unread answers of one endpoint.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Unread bytes by user, for users that have some. The user that was sent to last is at the end. `None`: answers from before
    /// our start. The buffer bounds their number.
    unread: Vec<(Option<u32>, usize)>,
    total: usize,
}

impl Ledger {
    /// Whether one more answer may be sent to a user, while `unread` bytes of `capacity` are in use.
    pub fn allows(&mut self, user: u32, unread: usize, capacity: usize) -> bool {
        self.settle(unread, None);
        let its = self.unread.iter().find(|(other, _)| *other == Some(user)).map_or(0, |(_, its)| *its);
        its == 0 || its + ANSWER_BYTES <= capacity / PARTS
    }

    /// Notes that an answer was sent to a user; now `unread` bytes are in the buffer.
    pub fn sent(&mut self, user: u32, unread: usize) {
        self.settle(unread, Some(user));
    }

    /// The kernel does not report who has read. We assume it was the users that were sent to last: a user that reads does so at
    /// once, and a user that does not read soon gets nothing more. If everyone is a little late, the share of one user that never
    /// reads is three tenths instead of a quarter; if everyone is late half of the time, nearly a half.
    fn settle(&mut self, unread: usize, user: Option<u32>) {
        if let Some(mut more) = unread.checked_sub(self.total).filter(|more| *more > 0) {
            if let Some(at) = self.unread.iter().position(|(other, _)| *other == user) {
                more += self.unread.remove(at).1;
            }
            self.unread.push((user, more));
        }
        let mut gone = self.total.saturating_sub(unread);
        while let Some((_, its)) = self.unread.last_mut().filter(|_| gone > 0) {
            if *its > gone {
                *its -= gone;
                break;
            }
            gone -= *its;
            self.unread.pop();
        }
        self.total = unread;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: usize = 212_992;
    const MESSAGE: usize = 768;

    /// A buffer as in the kernel, and the unread bytes of three users.
    #[derive(Default)]
    struct Buffer {
        ledger: Ledger,
        unread: [usize; 3],
    }

    impl Buffer {
        fn sum(&self) -> usize {
            self.unread.iter().sum()
        }

        fn send(&mut self, user: u32) -> bool {
            let is_allowed = self.ledger.allows(user, self.sum(), CAPACITY);
            if is_allowed {
                self.unread[user as usize] += MESSAGE;
                self.ledger.sent(user, self.sum());
            }
            assert_eq!(
                self.ledger.unread.iter().map(|(_, its)| its).sum::<usize>(),
                self.sum(),
                "no byte is lost or made"
            );
            is_allowed
        }
    }

    /// Sends to three users in random order; one of them never reads, the others are late in `late` of a hundred cases. Returns the
    /// most that the first one had in the buffer.
    fn most_of_the_deaf(late: u64) -> usize {
        let (mut buffer, mut chance, mut most) = (Buffer::default(), 1_u64, 0);
        let mut next = |bound: u64| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (chance >> 33) % bound
        };
        for turn in 0..100_000 {
            let user = next(3) as u32;
            for _ in 0..2 {
                let is_sent = buffer.send(user);
                assert!(is_sent || user == 0, "turn {turn}: who reads is refused: {:?}", buffer.unread);
            }
            most = most.max(buffer.unread[0]);
            for reader in 1..3 {
                if next(100) >= late {
                    buffer.unread[reader] = 0;
                }
            }
        }
        most
    }

    #[test]
    fn nonreader_gets_a_quarter_and_a_reader_is_never_refused() {
        let (prompt, late, later) = (most_of_the_deaf(0), most_of_the_deaf(10), most_of_the_deaf(50));
        println!("of {CAPACITY}: {prompt}, {late} with one in ten late, {later} with every second");
        assert!((CAPACITY / 5..=CAPACITY / 4).contains(&prompt), "{prompt}");
        assert!(late <= CAPACITY * 3 / 10, "{late}");
        assert!(later <= CAPACITY / 2, "{later}");
    }

    #[test]
    fn sending_resumes_after_reading_and_empty_buffer_is_forgotten() {
        let mut buffer = Buffer::default();
        while buffer.send(0) {}
        buffer.unread[0] = 0;
        assert!(buffer.send(0) && buffer.send(1));
        buffer.unread = [0; 3];
        assert!(buffer.ledger.allows(2, 0, CAPACITY));
        assert_eq!((buffer.ledger.unread.len(), buffer.ledger.total), (0, 0));
    }

    #[test]
    fn bytes_already_in_the_buffer_belong_to_nobody() {
        let mut ledger = Ledger::default();
        assert!(ledger.allows(1, CAPACITY - MESSAGE, CAPACITY));
        ledger.sent(1, CAPACITY);
        assert!(ledger.allows(1, MESSAGE, CAPACITY), "until it was read");
    }
}
