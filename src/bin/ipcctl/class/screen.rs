//! `ipcctl class` on the whole terminal: a row for each address or user, redrawn at each update.

use std::ops::ControlFlow;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use serde_json::Value;

use super::super::columns::{cut, longest};
use super::super::connect::ConnectOptions;
use super::super::daemon::Conversation;
use super::super::error::CliError;
use super::super::locate;
use super::super::reconnect::{Due, Reconnecting};
use super::super::scrollback::{self, drawable};
use super::super::services::STATUS;
use super::super::terminal::Screen;
use super::super::updates::screen::{self, ListScreen};
use super::super::{output, watch};
use super::clients::{CLIENTS, clients};
use super::rows::{Column, Row, fitting, sorted};

/// The most rows for the selected hint below the table.
const HINT_ROWS_MAX: usize = 3;

struct ClassScreen<'a> {
    options: &'a ConnectOptions,
    reconnecting: Reconnecting,
    /// Whether selecting the service is the request.
    is_mux: bool,
    rows: Vec<Row>,
    /// The client that the user selected, wherever its row moves; `None`: the first row.
    chosen: Option<String>,
    /// The first visible row, and how many fit, at the last drawing.
    from: usize,
    room: usize,
    is_asked: bool,
    /// Shown until a key is pressed.
    note: Option<String>,
    has_colour: bool,
}

pub(super) fn run(
    options: &ConnectOptions,
    conversation: Conversation,
    every: Duration,
    told: Vec<Value>,
) -> Result<(), CliError> {
    let mut desk = ClassScreen {
        options,
        is_mux: !options.direct && locate::is_mux(&conversation.endpoint, STATUS.name),
        reconnecting: Reconnecting::around(conversation, &STATUS, options.timeout),
        rows: Vec::new(),
        chosen: None,
        from: 0,
        room: 1,
        is_asked: false,
        note: None,
        has_colour: output::has_colour(),
    };
    desk.take(told);
    let mut screen = Screen::enter()?;
    screen::run(&mut screen, &mut desk, every)
}

impl ListScreen for ClassScreen<'_> {
    fn reconnecting(&mut self) -> &mut Reconnecting {
        &mut self.reconnecting
    }

    fn ask(&mut self) {
        if self.reconnecting.conversation().is_some() {
            self.reconnecting.ask(CLIENTS);
            self.is_asked = true;
        }
    }

    fn is_asked(&self) -> bool {
        self.is_asked
    }

    fn handle_deadline(&mut self) -> Result<(), CliError> {
        match self.reconnecting.handle_deadline() {
            Due::Nothing => {}
            Due::Overdue(error) => self.lose(&error),
            Due::Begun if self.is_mux => self.is_asked = true,
            Due::Begun => self.ask(),
        }
        Ok(())
    }

    fn handle_daemon(&mut self, outcome: Result<(), CliError>) -> Result<(), CliError> {
        while let Some(line) = self.reconnecting.conversation().and_then(Conversation::heard) {
            let Some(conversation) = self.reconnecting.conversation() else { break };
            match clients(conversation, &line) {
                Ok(told) => {
                    self.is_asked = false;
                    if self.reconnecting.handle_answer() {
                        self.note = Some("the daemon is back".to_owned());
                    }
                    self.take(told);
                }
                Err(error @ CliError::Refused(_)) => return Err(error),
                Err(error) => self.lose(&error),
            }
        }
        match outcome {
            Err(error) => self.lose(&error),
            Ok(()) if self.reconnecting.conversation().is_some_and(|conversation| conversation.is_over()) => {
                self.lose(&CliError::Failed("the connection ended".to_owned()));
            }
            Ok(()) => {}
        }
        Ok(())
    }

    fn handle_key(&mut self, key: KeyEvent, screen: &mut Screen) -> Result<ControlFlow<()>, CliError> {
        self.note = None;
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Ok(ControlFlow::Break(()));
            }
            KeyCode::Char('q') | KeyCode::Esc => return Ok(ControlFlow::Break(())),
            KeyCode::Char('j') | KeyCode::Down => self.choose(1),
            KeyCode::Char('k') | KeyCode::Up => self.choose(-1),
            KeyCode::PageDown => self.choose(scrollback::page(self.room)),
            KeyCode::PageUp => self.choose(-scrollback::page(self.room)),
            KeyCode::Home => self.chosen = None,
            KeyCode::End => self.choose(isize::MAX),
            KeyCode::Enter if self.reconnecting.waiting().is_some() => self.reconnecting.try_now(),
            KeyCode::Enter | KeyCode::Char('w') => {
                let row = self.at().and_then(|at| self.rows.get(at));
                match row.map(Row::filter) {
                    Some(Some(filter)) => match watch::look(screen, self.options, filter) {
                        Err(error @ CliError::Signal(_)) => return Err(error),
                        Err(error) => self.note = Some(error.lines().join("; ")),
                        Ok(()) => {}
                    },
                    Some(None) => self.note = Some("the traffic of this row cannot be shown".to_owned()),
                    None => self.note = Some("no clients yet".to_owned()),
                }
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn scroll(&mut self, rows: isize) {
        self.choose(rows);
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let width = usize::from(frame.area().width);
        let hint = self.chosen_hint(width);
        let below = u16::try_from(hint.len()).unwrap_or(0);
        let areas = Layout::vertical([Constraint::Min(0), Constraint::Length(below), Constraint::Length(1)]);
        let [above, middle, last] = areas.areas(frame.area());
        self.room = usize::from(above.height).saturating_sub(1).max(1);
        if let Some(at) = self.at() {
            self.from = self.from.clamp((at + 1).saturating_sub(self.room), at);
        }
        self.from = self.from.min(self.rows.len().saturating_sub(self.room));
        self.draw_rows(frame, above);
        frame.render_widget(Text::from_iter(hint.into_iter().map(Line::from)), middle);
        let status = format!("{:width$}", cut(&self.status(width), width));
        frame.render_widget(Line::styled(status, Style::new().add_modifier(Modifier::REVERSED)), last);
    }
}

