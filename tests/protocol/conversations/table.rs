//! The dialogues of each service: a client's output, and its complete input.

use ipcd::engine::service::Service;

use crate::harness::{not_http, show};

/// A client's output before it half-closes, and its complete input.
#[derive(Clone)]
pub struct Dialogue {
    pub service: Service,
    pub sends: Vec<u8>,
    pub hears: Vec<u8>,
    /// Whether it begins with another protocol, which is detected in the first message only, so not after a service's name.
    pub foreign: bool,
}

pub const GREETED: &str = "Message received. Thank you for connecting\r\n";
pub const CAVE: &str = "Greetings from the cave! Now type your name and press enter!\n";
pub const WELCOME: &str = "Welcome alice! If you ever want to quit, type {quit} to exit.\n";
pub const TOO_LONG: &str = "Error: message longer than 4096 bytes\n";
pub const BAD_NAME: &str = "Error: a name has 1 to 32 letters, digits, spaces or - _ . ' @ +, and begins with a letter or digit; type another one\n";
pub const HELP: &str =
    "Commands: /help, /who, /me TEXT, /msg NAME TEXT, /quit or {quit}; //TEXT says /TEXT\n";

/// The members that are in the room while a dialogue with the chat is held.
pub const MEMBERS: [&str; 3] = ["bob", "Bob Smith", "Zoë"];

/// Single requests to multiply, and the reply after the acknowledgement.
pub fn requests() -> Vec<(Vec<u8>, String)> {
    let count = "Error: expected two numbers, for example: 5 10";
    let not_a_number = |word: &str| format!("Error: not a number: '{word}'");
    let unknown = |word: &str| format!("Error: unknown operator: '{word}' (known: + - * / // % **)");
    let mut requests: Vec<(Vec<u8>, String)> = Vec::new();
    for (request, reply) in [
        ("5 10", "50.0"),
        ("1.5 2", "3.0"),
        ("  3\t4 ", "12.0"),
        ("3\x0b\x0c\x1c\x1f4", "12.0"),
        ("10 / 4", "2.5"),
        ("7 // -2", "-4.0"),
        ("-7 % 3", "2.0"),
        ("2 ** 10", "1024.0"),
        ("2 + 3", "5.0"),
        ("2 - 3", "-1.0"),
        ("2 * 3", "6.0"),
        ("5*10", "50.0"),
        ("2**3", "8.0"),
        ("5-3", "2.0"),
        ("5 -3", "-15.0"),
        ("1e-5-2", "-1.99999"),
        ("5 ٣", "15.0"),
        ("５\u{3000}１０", "50.0"),
        ("5\u{a0}10", "50.0"),
        ("1_000 .5", "500.0"),
        ("5. 1e5", "500000.0"),
        ("inf -1", "-inf"),
        ("NaN 1", "nan"),
        ("1e8 1e8", "1e+16"),
        ("1e-5 1", "1e-05"),
        ("-0 1", "-0.0"),
        ("1 / 0", "Error: division by zero"),
        ("1 // 0", "Error: division by zero"),
        ("1 % 0", "Error: division by zero"),
        ("0 ** -1", "Error: division by zero"),
        ("10 ** 400", "Error: result too large"),
        ("-8 ** 0.5", "Error: no real result"),
        ("abc", count),
        ("5", count),
        ("1 2 3", count),
        ("1 + 2 + 3", count),
    ] {
        requests.push((request.into(), reply.into()));
    }
    for (request, reply) in [
        (b"5 x".to_vec(), not_a_number("x")),
        (b"x 5".to_vec(), not_a_number("x")),
        (b"x / 5".to_vec(), not_a_number("x")),
        ("5 ½".into(), not_a_number("½")),
        ("\u{2212}5 2".into(), not_a_number("\u{2212}5")),
        (b"5 \xff\xfe".to_vec(), not_a_number("\u{fffd}\u{fffd}")),
        (b"5 1\xe2\x82".to_vec(), not_a_number("1\u{fffd}")),
        (b"5 \x1b[2J".to_vec(), not_a_number("\\u{1b}[2J")),
        ("5 a\u{202e}b\u{200b}".into(), not_a_number("a\\u{202e}b\\u{200b}")),
        (format!("5 {}", "y".repeat(64)).into(), not_a_number(&"y".repeat(64))),
        (format!("5 {}", "y".repeat(65)).into(), not_a_number(&("y".repeat(64) + "…"))),
        (format!("5 {}", "é".repeat(65)).into(), not_a_number(&("é".repeat(64) + "…"))),
        (format!("5 {}", "\u{1b}".repeat(11)).into(), not_a_number(&("\\u{1b}".repeat(10) + "…"))),
        (b"5 ^ 2".to_vec(), unknown("^")),
        (b"5 ** 2 ".to_vec(), "25.0".into()),
        (b"5 <\x1b> 2".to_vec(), unknown("<\\u{1b}>")),
        (format!("5 {} 2", "^".repeat(65)).into(), unknown(&("^".repeat(64) + "…"))),
    ] {
        requests.push((request, reply));
    }
    requests
}

