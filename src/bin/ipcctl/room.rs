//! chat and talk on a terminal: what is heard above, what is typed below, and a line between that says how things are.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::daemon::Conversation;
use super::edit::Edit;
use super::scrollback::{self, Scrollback};
use super::speech::{self, Heard, Speech};
use super::terminal::{Happening, Screen};
use super::trouble::words;
use super::{Reach, Trouble, output};

/// The first pause before a new connection; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long the room may take to say farewell.
const FAREWELL: Duration = Duration::from_secs(2);

/// Before each line that is being typed.
const PROMPT: &str = "> ";

/// The colours of names: those that can be read on black and on white.
const COLOURS: [Color; 6] =
    [Color::Cyan, Color::Green, Color::Magenta, Color::Blue, Color::LightRed, Color::Yellow];

/// What a line is, for how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Somebody said it; the first bytes are the name.
    Said { name_bytes: usize },
    /// The room says it.
    Room,
    /// We say it.
    Note,
    /// The daemon's error.
    Error,
}

/// What goes on with the daemon.
enum Phase {
    /// Connected, or about to be; being in is the speech's business. Until then it has this long.
    Open { conversation: Conversation, until: Option<Instant> },
    /// Lost, and why; when it is tried again.
    Lost { conversation: Conversation, why: String, next: Instant },
    /// We said farewell.
    Leaving { conversation: Conversation, until: Instant },
    /// The talk has ended; what was said is there to read until a key is pressed.
    Ended,
}

struct Room<'r> {
    reach: &'r Reach,
    speech: Speech,
    phase: Phase,
    /// The pause before the next try, should this connection be lost.
    pause: Duration,
    /// A note says that it is lost: one is enough, however often it is tried.
    is_loss_told: bool,
    edit: Edit,
    scrollback: Scrollback<Kind>,
    has_colour: bool,
    /// Rows of what is heard, as drawn last.
    height: usize,
}

pub(crate) fn run(reach: &Reach, mut speech: Speech) -> Result<(), Trouble> {
    let mut conversation = Conversation::begin(reach, speech.wanted())?;
    speech.opening().iter().for_each(|line| conversation.say(line));
    let mut screen = Screen::enter()?;
    let phase = Phase::Open { conversation, until: reach.deadline() };
    let mut room = Room {
        reach,
        speech,
        phase,
        pause: PAUSE_MIN,
        is_loss_told: false,
        edit: Edit::default(),
        scrollback: Scrollback::default(),
        has_colour: output::has_colour(),
        height: 0,
    };
    if !room.speech.is_echoed() {
        room.note("what you type goes to your partner, as soon as there is one; bye or Ctrl-D ends the talk");
    }
    while room.turn(&mut screen)? {}
    Ok(())
}

