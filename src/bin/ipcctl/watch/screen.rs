//! `ipcctl watch` on the whole terminal: events above, the state and the filter below.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ipcd::engine::words::is_full;
use ipcd::host::time::short_of;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::super::columns::{cut, longest};
use super::super::connect::ConnectOptions;
use super::super::daemon::Conversation;
use super::super::edit::Edit;
use super::super::error::CliError;
use super::super::output;
use super::super::reconnect::{Due, Reconnecting};
use super::super::scrollback::{self, Scrollback};
use super::super::services::WATCH;
use super::super::terminal::{Screen, ScreenEvent};
use super::event::{WatchEvent, WatchLine, WatchLineKind};
use super::tools::Tools;

/// The prompt for a filter.
const PROMPT: &str = "filter> ";

/// Descriptions of the keys, the longest first; the first that fits is shown.
const KEYS: [&str; 4] = [
    " q: quit | p: pause | f: filter | Page Up, Page Down, Home, End: look back",
    " q: quit | p: pause | f: filter | Page Up: look back",
    " q: quit | p: pause | f: filter",
    " q: quit",
];

/// The same where the user came from another screen.
const KEYS_INSIDE: [&str; 4] = [
    " q: back | p: pause | f: filter | Page Up, Page Down, Home, End: look back",
    " q: back | p: pause | f: filter | Page Up: look back",
    " q: back | p: pause | f: filter",
    " q: back",
];

/// The columns of a time of day, `12:34:56`.
const TIME: usize = 8;

/// A narrower status says only when the next try is, while it is not connected.
const WHOLE_STATUS_COLUMNS_MIN: usize = 80;

/// Shown until the first event.
const NOTHING: &str = "nothing has happened yet; what clients do is shown here as they do it";

/// The most rows for the daemon's error.
const COMPLAINT_ROWS_MAX: usize = 4;

struct WatchScreen {
    reconnecting: Reconnecting,
    /// The active filter, as requested, and as the daemon shows it.
    filter: String,
    shown: String,
    /// Requested filters without an answer yet.
    asked: VecDeque<String>,
    edit: Edit,
    is_typing: bool,
    is_paused: bool,
    /// The error of a filter: shown until a key is pressed.
    complaint: Option<String>,
    events: u64,
    hints: u64,
    missed: u64,
    /// A moment of the daemon's clock, in seconds, and of ours; different for each daemon.
    zero: Option<(f64, SystemTime)>,
    /// The user came from another screen, and goes back there.
    is_inside: bool,
    tools: Tools,
    scrollback: Scrollback<WatchLineKind>,
    has_colour: bool,
    /// Rows of events at the last drawing.
    height: usize,
}

/// Continues a conversation in which `filter` was requested and `first` was the answer.
pub(crate) fn run(
    options: &ConnectOptions,
    conversation: Conversation,
    filter: String,
    first: &str,
) -> Result<(), CliError> {
    show(&mut Screen::enter()?, options, conversation, filter, first, false)
}

/// The same inside another screen: a process has only one reader of the keyboard.
pub(crate) fn run_inside(
    screen: &mut Screen,
    options: &ConnectOptions,
    conversation: Conversation,
    filter: String,
    first: &str,
) -> Result<(), CliError> {
    show(screen, options, conversation, filter, first, true)
}

fn show(
    screen: &mut Screen,
    options: &ConnectOptions,
    conversation: Conversation,
    filter: String,
    first: &str,
    is_inside: bool,
) -> Result<(), CliError> {
    let mut screen_state = WatchScreen {
        reconnecting: Reconnecting::around(conversation, &WATCH, options.timeout),
        filter: filter.clone(),
        shown: String::new(),
        asked: VecDeque::from([filter]),
        edit: Edit::default(),
        is_typing: false,
        is_paused: false,
        complaint: None,
        events: 0,
        hints: 0,
        missed: 0,
        zero: None,
        is_inside,
        tools: Tools::of(rustix::process::getuid().as_raw()),
        scrollback: Scrollback::stamped(TIME),
        has_colour: output::has_colour(),
        height: 0,
    };
    screen_state.hear(first)?;
    while screen_state.turn(screen)? {}
    Ok(())
}

