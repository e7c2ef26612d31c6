//! chat and talk on a terminal: events and their meaning. The display is in [`screen`].

mod again;
mod complete;
mod line_kind;
mod members;
mod screen;

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ipcd::engine::words;

use self::again::Again;
use self::complete::Completion;
use self::line_kind::ChatLineKind;
use self::members::Members;
use super::chat_protocol::{ChatProtocol, Heard, Try, is_removal};
use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::edit::Edit;
use super::error::CliError;
use super::locate;
use super::output;
use super::reconnect::{Due, Reconnecting};
use super::scrollback::{self, Scrollback};
use super::terminal::{Screen, ScreenEvent};

/// How long to wait for the room's farewell.
const FAREWELL: Duration = Duration::from_secs(2);

/// The columns of a time of day, `12:34`.
const TIME: usize = 5;

/// The state of the conversation.
enum Phase {
    /// Connected, or connecting.
    Live(Reconnecting),
    /// We have sent our farewell.
    Leaving { conversation: Conversation, until: Instant },
    /// The talk has ended; its text stays on screen until a key is pressed.
    Ended,
}

struct Room {
    protocol: ChatProtocol,
    phase: Phase,
    /// We have joined once: the other side is the chat.
    was_in: bool,
    /// The room has greeted us: further lines before we join are from the chat.
    is_greeted: bool,
    members: Members,
    /// What was shown, so that the room's history is not shown again.
    again: Again,
    /// The list of members is shown beside the lines.
    has_panel: bool,
    edit: Edit,
    completion: Completion,
    scrollback: Scrollback<ChatLineKind>,
    /// Lines that arrived while the user scrolled back.
    unread: usize,
    has_colour: bool,
    /// Rows of the scrollback at the last drawing.
    height: usize,
}

pub(crate) fn run(options: &ConnectOptions, mut protocol: ChatProtocol) -> Result<(), CliError> {
    let conversation = Conversation::begin(options, protocol.wanted())?;
    // A mux belongs to ipcd.
    let is_mux = !options.direct && locate::is_mux(&conversation.endpoint, protocol.wanted().name);
    protocol = protocol.at_ipcd(is_mux);
    let mut reconnecting = Reconnecting::around(conversation, protocol.wanted(), options.timeout);
    protocol.opening().iter().for_each(|line| reconnecting.ask(line));
    let mut screen = Screen::enter()?;
    let mut room = Room {
        protocol,
        phase: Phase::Live(reconnecting),
        was_in: false,
        is_greeted: false,
        members: Members::default(),
        again: Again::default(),
        has_panel: false,
        edit: Edit::default(),
        completion: Completion::default(),
        scrollback: Scrollback::stamped(TIME),
        unread: 0,
        has_colour: output::has_colour(),
        height: 0,
    };
    if !room.protocol.is_echoed() {
        room.note("your lines go to your partner, as soon as there is one; bye or Ctrl-D ends the talk");
    }
    while room.turn(&mut screen)? {}
    Ok(())
}

impl Room {
    /// Handles one event; returns whether to continue.
    fn turn(&mut self, screen: &mut Screen) -> Result<bool, CliError> {
        screen.draw(|frame| self.draw(frame))?;
        let (conversation, deadline) = match &mut self.phase {
            Phase::Live(reconnecting) => {
                let deadline = reconnecting.deadline().into_iter().chain(reconnecting.next_second()).min();
                (reconnecting.conversation(), deadline)
            }
            Phase::Leaving { conversation, until } => (Some(conversation), Some(*until)),
            Phase::Ended => (None, None),
        };
        match screen.next(conversation, deadline)? {
            ScreenEvent::Key(key) => self.handle_key(key),
            ScreenEvent::Paste(text) => {
                self.edit.insert(&text);
                Ok(true)
            }
            ScreenEvent::Wheel(rows) => {
                self.scroll(rows);
                Ok(true)
            }
            ScreenEvent::Redraw => Ok(true),
            ScreenEvent::Daemon(outcome) => self.handle_daemon(outcome),
            ScreenEvent::Due => Ok(self.handle_deadline()),
        }
    }

    // ---- the user

    fn handle_key(&mut self, key: KeyEvent) -> Result<bool, CliError> {
        if matches!(self.phase, Phase::Ended) {
            return Ok(false);
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Ok(self.leave()),
            KeyCode::Char('d') if control && self.edit.is_empty() => return Ok(self.leave()),
            KeyCode::PageUp => self.scroll(scrollback::page(self.height)),
            KeyCode::PageDown => self.scroll(-scrollback::page(self.height)),
            KeyCode::Esc => self.scroll_to_end(),
            KeyCode::Enter => return Ok(self.enter()),
            // An Enter that was typed before we took over the terminal arrives like this.
            KeyCode::Char('j') if control => return Ok(self.enter()),
            KeyCode::Tab if self.protocol.is_echoed() => self.complete(),
            KeyCode::F(2) if self.protocol.is_echoed() => {
                self.has_panel = !self.has_panel;
                if self.has_panel {
                    self.ask_for_members();
                }
            }
            _ => {
                self.edit.handle_key(key);
            }
        }
        Ok(true)
    }