/// The dialogues so far.
#[derive(Default)]
struct Table(Vec<Dialogue>);

impl Table {
    fn add(&mut self, service: Service, sends: &[u8], hears: String, foreign: bool) {
        self.0.push(Dialogue { service, sends: sends.to_vec(), hears: hears.into(), foreign });
    }
}

pub fn table() -> Vec<Dialogue> {
    let mut table = Table::default();
    multiply(&mut table);
    multiply_lengths(&mut table);
    greeting(&mut table);
    chat(&mut table);
    chat_names(&mut table);
    chat_refused_names(&mut table);
    chat_lengths(&mut table);
    hello(&mut table);
    talk(&mut table);
    stats(&mut table);
    mux(&mut table);
    other_protocols(&mut table);
    table.0
}

/// Multiply's reply to a request.
fn answer(reply: &str) -> String {
    format!("Data received\n{reply}\n")
}

/// Each request alone, with LF, with CR LF, with end of file; then many in a row.
fn multiply(table: &mut Table) {
    for (request, reply) in requests() {
        for end in ["\n", "\r\n", ""] {
            table.add(Service::Multiply, &[&request, end.as_bytes()].concat(), answer(&reply), false);
        }
    }
    let pipelined: Vec<u8> =
        requests().into_iter().flat_map(|(request, _)| [&request, &b"\n"[..]].concat()).collect();
    table.add(
        Service::Multiply,
        &pipelined,
        requests().iter().map(|(_, reply)| answer(reply)).collect(),
        false,
    );
    for (sends, hears) in [
        ("", String::new()),
        ("\n", String::new()),
        ("\n\r\n \t\r\n\x1c\n", String::new()),
        ("\n \n5 10\n\n\r\n3 4\n\n", answer("50.0") + &answer("12.0")),
        ("1.5 2\n3 4\n", answer("3.0") + &answer("12.0")),
        (
            "5 10\r\nabc\r\n3 4",
            answer("50.0") + &answer("Error: expected two numbers, for example: 5 10") + &answer("12.0"),
        ),
        ("5 10\r\r\n", answer("50.0")),
        ("5 10\r", answer("50.0")),
        ("5\r10\n", answer("50.0")),
    ] {
        table.add(Service::Multiply, sends.as_bytes(), hears, false);
    }
}

/// A message of the greatest length, and longer ones.
fn multiply_lengths(table: &mut Table) {
    let padded = |length: usize| format!("5 10{}", " ".repeat(length - 4));
    for (sends, hears) in [
        (padded(4096) + "\n3 4\n", answer("50.0") + &answer("12.0")),
        (padded(4096) + "\r\n", answer("50.0")),
        (padded(4096), answer("50.0")),
        (padded(4096) + "\r", answer("50.0")),
        ("x".repeat(4097) + "\n3 4\n", TOO_LONG.to_owned() + &answer("12.0")),
        ("x".repeat(4097) + "\r\n", TOO_LONG.into()),
        ("x".repeat(4097), TOO_LONG.into()),
        (" ".repeat(4096) + "\n3 4\n", answer("12.0")),
        (" ".repeat(4097) + "\n3 4\n", TOO_LONG.to_owned() + &answer("12.0")),
        ("3 4\n".to_owned() + &"x".repeat(4097) + "\n5 10\n", answer("12.0") + TOO_LONG + &answer("50.0")),
        (
            "3 4\n".to_owned() + &("x".repeat(4100) + "\n").repeat(2) + "5 10",
            answer("12.0") + &TOO_LONG.repeat(2) + &answer("50.0"),
        ),
    ] {
        table.add(Service::Multiply, sends.as_bytes(), hears, false);
    }
}

