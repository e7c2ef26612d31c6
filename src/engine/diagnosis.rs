//! The classic mistakes of a first client, in plain words with their corrections. Knows messages and their form, but no
//! connection.

pub mod form;

use super::number;
use super::service::{Service, multiply};
use super::text::{is_invisible, quote};
use super::wrong_protocol::WrongProtocol;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Closed before reading a reply, so the connection was reset.
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
    /// Quotes, brackets, semicolons and the like around or between the numbers.
    Punctuation,
    /// The name of the service in front of the request.
    ServiceName,
    /// A JSON object.
    Json,
    /// A minus sign that is not the keyboard's.
    MinusSign,
    /// One number alone.
    OneNumber,
    /// Several sends without a message end, which together are not a request.
    JoinedSends,
    /// Messages that end with NUL, or a whole array.
    CString,
    /// A length before each message.
    LengthPrefix,
    /// Telnet's commands.
    Telnet,
    /// An object as a library writes it.
    Serialized,
    /// UTF-16, Latin-1, or another encoding than UTF-8.
    Encoding,
    /// A newline in a segment of its own.
    NewlineApart,
    /// It waits for more replies than there are.
    SecondRecv,
}

impl Mistake {
    /// Every mistake.
    pub const ALL: [Mistake; 19] = [
        Mistake::Unread,
        Mistake::Silent,
        Mistake::Unfinished,
        Mistake::ReadOnce,
        Mistake::WrongPort,
        Mistake::Comma,
        Mistake::Punctuation,
        Mistake::ServiceName,
        Mistake::Json,
        Mistake::MinusSign,
        Mistake::OneNumber,
        Mistake::JoinedSends,
        Mistake::CString,
        Mistake::LengthPrefix,
        Mistake::Telnet,
        Mistake::Serialized,
        Mistake::Encoding,
        Mistake::NewlineApart,
        Mistake::SecondRecv,
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
            Mistake::Punctuation => "punctuation",
            Mistake::ServiceName => "service_name",
            Mistake::Json => "json",
            Mistake::MinusSign => "minus_sign",
            Mistake::OneNumber => "one_number",
            Mistake::JoinedSends => "joined_sends",
            Mistake::CString => "c_string",
            Mistake::LengthPrefix => "length_prefix",
            Mistake::Telnet => "telnet",
            Mistake::Serialized => "serialized",
            Mistake::Encoding => "encoding",
            Mistake::NewlineApart => "newline_apart",
            Mistake::SecondRecv => "second_recv",
        }
    }
}

impl Mistake {
    /// Whether it says only how a connection ended or what it does not do, and not what was wrong with what was said.
    pub const fn is_vague(self) -> bool {
        matches!(self, Mistake::Unread | Mistake::Silent | Mistake::ReadOnce | Mistake::SecondRecv)
    }

    /// The bit of a mistake that is reported once for each connection, because its program makes it with each message, or
    /// because it replaces another one.
    pub const fn once(self) -> Option<u32> {
        Some(match self {
            Mistake::Unread | Mistake::ReadOnce => 1,
            Mistake::CString => 1 << 1,
            Mistake::LengthPrefix => 1 << 2,
            Mistake::Telnet => 1 << 3,
            Mistake::Encoding => 1 << 4,
            Mistake::NewlineApart => 1 << 5,
            Mistake::SecondRecv => 1 << 6,
            Mistake::Unfinished | Mistake::JoinedSends => 1 << 7,
            _ => return None,
        })
    }
}

/// A mistake, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Which one.
    pub mistake: Mistake,
    /// The text. Quotations from the peer are escaped.
    pub text: String,
}

impl Hint {
    fn new(mistake: Mistake, text: impl Into<String>) -> Hint {
        Hint { mistake, text: text.into() }
    }
}

/// The open endpoints and their services.
pub type Endpoints<'a> = &'a [(String, Service)];

/// Where a mistake is made.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The endpoint that the peer came in through.
    pub here: &'a str,
    /// Everything that is open, in the configuration's order.
    pub endpoints: Endpoints<'a>,
}

