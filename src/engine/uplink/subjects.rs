//! The subjects of a house, and those of the answers to us.

use super::ids::{House, InstanceId, LinkId, RoomToken};
use super::wire::decode::number;

/// The subjects for one room.
#[derive(Clone, Debug)]
pub struct Subjects {
    house: Box<str>,
    /// The stream.
    pub stream: String,
    /// All rooms of the house, which the stream stores.
    pub rooms: String,
    /// The room.
    pub room: String,
    /// The signs of life of all instances.
    pub alive: String,
    /// Reports of machines.
    pub stats: String,
    /// The beginning of the subjects for answers to us.
    inbox: String,
    /// The beginning of our consumers' names.
    own: String,
}

/// What an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A batch.
    Batch,
    /// A request for the stream's state.
    Info,
    /// The creation of the stream.
    Create,
    /// The creation of the consumer.
    Consumer,
    /// The messages of the log.
    Log,
    /// A private message that nobody received.
    Whisper,
    /// A request whose answer is ignored.
    Nothing,
}

const LETTERS: [(&str, About); 7] = [
    ("p", About::Batch),
    ("i", About::Info),
    ("s", About::Create),
    ("c", About::Consumer),
    ("m", About::Log),
    ("w", About::Whisper),
    ("x", About::Nothing),
];

impl Subjects {
    /// The subjects for a room. Answers come to an inbox that no other instance has.
    pub fn new(house: &House, room: &RoomToken, inbox: InstanceId) -> Subjects {
        let name = house.as_str();
        Subjects {
            house: name.into(),
            stream: house.stream(),
            rooms: format!("ipcd.{name}.room.*"),
            room: format!("ipcd.{name}.room.{}", room.as_str()),
            alive: format!("ipcd.{name}.alive.*"),
            stats: format!("ipcd.{name}.stats"),
            inbox: format!("_INBOX.{inbox}"),
            own: inbox.to_string(),
        }
    }

    /// Where an instance publishes its signs of life.
    pub fn alive_of(&self, instance: InstanceId) -> String {
        format!("ipcd.{}.alive.{instance}", self.house)
    }

    /// Where an instance receives private messages.
    pub fn to(&self, instance: InstanceId) -> String {
        format!("ipcd.{}.to.{instance}", self.house)
    }

    /// All answers on one connection.
    pub fn inbox(&self, link: LinkId) -> String {
        format!("{}.{}.>", self.inbox, link.0)
    }

    /// The subject of one answer.
    pub fn answer(&self, link: LinkId, about: About, number: u64) -> String {
        let letter = LETTERS.iter().find(|(_, other)| *other == about).map_or("x", |(letter, _)| letter);
        format!("{}.{}.{letter}.{number}", self.inbox, link.0)
    }

    /// The name of one of our consumers.
    pub fn consumer(&self, generation: u64) -> String {
        format!("{}-{generation}", self.own)
    }

    /// What an answer belongs to, and its number.
    pub fn read_answer(&self, subject: &[u8]) -> Option<(About, u64)> {
        let mut parts = subject.strip_prefix(self.inbox.as_bytes())?.split(|byte| *byte == b'.').skip(2);
        let letter = parts.next()?;
        let about = LETTERS.iter().find(|(name, _)| name.as_bytes() == letter)?.1;
        Some((about, number(parts.next()?)?))
    }

    /// Whether a stream's pattern covers all our rooms, or this one.
    pub fn is_covered_by(&self, pattern: &str) -> bool {
        covers(pattern, &self.rooms) || covers(pattern, &self.room)
    }
}

/// Whether `pattern` matches every subject that `subject` matches.
fn covers(pattern: &str, subject: &str) -> bool {
    let mut parts = subject.split('.');
    for wanted in pattern.split('.') {
        match (wanted, parts.next()) {
            (">", Some(_)) => return true,
            ("*", Some(part)) if part != ">" => {}
            (wanted, Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

/// The instance at the end of a subject.
pub fn last_instance(subject: &[u8]) -> Option<InstanceId> {
    InstanceId::read(subject.rsplit(|byte| *byte == b'.').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_distinguished_and_foreign_subjects_ignored() {
        let instance = InstanceId([0xab; 16]);
        let subjects = Subjects::new(&House::new("h").unwrap(), &RoomToken::new("a").unwrap(), instance);
        assert_eq!((subjects.room.as_str(), subjects.stream.as_str()), ("ipcd.h.room.61", "IPCD_h"));
        for (_, about) in LETTERS {
            let subject = subjects.answer(LinkId(7), about, 12);
            assert!(covers(&subjects.inbox(LinkId(7)), &subject));
            assert_eq!(subjects.read_answer(subject.as_bytes()), Some((about, 12)), "{subject}");
        }
        let inbox = format!("_INBOX.{instance}");
        for wrong in
            ["", "_INBOX.x.1.p.1", &format!("{inbox}.1"), &format!("{inbox}.1.p"), &format!("{inbox}.1.q.1")]
        {
            assert_eq!(subjects.read_answer(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(last_instance(subjects.alive_of(instance).as_bytes()), Some(instance));
        assert_eq!(last_instance(b"ipcd.h.alive.x"), None);
    }

    #[test]
    fn streams_for_our_rooms_are_recognised() {
        let room = RoomToken::new("a").unwrap();
        let subjects = Subjects::new(&House::new("h").unwrap(), &room, InstanceId([0; 16]));
        for right in ["ipcd.h.room.*", "ipcd.h.room.>", "ipcd.>", ">", "ipcd.*.room.*", "ipcd.h.room.61"] {
            assert!(subjects.is_covered_by(right), "{right}");
        }
        for wrong in ["ipcd.h.room", "ipcd.i.room.*", "ipcd.h.room.62", "ipcd.h.room.*.>", "ipcd.*"] {
            assert!(!subjects.is_covered_by(wrong), "{wrong}");
        }
    }
}
