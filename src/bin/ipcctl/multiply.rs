//! `ipcctl multiply A [OP] B`, and `-` for a request on each line of standard input.

use super::services::MULTIPLY;
use clap::Args;
use ipcd::endpoint::ResolvedEndpoint;
use ipcd::engine::json;
use ipcd::engine::number;
use ipcd::engine::service::multiply::RequestError;
use ipcd::engine::text::{is_empty, quote};
use rustix::event::PollFlags;
use serde_json::json;
use std::collections::VecDeque;
use std::time::Instant;

use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::error::CliError;
use super::input::Input;
use super::pace::Pace;
use super::{connection, output};
use ipcd::engine::words::{DATA_RECEIVED, ERROR, is_too_long};
use ipcd::os_error::describe;

/// The most requests in flight: enough to keep any connection busy, and little to store.
const REQUESTS_MAX: usize = 4096;

/// Multiply two numbers, or calculate with + - * / // % **
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Arguments {
    /// A, an operator (without one: multiply), and B; or - to read one request from each line of standard input
    // As many arguments as the shell passes.
    #[arg(value_names = ["A", "[OP] B"], num_args = 1.., required = true, allow_hyphen_values = true)]
    request: Vec<String>,

    /// Print JSON, one object on each line: {"request": "5 10", "result": 50.0}, or "error" instead of "result"
    #[arg(long)]
    json: bool,
}

/// A result, or the error.
type Answer = Result<String, String>;

pub(crate) fn run(options: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    match &arguments.request[..] {
        [dash] if dash == "-" => all(options, arguments.json),
        [one] if number::parse(one).is_some() => {
            Err(CliError::Usage(format!("multiply {one}: the second number is missing; or use - alone")))
        }
        request => {
            is_request(request)?;
            single(options, &request.join(" "), arguments.json)
        }
    }
}

/// Checks the arguments; the error says if the shell replaced a star.
fn is_request(words: &[String]) -> Result<(), CliError> {
    if let Some(option) = words.iter().find(|word| word.starts_with("--") && word.len() > 2) {
        let option = quote(option.as_bytes());
        return Err(CliError::Usage(format!(
            "'{option}' is not a number; options come before the numbers, for example: ipcctl multiply --json 5 10"
        )));
    }
    let [first, between @ .., last] = words else { return Ok(()) };
    let is_file = |word: &String| !is_operator(word) && std::fs::symlink_metadata(word).is_ok();
    if !between.is_empty() && between.iter().all(is_file) {
        let files = if between.len() == 1 { "a file name" } else { "file names" };
        return Err(CliError::Usage(format!(
            "the shell replaced the star with {files} ({}); quote it: ipcctl multiply {first} '*' {last}",
            quote(between[0].as_bytes())
        )));
    }
    match between.len() {
        0 | 1 => Ok(()),
        _ => Err(CliError::Usage(
            "multiply takes two numbers, with or without an operator between them, for example: ipcctl multiply 5 '*' 10"
                .to_owned(),
        )),
    }
}

fn is_operator(word: &str) -> bool {
    matches!(word, "+" | "-" | "*" | "/" | "//" | "%" | "**")
}

fn are_numbers(request: &str) -> bool {
    let words: Vec<&str> = request.split_whitespace().collect();
    matches!(words[..], [left, .., right] if [left, right].iter().all(|word| number::parse(word).is_some()))
}

fn single(options: &ConnectOptions, request: &str, json: bool) -> Result<(), CliError> {
    let mut daemon = Conversation::begin(options, &MULTIPLY)?;
    daemon.say(request);
    // TLS 1.2 has no half-close (RFC 5246, section 7.2.1), and OpenSSL's servers have none in 1.3: the answer would be lost.
    if !matches!(daemon.endpoint, ResolvedEndpoint::Tls(_)) {
        daemon.end();
    }
    let mut replies = Replies::default();
    while let Some(line) = daemon.hear()? {
        if let Some(answer) = replies.handle(line, &daemon)? {
            // Our request has two numbers, so this is about the service's name before it.
            if daemon.has_chosen() && are_numbers(request) && answer == Err(RequestError::Count.to_string()) {
                let endpoint = &daemon.endpoint;
                return Err(CliError::Failed(format!(
                    "{endpoint}: this socket serves only multiply; add --direct"
                )));
            }
            if json || answer.is_ok() {
                output::print(&shown(request, &answer, json))?;
            }
            return answer.map(|_| ()).map_err(|error| CliError::Refused(vec![error]));
        }
    }
    Err(CliError::Failed(format!("{}: closed without an answer", daemon.endpoint)))
}

/// Prints one line for each input line, in every case.
fn all(options: &ConnectOptions, json: bool) -> Result<(), CliError> {
    let daemon = Conversation::begin(options, &MULTIPLY)?;
    // A datagram can be lost: then we know which one.
    let most = if daemon.is_lossy() { 1 } else { REQUESTS_MAX };
    let mut stream = Stream {
        options,
        is_json: json,
        daemon,
        most,
        input: Input::new(),
        replies: Replies::default(),
        pace: Pace::default(),
        pending: VecDeque::new(),
        count: 0,
        failures: 0,
        until: options.deadline(),
    };
    loop {
        stream.send();
        stream.print_answers()?;
        if stream.pending.is_empty() && stream.input.is_over() {
            break;
        }
        if stream.may_send() && stream.input.has_line() {
            continue;
        }
        if stream.daemon.is_over() {
            let endpoint = &stream.daemon.endpoint;
            return Err(CliError::Failed(format!("{endpoint}: closed before the last answer")));
        }
        stream.wait()?;
    }
    match stream.failures {
        0 => Ok(()),
        failures => Err(CliError::Refused(vec![format!("{failures} of {} requests failed", stream.count)])),
    }
}