fn greeting(table: &mut Table) {
    for sends in ["", "Hi", "Hi\n", "GET / HTTP/1.1\r\n\r\n"] {
        table.add(Service::Greeting, sends.as_bytes(), GREETED.into(), false);
    }
}

/// Alice's output in the room, and her input. Each ends with what ended it.
fn chat(table: &mut Table) {
    let say = "alice: ";
    let in_room = [
        ("hi\n", "alice: hi\n".to_owned()),
        ("hi\r\nho\n\n \n", "alice: hi\nalice: ho\n".into()),
        ("hi", "alice: hi\n".into()),
        ("//x\n//\n", "alice: /x\nalice: /\n".into()),
        ("/help\n", HELP.into()),
        ("/who\n", "In the room: bob, Bob Smith, Zoë, alice (4)\n".into()),
        ("/me waves\n/me\n", "* alice waves\nError: /me needs a text, for example: /me waves\n".into()),
        ("/msg bob hi\n", "you (to bob): hi\n".into()),
        ("/msg BOB smith hi\n", "you (to Bob Smith): hi\n".into()),
        ("/msg bob smithy hi\n", "you (to bob): smithy hi\n".into()),
        ("/msg Zoe\u{308} hi\n", "you (to Zoë): hi\n".into()),
        ("/msg alice hi\n", "alice (to you): hi\nyou (to alice): hi\n".into()),
        ("/msg carol hi\n", "Error: nobody here is called 'carol' (try /who)\n".into()),
        ("/msg\n/msg bob\n", "Error: /msg needs a name and a text, for example: /msg bob hi\n".repeat(2)),
        ("/dance now\n", "Error: unknown command: /dance (try /help)\n".into()),
        (
            "/\n/\u{1b}x\n",
            "Error: unknown command: / (try /help)\nError: unknown command: /x (try /help)\n".into(),
        ),
        ("a\tb\x07c\x7f\u{9b}d\u{2028}e\u{202e}f\u{2066}g\n", format!("{say}a\tbcdefg\n")),
        ("\x07\u{202e}\n", String::new()),
        ("{quit}\nhi\n", "{quit}\n".into()),
        (" quit \n", "{quit}\n".into()),
        ("/quit\r\n", "{quit}\n".into()),
        ("{QUIT}\nhi\n", "{quit}\n".into()),
        ("{Quit}", "{quit}\n".into()),
        ("exit\n", "{quit}\n".into()),
        ("\tbye\n", "{quit}\n".into()),
        ("Quit\nBYE\ngood bye\n{quit\n/exit\n", "alice: Quit\nalice: BYE\nalice: good bye\nalice: {quit\nError: unknown command: /exit (try /help)\n".into()),
        ("/key x\n", "Error: /key needs a secret of 32 to 64 letters, digits or signs\n".into()),
        ("hi\n{quit}", "alice: hi\n{quit}\n".into()),
        ("quitter\n/quitter\n", "alice: quitter\nError: unknown command: /quitter (try /help)\n".into()),
    ];
    for (sends, hears) in &in_room {
        table.add(
            Service::Chat,
            format!("alice\n{sends}").as_bytes(),
            format!("{CAVE}{WELCOME}{hears}"),
            false,
        );
    }
    table.add(Service::Chat, b"alice\r\nh\xffi\0\n", format!("{CAVE}{WELCOME}alice: h\u{fffd}i\n"), false);
}

fn chat_lengths(table: &mut Table) {
    let words = "w".repeat(4096);
    for (sends, hears) in [
        (format!("alice\n{words}\n"), format!("{WELCOME}alice: {words}\n")),
        (format!("alice\n{words}w\nhi\n"), format!("{WELCOME}{TOO_LONG}alice: hi\n")),
        (format!("{words}w\nalice\n"), format!("{TOO_LONG}{WELCOME}")),
    ] {
        table.add(Service::Chat, sends.as_bytes(), format!("{CAVE}{hears}"), false);
    }
}

fn hello(table: &mut Table) {
    const HELLO: &str = "Hello from server\n";
    for (sends, hears) in [
        ("", ""),
        ("\n \r\n", ""),
        ("Hello from client", HELLO),
        ("Hello from client\n", HELLO),
        ("\n\0\r\nHello again\n", HELLO),
    ] {
        table.add(Service::Hello, sends.as_bytes(), hears.into(), false);
    }
    table.add(Service::Hello, "x".repeat(4097).as_bytes(), TOO_LONG.into(), false);
    let after = "x".repeat(4097) + "\nHello\n";
    table.add(Service::Hello, after.as_bytes(), format!("{TOO_LONG}{HELLO}"), false);
}

