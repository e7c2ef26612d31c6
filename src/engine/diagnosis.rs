//! The classic mistakes of a first client, named in plain words with what would be right. Knows what was said and what it
//! looked like; has never seen a connection.

use super::foreign::Foreign;
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

/// Where a mistake is made.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The endpoint that the peer came in through.
    pub here: &'a str,
    /// Everything that is open, in the configuration's order.
    pub endpoints: Endpoints<'a>,
}

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
pub fn of_foreign(foreign: Foreign, service: Service, place: Place<'_>) -> Hint {
    let what = format!("it speaks {}, as {} does", foreign.name(), foreign.speaker());
    Hint::new(Mistake::WrongPort, format!("{what}, and here is {service}: {}", place.elsewhere(service)))
}

/// Multiply could not read this request.
pub fn of_request(request: &[u8], place: Place<'_>) -> Option<Hint> {
    if let Some(text) = of_separator(request) {
        return Some(Hint::new(Mistake::Comma, text));
    }
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
        let (said, others) = (quote(request), place.elsewhere(Service::Multiply));
        Hint::new(Mistake::WrongPort, format!("'{said}' has no number in it, and here is multiply: {others}"))
    })
}

/// A comma stands between the numbers, and not in one of them: there is a request once it is gone.
fn of_separator(request: &[u8]) -> Option<String> {
    let said = std::str::from_utf8(request).ok().filter(|said| said.contains(','))?;
    let meant = said.replace(',', " ");
    multiply::is_complete(meant.as_bytes()).then(|| {
        let meant: Vec<&str> = meant.split_ascii_whitespace().collect();
        let (said, meant) = (quote(request), quote(meant.join(" ").as_bytes()));
        format!("'{said}' has a comma between its numbers: write {meant}, with white space alone")
    })
}

/// Somebody wants to be called this in the chat.
pub fn of_name(name: &str, place: Place<'_>) -> Option<Hint> {
    multiply::is_complete(name.as_bytes()).then(|| {
        let (name, others) = (quote(name.as_bytes()), place.elsewhere(Service::Chat));
        Hint::new(
            Mistake::WrongPort,
            format!("'{name}' looks like a request for multiply, and is a name here: {others}"),
        )
    })
}

impl Place<'_> {
    /// Where the other services are, each once: at an endpoint of the same kind, since that is what the peer can speak, or,
    /// where it has none, at its first. In their order, however many endpoints each has.
    fn elsewhere(self, but: Service) -> String {
        let kind = |endpoint: &str| endpoint.split(':').next().map(str::to_owned);
        let mut others: Vec<(&str, Service)> = Vec::new();
        for (endpoint, service) in self.endpoints.iter().filter(|(_, service)| *service != but) {
            match others.iter_mut().find(|(_, known)| known == service) {
                None => others.push((endpoint, *service)),
                Some((best, _)) if kind(best) != kind(self.here) && kind(endpoint) == kind(self.here) => {
                    *best = endpoint;
                }
                Some(_) => {}
            }
        }
        let list: Vec<String> =
            others.iter().map(|(endpoint, service)| format!("{service} is on {endpoint}")).collect();
        match list.is_empty() {
            true => "nothing else is open".to_owned(),
            false => list.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Vec<(String, Service)> {
        vec![("tcp://[::1]:1".into(), Service::Multiply), ("tcp://[::1]:2".into(), Service::Chat)]
    }

    fn place(endpoints: Endpoints<'_>) -> Place<'_> {
        Place { here: "tcp://[::1]:1", endpoints }
    }

    #[test]
    fn a_comma_is_told_with_what_was_meant_and_other_mistakes_are_not_commas() {
        let endpoints = endpoints();
        let of = |request: &str| of_request(request.as_bytes(), place(&endpoints));
        assert_eq!(of("3,14 2").unwrap().text, "'3,14' is no number here: write 3.14, with a point");
        assert_eq!(of("1,5 * 2,5").unwrap().text, "'1,5' is no number here: write 1.5, with a point");
        assert_eq!(of("2 -1,5").map(|hint| hint.mistake), Some(Mistake::Comma));
        assert_eq!(of("5 x"), None);
        assert_eq!(of("1,2,3 4"), None);
        assert_eq!(of("nan"), None);
    }

    #[test]
    fn a_comma_between_the_numbers_is_not_taken_for_a_point_in_one() {
        let endpoints = endpoints();
        for said in ["5,10", "5, 10", "5 ,10", "5 , 10"] {
            let hint = of_request(said.as_bytes(), place(&endpoints)).unwrap();
            let text =
                format!("'{said}' has a comma between its numbers: write 5 10, with white space alone");
            assert_eq!((hint.mistake, hint.text), (Mistake::Comma, text));
        }
        let hint = of_request(b"5,*, 10", place(&endpoints)).unwrap();
        assert!(hint.text.contains("write 5 * 10,"), "{}", hint.text);
    }

    #[test]
    fn text_without_a_number_is_told_what_is_open_elsewhere() {
        let endpoints = endpoints();
        let place = place(&endpoints);
        let hint = of_request(b"Hi\x1b", place).unwrap();
        assert_eq!(
            (hint.mistake, hint.text.as_str()),
            (
                Mistake::WrongPort,
                "'Hi\\u{1b}' has no number in it, and here is multiply: chat is on tcp://[::1]:2"
            )
        );
        let nothing = Place { endpoints: &[], ..place };
        assert!(of_request(b"Hi", nothing).unwrap().text.ends_with("nothing else is open"));
        assert!(of_name("5 10", place).unwrap().text.ends_with("multiply is on tcp://[::1]:1"));
        assert_eq!(of_name("alice", place), None);
    }

    #[test]
    fn each_other_service_is_named_once_where_the_peer_can_reach_it_and_its_own_never() {
        let kinds = ["udp://[::1]", "unix:///s", "tcp://127.0.0.1", "tcp://[::1]", "fifo:///f"];
        let services = [Service::Chat, Service::Multiply, Service::Greeting, Service::Hello, Service::Talk];
        let all = services.into_iter().zip(1..);
        let mut endpoints: Vec<_> =
            all.flat_map(|(service, port)| kinds.map(|kind| (format!("{kind}:{port}"), service))).collect();
        endpoints.push(("unixseq:///stats".to_owned(), Service::Stats));
        let hint = of_foreign(Foreign::Http, Service::Multiply, place(&endpoints));
        assert_eq!(
            hint.text,
            "it speaks HTTP, as a browser does, and here is multiply: chat is on tcp://127.0.0.1:1, greeting is on \
             tcp://127.0.0.1:3, hello is on tcp://127.0.0.1:4, talk is on tcp://127.0.0.1:5, stats is on unixseq:///stats"
        );
    }
}