impl WatchScreen {
    /// Handles one event; returns whether to continue.
    fn turn(&mut self, screen: &mut Screen) -> Result<bool, CliError> {
        screen.draw(|frame| self.draw(frame))?;
        let ours = self.tools.deadline().into_iter().chain(self.reconnecting.next_second());
        let deadline = self.reconnecting.deadline().into_iter().chain(ours).min();
        match screen.next(self.reconnecting.conversation(), deadline)? {
            ScreenEvent::Key(key) => return Ok(self.handle_key(key)),
            ScreenEvent::Paste(text) if self.is_typing => self.edit.insert(&text),
            ScreenEvent::Wheel(rows) => self.scrollback.scroll(rows),
            ScreenEvent::Paste(_) | ScreenEvent::Redraw => {}
            ScreenEvent::Daemon(outcome) => self.handle_daemon(outcome)?,
            ScreenEvent::Due => self.handle_deadline(),
        }
        Ok(true)
    }

    fn handle_deadline(&mut self) {
        let shown = self.tools.handle_deadline(Instant::now());
        self.see(shown);
        match self.reconnecting.handle_deadline() {
            Due::Nothing => {}
            Due::Overdue(error) => self.lose(&error.lines().join("; ")),
            Due::Begun => {
                self.zero = None;
                self.asked.clear();
                self.ask(self.filter.clone());
            }
        }
    }

    // ---- the user

