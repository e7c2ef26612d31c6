//! Reads the log with one consumer, which is created again if anything is unclear, and with pulls that limit the bytes in
//! transit. Knows the stream's sequence, and no entry.

mod hole;

use std::time::Duration;

use super::super::message::Timestamp;
use super::api::{self, Delivered, Reply};
use super::bounds::{
    ANSWER_TIMEOUT, ASK_TIMEOUT, ASKS_MAX, CONSUMER_SILENCE, PAST_MAX, PULL_MESSAGES, REMAKE_PAUSE,
    RETRY_MAX, RETRY_MIN,
};
use super::ids::LinkId;
use super::ledger::BatchPosition;
use super::reason::Reason;
use super::settings::StreamSettings;
use super::subjects::{About, Subjects};
use super::wire::decode::Message;
use super::wire::encode;

/// The phases of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is no connection.
    Idle,
    /// It waits before it starts again.
    Pausing(Timestamp),
    /// It has asked for the stream's state.
    Asking(Timestamp),
    /// It creates the stream.
    Making(Timestamp),
    /// It creates the consumer.
    Opening(Timestamp),
    /// It reads; with the time of the consumer's last sign of life.
    Reading(Timestamp),
}

/// What an answer has shown.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing to report.
    Nothing,
    /// We have created the stream.
    Created,
    /// The stream differs from the configuration.
    Differs(String),
    /// The stream was replaced.
    OtherLog,
}

/// What the consumer has delivered.
#[derive(Debug, PartialEq, Eq)]
pub enum Got {
    /// Nothing new.
    Nothing,
    /// The last message that we have read is gone: the end of the log was lost and replaced.
    OtherLog,
    /// The next message.
    Message {
        /// Its position.
        at: BatchPosition,
        /// Messages between it and the last one are missing: they belong to another room, or were trimmed.
        is_behind_hole: bool,
    },
}

/// The reader.
#[derive(Debug)]
pub struct Reader {
    stage: Stage,
    /// The number of the consumer; messages of earlier ones do not count.
    generation: u64,
    /// The consumer's name.
    name: String,
    link: LinkId,
    retry: Duration,
    /// The sequence number of the last message that was read.
    pub position: u64,
    /// When that message was stored, by the log's clock; 0: it is not a message.
    pub time: u64,
    /// Set while the first message must be the last one that was read, which shows that the log is the same.
    is_verifying: bool,
    /// When the stream was created.
    pub created: String,
    /// The end of the log when the consumer was created.
    target: u64,
    /// How many messages of the room follow the last one that was read.
    pub lag: u64,
    /// Messages that this consumer delivered.
    delivered: u64,
    /// Messages that the server may still send.
    outstanding: u64,
    /// Set if the next message is larger than a pull may be.
    is_big: bool,
    /// Whether anything came since the last pull.
    has_moved: bool,
    /// Since when the stream ends before the last message that we have read.
    short_since: Option<Timestamp>,
    /// Since when there is no stream.
    gone_since: Option<Timestamp>,
    has_reported_differences: bool,
    /// Messages after the last one that was read were trimmed, and this was not reported yet.
    has_gap: bool,
    /// The last message before one that was not delivered, although the stream had it when it was checked: it belongs to another
    /// room, or was trimmed since.
    hole: Option<u64>,
    /// Until when the answer that decides this may come.
    decided_by: Option<Timestamp>,
    /// Requests for the stream's state since the last one that led to a consumer.
    asked: u32,
    /// The longest message of the stream in bytes; 0: no limit.
    pub message_bytes_max: u64,
}