impl ClassScreen<'_> {
    // ---- the daemon

    fn lose(&mut self, error: &CliError) {
        self.is_asked = false;
        self.note = None;
        self.reconnecting.lose(error.lines().join("; "));
    }

    fn take(&mut self, mut told: Vec<Value>) {
        sorted(&mut told);
        self.rows = told.iter().map(Row::of).collect();
    }

    /// The selected row: the first until the user selects one, or if that one is gone.
    fn at(&self) -> Option<usize> {
        let is_chosen = |row: &Row| self.chosen.as_ref() == Some(&row.client);
        (!self.rows.is_empty()).then(|| self.rows.iter().position(is_chosen).unwrap_or(0))
    }

    /// Moves the selection down by this many rows, or up if negative.
    fn choose(&mut self, rows: isize) {
        let last = self.rows.len().saturating_sub(1);
        let at = self.at().map_or(0, |at| at.saturating_add_signed(rows).min(last));
        self.chosen = self.rows.get(at).map(|row| row.client.clone());
    }

    // ---- drawing

    fn draw_rows(&self, frame: &mut Frame<'_>, area: Rect) {
        if self.rows.is_empty() {
            let text = "no clients yet; each address or user will get a row";
            let rows = scrollback::first_rows(text, usize::from(area.width), usize::from(area.height));
            return frame.render_widget(Text::from_iter(rows), area);
        }
        let columns = fitting(&self.rows, usize::from(area.width));
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let heading = Line::styled(text_of(&columns, |column| column.heading()), bold);
        let selected = self.at();
        let shown = (self.from..).zip(&self.rows[self.from..]).take(self.room).map(|(at, row)| {
            let is_chosen = selected == Some(at);
            let style = match row.is_in_trouble {
                true if self.has_colour => Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
                true => bold,
                false => Style::new(),
            };
            let style = if is_chosen { style.add_modifier(Modifier::REVERSED) } else { style };
            Line::from(Span::styled(text_of(&columns, |column| column.of(row)), style))
        });
        frame.render_widget(Text::from_iter(std::iter::once(heading).chain(shown)), area);
    }

    /// The full hint of the selected row, if it does not fit into its column.
    fn chosen_hint(&self, width: usize) -> Vec<String> {
        let Some(row) = self.at().and_then(|at| self.rows.get(at)) else { return Vec::new() };
        if row.hint.is_empty() {
            return Vec::new();
        }
        let text = format!("{}: {}", row.who, row.hint);
        scrollback::first_rows(&drawable(&text), width, HINT_ROWS_MAX)
    }

    fn status(&self, width: usize) -> String {
        let count = self.rows.len();
        let trouble = self.rows.iter().filter(|row| row.is_in_trouble).count();
        let how = self
            .reconnecting
            .trouble_or(self.note.as_deref())
            .map_or(String::new(), |how| format!("{how} | "));
        let last = (self.from + self.room).min(count);
        let (rows, short) = match last - self.from.min(last) == count {
            true => Default::default(),
            false => {
                let rows = format!(", {} to {last}", self.from + 1);
                (format!("{rows} shown"), rows)
            }
        };
        let status = format!(" class | {how}{trouble} of {count} in trouble{rows}");
        let short = format!(" {how}{trouble} of {count} in trouble{short}");
        let lines = [
            format!("{status} | arrows: choose | Enter: its traffic | q: quit"),
            format!("{status} | Enter: traffic | q: quit"),
            format!("{status} | q: quit"),
            format!("{short} | q: quit"),
            self.reconnecting.next_try().map_or(status, |next| format!(" class | {next}")),
        ];
        longest(&lines, width).unwrap_or(&lines[4]).to_owned()
    }
}

/// The cells of a row, each in its column.
fn text_of<'a>(columns: &[(Column, usize)], cell: impl Fn(Column) -> &'a str) -> String {
    let cells = columns.iter().map(|(column, width)| {
        let text = cut(&drawable(cell(*column)), *width);
        column.cell(&text, *width)
    });
    cells.collect::<Vec<_>>().join(" ")
}
