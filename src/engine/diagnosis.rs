//! The classic mistakes of a first client, in plain words with their corrections. Knows messages and their form, but no
//! connection.

mod context;
pub mod form;
mod literal;
mod mistake;

pub use context::{Context, Endpoints};
pub use mistake::{Hint, Mistake};

use super::number;
use super::service::facts::Openness;
use super::service::{Service, multiply};
use super::text::{is_invisible, quote};
use super::wrong_protocol::WrongProtocol;

/// The connection was reset after something had been sent to it. `None` for a service where others speak too, because unread data
/// there is no reply; and for status, watch and the like, because a client that only looks may leave at any time.
pub fn of_reset(service: Service) -> Option<Hint> {
    let facts = service.facts();
    let more = facts.unread;
    let what = if more.is_empty() { "all that was sent to it" } else { "the result" };
    (!facts.is_shared && facts.openness == Openness::Everybody).then(|| {
        Hint::new(
            Mistake::Unread,
            format!(
                "it closed before it had read {what}, so the connection was reset: read until end of file, then close{more}"
            ),
        )
    })
}

/// The client left between the two replies to a request.
pub fn of_leaving_early() -> Hint {
    Hint::new(
        Mistake::ReadOnce,
        "it left after 'Data received' and before the result: there are two replies, so call recv() twice, or until end of file",
    )
}

/// The client has sent nothing so far; `left`: and has closed the connection. `None` for a service that expects no message.
pub fn of_silence(service: Service, left: bool) -> Option<Hint> {
    let wanted = service.facts().waits_for?;
    let what =
        if left { "it connected, sent nothing, and left" } else { "it is connected and has sent nothing" };
    let flush = "call flush() to send what is still in a buffer";
    Some(Hint::new(Mistake::Silent, format!("{what}: {service} waits for {wanted}; {flush}")))
}

/// The client has paused after bytes that are not a complete request and have no line end.
pub fn of_unfinished(bytes: &[u8]) -> Hint {
    let said = quote(bytes);
    Hint::new(
        Mistake::Unfinished,
        format!("'{said}' has no newline and is not a complete request: end each message with a newline"),
    )
}

/// The client spoke another protocol.
pub fn of_wrong_protocol(protocol: WrongProtocol, service: Service, context: Context<'_>) -> Hint {
    let what = format!("it speaks {}, like {}", protocol.name(), protocol.speaker());
    let for_browsers = (protocol == WrongProtocol::Http).then(|| context.for_browsers()).flatten();
    let others = for_browsers.unwrap_or_else(|| context.elsewhere(service, None));
    Hint::new(Mistake::WrongPort, format!("{what}, but this is {service}: {others}"))
}

/// Multiply cannot read this request.
pub fn of_request(request: &[u8], context: Context<'_>) -> Option<Hint> {
    if literal::is_part_of_binary(request) {
        return Some(literal::of_binary());
    }
    if let Some(hint) = of_binary(request) {
        return Some(hint);
    }
    let text = std::str::from_utf8(request).ok()?;
    if text.contains(|c: char| is_invisible(c) && !c.is_whitespace()) {
        return None; // binary or another encoding: a hint about words would be wrong
    }
    literal::of_source(text)
        .or_else(|| of_wording(text))
        .or_else(|| literal::of_more_numbers(text))
        .or_else(|| of_word(text))
        .or_else(|| of_text_without_number(text, context))
}