impl Reader {
    pub fn new((position, time): (u64, u64), created: String, generation: u64) -> Reader {
        Reader {
            stage: Stage::Idle,
            generation,
            name: String::new(),
            link: LinkId(0),
            retry: RETRY_MIN,
            position,
            time,
            is_verifying: false,
            created,
            target: u64::MAX,
            lag: 0,
            delivered: 0,
            outstanding: 0,
            is_big: false,
            has_moved: false,
            short_since: None,
            gone_since: None,
            has_reported_differences: false,
            has_gap: false,
            hole: None,
            decided_by: None,
            asked: 0,
            message_bytes_max: 0,
        }
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether everything was read that the log had when the consumer was created, nothing of it was trimmed before we read it, and
    /// the consumer is alive.
    pub fn is_caught_up(&self) -> bool {
        self.has_read_all() && self.hole.is_none()
    }

    fn has_read_all(&self) -> bool {
        let is_reading = matches!(self.stage, Stage::Reading(_)) && !self.is_verifying;
        is_reading && (self.position >= self.target || self.lag == 0)
    }

    /// Whether it waits for the stream itself.
    pub fn is_opening(&self) -> bool {
        !matches!(self.stage, Stage::Reading(_) | Stage::Idle)
    }

    fn request(&self, out: &mut Vec<u8>, subjects: &Subjects, what: (&str, About), body: &str) {
        let reply = subjects.answer(self.link, what.1, self.generation);
        encode::publish(out, what.0, &reply, &[body.as_bytes()]);
    }

    /// Starts again, because a connection is ready or anything is unclear.
    pub fn start(&mut self, link: LinkId, subjects: &Subjects, out: &mut Vec<u8>, now: Timestamp) {
        if matches!(self.stage, Stage::Reading(_) | Stage::Opening(_)) && link == self.link {
            let old = format!("$JS.API.CONSUMER.DELETE.{}.{}", subjects.stream, self.name);
            self.request(out, subjects, (&old, About::Nothing), "");
        }
        self.link = link;
        self.generation += 1;
        self.name = subjects.consumer(self.generation);
        self.target = u64::MAX;
        self.decided_by = None;
        self.ask(subjects, out);
        // Without a leader nobody answers, and nobody tells when there is one.
        let timeout = if self.asked < ASKS_MAX { ASK_TIMEOUT } else { ANSWER_TIMEOUT };
        self.asked = self.asked.saturating_add(1);
        self.stage = Stage::Asking(now + timeout);
    }

    fn ask(&self, subjects: &Subjects, out: &mut Vec<u8>) {
        let info = format!("$JS.API.STREAM.INFO.{}", subjects.stream);
        self.request(out, subjects, (&info, About::Info), "");
    }

    /// Reads the log from its beginning, because it was replaced. Nothing counts twice.
    pub fn rewind(&mut self) {
        (self.position, self.time) = (0, 0);
        self.created.clear();
    }

    /// Whether messages after the last one were trimmed. Asked when the stream has answered, before any message is read.
    pub fn take_gap(&mut self) -> bool {
        std::mem::take(&mut self.has_gap)
    }

    /// Puts back the last returned message: it is read again when we know what the stream still has.
    pub fn put_back(&mut self, (position, time): (u64, u64)) {
        (self.position, self.time) = (position, time);
    }

    /// Whether it reads from the beginning.
    pub fn is_rewound(&self) -> bool {
        self.created.is_empty()
    }

    /// Stops, because the connection was lost.
    pub fn stop(&mut self) {
        self.short_since = None;
        self.stage = Stage::Idle;
    }

    /// Starts again after a pause, because something went wrong.
    pub fn pause(&mut self, now: Timestamp) {
        if self.stage != Stage::Idle {
            self.stage = Stage::Pausing(now + self.retry);
            self.retry = (self.retry * 2).min(RETRY_MAX);
        }
    }

    /// Handles an answer about the stream or the consumer.
    pub fn answered(
        &mut self,
        (about, generation): (About, u64),
        message: &Message<'_>,
        (subjects, wanted): (&Subjects, &StreamSettings),
        out: &mut Vec<u8>,
        now: Timestamp,
    ) -> Result<News, Reason> {
        if generation != self.generation {
            return Ok(News::Nothing);
        }
        match (self.stage, about) {
            (Stage::Asking(_), About::Info) | (Stage::Making(_), About::Create) => {}
            (Stage::Reading(_), About::Info) if self.decided_by.is_some() => {}
            (Stage::Opening(_), About::Consumer) => return self.opened(message, subjects, out, now),
            _ => return Ok(News::Nothing),
        }
        if message.status() == 503 {
            return Err(Reason::NoJetStream);
        }
        let reply =
            Reply::read(message.payload).ok_or(Reason::Protocol("a reply of JetStream is no JSON"))?;
        match &reply.error {
            Some(error) if error.err_code == api::NO_STREAM && matches!(self.stage, Stage::Asking(_)) => {
                // A stream that is created while its deletion is under way remains broken.
                let since = *self.gone_since.get_or_insert(now);
                if !self.created.is_empty() && now.since(since) < REMAKE_PAUSE {
                    return Err(Reason::Stream("it was deleted".into()));
                }
                let create = format!("$JS.API.STREAM.CREATE.{}", subjects.stream);
                let body = api::create_stream(subjects, wanted);
                self.request(out, subjects, (&create, About::Create), &body);
                self.stage = Stage::Making(now + ANSWER_TIMEOUT);
                Ok(News::Nothing)
            }
            Some(error) => Err(reason_of(error)),
            None if matches!(self.stage, Stage::Reading(_)) => self.decided(&reply),
            None => self.found(&reply, (subjects, wanted), out, now),
        }
    }

    /// Handles a stream that exists.
    fn found(
        &mut self,
        reply: &Reply,
        (subjects, wanted): (&Subjects, &StreamSettings),
        out: &mut Vec<u8>,
        now: Timestamp,
    ) -> Result<News, Reason> {
        let config = &reply.config;
        if !config.subjects.iter().any(|pattern| subjects.is_covered_by(pattern)) {
            let stored = config.subjects.join(", ");
            return Err(Reason::WrongStream(format!("it stores {stored}, not {}", subjects.rooms)));
        }
        if config.retention != "limits" {
            return Err(Reason::WrongStream(format!("its retention is {}, not limits", config.retention)));
        }
        self.message_bytes_max = u64::try_from(config.max_msg_size).unwrap_or(0);
        let state = reply.state;
        let is_new = !self.created.is_empty() && self.created != reply.created;
        if !is_new && state.last_seq < self.position {
            // A new leader may not have reached its own end yet.
            let since = *self.short_since.get_or_insert(now);
            if now.since(since) < ANSWER_TIMEOUT {
                return Err(Reason::NoQuorum);
            }
        }
        (self.short_since, self.gone_since) = (None, None);
        let is_lost = is_new || state.last_seq < self.position;
        let is_first = self.created.is_empty();
        if is_lost {
            self.position = 0;
        }
        if is_lost || is_first {
            let past = state.last_seq.saturating_sub(PAST_MAX);
            self.position =
                self.position.max(past).max(state.first_seq.saturating_sub(1)).min(state.last_seq);
        }
        let is_beginning = is_lost || is_first;
        let read_to = self.hole.take().map_or(self.position, |hole| hole.min(self.position));
        self.has_gap = state.first_seq > read_to.saturating_add(1) || is_beginning && self.position > 0;
        // What is known to be trimmed is no hole.
        let there = state.first_seq.saturating_sub(1).min(state.last_seq);
        if there > self.position {
            (self.position, self.time) = (there, 0);
        }
        let is_there = (state.first_seq..=state.last_seq).contains(&self.position);
        self.is_verifying = is_there && !is_lost && !is_first && self.time > 0;
        if is_lost || is_first {
            self.time = 0;
        }
        self.created.clone_from(&reply.created);
        self.target = state.last_seq;
        self.lag = state.last_seq - self.position;
        let create = format!("$JS.API.CONSUMER.CREATE.{}.{}.{}", subjects.stream, self.name, subjects.room);
        let start = self.position.saturating_add(u64::from(!self.is_verifying));
        let body = api::create_consumer(subjects, &self.name, start);
        self.request(out, subjects, (&create, About::Consumer), &body);
        self.stage = Stage::Opening(now + ANSWER_TIMEOUT);
        if is_lost {
            return Ok(News::OtherLog);
        }
        if reply.did_create {
            return Ok(News::Created);
        }
        let what = api::differences(config, wanted);
        if what.is_empty() || std::mem::replace(&mut self.has_reported_differences, true) {
            return Ok(News::Nothing);
        }
        Ok(News::Differs(what))
    }

    fn opened(
        &mut self,
        message: &Message<'_>,
        subjects: &Subjects,
        out: &mut Vec<u8>,
        now: Timestamp,
    ) -> Result<News, Reason> {
        if message.status() == 503 {
            return Err(Reason::NoJetStream);
        }
        let reply =
            Reply::read(message.payload).ok_or(Reason::Protocol("a reply of JetStream is no JSON"))?;
        if let Some(error) = &reply.error {
            return Err(reason_of(error));
        }
        if self.is_verifying && reply.num_pending == 0 {
            self.rewind();
            return Ok(News::OtherLog);
        }
        self.lag = reply.num_pending;
        if self.lag == 0 && self.position < self.target {
            self.hole = Some(self.position);
        }
        (self.retry, self.asked) = (RETRY_MIN, 0);
        (self.delivered, self.outstanding) = (0, 0);
        (self.is_big, self.has_moved) = (false, false);
        self.stage = Stage::Reading(now);
        self.pull(subjects, out);
        Ok(News::Nothing)
    }

    fn pull(&mut self, subjects: &Subjects, out: &mut Vec<u8>) {
        let next = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", subjects.stream, self.name);
        self.request(out, subjects, (&next, About::Log), &api::pull(self.is_big));
        self.outstanding += if self.is_big { 1 } else { PULL_MESSAGES };
        self.has_moved = false;
    }

    /// Handles a message from the consumer. On an error, the consumer must be created again.
    pub fn delivered(
        &mut self,
        generation: Option<u64>,
        message: &Message<'_>,
        subjects: &Subjects,
        out: &mut Vec<u8>,
        now: Timestamp,
    ) -> Result<Got, ()> {
        if !matches!(self.stage, Stage::Reading(_)) {
            return Ok(Got::Nothing);
        }
        let Some(delivered) = Delivered::read(message.reply) else {
            let is_current = generation == Some(self.generation);
            return if is_current { self.control(message, subjects, out, now) } else { Ok(Got::Nothing) };
        };
        if delivered.consumer != self.name.as_bytes() {
            return Ok(Got::Nothing);
        }
        if delivered.delivered != self.delivered + 1 {
            return Err(());
        }
        self.stage = Stage::Reading(now);
        self.delivered += 1;
        self.lag = delivered.pending;
        self.has_moved = true;
        self.outstanding = self.outstanding.saturating_sub(1);
        self.is_big = false;
        if self.outstanding <= PULL_MESSAGES / 2 {
            self.pull(subjects, out);
        }
        if std::mem::take(&mut self.is_verifying)
            && (delivered.sequence, delivered.time) != (self.position, self.time)
        {
            return Ok(Got::OtherLog);
        }
        if delivered.sequence <= self.position {
            return Ok(Got::Nothing);
        }
        let is_after_hole = delivered.sequence > self.position + 1;
        let is_behind_hole = is_after_hole && delivered.sequence > self.target;
        // Messages that were in the stream when it was checked are not missing, unless they were trimmed since.
        if is_after_hole && !is_behind_hole {
            self.hole.get_or_insert(self.position);
        }
        (self.position, self.time) = (delivered.sequence, delivered.time);
        Ok(Got::Message {
            at: BatchPosition { sequence: delivered.sequence, time: delivered.time },
            is_behind_hole,
        })
    }

    /// Handles a message of the server itself.
    fn control(
        &mut self,
        message: &Message<'_>,
        subjects: &Subjects,
        out: &mut Vec<u8>,
        now: Timestamp,
    ) -> Result<Got, ()> {
        let about = message.description().to_ascii_lowercase();
        let says = |word: &[u8]| about.windows(word.len()).any(|part| part == word);
        match message.status() {
            100 => {
                // Messages were lost in transit.
                if message.field(b"Nats-Last-Consumer").is_some_and(|last| last != self.delivered) {
                    return Err(());
                }
                self.stage = Stage::Reading(now);
            }
            404 | 408 => self.ended(message, subjects, out),
            409 if says(b"message size exceeds maxbytes") => {
                self.is_big = !self.has_moved;
                self.ended(message, subjects, out);
            }
            409 if says(b"batch completed") => self.ended(message, subjects, out),
            _ => return Err(()),
        }
        Ok(Got::Nothing)
    }

    /// Handles the end of a pull.
    fn ended(&mut self, message: &Message<'_>, subjects: &Subjects, out: &mut Vec<u8>) {
        let left = message.field(b"Nats-Pending-Messages").unwrap_or(self.outstanding);
        self.outstanding = self.outstanding.saturating_sub(left);
        if self.outstanding <= PULL_MESSAGES / 2 {
            self.pull(subjects, out);
        }
    }

    /// When [`is_due`](Self::is_due) must be asked.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Idle => None,
            Stage::Pausing(at) | Stage::Asking(at) | Stage::Making(at) | Stage::Opening(at) => Some(at),
            Stage::Reading(heard) => {
                let silence = heard + CONSUMER_SILENCE;
                Some(self.decided_by.map_or(silence, |at| at.min(silence)))
            }
        }
    }

    /// Whether it must start again now; with the reason, if an answer is missing.
    pub fn is_due(&mut self, now: Timestamp) -> Option<Option<Reason>> {
        if self.deadline().is_none_or(|at| now < at) {
            return None;
        }
        Some(match self.stage {
            Stage::Asking(_) | Stage::Making(_) | Stage::Opening(_) => {
                self.short_since = None;
                Some(Reason::NoQuorum)
            }
            _ => None,
        })
    }
}

/// The reason in an error of JetStream.
fn reason_of(error: &api::ApiError) -> Reason {
    match error.err_code {
        api::UNAVAILABLE => Reason::NoQuorum,
        code if api::NOT_ENABLED.contains(&code) => Reason::NoJetStream,
        _ => Reason::Stream(error.description.clone()),
    }
}
