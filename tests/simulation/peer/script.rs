//! A peer's future messages. Long conversations are created on the way, because most peers leave before their end.

use std::collections::VecDeque;

use ipcd::engine::limits::FramingRule;

use super::expect::{Conversation, Replies};
use super::framing::Framing;
use super::words::ACKNOWLEDGEMENT;
use crate::random::Random;
use crate::settings::OVERLONG;

#[derive(Default)]
pub struct Script {
    units: VecDeque<Vec<u8>>,
    more: Option<More>,
    /// How many units it has begun to send.
    pub begun: usize,
    /// Whether some message may be too long.
    pub is_overlong: bool,
    /// Whether its last message has no end.
    pub is_unfinished: bool,
    /// Whether it speaks another protocol.
    pub is_foreign: bool,
}

/// For the message of a failure.
impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.units.fmt(f)
    }
}

impl Script {
    pub fn push(&mut self, unit: impl Into<Vec<u8>>) {
        self.units.push_back(unit.into());
    }

    pub fn go_on_with(&mut self, more: More) {
        self.more = Some(more);
    }

    pub fn units(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.units.iter()
    }

    pub fn has_units(&self) -> bool {
        !self.units.is_empty()
    }

    pub fn is_over(&self) -> bool {
        self.units.is_empty() && self.more.is_none()
    }

    pub fn clear(&mut self) {
        self.units.clear();
        self.more = None;
    }

    /// Its next message.
    pub fn next(&mut self, framing: &Framing, conversation: &mut Conversation) -> Option<Vec<u8>> {
        self.begun += 1;
        let unit = self.units.pop_front();
        // The last unit must be known as the last one when it is sent.
        if self.units.is_empty()
            && let Some(mut more) = self.more.take()
        {
            let left = match &mut more {
                More::Requests(requests) => {
                    let Conversation::Replies(replies) = conversation else {
                        panic!("requests without replies")
                    };
                    requests.push_next(framing, self.is_overlong, replies, &mut self.units);
                    requests.left
                }
                More::Messages(messages) => {
                    messages.push_next(framing.end(), &mut self.units);
                    messages.left
                }
            };
            self.more = Some(more).filter(|_| left > 0);
        }
        unit.or_else(|| self.units.pop_front())
    }
}

pub enum More {
    Requests(Requests),
    Messages(Messages),
}

/// The end of the last request, or what follows it.
#[derive(Clone, Copy)]
pub enum End {
    Whole,
    /// It ends with the stream.
    WithTheStream,
    /// One more request follows, which never ends.
    Never,
    /// One more request follows, which is too long.
    Overlong,
}

/// Requests for multiply.
pub struct Requests {
    /// Whether it does not wait for the replies.
    pub is_eager: bool,
    pub end: End,
    pub left: usize,
    made: usize,
    random: Random,
}

impl Requests {
    pub fn new(random: &mut Random, is_eager: bool, end: End, left: usize) -> Requests {
        Requests { is_eager, end, left, made: 0, random: Random::new(random.next()) }
    }

    fn push_next(
        &mut self,
        framing: &Framing,
        is_overlong: bool,
        replies: &mut Replies,
        units: &mut VecDeque<Vec<u8>>,
    ) {
        let (mut text, mut result) = request(&mut self.random);
        // An eager raw client must begin with what is clearly a request, or it would be detected as a line client.
        if self.is_eager && framing.rule == FramingRule::Auto && self.made == 0 {
            (text, result) = ("5 10".into(), "50.0".into());
        }
        let lf = framing.end();
        text += lf;
        replies.expect(text.len(), [ACKNOWLEDGEMENT, lf, &result, lf].concat());
        units.push_back(text.into());
        let is_last = self.left == 1 && matches!(self.end, End::Overlong);
        if is_last || !framing.raw && is_overlong && self.random.percent(5) {
            let text = "x".repeat(OVERLONG) + lf;
            replies.expect_overlong(text.len(), format!("Error: message longer than # bytes{lf}"));
            units.push_back(text.into());
        }
        (self.left, self.made) = (self.left - 1, self.made + 1);
        if !framing.raw && self.random.percent(5) {
            let blank = self.random.pick(&["\n", " \n", "\t \r\n"]);
            replies.expect_nothing(blank.len());
            units.push_back(blank.into());
        }
        match self.end {
            _ if self.left > 0 => {}
            End::Whole | End::Overlong => {}
            End::WithTheStream => {
                units.back_mut().expect("there is a request").pop();
            }
            End::Never => units.push_back(b"5 1".to_vec()),
        }
    }
}

/// A request for multiply and its reply.
fn request(random: &mut Random) -> (String, String) {
    let (a, b) = (random.below(2000) as i64 - 1000, random.below(1000) as i64 + 1);
    let value = |value: i64| format!("{value}.0");
    match random.below(14) {
        0 => (format!("{a} + {b}"), value(a + b)),
        1 => (format!("{a} - {b}"), value(a - b)),
        2 => (format!("{a} // {b}"), if a == 0 { value(0) } else { value(a.div_euclid(b)) }),
        3 => (format!("{} % {b}", a.abs()), value(a.abs() % b)),
        4 => (format!("{} ** 2", a.abs()), value(a * a)),
        5 => ("abc".into(), "Error: expected two numbers, for example: 5 10".into()),
        6 => (format!("{b} x"), "Error: not a number: 'x'".into()),
        7 => (format!("{b} / 0"), "Error: division by zero".into()),
        8 => (format!("{b} ^ 2"), "Error: unknown operator: '^' (known: + - * / // % **)".into()),
        9 => (format!("  {b}\t \t{b} "), value(b * b)),
        _ => (format!("{} {b}", a.abs()), value(a.abs() * b)),
    }
}

/// Messages from one of two partners: each contains its sender, its number, and its end.
pub struct Messages {
    pub serial: u64,
    pub is_loud: bool,
    pub bye: Option<&'static str>,
    pub left: usize,
    made: usize,
    random: Random,
}

impl Messages {
    pub fn new(
        random: &mut Random,
        serial: u64,
        is_loud: bool,
        bye: Option<&'static str>,
        left: usize,
    ) -> Messages {
        Messages { serial, is_loud, bye, left, made: 0, random: Random::new(random.next()) }
    }

    fn push_next(&mut self, end: &str, units: &mut VecDeque<Vec<u8>>) {
        if self.left > 0 {
            let filling = &"x".repeat(40)[..self.random.below(if self.is_loud { 40 } else { 20 })];
            units.push_back(format!("t{}.{}~\u{7}{filling}|{end}", self.serial, self.made).into());
            (self.left, self.made) = (self.left - 1, self.made + 1);
        }
        if let Some(bye) = self.bye.filter(|_| self.left == 0) {
            units.push_back(format!("{bye}{end}").into());
        }
    }
}
