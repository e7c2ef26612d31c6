//! The display of the room: lines above, then a status line, the input line, and the keys.

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use unicode_width::UnicodeWidthStr;

use super::super::columns::{cut, longest};
use super::super::scrollback::{self, drawable};
use super::line_kind::ChatLineKind;
use super::{Phase, Room};

/// The prompt of the input line.
const PROMPT: &str = "> ";

/// The colours of names: readable on black and on white.
const COLOURS: [Color; 6] =
    [Color::Cyan, Color::Green, Color::Magenta, Color::Blue, Color::LightRed, Color::Yellow];

/// A screen with fewer rows than this does not show the keys.
const KEYS_ROWS_MIN: usize = 10;

/// Descriptions of the keys, the longest first; the first that fits is shown.
const CHAT_KEYS: [&str; 3] = [
    " Tab: complete a name or command | F2: members | Page Up, wheel: look back | Ctrl-D: leave | /help",
    " Tab: complete | F2: members | Page Up: look back | Ctrl-D: leave | /help",
    " F2: members | Ctrl-D: leave | /help",
];
const TALK_KEYS: [&str; 2] =
    [" Page Up, wheel: look back | bye or Ctrl-D: end the talk", " Ctrl-D: end the talk"];

/// The columns of the list of members, with its border; a screen needs three times as many to show both.
const PANEL: u16 = 20;

impl Room {
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let all = frame.area();
        let has_keys = usize::from(all.height) >= KEYS_ROWS_MIN;
        let below: u16 = if has_keys { 3 } else { 2 };
        let row = |from_end: u16| Rect {
            y: all.bottom().saturating_sub(from_end).max(all.y),
            height: all.height.min(1),
            ..all
        };
        self.height = usize::from(all.height.saturating_sub(below));
        let above = Rect { height: all.height.saturating_sub(below), ..all };
        let panel = if !self.has_panel {
            0
        } else if all.width >= 3 * PANEL {
            PANEL
        } else {
            all.width
        };
        self.draw_panel(frame, Rect { x: above.right() - panel, width: panel, ..above });
        self.draw_heard(frame, Rect { width: above.width - panel, ..above });
        let columns = usize::from(all.width);
        if all.height >= 2 {
            let style = Style::new().add_modifier(Modifier::REVERSED);
            frame.render_widget(Line::styled(self.status(columns), style), row(below));
        }
        if has_keys {
            let keys = if self.protocol.is_echoed() { &CHAT_KEYS[..] } else { &TALK_KEYS };
            let keys = longest(keys, columns).unwrap_or_default();
            frame.render_widget(Line::styled(keys, Style::new().add_modifier(Modifier::DIM)), row(1));
        }
        let prompt = if columns > 2 * PROMPT.len() { PROMPT } else { "" };
        let (text, cursor) = self.edit.view(columns - prompt.len());
        // A passphrase is not shown.
        let text = if self.protocol.is_asked() { "*".repeat(text.width()) } else { text };
        let typed = row(below - 1);
        frame.render_widget(Line::from_iter([prompt, &text]), typed);
        let x = all.x + u16::try_from(prompt.len() + cursor).unwrap_or(0);
        frame.set_cursor_position(Position { x, y: typed.y });
    }

    fn draw_heard(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let columns = usize::from(area.width);
        if columns == 0 {
            return;
        }
        let indent = self.scrollback.indent(columns);
        let rows = self.scrollback.view(columns, self.height);
        let has_colour = self.has_colour;
        // The newest line is at the bottom.
        let top = area.bottom().saturating_sub(u16::try_from(rows.len()).unwrap_or(0));
        for (y, (line, bytes)) in (top..).zip(&rows) {
            let stamp = if bytes.start == 0 { line.stamp.as_str() } else { "" };
            let stamp = format!("{stamp:indent$}");
            let time = Span::styled(cut(&stamp, indent), Style::new().add_modifier(Modifier::DIM));
            let mut drawn = painted(line, bytes.clone(), has_colour);
            drawn.spans.insert(0, time);
            frame.render_widget(drawn, Rect { y, height: 1, ..area });
        }
    }

    /// The members, as many as fit.
    fn draw_panel(&self, frame: &mut Frame<'_>, area: Rect) {
        let columns = usize::from(area.width);
        if columns == 0 || area.height == 0 {
            return;
        }
        let names: Vec<&str> = self.members.names().collect();
        let room = usize::from(area.height) - 1;
        let shown = if names.len() > room { room.saturating_sub(1) } else { names.len() };
        let more = (shown < names.len()).then(|| format!("and {} more", names.len() - shown));
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let heading = Line::styled(cut(&format!("| members ({})", names.len()), columns), bold);
        let line = |name: &str| cut(&format!("| {}", drawable(name)), columns);
        let names = names[..shown].iter().map(|name| {
            Line::from_iter([
                Span::raw("| "),
                Span::styled(
                    cut(&drawable(name), columns.saturating_sub(2)),
                    style_of(name, self.has_colour),
                ),
            ])
        });
        let rows = std::iter::once(heading).chain(names).chain(more.map(|more| Line::from(line(&more))));
        for (y, row) in (area.y..area.bottom()).zip(rows.chain(std::iter::repeat(Line::from("|")))) {
            frame.render_widget(row, Rect { y, height: 1, ..area });
        }
    }

    /// As wide as the screen.
    fn status(&self, columns: usize) -> String {
        let name = self.protocol.name();
        let state = match &self.phase {
            Phase::Live(reconnecting) => match reconnecting.waiting() {
                Some(reason) => format!("not connected: {reason}"),
                None if self.protocol.is_in() => reconnecting.endpoint().to_string(),
                None => format!("joining {}", reconnecting.endpoint()),
            },
            Phase::Leaving { .. } => "leaving".to_owned(),
            Phase::Ended => "ended; press any key".to_owned(),
        };
        let more = match (self.scrollback.below(), self.unread) {
            (0, _) => String::new(),
            (rows, 0) => format!("{rows} more below | "),
            (rows, unread) => format!("{rows} more below, {unread} new | "),
        };
        let what = self.protocol.wanted().name;
        let whole = match self.protocol.is_echoed() {
            true => format!(" {what} | {name} | {more}{state}"),
            false => format!(" {what} | {more}{state}"),
        };
        let next_try = match &self.phase {
            Phase::Live(reconnecting) => reconnecting.next_try(),
            Phase::Leaving { .. } | Phase::Ended => None,
        };
        let text = match &next_try {
            Some(next) => {
                let shorter = [whole.clone(), format!(" {name} | {more}{next}"), format!(" {next}")];
                longest(&shorter, columns).unwrap_or(next).to_owned()
            }
            None => whole,
        };
        format!("{:columns$}", cut(&text, columns))
    }
}