/// The connection was reset after something had been sent to it. `None` for a service where others speak too: what it has
/// not read there is no reply.
pub fn of_reset(service: Service) -> Option<Hint> {
    let facts = service.facts();
    let more = facts.unread;
    let what = if more.is_empty() { "all that was sent to it" } else { "the result" };
    (!facts.is_shared).then(|| {
        Hint::new(
            Mistake::Unread,
            format!(
                "it closed before it had read {what}, so the connection was reset: read until end of file, then close{more}"
            ),
        )
    })
}

/// It left between the two replies to a request.
pub fn of_leaving_early() -> Hint {
    Hint::new(
        Mistake::ReadOnce,
        "it left after 'Data received' and before the result: there are two replies, so call recv() twice, or until end of file",
    )
}

/// It has sent nothing so far; `left`: and is gone. `None` for a service that expects no message.
pub fn of_silence(service: Service, left: bool) -> Option<Hint> {
    let wanted = service.facts().waits_for?;
    let what =
        if left { "it connected, sent nothing, and left" } else { "it is connected and has sent nothing" };
    let flush = "call flush() to send what is still in a buffer";
    Some(Hint::new(Mistake::Silent, format!("{what}: {service} waits for {wanted}; {flush}")))
}

/// It has paused after bytes that are not a complete request and have no line end.
pub fn of_unfinished(bytes: &[u8]) -> Hint {
    let said = quote(bytes);
    Hint::new(
        Mistake::Unfinished,
        format!("'{said}' has no newline and is not a complete request: end each message with a newline"),
    )
}

/// It spoke another protocol.
pub fn of_wrong_protocol(protocol: WrongProtocol, service: Service, context: Context<'_>) -> Hint {
    let what = format!("it speaks {}, like {}", protocol.name(), protocol.speaker());
    Hint::new(Mistake::WrongPort, format!("{what}, but this is {service}: {}", context.elsewhere(service)))
}

/// Multiply could not read this request.
pub fn of_request(request: &[u8], context: Context<'_>) -> Option<Hint> {
    let text = std::str::from_utf8(request).ok()?;
    if text.contains(|c: char| is_invisible(c) && !c.is_whitespace()) {
        return None; // binary or another encoding: a hint about words would be wrong
    }
    of_wording(text).or_else(|| of_word(text)).or_else(|| of_text_without_number(text, context))
}