    fn scroll(&mut self, rows: isize) {
        self.scrollback.scroll(rows);
        if self.scrollback.below() == 0 {
            self.unread = 0;
        }
    }

    fn scroll_to_end(&mut self) {
        self.scrollback.scroll_to_end();
        self.unread = 0;
    }

    fn complete(&mut self) {
        let before = self.edit.before_cursor().to_owned();
        match self.completion.next(&before, self.members.names()) {
            Some((from, way)) => self.edit.complete(from, &way),
            // Perhaps a member that has not spoken: known next time.
            None if self.protocol.is_certain() => self.ask_for_members(),
            None => {}
        }
    }

    /// Asks for the members, without showing the answer.
    fn ask_for_members(&mut self) {
        if let Phase::Live(reconnecting) = &mut self.phase
            && self.protocol.is_in()
            && let Some(conversation) = reconnecting.conversation()
        {
            conversation.say("/who");
            self.members.ask();
        }
    }

    /// The line is complete; returns whether to continue.
    fn enter(&mut self) -> bool {
        if self.protocol.is_farewell(self.edit.text()) {
            self.edit.take();
            return self.leave();
        }
        let is_blank = self.edit.text().trim().is_empty();
        if is_blank {
            self.edit.take();
        }
        match &mut self.phase {
            Phase::Live(reconnecting)
                if self.protocol.is_asked() && reconnecting.waiting().is_none() && !is_blank =>
            {
                let passphrase = self.edit.take();
                reconnecting.ask(&passphrase);
                self.protocol.set_passphrase(passphrase);
            }
            Phase::Live(reconnecting) if self.protocol.is_in() && reconnecting.waiting().is_none() => {
                let Some(conversation) = reconnecting.conversation().filter(|_| !is_blank) else {
                    return true;
                };
                let line = self.edit.take();
                conversation.say(&line);
                if !self.protocol.is_echoed() {
                    let text = format!("{}: {line}", self.protocol.name());
                    let name_bytes = self.protocol.name().len();
                    self.push(ChatLineKind::Said { name_bytes }, text);
                }
                self.scroll_to_end();
            }
            Phase::Live(reconnecting) => {
                reconnecting.try_now();
                if !is_blank {
                    self.note("not connected: your line waits here");
                }
            }
            _ => {}
        }
        true
    }

