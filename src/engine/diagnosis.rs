//! The classic mistakes of a first client, named in plain words with what would be right. Knows what was said and what it
//! looked like; has never seen a connection.

use super::limits::HINT_ENDPOINTS_MAX;
use super::message::Foreign;
use super::number;
use super::service::{Service, multiply};
use super::text::{quote, words};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Closed with a reply unread, so that the connection was reset.
    Unread,
    /// Connected, and sent nothing.
    Silent,
    /// Neither a line end nor a complete request.
    Unfinished,
    /// Read one of two replies.
    ReadOnce,
    /// Another service's port, or another protocol.
    WrongPort,
    /// A number with a comma.
    Comma,
}

impl Mistake {
    /// Every mistake.
    pub const ALL: [Mistake; 6] = [
        Mistake::Unread,
        Mistake::Silent,
        Mistake::Unfinished,
        Mistake::ReadOnce,
        Mistake::WrongPort,
        Mistake::Comma,
    ];

    /// Its name in a watcher's JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Mistake::Unread => "unread",
            Mistake::Silent => "silent",
            Mistake::Unfinished => "unfinished",
            Mistake::ReadOnce => "read_once",
            Mistake::WrongPort => "wrong_port",
            Mistake::Comma => "comma",
        }
    }
}

/// A mistake, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Which one.
    pub mistake: Mistake,
    /// In words. What the peer said is escaped.
    pub text: String,
}

impl Hint {
    fn new(mistake: Mistake, text: impl Into<String>) -> Hint {
        Hint { mistake, text: text.into() }
    }
}

/// What is open, and what is said there.
pub type Endpoints<'a> = &'a [(String, Service)];

/// The connection was reset after something had been sent to it.
pub fn of_reset(service: Service) -> Hint {
    let more = match service {
        Service::Multiply => {
            "; multiply answers each request with two messages, 'Data received' and the result"
        }
        _ => "",
    };
    Hint::new(
        Mistake::Unread,
        format!(
            "it closed with a reply unread, so that the connection was reset: read until the end of file, then close{more}"
        ),
    )
}

/// It left between the two replies to a request.
pub fn of_leaving_early() -> Hint {
    Hint::new(
        Mistake::ReadOnce,
        "it left after 'Data received' and before the result: there are two replies, so call recv() twice, or until the end of file",
    )
}

/// It has sent nothing so far; `left`: and is gone. Nothing is wrong with that where nobody has to begin.
pub fn of_silence(service: Service, left: bool) -> Option<Hint> {
    let wanted = match service {
        Service::Multiply => "two numbers, for example 5 10",
        Service::Chat => "a name, and then what you have to say",
        Service::Hello => "any message",
        Service::Stats => "a machine's figures, or help",
        Service::Mux => "a service's name, or help",
        Service::Greeting | Service::Talk | Service::Status | Service::Watch => return None,
    };
    let what =
        if left { "it connected, sent nothing, and left" } else { "it is connected and has sent nothing" };
    Some(Hint::new(Mistake::Silent, format!("{what}: {service} waits for {wanted}")))
}

/// It has paused after bytes that are no complete request and have no line end.
pub fn of_unfinished(bytes: &[u8]) -> Hint {
    let said = quote(bytes);
    Hint::new(
        Mistake::Unfinished,
        format!(
            "'{said}' has no line end and is no complete request: end each message with a newline, or send it whole with one send()"
        ),
    )
}

/// It spoke another protocol.
pub fn of_foreign(foreign: Foreign, service: Service, endpoints: Endpoints<'_>) -> Hint {
    let what = match foreign {
        Foreign::Http => "it speaks HTTP, as a browser does",
        Foreign::Tls => "it speaks TLS, as https does",
    };
    Hint::new(Mistake::WrongPort, format!("{what}, and here is {service}: {}", elsewhere(endpoints, None)))
}

/// Multiply could not read this request.
pub fn of_request(request: &[u8], endpoints: Endpoints<'_>) -> Option<Hint> {
    for word in words(request) {
        let Ok(word) = std::str::from_utf8(word) else { continue };
        let pointed = word.replace(',', ".");
        if word.contains(',') && number::parse(&pointed).is_some() {
            let text =
                format!("'{}' is no number here: write {}, with a point", quote(word.as_bytes()), pointed);
            return Some(Hint::new(Mistake::Comma, text));
        }
    }
    let is_number = |word: &[u8]| std::str::from_utf8(word).is_ok_and(|word| number::parse(word).is_some());
    let has_number = request.iter().any(u8::is_ascii_digit) || words(request).any(is_number);
    (!has_number).then(|| {
        let (said, others) = (quote(request), elsewhere(endpoints, Some(Service::Multiply)));
        Hint::new(Mistake::WrongPort, format!("'{said}' has no number in it, and here is multiply: {others}"))
    })
}

/// Somebody wants to be called this in the chat.
pub fn of_name(name: &str, endpoints: Endpoints<'_>) -> Option<Hint> {
    multiply::is_complete(name.as_bytes()).then(|| {
        let (name, others) = (quote(name.as_bytes()), elsewhere(endpoints, Some(Service::Chat)));
        Hint::new(
            Mistake::WrongPort,
            format!("'{name}' looks like a request for multiply, and is a name here: {others}"),
        )
    })
}

/// What is said where, but for one service.
fn elsewhere(endpoints: Endpoints<'_>, but: Option<Service>) -> String {
    let others = endpoints.iter().filter(|(_, service)| Some(*service) != but);
    let list: Vec<String> = others
        .take(HINT_ENDPOINTS_MAX)
        .map(|(endpoint, service)| format!("{service} is on {endpoint}"))
        .collect();
    match list.is_empty() {
        true => "nothing else is open".to_owned(),
        false => list.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Vec<(String, Service)> {
        vec![("tcp://[::1]:1".into(), Service::Multiply), ("tcp://[::1]:2".into(), Service::Chat)]
    }

    #[test]
    fn a_comma_is_told_with_the_number_that_was_meant_and_other_mistakes_are_not_commas() {
        let of = |request: &str| of_request(request.as_bytes(), &endpoints());
        assert_eq!(of("3,14 2").unwrap().text, "'3,14' is no number here: write 3.14, with a point");
        assert_eq!(of("2 -1,5").map(|hint| hint.mistake), Some(Mistake::Comma));
        assert_eq!(of("5 x"), None);
        assert_eq!(of("1,2,3 4"), None);
        assert_eq!(of("nan"), None);
    }

    #[test]
    fn text_without_a_number_is_told_what_is_open_elsewhere() {
        let hint = of_request(b"Hi\x1b", &endpoints()).unwrap();
        assert_eq!(
            (hint.mistake, hint.text.as_str()),
            (
                Mistake::WrongPort,
                "'Hi\\u{1b}' has no number in it, and here is multiply: chat is on tcp://[::1]:2"
            )
        );
        assert!(of_request(b"Hi", &[]).unwrap().text.ends_with("nothing else is open"));
        assert!(of_name("5 10", &endpoints()).unwrap().text.ends_with("multiply is on tcp://[::1]:1"));
        assert_eq!(of_name("alice", &endpoints()), None);
    }

    #[test]
    fn no_list_of_endpoints_is_longer_than_its_bound() {
        let many: Vec<_> = (0..100).map(|port| (format!("tcp://[::1]:{port}"), Service::Chat)).collect();
        let hint = of_foreign(Foreign::Http, Service::Chat, &many);
        assert_eq!(hint.text.matches("chat is on").count(), HINT_ENDPOINTS_MAX);
    }
}
