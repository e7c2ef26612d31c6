//! `ipcctl watch`: live events of connections, one line each; on a terminal it uses the whole screen.

#[cfg(feature = "tui")]
mod event;
#[cfg(feature = "tui")]
mod screen;
#[cfg(feature = "tui")]
mod tools;

use super::services::WATCH;
use ipcd::engine::words::ERROR;
use std::net::IpAddr;

use clap::Args;

use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::error::CliError;
use super::{connection, output};
use ipcd::os_error::describe;

/// Show live what connections do, and what was wrong with a client; in a pipe: one line for each event
///
/// Each line has the time, the endpoint, the peer and what it did. Hints name the classic mistakes and say how to correct them.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Show only this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// Show only this peer: the beginning of its address, pid:PID or uid:UID
    #[arg(long, value_name = "PEER")]
    peer: Option<String>,

    /// Show only this address, with any port
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,

    /// Show only the client that has, or had last, this name in the chat
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Show only what goes to the servers of a shared room and comes from them
    #[arg(long)]
    nats: bool,

    /// Show only hints: the classic mistakes, and how to correct them
    #[arg(long)]
    hints: bool,

    /// Print JSON, one object on each line
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// The filter in the daemon's syntax, without the output format.
    fn filter(&self) -> Result<String, CliError> {
        let mut words = vec!["all".to_owned()];
        for (name, value) in [("service", &self.service), ("peer", &self.peer)] {
            match value {
                Some(value) if value.is_empty() || value.contains(char::is_whitespace) => {
                    return Err(CliError::Usage(format!(
                        "--{name} '{}': it must be one word",
                        value.escape_debug()
                    )));
                }
                Some(value) => words.push(format!("{name}={value}")),
                None => {}
            }
        }
        words.extend(self.address.map(|address| format!("address={address}")));
        words.extend(self.hints.then(|| "hints".to_owned()));
        words.extend(self.nats.then(|| "nats".to_owned()));
        if let Some(name) = &self.name {
            if name.trim().is_empty() || name.contains(char::is_control) {
                return Err(CliError::Usage(format!(
                    "--name '{}': it must be a valid chat name",
                    name.escape_debug()
                )));
            }
            // The name is the rest of the line.
            words.push(format!("name={}", name.trim()));
        }
        Ok(words.join(" "))
    }
}

pub(crate) fn run(options: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    let filter = arguments.filter()?;
    #[cfg(feature = "tui")]
    let is_screen = output::is_interactive() && !arguments.json;
    #[cfg(not(feature = "tui"))]
    let is_screen = false;
    let mut daemon = Conversation::begin(options, &WATCH)?;
    if arguments.json || is_screen {
        daemon = daemon.in_json();
        daemon.say(&format!("json {filter}"));
    } else {
        daemon.say(&filter);
    }
    let first = daemon.hear()?;
    match first.as_deref() {
        #[cfg(feature = "tui")]
        Some(line) if is_screen && line.starts_with('{') => {
            return screen::run(options, daemon, filter, line);
        }
        Some(line) if arguments.json && line.starts_with('{') => output::print(line)?,
        Some(line) if line.starts_with("Watching: ") => output::tell(line),
        Some(line) => {
            return Err(match line.strip_prefix(ERROR) {
                Some(error) => daemon.refused(WATCH.name, error),
                None => daemon.not_there(WATCH.name, line),
            });
        }
        None => return Err(CliError::Failed(format!("{}: closed without an answer", daemon.endpoint))),
    }
    let is_coloured = output::has_colour() && !arguments.json;
    let stdout = std::io::stdout();
    while !daemon.is_over() {
        while let Some(line) = daemon.heard() {
            output::print(&if is_coloured { coloured(&line) } else { line })?;
        }
        // There may be no event for hours, and so no failing write to show that the reader is gone.
        let [from, to] = daemon.interest();
        match connection::wait([output::reader(&stdout), from, to], None) {
            Ok([true, ..]) => return Err(output::unread()),
            Ok(_) => daemon.turn()?,
            Err(error) => return Err(CliError::Failed(describe(&error))),
        }
    }
    Err(CliError::Failed(format!("{}: the connection ended", daemon.endpoint)))
}

/// Shows the events of a filter on a screen that is already taken over, until the user quits.
#[cfg(feature = "tui")]
pub(crate) fn look(
    screen: &mut super::terminal::Screen,
    options: &ConnectOptions,
    filter: String,
) -> Result<(), CliError> {
    let mut daemon = Conversation::begin(options, &WATCH)?.in_json();
    daemon.say(&format!("json {filter}"));
    match daemon.hear()? {
        Some(line) if line.starts_with('{') => screen::run_inside(screen, options, daemon, filter, &line),
        Some(line) => Err(match line.strip_prefix(ERROR) {
            Some(error) => daemon.refused(WATCH.name, error),
            None => daemon.not_there(WATCH.name, &line),
        }),
        None => Err(CliError::Failed(format!("{}: closed without an answer", daemon.endpoint))),
    }
}

/// A line for a terminal: hints, errors and missed events are highlighted.
fn coloured(line: &str) -> String {
    let what = line.splitn(4, "  ").nth(3).unwrap_or(line);
    let colour = match what {
        _ if what.starts_with("hint: ") => "1;33",
        _ if what.starts_with("error reply: ") || what.starts_with("dropped: ") => "31",
        _ if what.starts_with('…') => "35",
        _ if what.starts_with("message ") || what.starts_with("reply ") => return line.to_owned(),
        _ => "2",
    };
    format!("\u{1b}[{colour}m{line}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hint_stands_out_and_a_similar_message_does_not() {
        let line = |what: &str| format!("+1.0 s  tcp://[::1]:1  [::1]:2  {what}");
        assert!(coloured(&line("hint: read")).starts_with("\u{1b}[1;33m"));
        let message = line("message '  hint: x'");
        assert_eq!(coloured(&message), message);
    }
}
