use super::super::batch::{Head, Item};
use super::super::ids::{House, RoomToken};
use super::super::link::Phase;
use super::super::settings::{Credentials, Encrypt, Server, StreamSettings};
use super::*;

const OWN: InstanceId = InstanceId([1; 16]);
const OTHER: InstanceId = InstanceId([3; 16]);
const SECOND: u64 = 1_000_000;

/// An uplink, and a server that says what the test wants.
struct Line {
    uplink: Uplink,
    link: LinkId,
    seconds: u64,
    /// What was delivered through the current consumer.
    delivered: u64,
}

impl Line {
    fn new() -> Line {
        let settings = Settings {
            servers: vec![Server::new("n", 4222, Encrypt::IfAsked)],
            credentials: Credentials::None,
            house: House::new("h").unwrap(),
            room: RoomToken::new("aula").unwrap(),
            stream: StreamSettings::default(),
            client: "test".into(),
        };
        let uplink = Uplink::new(settings, OWN, 7, Timestamp::at(0));
        Line { uplink, link: LinkId(0), seconds: 0, delivered: 0 }
    }

    fn now(&self) -> Timestamp {
        Timestamp::at(self.seconds * SECOND)
    }

    /// What it sends, as text.
    fn sent(&mut self) -> String {
        let sent = self.uplink.output(self.link).to_vec();
        self.uplink.sent(self.link, sent.len());
        String::from_utf8_lossy(&sent).into_owned()
    }

    fn receive(&mut self, bytes: &[u8]) {
        let now = self.now();
        self.uplink.received(self.link, bytes, now);
        while self.uplink.next_event().is_some() {}
    }

    fn connect(&mut self) {
        let now = self.now();
        let (link, _) = self.uplink.dial(now).expect("it needs a connection");
        self.link = link;
        self.uplink.connected(link, now);
        self.receive(b"INFO {\"headers\":true,\"max_payload\":1048576}\r\n");
        self.receive(b"PONG\r\n");
        assert_eq!(self.uplink.link(link).unwrap().phase, Phase::Ready);
    }

    fn lose(&mut self) {
        let now = self.now();
        self.uplink.disconnected(self.link, Reason::Closed, now);
    }

    /// Answers the last request that begins so.
    fn answer(&mut self, request: &str, json: &str) {
        let sent = self.sent();
        let line =
            sent.split("\r\n").filter(|line| line.starts_with(&format!("PUB $JS.API.{request}"))).last();
        let reply = line.unwrap_or_else(|| panic!("no {request} in {sent}")).split(' ').nth(2).unwrap();
        self.receive(format!("MSG {reply} 1 {}\r\n{json}\r\n", json.len()).as_bytes());
    }

    /// Says what the stream has, and opens the consumer.
    fn open(&mut self, (first, last): (u64, u64), pending: u64) {
        self.answer("STREAM.INFO", &about(first, last));
        self.answer("CONSUMER.CREATE", &format!("{{\"num_pending\":{pending}}}"));
        self.delivered = 0;
    }

    /// Delivers a batch of another instance, stored now.
    fn deliver(&mut self, sequence: u64, pending: u64, item: Item<'_>) {
        let mut bytes = Head { instance: OTHER, number: sequence, after: 0, entries: 0 }.write().to_vec();
        super::super::batch::write(&mut bytes, item);
        self.delivered += 1;
        let consumer = self.uplink.subjects.consumer(self.uplink.reader.generation());
        let time = self.seconds * 1_000_000_000;
        let reply = format!("$JS.ACK.S.{consumer}.1.{sequence}.{}.{time}.{pending}", self.delivered);
        let mut frame = format!("MSG ipcd.h.room.x 1 {reply} {}\r\n", bytes.len()).into_bytes();
        frame.extend_from_slice(&bytes);
        frame.extend_from_slice(b"\r\n");
        self.receive(&frame);
    }
}

fn about(first: u64, last: u64) -> String {
    format!(
        "{{\"created\":\"once\",\"config\":{{\"subjects\":[\"ipcd.h.room.*\"],\"retention\":\"limits\"}},\
         \"state\":{{\"first_seq\":{first},\"last_seq\":{last}}}}}"
    )
}

/// The ids that batches are published with.
fn ids(sent: &str) -> Vec<&str> {
    sent.split("\r\n").filter_map(|line| line.strip_prefix("Nats-Msg-Id: ")).collect()
}

const HELLO: Item<'_> = Item::Hello { count: 0, digest: 0 };

#[test]
fn instance_whose_first_batch_was_trimmed_unread_takes_a_new_id() {
    let mut line = Line::new();
    line.connect();
    line.open((1, 0), 0);
    assert_eq!(ids(&line.sent()), [format!("{OWN}.1")]);
    line.lose();
    // Others have read the batch, and have declared its author gone in a part of the log that is no longer there.
    line.seconds = 60;
    line.connect();
    line.open((50, 50), 1);
    assert_eq!(ids(&line.sent()), [""; 0], "not everything was read");
    line.deliver(50, 0, HELLO);
    let (sent, next) = (line.sent(), OWN.successor());
    assert!(
        ids(&sent).is_empty() && line.uplink.instance() == next,
        "a refusal is followed by a pause: {sent}"
    );
    line.seconds = 62;
    line.uplink.tick(line.now());
    assert_eq!(ids(&line.sent()), [format!("{next}.1")]);
}

#[test]
fn nothing_is_sent_until_messages_that_did_not_come_are_explained() {
    for (first, is_gone) in [(2, false), (5, true)] {
        let mut line = Line::new();
        line.connect();
        line.open((1, 1), 1);
        line.deliver(1, 0, HELLO);
        assert_eq!(ids(&line.sent()), [format!("{OWN}.1")]);
        line.lose();
        line.seconds = 60;
        line.connect();
        // The stream has 2 to 5, and only 1 and 5 are delivered.
        line.answer("STREAM.INFO", &about(1, 5));
        line.answer("CONSUMER.CREATE", "{\"num_pending\":5}");
        line.delivered = 0;
        line.seconds = 0;
        line.deliver(1, 4, HELLO);
        line.seconds = 60;
        line.deliver(5, 0, HELLO);
        let sent = line.uplink.output(line.link).to_vec();
        let sent = String::from_utf8_lossy(&sent).into_owned();
        assert!(ids(&sent).is_empty() && sent.contains("STREAM.INFO"), "{sent}");
        line.answer("STREAM.INFO", &about(first, 5));
        line.seconds = 62;
        line.uplink.tick(line.now());
        let own = if is_gone { OWN.successor() } else { OWN };
        let (sent, own) = (line.sent(), format!("{own}.1"));
        assert!(ids(&sent).contains(&&*own) && ids(&sent).iter().all(|id| *id == own), "{first}: {sent}");
    }
}

#[test]
fn stream_is_asked_for_again_after_a_second_and_later_less_often() {
    let mut line = Line::new();
    line.connect();
    let mut asked = Vec::new();
    for second in 0..=20 {
        line.seconds = second;
        let now = line.now();
        line.uplink.tick(now);
        asked.extend(line.sent().contains("STREAM.INFO").then_some(second));
        line.receive(b"PONG\r\n");
    }
    assert_eq!(asked, (0..=10).chain([15, 20]).collect::<Vec<_>>());
}