/// Text that would be a request if it were written slightly differently.
fn of_wording(text: &str) -> Option<Hint> {
    let said = quote(text.as_bytes());
    let complete = |meant: &str| {
        let meant = meant.split_whitespace().collect::<Vec<_>>().join(" ");
        multiply::is_complete(meant.as_bytes()).then(|| quote(meant.as_bytes()))
    };
    if let Some(meant) = text.contains(',').then(|| complete(&text.replace(',', " "))).flatten() {
        let what = format!(
            "'{said}' has a comma between its numbers: write {meant}, with only white space between them"
        );
        return Some(Hint::new(Mistake::Comma, what));
    }
    let ascii = text.replace('\u{2212}', "-");
    if let Some(meant) = text.contains('\u{2212}').then(|| complete(&ascii)).flatten() {
        let what = format!("'{said}' has the minus sign U+2212: write {meant}, with the keyboard's '-'");
        return Some(Hint::new(Mistake::MinusSign, what));
    }
    let (first, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
    if let Some(meant) =
        first.eq_ignore_ascii_case(Service::Multiply.name()).then(|| complete(rest)).flatten()
    {
        let what = format!(
            "'{said}' begins with the service's name, which this connection does not need: write {meant}"
        );
        return Some(Hint::new(Mistake::ServiceName, what));
    }
    // Some tutorials first send a length as text, padded with blanks.
    if let Ok(length) = first.parse::<usize>()
        && let meant = rest.trim_start()
        && rest.len() > meant.len() + 1 // one blank may be between two of three numbers
        && length == meant.len()
        && multiply::is_complete(meant.as_bytes())
    {
        let meant = quote(meant.as_bytes());
        let what =
            format!("'{said}' begins with its length, {length}, as text: send only {meant} and a newline");
        return Some(Hint::new(Mistake::LengthPrefix, what));
    }
    if text.trim_start().starts_with('{') && text.contains(':') {
        let what =
            format!("'{said}' is JSON, but multiply reads plain text: write two numbers, for example 5 10");
        return Some(Hint::new(Mistake::Json, what));
    }
    // b'5 10' is how Python shows bytes, (5, 10) a tuple, "5 10" a string in JSON.
    const PUNCTUATION: [char; 14] = ['"', '\'', '`', '(', ')', '[', ']', '<', '>', ';', '|', ':', '=', ','];
    let bare = text.trim().strip_prefix(['b', 'B']).filter(|rest| rest.starts_with(['"', '\'']));
    let bare = bare.unwrap_or(text).replace(PUNCTUATION, " ");
    let bare = bare.strip_suffix(['.', '!', '?']).unwrap_or(&bare);
    if let Some(meant) = (bare != text).then(|| complete(bare)).flatten() {
        let what = format!(
            "'{said}' contains more than the numbers: write {meant}, with only white space between them"
        );
        return Some(Hint::new(Mistake::Punctuation, what));
    }
    if number::parse(text.trim()).is_some() {
        let what = format!("'{said}' is one number: write both on one line, for example 5 10");
        return Some(Hint::new(Mistake::OneNumber, what));
    }
    None
}

/// A comma in a number.
fn of_word(text: &str) -> Option<Hint> {
    text.split_whitespace().filter(|word| word.contains(',')).find_map(|word| {
        let pointed = word.replace(',', ".");
        number::parse(&pointed)?;
        let what = format!(
            "'{}' is not a number here: write {}, with a decimal point",
            quote(word.as_bytes()),
            pointed
        );
        Some(Hint::new(Mistake::Comma, what))
    })
}

/// It contains no number, so it is meant for another service; except words for leaving.
fn of_text_without_number(text: &str, context: Context<'_>) -> Option<Hint> {
    const GOODBYES: [&str; 5] = ["quit", "exit", "bye", "{quit}", "/quit"];
    let has_number = |word: &str| number::parse(word).is_some();
    if text.contains(char::is_numeric)
        || text.split_whitespace().any(has_number)
        || GOODBYES.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
    {
        return None;
    }
    let (said, others) = (quote(text.as_bytes()), context.elsewhere(Service::Multiply));
    Some(Hint::new(Mistake::WrongPort, format!("'{said}' has no numbers, but this is multiply: {others}")))
}

/// A client gives this as its chat name.
pub fn of_name(name: &str, context: Context<'_>) -> Option<Hint> {
    multiply::is_complete(name.as_bytes()).then(|| {
        let (name, others) = (quote(name.as_bytes()), context.elsewhere(Service::Chat));
        Hint::new(
            Mistake::WrongPort,
            format!("'{name}' looks like a request for multiply, but here it is a chat name: {others}"),
        )
    })
}

impl Context<'_> {
    /// The endpoints of the other services, one for each: of the same kind, because the peer can use that, or otherwise
    /// the first. In their order, however many endpoints each has.
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
            true => "no other service is open".to_owned(),
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

    fn context(endpoints: Endpoints<'_>) -> Context<'_> {
        Context { here: "tcp://[::1]:1", endpoints }
    }

    #[test]
    fn decimal_comma_gets_a_correction_and_other_mistakes_do_not() {
        let endpoints = endpoints();
        let of = |request: &str| of_request(request.as_bytes(), context(&endpoints));
        assert_eq!(
            of("3,14 2").unwrap().text,
            "'3,14' is not a number here: write 3.14, with a decimal point"
        );
        assert_eq!(
            of("1,5 * 2,5").unwrap().text,
            "'1,5' is not a number here: write 1.5, with a decimal point"
        );
        assert_eq!(of("2 -1,5").map(|hint| hint.mistake), Some(Mistake::Comma));
        assert_eq!(of("5 x"), None);
        assert_eq!(of("1,2,3 4"), None);
        assert_eq!(of("nan").map(|hint| hint.mistake), Some(Mistake::OneNumber));
    }

    #[test]
    fn near_miss_request_gets_the_correct_form() {
        let endpoints = endpoints();
        for (said, mistake, meant) in [
            ("5;10", Mistake::Punctuation, "write 5 10,"),
            ("5|10", Mistake::Punctuation, "write 5 10,"),
            ("5 10;", Mistake::Punctuation, "write 5 10,"),
            ("5 * 10 =", Mistake::Punctuation, "write 5 * 10,"),
            ("5 10.", Mistake::Punctuation, "write 5 10,"),
            ("(5, 10)", Mistake::Punctuation, "write 5 10,"),
            ("[5, 10]", Mistake::Punctuation, "write 5 10,"),
            ("\"5 10\"", Mistake::Punctuation, "write 5 10,"),
            ("b'5 10'", Mistake::Punctuation, "write 5 10,"),
            ("multiply 5 10", Mistake::ServiceName, "write 5 10"),
            ("{\"a\": 5, \"b\": 10}", Mistake::Json, "is JSON"),
            ("\u{2212}5 10", Mistake::MinusSign, "write -5 10,"),
            ("5", Mistake::OneNumber, "is one number"),
        ] {
            let hint =
                of_request(said.as_bytes(), context(&endpoints)).unwrap_or_else(|| panic!("no hint: {said}"));
            assert_eq!(hint.mistake, mistake, "{said}");
            assert!(hint.text.contains(meant), "{said}: {}", hint.text);
        }
    }

    #[test]
    fn unknown_text_gets_no_guess() {
        let endpoints = endpoints();
        let cases: [&[u8]; 10] = [
            b"quit",
            b"EXIT",
            b"{quit}",
            b"\0\x045 10",
            b"5 10\0",
            b"\x80\x04\x95K\x05",
            b"\0\0\0\x05\0\0\0",
            b"\xff\xfe5\0",
            "½ x".as_bytes(),
            b"1 2 3",
        ];
        for said in cases {
            assert_eq!(of_request(said, context(&endpoints)), None, "{}", said.escape_ascii());
        }
    }

    #[test]
    fn comma_between_numbers_is_no_decimal_comma() {
        let endpoints = endpoints();
        for said in ["5,10", "5, 10", "5 ,10", "5 , 10"] {
            let hint = of_request(said.as_bytes(), context(&endpoints)).unwrap();
            let text = format!(
                "'{said}' has a comma between its numbers: write 5 10, with only white space between them"
            );
            assert_eq!((hint.mistake, hint.text), (Mistake::Comma, text));
        }
        let hint = of_request(b"5,*, 10", context(&endpoints)).unwrap();
        assert!(hint.text.contains("write 5 * 10,"), "{}", hint.text);
    }

    #[test]
    fn text_without_numbers_gets_the_other_open_services() {
        let endpoints = endpoints();
        let context = context(&endpoints);
        assert_eq!(of_request(b"Hi\x1b", context), None);
        let hint = of_request(b"Hi!", context).unwrap();
        assert_eq!(
            (hint.mistake, hint.text.as_str()),
            (Mistake::WrongPort, "'Hi!' has no numbers, but this is multiply: chat is on tcp://[::1]:2")
        );
        let nothing = Context { endpoints: &[], ..context };
        assert!(of_request(b"Hi", nothing).unwrap().text.ends_with("no other service is open"));
        assert!(of_name("5 10", context).unwrap().text.ends_with("multiply is on tcp://[::1]:1"));
        assert_eq!(of_name("alice", context), None);
    }

    #[test]
    fn reachable_other_services_are_named_once_and_the_own_never() {
        let kinds = ["udp://[::1]", "unix:///s", "tcp://127.0.0.1", "tcp://[::1]", "fifo:///f"];
        let services = [Service::Chat, Service::Multiply, Service::Greeting, Service::Hello, Service::Talk];
        let all = services.into_iter().zip(1..);
        let mut endpoints: Vec<_> =
            all.flat_map(|(service, port)| kinds.map(|kind| (format!("{kind}:{port}"), service))).collect();
        endpoints.push(("unixseq:///stats".to_owned(), Service::Stats));
        let hint = of_wrong_protocol(WrongProtocol::Http, Service::Multiply, context(&endpoints));
        assert_eq!(
            hint.text,
            "it speaks HTTP, like a browser, but this is multiply: chat is on tcp://127.0.0.1:1, greeting is on \
             tcp://127.0.0.1:3, hello is on tcp://127.0.0.1:4, talk is on tcp://127.0.0.1:5, stats is on unixseq:///stats"
        );
    }
}