    /// Sends the farewell, if connected; returns whether to wait until it was received.
    fn leave(&mut self) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Live(reconnecting) if self.protocol.is_in() && reconnecting.waiting().is_none() => {
                let mut conversation = reconnecting.into_conversation();
                conversation.say(self.protocol.farewell());
                self.phase = Phase::Leaving { conversation, until: Instant::now() + FAREWELL };
                true
            }
            _ => false,
        }
    }

    // ---- the daemon

    fn heard(&mut self) -> Option<String> {
        match &mut self.phase {
            Phase::Live(reconnecting) => reconnecting.conversation()?.heard(),
            Phase::Leaving { conversation, .. } => conversation.heard(),
            Phase::Ended => None,
        }
    }

    fn handle_daemon(&mut self, outcome: Result<(), CliError>) -> Result<bool, CliError> {
        while let Some(line) = self.heard() {
            let heard = self.protocol.handle(line);
            if !self.handle_heard(heard)? {
                return Ok(false);
            }
            self.say_key();
        }
        let is_over = match &mut self.phase {
            Phase::Live(reconnecting) => {
                reconnecting.conversation().is_some_and(|conversation| conversation.is_over())
            }
            Phase::Leaving { conversation, .. } => conversation.is_over(),
            Phase::Ended => false,
        };
        match outcome {
            Err(error) => Ok(self.lose(error.lines().join("; "))),
            Ok(()) if is_over => Ok(self.lose("the connection ended".to_owned())),
            Ok(()) => Ok(true),
        }
    }

    /// Sends the key that gives us our name back, as soon as only the room can see it.
    fn say_key(&mut self) {
        if let Phase::Live(reconnecting) = &mut self.phase
            && let Some(conversation) = reconnecting.conversation()
            && let Some(line) = self.protocol.key_line()
        {
            conversation.say(&line);
        }
    }

    /// We are in the room, for the first time or again.
    fn handle_joined(&mut self) {
        let is_again = std::mem::replace(&mut self.was_in, true);
        self.members.clear();
        self.note(&format!("you are in the room as {}", self.protocol.name()));
        // A room that is not ipcd's would show commands to everyone: before we send a key, we ask a
        // harmless question. The answer also has the names.
        let is_certain = self.protocol.is_certain();
        if self.has_panel || is_again || !is_certain {
            self.ask_for_members();
        }
        if is_again && is_certain {
            self.again.begin(); // the answer marks the end of the history
        }
    }

    /// Handles a line; returns whether to continue.
    fn handle_heard(&mut self, heard: Heard) -> Result<bool, CliError> {
        match (heard, &mut self.phase) {
            (Heard::Nothing, _) => self.is_greeted = true,
            (Heard::Joined, Phase::Live(reconnecting)) => {
                reconnecting.handle_answer();
                self.handle_joined();
            }
            (Heard::Asked, Phase::Live(reconnecting)) => match self.protocol.passphrase() {
                Some(passphrase) => reconnecting.ask(&passphrase),
                None => {
                    reconnecting.handle_answer();
                    self.note("this room asks for a passphrase: type it, and press Enter");
                }
            },
            (Heard::NotIn(error) | Heard::Error(error), Phase::Live(reconnecting)) if is_removal(&error) => {
                reconnecting.stop_trying(error.clone());
                self.note(&format!("{error}; press Enter to join again"));
            }
            (Heard::NotIn(error), _) if error == words::NOT_THE_PASSPHRASE => {
                self.protocol.forget_passphrase();
                self.push(ChatLineKind::Error, error);
            }
            (Heard::NotIn(error), _) if error.starts_with(words::NO_PASSPHRASE) => {
                return Err(CliError::Refused(vec![error]));
            }
            (Heard::NotIn(error), Phase::Live(reconnecting))
                if words::is_taken(&error) || words::is_not_the_key(&error) =>
            {
                match self.protocol.another_try() {
                    Some(Try::Name(name)) => {
                        reconnecting.ask(&name);
                        self.note(&format!("{error}: trying {name}"));
                    }
                    Some(Try::Key(line)) => reconnecting.ask(&line),
                    None => return Err(CliError::Refused(vec![error])),
                }
            }
            // An invalid name stays invalid next time; anything else may work.
            (Heard::NotIn(error), _) if words::is_no_name(&error) => {
                return Err(CliError::Refused(vec![error]));
            }
            (Heard::NotIn(error), _) if words::is_not_allowed(&error) => {
                return Err(CliError::Refused(vec![error]));
            }
            // A server that answers like this is not the chat.
            (Heard::Other(line), Phase::Live(_)) if !self.was_in => return Err(self.not_there(&line)),
            (Heard::NotIn(error), Phase::Live(_))
                if !self.was_in && !self.is_greeted && !words::is_full(&error) =>
            {
                return Err(self.not_there(&format!("Error: {error}")));
            }
            (Heard::NotIn(error) | Heard::Other(error) | Heard::Error(error), _) => {
                self.push(ChatLineKind::Error, error);
            }
            (Heard::Line(line), _) => self.hear(line),
            (Heard::Farewell, _) => return Ok(false),
            (Heard::Joined | Heard::Asked, _) => {}
        }
        Ok(true)
    }

    fn not_there(&mut self, line: &str) -> CliError {
        let name = self.protocol.wanted().name;
        match &mut self.phase {
            Phase::Live(reconnecting) => reconnecting.not_there(name, line),
            _ => CliError::Failed(line.to_owned()),
        }
    }

    fn hear(&mut self, line: String) {
        if !self.protocol.is_echoed() {
            let name = "partner";
            self.push(ChatLineKind::Said { name_bytes: name.len() }, format!("{name}: {line}"));
            return;
        }
        let is_answer = line.starts_with(words::WHO);
        if is_answer || self.again.is_full() {
            self.end_history();
        }
        if self.members.handle(&line) {
            return;
        }
        if let Some(line) = self.again.hold(line) {
            self.show(line);
        }
    }

    /// The room's history has arrived: shows what was not shown before.
    fn end_history(&mut self) {
        for line in self.again.end() {
            self.show(line);
        }
    }

    fn show(&mut self, line: String) {
        let (kind, text) = line_kind::of(line.clone());
        if matches!(kind, ChatLineKind::Said { .. } | ChatLineKind::Done | ChatLineKind::Teacher) {
            self.again.shown(line);
        }
        if self.scrollback.below() > 0 {
            if self.unread == 0 {
                self.scrollback.push(ChatLineKind::New, "---- new ----".to_owned());
            }
            self.unread += 1;
        }
        self.push(kind, text);
    }

    /// The connection is lost; returns whether to continue.
    fn lose(&mut self, reason: String) -> bool {
        self.end_history();
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Live(mut reconnecting) if self.protocol.is_echoed() => {
                let is_news = reconnecting.lose(reason.clone());
                self.phase = Phase::Live(reconnecting);
                if is_news {
                    self.note(&format!("{reason}; trying again until the daemon is back"));
                }
                true
            }
            Phase::Live(reconnecting) => {
                reconnecting.into_conversation().hang_up();
                self.note("the talk has ended; press any key");
                true
            }
            _ => false,
        }
    }

    /// Whether to continue.
    fn handle_deadline(&mut self) -> bool {
        let Phase::Live(reconnecting) = &mut self.phase else { return false };
        match reconnecting.handle_deadline() {
            Due::Nothing => {}
            Due::Overdue(error) => return self.lose(error.lines().join("; ")),
            Due::Begun => self.protocol.opening().iter().for_each(|line| reconnecting.ask(line)),
        }
        true
    }

    fn note(&mut self, text: &str) {
        self.push(ChatLineKind::Note, format!("-- {text}"));
    }

    fn push(&mut self, kind: ChatLineKind, text: String) {
        let time = ipcd::host::time::short().chars().take(TIME).collect();
        self.scrollback.push_at(time, kind, text);
    }
}
