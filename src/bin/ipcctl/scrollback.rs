//! What was heard, as rows of a width: broken at white space, the newest at the bottom, and standing still while
//! somebody reads further up. Knows columns; has never drawn one.

use std::collections::VecDeque;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Lines kept: a long day in a lively room.
const LINES_MAX: usize = 10_000;

/// The text kept, in bytes, should lines be long: an ordinary one has a hundred.
const BYTES_MAX: usize = 16 << 20;

/// What a line is, for how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody said it; the first bytes are the name.
    Said { name_bytes: usize },
    /// The room says it.
    Room,
    /// We say it.
    Note,
    /// The daemon's error.
    Error,
}

pub(crate) struct Line {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

#[derive(Default)]
pub(crate) struct Scrollback {
    lines: VecDeque<Line>,
    /// Of all lines.
    bytes: usize,
    /// Rows below the view.
    below: usize,
    /// The width it was drawn with last, in columns.
    columns: usize,
}

impl Scrollback {
    pub(crate) fn push(&mut self, kind: Kind, text: String) {
        // What the terminal would make of a tab is its own business.
        let line = Line { kind, text: text.replace('\t', "    ") };
        if self.below > 0 {
            self.below += rows(&line.text, self.columns).len();
        }
        self.bytes += line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > LINES_MAX || self.bytes > BYTES_MAX {
            let oldest = self.lines.pop_front();
            self.bytes -= oldest.map_or(0, |line| line.text.len());
        }
    }

    /// Moves the view up (or down, if negative) by rows.
    pub(crate) fn scroll(&mut self, rows: isize) {
        self.below = self.below.saturating_add_signed(rows);
    }

    /// Back to the newest.
    pub(crate) fn scroll_to_end(&mut self) {
        self.below = 0;
    }

    /// Rows below the view.
    pub(crate) fn below(&self) -> usize {
        self.below
    }

    /// The rows to show in this space, from the top: which line, and which bytes of it.
    pub(crate) fn view(&mut self, columns: usize, height: usize) -> Vec<(&Line, Range<usize>)> {
        self.columns = columns;
        let mut shown = Vec::new();
        let wanted = self.below.saturating_add(height);
        for line in self.lines.iter().rev() {
            if shown.len() >= wanted {
                break;
            }
            shown.extend(rows(&line.text, columns).into_iter().rev().map(|row| (line, row)));
        }
        // Not beyond the first row.
        self.below = self.below.min(shown.len().saturating_sub(height));
        let mut view: Vec<_> = shown.into_iter().skip(self.below).take(height).collect();
        view.reverse();
        view
    }
}

/// Where a text is broken: at the last white space that fits, inside a word that is wider than a row.
pub(crate) fn rows(text: &str, columns: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let (mut start, mut width) = (0, 0);
    // Behind the last white space of this row, and the width up to there.
    let mut gap: Option<(usize, usize)> = None;
    for (at, grapheme) in text.grapheme_indices(true) {
        let wide = grapheme.width();
        // A row has a character at least, be the terminal ever so narrow; a space at its end takes no room.
        if width + wide > columns && at > start && grapheme != " " {
            let (end, before) = gap.take().unwrap_or((at, width));
            rows.push(start..end);
            (start, width) = (end, width - before);
            if width + wide > columns && at > start {
                rows.push(start..at);
                (start, width) = (at, 0);
            }
        }
        width += wide;
        if grapheme == " " {
            gap = Some((at + 1, width));
        }
    }
    rows.push(start..text.len());
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str, columns: usize) -> Vec<&str> {
        rows(text, columns).into_iter().map(|row| &text[row]).collect()
    }

    #[test]
    fn a_text_is_broken_at_white_space_and_inside_a_word_only_if_it_must_be() {
        assert_eq!(broken("", 5), [""]);
        assert_eq!(broken("one two three", 8), ["one two ", "three"]);
        assert_eq!(broken("one two three", 7), ["one two ", "three"]);
        assert_eq!(broken("0123456789", 4), ["0123", "4567", "89"]);
        assert_eq!(broken("a 0123456789", 4), ["a ", "0123", "4567", "89"]);
    }

    #[test]
    fn wide_and_combining_characters_stay_whole() {
        assert_eq!(broken("字字字", 5), ["字字", "字"]);
        assert_eq!(broken("字字", 1), ["字", "字"]);
        assert_eq!(broken("字", 0), ["字"]);
        assert_eq!(broken("e\u{301}e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}", "e\u{301}"]);
    }

    fn texts(scrollback: &mut Scrollback, columns: usize, height: usize) -> Vec<String> {
        scrollback.view(columns, height).into_iter().map(|(line, row)| line.text[row].to_owned()).collect()
    }

    #[test]
    fn the_view_stands_still_while_somebody_reads_further_up() {
        let mut scrollback = Scrollback::default();
        (0..9).for_each(|number| scrollback.push(Kind::Room, number.to_string()));
        assert_eq!(texts(&mut scrollback, 5, 3), ["6", "7", "8"]);
        scrollback.scroll(2);
        assert_eq!(texts(&mut scrollback, 5, 3), ["4", "5", "6"]);
        scrollback.push(Kind::Room, "0123456789".to_owned());
        assert_eq!(texts(&mut scrollback, 5, 3), ["4", "5", "6"]);
        assert_eq!(scrollback.below(), 4);
        scrollback.scroll(100);
        assert_eq!(texts(&mut scrollback, 5, 3), ["0", "1", "2"]);
        scrollback.scroll(-1);
        assert_eq!(texts(&mut scrollback, 5, 3), ["1", "2", "3"]);
        scrollback.scroll_to_end();
        assert_eq!(texts(&mut scrollback, 5, 3), ["8", "01234", "56789"]);
    }

    #[test]
    fn the_oldest_line_makes_room() {
        let mut scrollback = Scrollback::default();
        (0..LINES_MAX + 5).for_each(|number| scrollback.push(Kind::Room, number.to_string()));
        scrollback.scroll(isize::MAX);
        assert_eq!(texts(&mut scrollback, 9, 1), ["5"]);
        scrollback.push(Kind::Room, "x".repeat(BYTES_MAX));
        assert_eq!((scrollback.lines.len(), scrollback.bytes), (1, BYTES_MAX));
    }
}