    fn handle_key(&mut self, key: KeyEvent) -> bool {
        self.complaint = None;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return false,
            KeyCode::Char('d') if control && (!self.is_typing || self.edit.is_empty()) => return false,
            KeyCode::PageUp => self.scrollback.scroll(scrollback::page(self.height)),
            KeyCode::PageDown => self.scrollback.scroll(-scrollback::page(self.height)),
            _ if self.is_typing => self.handle_typing(key),
            KeyCode::Char('q') => return false,
            KeyCode::Char('p' | ' ') => self.pause(),
            KeyCode::Char('f' | '/') => {
                self.is_typing = true;
                self.edit.take();
                if self.filter != "all" {
                    self.edit.insert(&self.filter);
                }
            }
            KeyCode::Enter => self.reconnecting.try_now(),
            KeyCode::Up | KeyCode::Char('k') => self.scrollback.scroll(1),
            KeyCode::Down | KeyCode::Char('j') => self.scrollback.scroll(-1),
            KeyCode::Home => self.scrollback.scroll(isize::MAX),
            KeyCode::End | KeyCode::Esc => self.scrollback.scroll_to_end(),
            _ => {}
        }
        true
    }

    fn handle_typing(&mut self, key: KeyEvent) {
        let is_line_feed = key.code == KeyCode::Char('j') && key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => {
                self.edit.take();
                self.is_typing = false;
            }
            _ if (key.code == KeyCode::Enter || is_line_feed) && !self.reconnecting.is_in() => {
                self.complaint = Some("not connected: your filter waits here".to_owned());
            }
            _ if key.code == KeyCode::Enter || is_line_feed => {
                self.is_typing = false;
                let filter = self.edit.take().trim().to_owned();
                self.ask(if filter.is_empty() { "all".to_owned() } else { filter });
            }
            _ => {
                self.edit.handle_key(key);
            }
        }
    }

    /// Freezes the display, or follows the newest events again. No event is lost meanwhile.
    fn pause(&mut self) {
        self.is_paused = !self.is_paused;
        self.scrollback.hold(self.is_paused);
        if !self.is_paused {
            self.scrollback.scroll_to_end();
        }
    }

    // ---- the daemon

    fn ask(&mut self, filter: String) {
        self.reconnecting.ask(&format!("json {filter}"));
        self.asked.push_back(filter);
    }

    fn handle_daemon(&mut self, outcome: Result<(), CliError>) -> Result<(), CliError> {
        while let Some(line) = self.reconnecting.conversation().and_then(Conversation::heard) {
            self.hear(&line)?;
        }
        match outcome {
            Err(error) => self.lose(&error.lines().join("; ")),
            Ok(()) if self.reconnecting.conversation().is_some_and(|conversation| conversation.is_over()) => {
                self.lose("the connection ended");
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// Handles one line from the daemon.
    fn hear(&mut self, line: &str) -> Result<(), CliError> {
        match WatchLine::of(line) {
            WatchLine::Watching { filter, time } => {
                if let Some(asked) = self.asked.pop_front() {
                    self.filter = asked;
                }
                self.zero.get_or_insert((time, SystemTime::now()));
                let again = if self.reconnecting.handle_answer() { "the daemon is back; " } else { "" };
                self.note(WatchLineKind::Note, format!("-- {again}watching: {filter}"));
                self.shown = filter;
            }
            WatchLine::Seen(event) if Tools::are_wanted(&self.shown) => self.see(vec![event]),
            WatchLine::Seen(event) => {
                let shown = self.tools.handle(Instant::now(), event);
                self.see(shown);
            }
            WatchLine::Missed(count) => {
                self.missed = self.missed.saturating_add(count);
                self.note(WatchLineKind::Missed, format!("… {count} events missed"));
            }
            WatchLine::Error(error) => self.handle_error(error)?,
            WatchLine::Other => {
                let error = self.reconnecting.conversation().map(|daemon| daemon.not_there(WATCH.name, line));
                self.lose(&error.iter().flat_map(CliError::lines).cloned().collect::<String>());
            }
        }
        Ok(())
    }

    fn handle_error(&mut self, error: String) -> Result<(), CliError> {
        let is_full = is_full(&error);
        match self.asked.pop_front() {
            // It is already watching, and continues as before.
            Some(_) if self.reconnecting.is_in() => {
                self.reconnecting.handle_answer();
                self.complaint = Some(error);
            }
            // An endpoint may be free later; any other error stays an error.
            Some(_) if is_full => self.lose(&error),
            Some(_) => return Err(CliError::Refused(vec![error])),
            None => self.note(WatchLineKind::Error, format!("-- {error}")),
        }
        Ok(())
    }

    fn lose(&mut self, reason: &str) {
        if self.reconnecting.lose(reason.to_owned()) {
            self.note(WatchLineKind::Note, format!("-- {reason}; trying again until the daemon is back"));
        }
    }

    /// Adds events at their time of day.
    fn see(&mut self, events: Vec<WatchEvent>) {
        for event in events {
            self.events += 1;
            self.hints += u64::from(event.kind == WatchLineKind::Hint);
            let time = short_of(self.time_of_day(event.time));
            match event.kind {
                // To be read to the end.
                WatchLineKind::Hint => self.scrollback.push_at(time, event.kind, event.line()),
                _ => self.scrollback.push_row(time, event.kind, event.line()),
            }
        }
    }

    fn note(&mut self, kind: WatchLineKind, text: String) {
        self.scrollback.push_at(short_of(SystemTime::now()), kind, text);
    }

    /// A moment of the daemon's clock.
    fn time_of_day(&self, time: f64) -> SystemTime {
        let Some((zero, ours)) = self.zero else { return SystemTime::now() };
        let since = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let later = ours.checked_add(since(time - zero));
        later.and_then(|later| later.checked_sub(since(zero - time))).unwrap_or(ours)
    }

    // ---- drawing

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let (columns, height) = (usize::from(area.width), usize::from(area.height));
        let status = self.status(columns);
        let shown = status.len().min(height.saturating_sub(1));
        self.height = height.saturating_sub(shown + 1);
        let row =
            |y: usize| Rect { y: area.y + u16::try_from(y).unwrap_or(0), height: area.height.min(1), ..area };
        let has_colour = self.has_colour;
        let indent = self.scrollback.indent(columns);
        let rows = self.scrollback.view(columns, self.height);
        // The newest line is at the bottom.
        let top = self.height - rows.len();
        for (y, (line, bytes)) in (top..).zip(rows) {
            frame.render_widget(painted(line, bytes, has_colour, (indent, columns)), row(y));
        }
        if self.events == 0 && top > 0 {
            let nothing = scrollback::rows(NOTHING, columns).into_iter().take(top);
            for (y, bytes) in nothing.enumerate() {
                frame.render_widget(Line::from(NOTHING[bytes].trim_end()).centered(), row(y));
            }
        }
        for (y, text) in (self.height..).zip(&status[..shown]) {
            let style = Style::new().add_modifier(Modifier::REVERSED);
            frame.render_widget(Line::styled(text.as_str(), style), row(y));
        }
        let last = row(height.saturating_sub(1));
        if !self.is_typing {
            let keys = if self.is_inside { &KEYS_INSIDE } else { &KEYS };
            let keys = longest(keys, columns).unwrap_or_default();
            frame.render_widget(Line::styled(keys, Style::new().add_modifier(Modifier::DIM)), last);
            return;
        }
        let prompt = if columns > 2 * PROMPT.len() { PROMPT } else { "" };
        let (text, cursor) = self.edit.view(columns - prompt.len());
        frame.render_widget(Line::from_iter([prompt, &text]), last);
        let x = area.x + u16::try_from(prompt.len() + cursor).unwrap_or(0);
        frame.set_cursor_position(Position { x, y: last.y });
    }

    /// The status rows, as wide as the screen; or the daemon's error about a filter, however long it is.
    fn status(&self, columns: usize) -> Vec<String> {
        let wide = |text: &str| format!("{text:columns$}");
        if let Some(complaint) = &self.complaint {
            let text = format!(" {complaint}");
            return scrollback::first_rows(&text, columns, COMPLAINT_ROWS_MAX)
                .iter()
                .map(|row| wide(row))
                .collect();
        }
        let count = |count: u64, what: &str| match count {
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        };
        let reason = match (self.reconnecting.waiting(), self.reconnecting.is_in()) {
            (Some(reason), _) => Some(format!("not connected: {reason}")),
            (None, false) => Some("not connected: trying".to_owned()),
            (None, true) => None,
        };
        let below = self.scrollback.below();
        let parts = [
            Some(" watch".to_owned()),
            self.is_paused.then(|| "paused".to_owned()),
            (below > 0).then(|| format!("{below} more below")),
            reason,
            Some(self.shown.clone()),
            Some(format!("{}, {}", count(self.events, "event"), count(self.hints, "hint"))),
            (self.missed > 0).then(|| format!("missed {}", count(self.missed, "event"))),
            Some(self.reconnecting.endpoint().to_string()),
        ];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" | ");
        let short = self.reconnecting.next_try().filter(|_| columns < WHOLE_STATUS_COLUMNS_MIN);
        let text = short.map_or(text, |next| format!(" watch | {next}"));
        vec![wide(&cut(&text, columns))]
    }
}

/// A row of a line in its colours, after the time of day: these columns of all.
fn painted(
    line: &scrollback::Line<WatchLineKind>,
    bytes: Range<usize>,
    has_colour: bool,
    (indent, columns): (usize, usize),
) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let dim = Style::new().add_modifier(Modifier::DIM);
    let style = match line.kind {
        WatchLineKind::Said => Style::new(),
        WatchLineKind::Life | WatchLineKind::Note => dim,
        WatchLineKind::Hint if has_colour => bold.fg(Color::Yellow),
        WatchLineKind::Error if has_colour => Style::new().fg(Color::Red),
        WatchLineKind::Missed if has_colour => Style::new().fg(Color::Magenta),
        WatchLineKind::Hint | WatchLineKind::Error | WatchLineKind::Missed => bold,
    };
    let stamp = if bytes.start == 0 { line.stamp.as_str() } else { "" };
    let time = Span::styled(cut(&format!("{stamp:indent$}"), indent), dim);
    // Rows are broken at a space, which may stand beyond the last column.
    let text = cut(line.text[bytes].trim_end_matches(' '), columns - indent);
    Line::from_iter([time, Span::styled(text, style)])
}