impl Room<'_> {
    /// One thing that happens, and what it means; whether it goes on.
    fn turn(&mut self, screen: &mut Screen) -> Result<bool, Trouble> {
        screen.draw(|frame| self.draw(frame))?;
        let (conversation, deadline) = match &mut self.phase {
            Phase::Open { conversation, until } => {
                (Some(conversation), until.filter(|_| !self.speech.is_in()))
            }
            Phase::Lost { next, .. } => (None, Some(*next)),
            Phase::Leaving { conversation, until } => (Some(conversation), Some(*until)),
            Phase::Ended => (None, None),
        };
        match screen.next(conversation, deadline)? {
            Happening::Key(key) => self.handle_key(key),
            Happening::Paste(text) => {
                self.edit.insert(&text);
                Ok(true)
            }
            Happening::Wheel(rows) => {
                self.scrollback.scroll(rows);
                Ok(true)
            }
            Happening::Redraw => Ok(true),
            Happening::Daemon(outcome) => self.handle_daemon(outcome),
            Happening::Due => self.handle_deadline(),
        }
    }

    fn handle_key(&mut self, key: KeyEvent) -> Result<bool, Trouble> {
        if matches!(self.phase, Phase::Ended) {
            return Ok(false);
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Ok(self.leave()),
            KeyCode::Char('d') if control && self.edit.is_empty() => return Ok(self.leave()),
            KeyCode::PageUp => self.scrollback.scroll(self.page()),
            KeyCode::PageDown => self.scrollback.scroll(-self.page()),
            KeyCode::Esc => self.scrollback.scroll_to_end(),
            KeyCode::Enter => return Ok(self.enter()),
            // So comes an Enter that was typed before the terminal was ours.
            KeyCode::Char('j') if control => return Ok(self.enter()),
            _ => {
                self.edit.handle_key(key);
            }
        }
        Ok(true)
    }

    /// Almost a screenful: a row stays in view.
    fn page(&self) -> isize {
        isize::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(1)
    }

    /// The line is whole; whether it goes on.
    fn enter(&mut self) -> bool {
        if self.speech.is_farewell(self.edit.text()) {
            self.edit.take();
            return self.leave();
        }
        if self.edit.text().trim().is_empty() {
            self.edit.take();
            return true;
        }
        match &mut self.phase {
            Phase::Open { conversation, .. } if self.speech.is_in() => {
                let line = self.edit.take();
                conversation.say(&line);
                if !self.speech.is_echoed() {
                    let text = format!("{}: {line}", self.speech.name());
                    let name_bytes = self.speech.name().len();
                    self.scrollback.push(Kind::Said { name_bytes }, text);
                }
                self.scrollback.scroll_to_end();
            }
            _ => self.note("not connected: your line waits here"),
        }
        true
    }

    /// Says farewell, where somebody is to hear it; whether it goes on until that was heard.
    fn leave(&mut self) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Open { mut conversation, .. } if self.speech.is_in() => {
                conversation.say(self.speech.farewell());
                self.phase = Phase::Leaving { conversation, until: Instant::now() + FAREWELL };
                true
            }
            _ => false,
        }
    }

    fn handle_daemon(&mut self, outcome: Result<(), Trouble>) -> Result<bool, Trouble> {
        loop {
            let (Phase::Open { conversation, .. } | Phase::Leaving { conversation, .. }) = &mut self.phase
            else {
                return Ok(true);
            };
            let Some(line) = conversation.heard() else { break };
            match self.speech.handle(line) {
                Heard::Nothing => {}
                Heard::Joined => {
                    self.pause = PAUSE_MIN;
                    self.is_loss_told = false;
                    self.note(&format!("you are in the room as {}", self.speech.name()));
                }
                Heard::NotIn(error) if speech::is_taken(&error) => match self.speech.another_name() {
                    Some(name) => {
                        conversation.say(&name);
                        self.note(&format!("{error}: trying {name}"));
                    }
                    None => return Err(Trouble::Refused(vec![error])),
                },
                // A name that no room takes will not do next time either; anything else may.
                Heard::NotIn(error) if error.starts_with("a name is ") => {
                    return Err(Trouble::Refused(vec![error]));
                }
                Heard::NotIn(error) | Heard::Other(error) => self.scrollback.push(Kind::Error, error),
                Heard::Line(line) => self.hear(line),
                Heard::Error(error) => self.scrollback.push(Kind::Error, error),
                Heard::Farewell => return Ok(false),
            }
        }
        match outcome {
            Err(trouble) => Ok(self.lose(&trouble.lines().join("; "))),
            Ok(()) => match &self.phase {
                Phase::Open { conversation, .. } | Phase::Leaving { conversation, .. }
                    if conversation.is_over() =>
                {
                    Ok(self.lose("the connection ended"))
                }
                _ => Ok(true),
            },
        }
    }

    fn hear(&mut self, line: String) {
        if !self.speech.is_echoed() {
            let name = "partner";
            self.scrollback.push(Kind::Said { name_bytes: name.len() }, format!("{name}: {line}"));
            return;
        }
        // No name has a colon; before it may stand who it is for.
        let name = line.split_once(": ").map(|(name, _)| name.find(" (to ").unwrap_or(name.len()));
        let kind = name.map_or(Kind::Room, |name_bytes| Kind::Said { name_bytes });
        self.scrollback.push(kind, line);
    }

    /// The connection is no more; whether it goes on.
    fn lose(&mut self, why: &str) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Open { conversation, .. } if self.speech.is_echoed() => {
                if !self.is_loss_told {
                    self.note(&format!("{why}; trying again until it is there"));
                    self.is_loss_told = true;
                }
                self.wait(conversation, why.to_owned());
                true
            }
            Phase::Open { conversation, .. } => {
                conversation.hang_up();
                self.note("the talk has ended; press any key");
                true
            }
            _ => false,
        }
    }

    fn wait(&mut self, conversation: Conversation, why: String) {
        conversation.hang_up();
        self.phase = Phase::Lost { conversation, why, next: Instant::now() + self.pause };
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    fn handle_deadline(&mut self) -> Result<bool, Trouble> {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Open { conversation, until } => {
                let why = conversation.too_late().lines().join("; ");
                self.phase = Phase::Open { conversation, until };
                Ok(self.lose(&why))
            }
            Phase::Lost { conversation, .. } => {
                match conversation.again(self.speech.wanted()) {
                    Ok(mut again) => {
                        self.speech.opening().iter().for_each(|line| again.say(line));
                        self.phase = Phase::Open { conversation: again, until: self.reach.deadline() };
                    }
                    Err(error) => self.wait(conversation, words(&error)),
                }
                Ok(true)
            }
            Phase::Leaving { .. } | Phase::Ended => Ok(false),
        }
    }

    fn note(&mut self, text: &str) {
        self.scrollback.push(Kind::Note, format!("-- {text}"));
    }

    // ---- drawing

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let row = |from_end: u16| Rect {
            y: area.bottom().saturating_sub(from_end).max(area.y),
            height: area.height.min(1),
            ..area
        };
        self.height = usize::from(area.height.saturating_sub(2));
        let rows = self.scrollback.view(usize::from(area.width), self.height);
        let has_colour = self.has_colour;
        // The newest stands right above, as it would on paper.
        let top = area.bottom().saturating_sub(2).saturating_sub(u16::try_from(rows.len()).unwrap_or(0));
        for (y, (line, bytes)) in (top..).zip(&rows) {
            let drawn = painted(line, bytes.clone(), has_colour);
            frame.render_widget(drawn, Rect { y, height: 1, ..area });
        }
        if area.height >= 2 {
            let style = Style::new().add_modifier(Modifier::REVERSED);
            frame.render_widget(Line::styled(self.status(usize::from(area.width)), style), row(2));
        }
        let prompt = if usize::from(area.width) > 2 * PROMPT.len() { PROMPT } else { "" };
        let columns = usize::from(area.width) - prompt.len();
        let (text, cursor) = self.edit.view(columns);
        frame.render_widget(Line::from_iter([prompt, &text]), row(1));
        let x = area.x + u16::try_from(prompt.len() + cursor).unwrap_or(0);
        frame.set_cursor_position(Position { x, y: row(1).y });
    }

    /// As wide as the screen.
    fn status(&self, columns: usize) -> String {
        let name = self.speech.name();
        let state = match &self.phase {
            Phase::Open { conversation, .. } if self.speech.is_in() => conversation.place.to_string(),
            Phase::Open { conversation, .. } => format!("joining {}", conversation.place),
            Phase::Lost { why, .. } => format!("not connected: {why}"),
            Phase::Leaving { .. } => "leaving".to_owned(),
            Phase::Ended => "ended; press any key".to_owned(),
        };
        let more = match self.scrollback.below() {
            0 => String::new(),
            rows => format!(" | {rows} more below"),
        };
        let what = self.speech.wanted().name;
        let text = match self.speech.is_echoed() {
            true => format!(" {what} | {name} | {state}{more}"),
            false => format!(" {what} | {state}{more}"),
        };
        let shown = &text[scrollback::rows(&text, columns).swap_remove(0)];
        format!("{shown:columns$}")
    }
}

/// A row of a line in its colours.
fn painted(line: &scrollback::Line<Kind>, bytes: std::ops::Range<usize>, has_colour: bool) -> Line<'_> {
    let style = match line.kind {
        Kind::Said { name_bytes } => {
            let name_end = name_bytes.clamp(bytes.start, bytes.end);
            let name = Span::styled(
                &line.text[bytes.start..name_end],
                style_of(&line.text[..name_bytes], has_colour),
            );
            return Line::from_iter([name, Span::raw(&line.text[name_end..bytes.end])]);
        }
        Kind::Room | Kind::Note => Style::new().add_modifier(Modifier::DIM),
        Kind::Error if has_colour => Style::new().fg(Color::Red),
        Kind::Error => Style::new().add_modifier(Modifier::BOLD),
    };
    Line::styled(&line.text[bytes], style)
}

/// One and the same for a name, wherever and whenever it is seen.
fn style_of(name: &str, has_colour: bool) -> Style {
    // FNV-1a; any spread will do.
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let style = Style::new().add_modifier(Modifier::BOLD);
    if has_colour { style.fg(COLOURS[hash as usize % COLOURS.len()]) } else { style }
}