/// A row of a line in its colours.
fn painted(line: &scrollback::Line<ChatLineKind>, bytes: Range<usize>, has_colour: bool) -> Line<'_> {
    let style = match line.kind {
        ChatLineKind::Said { name_bytes } => {
            // The drawn text may be shorter than the line.
            let name_bytes = if line.text.is_char_boundary(name_bytes) { name_bytes } else { 0 };
            let name_end = name_bytes.clamp(bytes.start, bytes.end);
            let name = Span::styled(
                &line.text[bytes.start..name_end],
                style_of(&line.text[..name_bytes], has_colour),
            );
            return Line::from_iter([name, Span::raw(&line.text[name_end..bytes.end])]);
        }
        ChatLineKind::Done => Style::new().add_modifier(Modifier::ITALIC),
        ChatLineKind::Private if has_colour => Style::new().fg(Color::Magenta).add_modifier(Modifier::ITALIC),
        ChatLineKind::Private => Style::new().add_modifier(Modifier::ITALIC | Modifier::UNDERLINED),
        ChatLineKind::Teacher if has_colour => Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
        ChatLineKind::Teacher => Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        ChatLineKind::New => Style::new().add_modifier(Modifier::BOLD),
        ChatLineKind::Room | ChatLineKind::Note => Style::new().add_modifier(Modifier::DIM),
        ChatLineKind::Error if has_colour => Style::new().fg(Color::Red),
        ChatLineKind::Error => Style::new().add_modifier(Modifier::BOLD),
    };
    Line::styled(&line.text[bytes], style)
}

/// Always the same for a name.
fn style_of(name: &str, has_colour: bool) -> Style {
    // FNV-1a; any good distribution will do.
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let style = Style::new().add_modifier(Modifier::BOLD);
    if has_colour { style.fg(COLOURS[hash as usize % COLOURS.len()]) } else { style }
}