/// Requests from standard input, several in flight.
struct Stream<'o> {
    options: &'o ConnectOptions,
    is_json: bool,
    daemon: Conversation,
    /// The most requests in flight.
    most: usize,
    input: Input,
    replies: Replies,
    pace: Pace,
    /// The requests in flight.
    pending: VecDeque<String>,
    count: usize,
    failures: usize,
    until: Option<Instant>,
}

impl Stream<'_> {
    fn may_send(&self) -> bool {
        self.pending.len() < self.most
    }

    fn send(&mut self) {
        while self.may_send()
            && let Some(line) = self.input.line()
        {
            if self.daemon.is_lossy() && !is_empty(line.as_bytes()) {
                std::thread::sleep(self.pace.take(Instant::now()));
            }
            if self.pending.is_empty() {
                self.until = self.options.deadline();
            }
            // The daemon does not answer an empty message.
            if !is_empty(line.as_bytes()) {
                self.daemon.say(&line);
            }
            self.pending.push_back(line);
            self.count += 1;
        }
    }

    /// Prints the complete answers, even if an error follows.
    fn print_answers(&mut self) -> Result<(), CliError> {
        let mut answers = String::new();
        let outcome = loop {
            let answer = match self.next_answer() {
                Ok(Some(answer)) => answer,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            let request = self.pending.pop_front().unwrap_or_default();
            self.failures += usize::from(answer.is_err());
            answers += &shown(&request, &answer, self.is_json);
            answers.push('\n');
            self.until = self.options.deadline();
        };
        if let Some(answers) = answers.strip_suffix('\n') {
            output::print(answers)?;
        }
        outcome
    }

    /// The answer to the first request in flight, if it is complete.
    fn next_answer(&mut self) -> Result<Option<Answer>, CliError> {
        if self.pending.front().is_some_and(|line| is_empty(line.as_bytes())) {
            return Ok(Some(Ok(String::new())));
        }
        while let Some(line) = self.daemon.heard() {
            if self.pending.is_empty() {
                // An answer without a request; or we were refused before the first request.
                return Err(match line.strip_prefix(ERROR) {
                    Some(error) => self.daemon.refused(MULTIPLY.name, error),
                    None => self.daemon.not_there(MULTIPLY.name, &line),
                });
            }
            if let Some(answer) = self.replies.handle(line, &self.daemon)? {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    /// Waits for the daemon and for input, and takes what has arrived.
    fn wait(&mut self) -> Result<(), CliError> {
        let wanted = if self.may_send() { self.input.descriptor() } else { None };
        let [from, to] = self.daemon.interest();
        let until = if self.pending.is_empty() { None } else { self.until };
        let ready = connection::wait([(wanted, PollFlags::IN), from, to], until);
        match ready.map_err(|error| CliError::Failed(describe(&error)))? {
            [false, false, false] => return Err(self.daemon.too_late()),
            [stdin, from, to] => {
                if stdin {
                    self.input.turn()?;
                }
                if from || to {
                    self.daemon.turn()?;
                }
            }
        }
        Ok(())
    }
}

/// The printed form of an answer.
fn shown(request: &str, answer: &Answer, is_json: bool) -> String {
    match answer {
        Ok(result) if is_json => json::to_string(&match result.parse::<f64>() {
            Ok(number) if number.is_finite() => json!({ "request": request, "result": number }),
            _ if result.is_empty() => json!({ "request": request, "result": null }),
            // JSON has no infinity.
            _ => json!({ "request": request, "result": result }),
        }),
        Err(error) if is_json => json::to_string(&json!({ "request": request, "error": error })),
        Ok(result) => result.clone(),
        Err(error) => format!("Error: {error}"),
    }
}

/// The received part of the reply to the oldest request.
#[derive(Default)]
struct Replies {
    is_acknowledged: bool,
}

impl Replies {
    /// The answer, if this line completes it.
    fn handle(&mut self, line: String, daemon: &Conversation) -> Result<Option<Answer>, CliError> {
        let error = line.strip_prefix(ERROR).map(str::to_owned);
        match (self.is_acknowledged, error) {
            (true, error) => {
                self.is_acknowledged = false;
                Ok(Some(error.map_or(Ok(line), Err)))
            }
            (false, None) if line == DATA_RECEIVED => {
                self.is_acknowledged = true;
                Ok(None)
            }
            // An error without an acknowledgement is also an answer: for a message that is too long, or for a datagram.
            (false, Some(error)) if daemon.is_lossy() || is_too_long(&error) => Ok(Some(Err(error))),
            // The connection is refused, not this request.
            (false, Some(error)) => Err(daemon.refused(MULTIPLY.name, &error)),
            (false, None) => Err(daemon.not_there(MULTIPLY.name, &line)),
        }
    }
}