/// The request has binary numbers instead of text.
pub fn of_binary(bytes: &[u8]) -> Option<Hint> {
    literal::is_binary(bytes).then(literal::of_binary)
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
    // Some tutorials first send a length as text, padded with spaces.
    if let Ok(length) = first.parse::<usize>()
        && let meant = rest.trim_start()
        && rest.len() > meant.len() + 1 // a space may separate two of three numbers
        && length == meant.len()
        && multiply::is_complete(meant.as_bytes())
    {
        let meant = quote(meant.as_bytes());
        let what =
            format!("'{said}' begins with its length, {length}, as text: send only {meant} and a newline");
        return Some(Hint::new(Mistake::LengthPrefix, what));
    }
    if text.trim_start().starts_with('{') && text.contains(':') && !is_report(text.trim()) {
        let what =
            format!("'{said}' is JSON, but multiply reads plain text: write two numbers, for example 5 10");
        return Some(Hint::new(Mistake::Json, what));
    }
    // (5, 10) is how Python shows a tuple, "5 10" a string in JSON.
    const PUNCTUATION: [char; 14] = ['"', '\'', '`', '(', ')', '[', ']', '<', '>', ';', '|', ':', '=', ','];
    let bare = text.replace(PUNCTUATION, " ");
    let bare = bare.strip_suffix(['.', '!', '?']).unwrap_or(&bare);
    if let Some(meant) = (bare != text).then(|| complete(bare)).flatten() {
        let what = format!(
            "'{said}' contains more than the numbers: write {meant}, with only white space between them"
        );
        return Some(Hint::new(Mistake::Punctuation, what));
    }
    // 0x10 is one number, in another notation.
    let signed = text.replace(['x', 'X', '\u{d7}', '\u{b7}'], " * ");
    let is_hex = text.trim_start().starts_with("0x");
    if let Some(meant) = (signed != text && !is_hex).then(|| complete(&signed)).flatten() {
        let what = format!("'{said}' has another sign in place of '*': write {meant}");
        return Some(Hint::new(Mistake::Punctuation, what));
    }
    if number::parse(text.trim()).is_some() {
        let what = format!("'{said}' is one number: write both on one line, for example 5 10");
        return Some(Hint::new(Mistake::OneNumber, what));
    }
    None
}

/// A word looks like a number with a comma in it.
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

/// The text has no number, so it is meant for another service, unless it is a word for leaving.
fn of_text_without_number(text: &str, context: Context<'_>) -> Option<Hint> {
    const GOODBYES: [&str; 5] = ["quit", "exit", "bye", "{quit}", "/quit"];
    if is_report(text.trim()) {
        let others = context.elsewhere(Service::Multiply, likely(text));
        let what =
            format!("'{}' is a machine's report, but this is multiply: {others}", quote(text.as_bytes()));
        return Some(Hint::new(Mistake::WrongPort, what));
    }
    let has_number = |word: &str| number::parse(word).is_some();
    if text.contains(char::is_numeric)
        || text.split_whitespace().any(has_number)
        || GOODBYES.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
    {
        return None;
    }
    let said = quote(text.as_bytes());
    let others = context.elsewhere(Service::Multiply, likely(text));
    Some(Hint::new(Mistake::WrongPort, format!("'{said}' has no numbers, but this is multiply: {others}")))
}

/// The service that a text is most likely meant for.
fn likely(text: &str) -> Option<Service> {
    let text = text.trim();
    let begins = |word: &str| text.get(..word.len()).is_some_and(|begun| begun.eq_ignore_ascii_case(word));
    match () {
        () if is_report(text) => Some(Service::Stats),
        () if begins("hello") => Some(Service::Hello),
        () if begins("/") => Some(Service::Chat),
        () => None,
    }
}

/// A machine's figures as JSON.
fn is_report(text: &str) -> bool {
    text.starts_with('{') && text.contains("_percent")
}

/// A client gives this as its chat name; `is_valid`: it is a valid one.
pub fn of_name(name: &str, is_valid: bool, context: Context<'_>) -> Option<Hint> {
    if let Some(hint) = literal::of_name(name) {
        return Some(hint);
    }
    (is_valid && multiply::is_complete(name.as_bytes())).then(|| {
        let (name, others) =
            (quote(name.as_bytes()), context.elsewhere(Service::Chat, Some(Service::Multiply)));
        Hint::new(
            Mistake::WrongPort,
            format!("'{name}' looks like a request for multiply, but here it is a chat name: {others}"),
        )
    })
}

