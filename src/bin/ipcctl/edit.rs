//! The input line: a cursor between user-perceived characters, words, and the history of lines.
//! Knows keys, but no screen.

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ipcd::engine::text::clean;
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};
use unicode_width::UnicodeWidthStr;

use super::columns::cut;
use super::scrollback::drawable;

/// The longest line, in bytes: the daemon's default limit on a message.
const LINE_BYTES_MAX: usize = 4096;

/// In fewer columns a mark for what is cut would take too much of the line.
const MARKED_COLUMNS_MIN: usize = 12;

/// The size of the history: more than anyone scrolls back.
const HISTORY_LINES_MAX: usize = 500;

/// A line with a cursor.
#[derive(Default)]
pub(crate) struct Edit {
    text: String,
    /// The cursor, in bytes.
    cursor: usize,
    history: VecDeque<String>,
    /// The history line that is shown, counted from the newest; and the text that was typed before.
    recalled: Option<(usize, String)>,
}

impl Edit {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text before the cursor.
    pub(crate) fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Replaces everything from this offset (in bytes, at a character) to the cursor.
    pub(crate) fn complete(&mut self, from: usize, text: &str) {
        self.delete(from, self.cursor);
        self.insert(text);
    }

    /// Takes the line and adds it to the history.
    pub(crate) fn take(&mut self) -> String {
        let line = std::mem::take(&mut self.text);
        self.cursor = 0;
        self.recalled = None;
        if !line.trim().is_empty() && self.history.back() != Some(&line) {
            self.history.push_back(line.clone());
            if self.history.len() > HISTORY_LINES_MAX {
                self.history.pop_front();
            }
        }
        line
    }

    /// Inserts text at the cursor: one line, without control characters, and only whole characters.
    pub(crate) fn insert(&mut self, text: &str) {
        // Terminals send CR at the end of a pasted line.
        let text = text.replace("\r\n", "\n").replace(['\r', '\n', '\t'], " ");
        let text = clean(text.as_bytes());
        for grapheme in text.graphemes(true) {
            if self.text.len() + grapheme.len() > LINE_BYTES_MAX {
                return;
            }
            self.text.insert_str(self.cursor, grapheme);
            self.cursor += grapheme.len();
        }
    }