/// A client without a partner.
fn talk(table: &mut Table) {
    for sends in ["", "hi", "hi\nho\n", "bye\n"] {
        table.add(Service::Talk, sends.as_bytes(), String::new(), false);
    }
}

/// Other tests cover the replies that depend on ages.
fn stats(table: &mut Table) {
    const TAKEN: &str = "Data received\n";
    const WORDS: &str = "Requests: latest, latest HOST, history HOST, help; a report is one JSON object, for example: {\"host\":\"pc7\",\"cpu_percent\":12.5}\n";
    let unknown = |word: &str| {
        format!(
            "Error: unknown request: '{word}' (known: latest, latest HOST, history HOST, help; a report starts with {{)\n"
        )
    };
    for (sends, hears) in [
        ("", String::new()),
        ("\n \r\n", String::new()),
        ("{}", TAKEN.into()),
        ("{\"host\":\"pc7\",\"cpu_percent\":12.5}\r\n", TAKEN.into()),
        (" {\"cpu_percent\":1}\n{\"virtual_memory\":{\"percent\":2}}\nhelp", TAKEN.repeat(2) + WORDS),
        ("latest nobody\nhistory no\u{1b}body\n", "Error: no machine is called 'nobody' (latest lists them)\nError: no machine is called 'no\\u{1b}body' (latest lists them)\n".into()),
        ("Latest\n[1]\n", unknown("Latest") + &unknown("[1]")),
        ("history\n", "Error: history needs the name of a machine, for example: history pc7 (latest lists them)\n".into()),
        ("{\"cpu_percent\":101}\n{}\n", "Error: cpu_percent must be a number from 0 to 100, not 101\n".to_owned() + TAKEN),
        ("{\"cpu_percent\":NaN}\n", "Error: not JSON: expected value at byte 16; a report is one object on one line, for example: {\"host\":\"pc7\",\"cpu_percent\":12.5}\n".into()),
    ] {
        table.add(Service::Stats, sends.as_bytes(), hears, false);
    }
    let long = format!("{{\"x\":\"{}\"}}\n{{}}", "x".repeat(4096));
    table.add(Service::Stats, long.as_bytes(), format!("{TOO_LONG}{TAKEN}"), false);
}

fn mux(table: &mut Table) {
    let services: String = Service::offered().map(|service| format!("{service}\n")).collect();
    for (sends, hears) in [
        ("", String::new()),
        ("help\n", services.clone()),
        ("help", services.clone()),
        ("help\n\r\n help \r\nmultiply\n5 10\n", services.repeat(2) + &answer("50.0")),
        ("multiply", String::new()),
        ("multiply\nhelp\n", answer("Error: expected two numbers, for example: 5 10")),
        ("greeting", GREETED.into()),
        ("mux\n", answer("Error: expected two numbers, for example: 5 10")),
        ("multiply 5 10\n", answer("Error: expected two numbers, for example: 5 10")),
    ] {
        table.add(Service::Mux, sends.as_bytes(), hears, false);
    }
}

/// Other protocols.
fn other_protocols(table: &mut Table) {
    for service in [Service::Hello, Service::Talk, Service::Stats] {
        table.add(service, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", not_http(service.name()), true);
        let error = format!("Error: this port speaks {service}, not TLS\n");
        table.add(service, b"\x16\x03\x01\x02\x00\x01", error, true);
    }
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\n\xfc\x03\x03";
    for (service, before) in [(Service::Multiply, ""), (Service::Chat, CAVE), (Service::Mux, "")] {
        let (http_error, tls_error) = (
            format!("{before}{}", not_http(service.name())),
            format!("{before}Error: this port speaks {service}, not TLS\n"),
        );
        for request in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST /a HTTP/1.0\n\n5 10\n",
            "OPTIONS * HTTP/1.1",
            "m-search * HTTP/1.1\r\n\r\n",
        ] {
            table.add(service, request.as_bytes(), http_error.clone(), true);
        }
        table.add(service, tls, tls_error, true);
    }
}