/// Stats cannot read this request.
pub fn of_stats_request(request: &[u8], context: Context<'_>) -> Option<Hint> {
    multiply::is_complete(request).then(|| {
        let others = context.elsewhere(Service::Stats, Some(Service::Multiply));
        Hint::new(
            Mistake::WrongPort,
            format!("'{}' looks like a request for multiply, but this is stats: {others}", quote(request)),
        )
    })
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
            ("5x10", Mistake::Punctuation, "write 5 * 10"),
            ("5 \u{d7} 10", Mistake::Punctuation, "write 5 * 10"),
            ("[5, 10]", Mistake::Punctuation, "write 5 10,"),
            ("\"5 10\"", Mistake::Punctuation, "write 5 10,"),
            ("b'5 10'", Mistake::PrintedBytes, "send the bytes themselves"),
            ("5 10\\n", Mistake::LiteralNewline, "a backslash and an n"),
            ("{a} {b}", Mistake::Placeholder, "an f before the string"),
            ("{a:d} {b:d}", Mistake::Placeholder, "an f before the string"),
            ("1 2 3", Mistake::MoreNumbers, "has 3 numbers"),
            ("4 5 10", Mistake::MoreNumbers, "has 3 numbers"),
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
            b"0x10",
            b"5 x",
            b"quit",
            b"EXIT",
            b"{quit}",
            b"\0\x045 10",
            b"5 10\0",
            b"\x80\x04\x95K\x05",
            b"\xff\xfe5\0",
            "½ x".as_bytes(),
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
        assert!(of_name("5 10", true, context).unwrap().text.ends_with("multiply is on tcp://[::1]:1"));
        assert_eq!(of_name("alice", true, context), None);
        assert_eq!(of_name("5 * 10", false, context), None);
        let hint = of_name("alice\\n", false, context).unwrap();
        assert_eq!(hint.mistake, Mistake::LiteralNewline);
        let hint = of_stats_request(b"5 10", context).unwrap();
        assert_eq!((hint.mistake, of_stats_request(b"latest", context)), (Mistake::WrongPort, None));
    }

    #[test]
    fn open_likely_service_is_the_only_one_named() {
        let all = [Service::Chat, Service::Hello, Service::Stats].into_iter().zip(1..);
        let endpoints: Vec<_> = all.map(|(service, port)| (format!("tcp://[::1]:{port}"), service)).collect();
        let context = Context { here: "tcp://[::1]:9", endpoints: &endpoints };
        let report = "{\"host\":\"pc7\",\"cpu_percent\":12.5}";
        for (said, place_named) in [
            ("Hello from client", ": hello is on tcp://[::1]:2"),
            ("/who", ": chat is on tcp://[::1]:1"),
            (report, ": stats is on tcp://[::1]:3"),
            ("Hi", ": chat is on tcp://[::1]:1, hello is on tcp://[::1]:2, stats is on tcp://[::1]:3"),
        ] {
            let hint = of_request(said.as_bytes(), context).unwrap();
            assert!(hint.mistake == Mistake::WrongPort && hint.text.ends_with(place_named), "{}", hint.text);
        }
        let alone = Context { endpoints: &endpoints[..1], ..context };
        assert!(of_request(b"Hello", alone).unwrap().text.ends_with(": chat is on tcp://[::1]:1"));
        let hint = of_wrong_protocol(WrongProtocol::Http, Service::Multiply, alone);
        assert_eq!(
            hint.text,
            "it speaks HTTP, like a browser, but this is multiply: chat is on tcp://[::1]:1"
        );
        let mut with_page = endpoints.clone();
        with_page.push(("http://0.0.0.0:33080".to_owned(), Service::Page));
        let hint = of_wrong_protocol(
            WrongProtocol::Http,
            Service::Multiply,
            Context { endpoints: &with_page, ..context },
        );
        assert!(hint.text.ends_with("is multiply: page is on http port 33080 of this host"), "{}", hint.text);
    }

    #[test]
    fn reset_is_no_mistake_where_others_speak_or_of_those_who_look() {
        let hinted = Service::ALL.into_iter().filter(|service| of_reset(*service).is_some());
        let hinted: Vec<Service> = hinted.collect();
        assert!([Service::Multiply, Service::Greeting].iter().all(|service| hinted.contains(service)));
        for service in [Service::Chat, Service::Talk, Service::Status, Service::Watch] {
            assert!(!hinted.contains(&service), "{service}");
        }
    }
}