    /// Handles a key; returns whether it was an editing key.
    pub(crate) fn handle_key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Home => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::End => self.cursor = self.text.len(),
            KeyCode::Left if control || alt => self.cursor = self.word_before(),
            KeyCode::Char('b') if alt => self.cursor = self.word_before(),
            KeyCode::Right if control || alt => self.cursor = self.word_after(),
            KeyCode::Char('f') if alt => self.cursor = self.word_after(),
            KeyCode::Char('b') if control => self.cursor = self.before(),
            KeyCode::Left => self.cursor = self.before(),
            KeyCode::Char('f') if control => self.cursor = self.after(),
            KeyCode::Right => self.cursor = self.after(),
            KeyCode::Char('w') if control => self.delete(self.word_before(), self.cursor),
            KeyCode::Backspace if control || alt => self.delete(self.word_before(), self.cursor),
            KeyCode::Char('d') if alt => self.delete(self.cursor, self.word_after()),
            KeyCode::Char('u') if control => self.delete(0, self.cursor),
            KeyCode::Char('k') if control => self.delete(self.cursor, self.text.len()),
            KeyCode::Char('h') if control => self.delete(self.before(), self.cursor),
            KeyCode::Backspace => self.delete(self.before(), self.cursor),
            KeyCode::Char('d') if control => self.delete(self.cursor, self.after()),
            KeyCode::Delete => self.delete(self.cursor, self.after()),
            KeyCode::Char('p') if control => self.recall(true),
            KeyCode::Up => self.recall(true),
            KeyCode::Char('n') if control => self.recall(false),
            KeyCode::Down => self.recall(false),
            KeyCode::Char(c) if !control && !alt => self.insert(c.encode_utf8(&mut [0; 4])),
            _ => return false,
        }
        true
    }

    /// The part to show in this many columns, and the cursor's column in it.
    pub(crate) fn view(&self, columns: usize) -> (String, usize) {
        let [before, after] = [&self.text[..self.cursor], &self.text[self.cursor..]].map(drawable);
        // The cursor may be after the last character, so it needs a column too.
        if before.width() < columns {
            return (self.cut_after(format!("{before}{after}"), columns), before.width());
        }
        let mark = if columns < MARKED_COLUMNS_MIN { "" } else { "…" };
        let room = columns - mark.width();
        let (mut start, mut column) = (0, before.width());
        for grapheme in before.graphemes(true) {
            if column < room {
                break;
            }
            start += grapheme.len();
            column -= grapheme.width().min(column);
        }
        (self.cut_after(format!("{mark}{}{after}", &before[start..]), columns), column + mark.width())
    }

    /// The end of a longer line is cut, which is seen unless the cursor is there.
    fn cut_after(&self, text: String, columns: usize) -> String {
        let is_at_end = self.cursor == self.text.len();
        if is_at_end || columns < MARKED_COLUMNS_MIN { text } else { cut(&text, columns) }
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    fn before(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        cursor.prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    fn after(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        cursor.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len())
    }

    /// Words are separated by white space.
    fn word_before(&self) -> usize {
        let text = self.text[..self.cursor].trim_end();
        text.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8())
    }

    fn word_after(&self) -> usize {
        let rest = &self.text[self.cursor..];
        let blank = rest.len() - rest.trim_start().len();
        rest[blank..].find(char::is_whitespace).map_or(self.text.len(), |at| self.cursor + blank + at)
    }

    /// Shows the previous or next line of the history; after the newest comes the text that was typed.
    fn recall(&mut self, is_older: bool) {
        let at = match (&self.recalled, is_older) {
            (None, true) => Some(0),
            (None, false) => return,
            (Some((at, _)), true) => Some(at + 1),
            (Some((at, _)), false) => at.checked_sub(1),
        };
        let Some(at) = at else {
            self.text = self.recalled.take().map(|(_, typed)| typed).unwrap_or_default();
            self.cursor = self.text.len();
            return;
        };
        let Some(line) = self.history.iter().rev().nth(at).cloned() else { return };
        let before = std::mem::replace(&mut self.text, line);
        let typed = self.recalled.take().map_or(before, |(_, typed)| typed);
        self.recalled = Some((at, typed));
        self.cursor = self.text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(edit: &mut Edit, keys: &[(KeyCode, KeyModifiers)]) {
        for (code, modifiers) in keys {
            assert!(edit.handle_key(KeyEvent::new(*code, *modifiers)), "{code:?}");
        }
    }

    const NONE: KeyModifiers = KeyModifiers::NONE;
    const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
    const ALT: KeyModifiers = KeyModifiers::ALT;

    #[test]
    fn cursor_moves_by_grapheme_cluster() {
        let mut edit = Edit::default();
        // An accent of its own, a family of four joined, a wide character.
        edit.insert("e\u{301}👨\u{200d}👩\u{200d}👧\u{200d}👦字x");
        press(&mut edit, &[(KeyCode::Left, NONE), (KeyCode::Backspace, NONE)]);
        assert_eq!(edit.text(), "e\u{301}👨\u{200d}👩\u{200d}👧\u{200d}👦x");
        press(&mut edit, &[(KeyCode::Backspace, NONE)]);
        assert_eq!(edit.text(), "e\u{301}x");
        press(&mut edit, &[(KeyCode::Home, NONE), (KeyCode::Delete, NONE)]);
        assert_eq!(edit.text(), "x");
    }

    #[test]
    fn control_keys_edit_as_in_a_shell() {
        let mut edit = Edit::default();
        edit.insert("one two  three");
        press(&mut edit, &[(KeyCode::Char('w'), CONTROL)]);
        assert_eq!(edit.text(), "one two  ");
        press(&mut edit, &[(KeyCode::Char('b'), ALT), (KeyCode::Char('k'), CONTROL)]);
        assert_eq!(edit.text(), "one ");
        press(&mut edit, &[(KeyCode::Char('a'), CONTROL), (KeyCode::Char('d'), ALT)]);
        assert_eq!(edit.text(), " ");
        edit.insert("four five");
        press(&mut edit, &[(KeyCode::Left, CONTROL), (KeyCode::Char('u'), CONTROL)]);
        assert_eq!((edit.text(), edit.view(80).1), ("five ", 0));
        press(&mut edit, &[(KeyCode::Right, CONTROL)]);
        assert_eq!(edit.view(80).1, 4);
        assert!(!edit.handle_key(KeyEvent::new(KeyCode::Char('x'), CONTROL)));
    }

    #[test]
    fn draft_is_kept_below_the_newest_history_line() {
        let mut edit = Edit::default();
        for line in ["first", "second", "second", " "] {
            edit.insert(line);
            assert_eq!(edit.take(), line);
        }
        edit.insert("third");
        press(&mut edit, &[(KeyCode::Up, NONE)]);
        assert_eq!(edit.text(), "second");
        press(&mut edit, &[(KeyCode::Up, NONE), (KeyCode::Up, NONE)]);
        assert_eq!(edit.text(), "first");
        press(&mut edit, &[(KeyCode::Down, NONE), (KeyCode::Down, NONE), (KeyCode::Down, NONE)]);
        assert_eq!(edit.text(), "third");
    }

    #[test]
    fn cursor_is_always_visible() {
        let mut edit = Edit::default();
        edit.insert("0123456789");
        assert_eq!(edit.view(20), ("0123456789".to_owned(), 10));
        assert_eq!(edit.view(5), ("6789".to_owned(), 4));
        edit.insert("字字");
        // Half of a wide character is no place to begin.
        assert_eq!(edit.view(4), ("字".to_owned(), 2));
        assert_eq!(edit.view(1), (String::new(), 0));
        // If there is room, marks show what is cut.
        assert_eq!(edit.view(12), ("…456789字字".to_owned(), 11));
        press(&mut edit, &[(KeyCode::Home, NONE)]);
        assert_eq!(edit.view(12), ("0123456789…".to_owned(), 0));
        press(&mut edit, &[(KeyCode::End, NONE)]);
        // Kept whole, and drawn as wide as every terminal draws it.
        edit.insert("\u{1f468}\u{200d}\u{1f469}");
        assert_eq!(edit.view(5), ("字\u{1f468}".to_owned(), 4));
        assert!(edit.text().ends_with("\u{200d}\u{1f469}"));
        press(&mut edit, &[(KeyCode::Home, NONE)]);
        assert_eq!(edit.view(4).1, 0);
    }

    #[test]
    fn paste_becomes_one_bounded_line_without_control_characters() {
        let mut edit = Edit::default();
        edit.insert("a\r\nb\tc\x1b[31m\rd\ne");
        assert_eq!(edit.text(), "a b c[31m d e");
        edit.insert(&"字".repeat(LINE_BYTES_MAX));
        assert!(edit.text().len() <= LINE_BYTES_MAX && edit.text().len() > LINE_BYTES_MAX - 3);
    }
}