/// Names that are accepted, and words that leave at once.
fn chat_names(table: &mut Table) {
    for (sends, hears) in [
        ("", String::new()),
        ("\n \n", String::new()),
        ("alice", WELCOME.into()),
        ("  alice\t\n", WELCOME.into()),
        ("{quit}\n", "{quit}\n".into()),
        ("quit", "{quit}\n".into()),
        ("/quit\nalice\n", "{quit}\n".into()),
        ("{qUIT}\n", "{quit}\n".into()),
        ("exit", "{quit}\n".into()),
        ("bye\r\n", "{quit}\n".into()),
        ("O'Brien\n", "Welcome O'Brien! If you ever want to quit, type {quit} to exit.\n".into()),
        (
            "alice bob\nhi\n",
            "Welcome alice bob! If you ever want to quit, type {quit} to exit.\nalice bob: hi\n".into(),
        ),
        (
            "ѕсоре\nx\u{301}\u{302}\u{303}\n",
            "Welcome ѕсоре! If you ever want to quit, type {quit} to exit.\nѕсоре: x\u{301}\u{302}\u{303}\n"
                .into(),
        ),
        ("٣\n", "Welcome ٣! If you ever want to quit, type {quit} to exit.\n".into()),
    ] {
        table.add(Service::Chat, sends.as_bytes(), format!("{CAVE}{hears}"), false);
    }
}

const RESERVED: &str =
    "Error: a name must not be, or look like, words that the room itself uses; type another one\n";
const SCRIPTS: &str = "Error: a name uses one script, or Latin and one East Asian script; type another one\n";

fn chat_refused_names(table: &mut Table) {
    table.add(
        Service::Chat,
        b"J\xf6rg\n",
        format!("{CAVE}Error: this is not UTF-8 (byte 0xf6 at position 2), it seems to be Latin-1 (Windows-1252); send UTF-8\n"),
        false,
    );
    let taken = |name: &str| format!("Error: the name '{name}' is taken; choose another\n");
    let long = "x".repeat(33);
    for (sends, hears) in [
        ("Müller, Eva\n", BAD_NAME.to_owned()),
        ("Error\nIn the room\nyou\nServer\nsystem.\nx has left the chat\n", RESERVED.repeat(6)),
        ("Err0r\nErrοr\nЕггог\n", [RESERVED, SCRIPTS, RESERVED].concat()),
        (
            "x\u{301}\u{302}\u{303}\n",
            "Error: a name has at most two marks on each letter; type another one\n".into(),
        ),
        ("B0B\n", "Error: the name 'B0B' looks like one that is taken; choose another\n".into()),
        (
            "/key x alice\n",
            "Error: /key needs a secret of 32 to 64 letters, digits or signs, and then a name\n".into(),
        ),
        (
            "/key 0123456789abcdef0123456789abcdef bob\n",
            "Error: wrong key for 'bob'; choose another name\n".into(),
        ),
        ("a{b\n\na/b\na:b\nalice\n", BAD_NAME.repeat(3) + WELCOME),
        (&format!("{long}\nalice\n"), BAD_NAME.to_owned() + WELCOME),
        ("a\u{3164}\na\u{200d}b\n½\n😀\na\tb\n\u{1b}\n", BAD_NAME.repeat(6)),
        (
            "BOB\nｂｏｂ\nbob smith\nZoe\u{308}\nalice\n",
            taken("BOB") + &taken("ｂｏｂ") + &taken("bob smith") + &taken("Zoë") + WELCOME,
        ),
    ] {
        table.add(Service::Chat, sends.as_bytes(), format!("{CAVE}{hears}"), false);
    }
}

impl Dialogue {
    /// Compares its input with this; shows the whole dialogue if they differ.
    #[track_caller]
    pub fn check(&self, heard: &[u8], how: &str) {
        let start = |bytes: &[u8]| show(&bytes[..bytes.len().min(400)]);
        assert!(
            heard == self.hears,
            "{} {how}\nsends {}\nhears {}\n  not {}",
            self.service,
            start(&self.sends),
            start(heard),
            start(&self.hears)
        );
    }

    /// The positions of cuts, if each cut costs system calls: all of them in a short dialogue.
    pub fn cuts(&self) -> Vec<usize> {
        let length = self.sends.len();
        let some = [1, 2, 4, 4096, 4097, 4098].into_iter().chain((1..8).map(|eighth| length * eighth / 8));
        let mut cuts: Vec<usize> = match length {
            0..=120 => (1..length).collect(),
            _ => some.chain(length - 2..length).filter(|cut| (1..length).contains(cut)).collect(),
        };
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}
