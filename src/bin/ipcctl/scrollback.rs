//! The received lines as rows of a given width: wrapped at white space, the newest at the bottom, and not moving while
//! the user reads further up. Knows columns, but does not draw.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::columns::cut;

/// The most lines: a long day in a lively room, a minute of a busy daemon.
const LINES_MAX: usize = 10_000;

/// The most text in bytes, if lines are long: a typical line has a hundred.
const BYTES_MAX: usize = 16 << 20;

/// On a narrower screen times are not shown.
const STAMPED_COLUMNS_MIN: usize = 40;

/// In fewer columns, little would be left of a line of one row.
const ONE_ROW_COLUMNS_MIN: usize = 48;

/// A line, and its kind `K` for the display.
pub(crate) struct Line<K> {
    pub(crate) kind: K,
    pub(crate) text: String,
    /// The time before its first row, if there is space.
    pub(crate) stamp: String,
    /// It has one row on all but narrow screens, however long it is: the display cuts it.
    is_one_row: bool,
    /// Its number of rows at the last width.
    rows: usize,
}

impl<K> Line<K> {
    /// Its rows in this many columns, as ranges of bytes.
    fn broken(&self, columns: usize) -> Vec<Range<usize>> {
        match self.is_one_row && columns >= ONE_ROW_COLUMNS_MIN {
            true => std::iter::once(0..self.text.len()).collect(),
            false => rows(&self.text, columns),
        }
    }
}

pub(crate) struct Scrollback<K> {
    lines: VecDeque<Line<K>>,
    /// Of all lines.
    bytes: usize,
    /// Of all lines.
    rows: usize,
    /// Rows below the view.
    below: usize,
    /// The view is held even at the end: the number of lines since then.
    held: Option<usize>,
    /// The width of a time with the space after it; 0: no times.
    indent: usize,
    /// The last size, in columns and rows.
    columns: usize,
    height: usize,
}

impl<K> Default for Scrollback<K> {
    fn default() -> Scrollback<K> {
        Scrollback {
            lines: VecDeque::new(),
            bytes: 0,
            rows: 0,
            below: 0,
            held: None,
            indent: 0,
            columns: 0,
            height: 0,
        }
    }
}

impl<K> Scrollback<K> {
    /// A scrollback whose lines have times of this width; texts are indented by it if the screen is wide enough.
    pub(crate) fn stamped(columns: usize) -> Scrollback<K> {
        Scrollback { indent: columns + 1, ..Scrollback::default() }
    }

    /// The indent of texts on a screen of this width.
    pub(crate) fn indent(&self, columns: usize) -> usize {
        if columns >= STAMPED_COLUMNS_MIN { self.indent } else { 0 }
    }

    pub(crate) fn push(&mut self, kind: K, text: String) {
        self.push_at(String::new(), kind, text);
    }

    pub(crate) fn push_at(&mut self, stamp: String, kind: K, text: String) {
        self.push_line(stamp, kind, text, false);
    }

    /// The same for a line that has one row, however long it is, unless the screen is narrow.
    pub(crate) fn push_row(&mut self, stamp: String, kind: K, text: String) {
        self.push_line(stamp, kind, text, true);
    }

    fn push_line(&mut self, stamp: String, kind: K, text: String, is_one_row: bool) {
        // The width of a tab on the terminal is unknown.
        let text = drawable(&text.replace('\t', "    ")).into_owned();
        let mut line = Line { kind, text, stamp, is_one_row, rows: 0 };
        line.rows = line.broken(self.columns - self.indent(self.columns)).len();
        let (rows, bytes) = (line.rows, line.text.len() + line.stamp.len());
        self.held = self.held.map(|lines| lines + 1);
        if self.below > 0 || self.held.is_some() {
            self.below = self.below.saturating_add(rows);
        }
        self.bytes += bytes;
        self.rows += rows;
        self.lines.push_back(line);
        while self.lines.len() > LINES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.text.len() + oldest.stamp.len();
            self.rows -= oldest.rows;
        }
    }

    /// Moves the view up (or down, if negative) by rows.
    pub(crate) fn scroll(&mut self, rows: isize) {
        self.below = self.below.saturating_add_signed(rows);
        self.stay_inside();
    }

    /// Not beyond the first row; lines that came while the view is held do not fill it.
    fn stay_inside(&mut self) {
        let came = self.lines.iter().rev().take(self.held.unwrap_or(0)).map(|line| line.rows).sum();
        self.below = self.below.min(self.rows.saturating_sub(self.height).max(came));
    }

    /// Back to the newest.
    pub(crate) fn scroll_to_end(&mut self) {
        self.below = 0;
    }

    /// Holds the view where it is, or lets it follow the newest lines at the end.
    pub(crate) fn hold(&mut self, is_held: bool) {
        self.held = is_held.then_some(0);
    }

    /// Rows below the view.
    pub(crate) fn below(&self) -> usize {
        self.below
    }

    /// The rows to show in this space, from the top: a line, and a range of its bytes.
    pub(crate) fn view(&mut self, columns: usize, height: usize) -> Vec<(&Line<K>, Range<usize>)> {
        self.fit(columns);
        self.height = height;
        self.stay_inside();
        let columns = columns - self.indent(columns);
        let mut view = Vec::new();
        let mut below = self.below;
        for line in self.lines.iter().rev() {
            if view.len() >= height {
                break;
            }
            if below >= line.rows {
                below -= line.rows;
                continue;
            }
            let shown = line.broken(columns).into_iter().rev().skip(std::mem::take(&mut below));
            view.extend(shown.map(|row| (line, row)));
        }
        view.truncate(height);
        view.reverse();
        view
    }

    /// Changes the width; the last visible line stays visible.
    fn fit(&mut self, columns: usize) {
        if self.columns == columns {
            return;
        }
        let mut below = self.below;
        let mut after = 0;
        for line in self.lines.iter().rev() {
            if below < line.rows {
                break;
            }
            below -= line.rows;
            after += 1;
        }
        self.columns = columns;
        let columns = columns - self.indent(columns);
        self.lines.iter_mut().for_each(|line| line.rows = line.broken(columns).len());
        self.rows = self.lines.iter().map(|line| line.rows).sum();
        self.below = self.lines.iter().rev().take(after).map(|line| line.rows).sum();
    }
}

/// Almost a screenful of this many rows: one stays in view.
pub(crate) fn page(rows: usize) -> isize {
    isize::try_from(rows.saturating_sub(1).max(1)).unwrap_or(1)
}

/// A text that any terminal can draw. Terminals disagree on the width of multi-part characters (a family, a coloured
/// hand), so the rest of the row would be in the wrong place. Only their first part is drawn.
pub(crate) fn drawable(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let first = |grapheme: &str| grapheme.chars().next().map_or(0, char::len_utf8);
    let is_alike =
        |grapheme: &str| grapheme.width() == grapheme.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>();
    let drawn = |grapheme| if is_alike(grapheme) { grapheme } else { &grapheme[..first(grapheme)] };
    // Input comes in pieces: a joiner whose second part is still missing would join the next drawn character.
    let is_drawn = |c: &char| !matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}');
    Cow::Owned(text.graphemes(true).flat_map(|grapheme| drawn(grapheme).chars()).filter(is_drawn).collect())
}

/// Where to wrap a text: at the last white space that fits, or inside a word that is wider than a row.
pub(crate) fn rows(text: &str, columns: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let (mut start, mut width) = (0, 0);
    // After the last white space of this row, and the width up to there.
    let mut gap: Option<(usize, usize)> = None;
    for (at, grapheme) in text.grapheme_indices(true) {
        let wide = grapheme.width();
        // A row has at least one character, however narrow the terminal is; a space at its end takes no column.
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

/// The first rows of a text; the last of them ends in an ellipsis if there are more.
pub(crate) fn first_rows(text: &str, columns: usize, count: usize) -> Vec<String> {
    let all = rows(text, columns);
    let mut shown: Vec<String> =
        all.iter().take(count).map(|row| text[row.clone()].trim_end().to_owned()).collect();
    if let Some(last) = shown.last_mut().filter(|_| all.len() > count) {
        *last = cut(&format!("{last}…"), columns);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str, columns: usize) -> Vec<&str> {
        rows(text, columns).into_iter().map(|row| &text[row]).collect()
    }

    #[test]
    fn text_wraps_at_white_space_and_inside_words_only_if_needed() {
        assert_eq!(broken("", 5), [""]);
        assert_eq!(broken("one two three", 8), ["one two ", "three"]);
        assert_eq!(broken("one two three", 7), ["one two ", "three"]);
        assert_eq!(broken("0123456789", 4), ["0123", "4567", "89"]);
        assert_eq!(broken("a 0123456789", 4), ["a ", "0123", "4567", "89"]);
    }

    #[test]
    fn first_rows_show_that_there_are_more() {
        assert_eq!(first_rows("one two three", 7, 2), ["one two", "three"]);
        assert_eq!(first_rows("one two three four", 7, 2), ["one two", "three…"]);
        assert_eq!(first_rows("one two three four", 5, 2), ["one", "two…"]);
        assert_eq!(first_rows("0123456789", 4, 2), ["0123", "456…"]);
    }

    #[test]
    fn wide_and_combining_characters_stay_whole() {
        assert_eq!(broken("字字字", 5), ["字字", "字"]);
        assert_eq!(broken("字字", 1), ["字", "字"]);
        assert_eq!(broken("字", 0), ["字"]);
        assert_eq!(broken("e\u{301}e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}", "e\u{301}"]);
    }

    fn texts(scrollback: &mut Scrollback<()>, columns: usize, height: usize) -> Vec<String> {
        scrollback.view(columns, height).into_iter().map(|(line, row)| line.text[row].to_owned()).collect()
    }

    #[test]
    fn view_stays_in_place_while_scrolled_up() {
        let mut scrollback = Scrollback::default();
        (0..9).for_each(|number| scrollback.push((), number.to_string()));
        assert_eq!(texts(&mut scrollback, 5, 3), ["6", "7", "8"]);
        scrollback.scroll(2);
        assert_eq!(texts(&mut scrollback, 5, 3), ["4", "5", "6"]);
        scrollback.push((), "0123456789".to_owned());
        assert_eq!(texts(&mut scrollback, 5, 3), ["4", "5", "6"]);
        assert_eq!(scrollback.below(), 4);
        scrollback.scroll(isize::MAX);
        // It is known before it is drawn.
        assert_eq!(scrollback.below(), 8);
        assert_eq!(texts(&mut scrollback, 5, 3), ["0", "1", "2"]);
        scrollback.scroll(-1);
        assert_eq!(texts(&mut scrollback, 5, 3), ["1", "2", "3"]);
        scrollback.scroll_to_end();
        assert_eq!(texts(&mut scrollback, 5, 3), ["8", "01234", "56789"]);
    }

    #[test]
    fn line_of_one_row_is_broken_only_on_a_narrow_screen() {
        let mut scrollback = Scrollback::default();
        let long = "0123456789".repeat(7);
        scrollback.push_row(String::new(), (), long.clone());
        scrollback.push((), long.clone());
        for (columns, rows) in [(70, 2), (69, 3), (48, 3), (47, 4)] {
            let shown = texts(&mut scrollback, columns, 9);
            assert_eq!((shown.len(), shown[0] == long), (rows, columns >= 48), "{columns}");
        }
    }

    #[test]
    fn held_view_stays_in_place_at_the_end_and_across_widths() {
        let mut scrollback = Scrollback::default();
        (0..5).for_each(|number| scrollback.push((), format!("{number} 23456789")));
        assert_eq!(texts(&mut scrollback, 20, 2), ["3 23456789", "4 23456789"]);
        scrollback.hold(true);
        scrollback.push((), "5 23456789".to_owned());
        assert_eq!(texts(&mut scrollback, 20, 2), ["3 23456789", "4 23456789"]);
        assert_eq!(texts(&mut scrollback, 5, 2), ["23456", "789"]);
        assert_eq!(scrollback.below(), 3);
        assert_eq!(texts(&mut scrollback, 20, 9).len(), 5);
        scrollback.hold(false);
        scrollback.scroll_to_end();
        scrollback.push((), "6".to_owned());
        assert_eq!(texts(&mut scrollback, 20, 1), ["6"]);
    }

    #[test]
    fn ambiguous_clusters_are_drawn_as_their_first_character() {
        for (said, drawn) in [
            ("plain", "plain"),
            ("e\u{301}字 \u{1f600}", "e\u{301}字 \u{1f600}"),
            ("a \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} b", "a \u{1f468} b"),
            ("\u{2764}\u{fe0f}!", "\u{2764}!"),
            ("\u{1f44d}\u{1f3fd}", "\u{1f44d}"),
            // Half of it, as it is typed.
            ("\u{1f468}\u{200d}", "\u{1f468}"),
            ("\u{1f600}\u{fe0f}", "\u{1f600}"),
        ] {
            assert_eq!(drawable(said), drawn);
            let columns: usize = drawn.chars().map(|c| c.width().unwrap_or(0)).sum();
            assert_eq!(drawable(said).width(), columns, "{said:?}");
        }
        let mut scrollback = Scrollback::default();
        scrollback.push((), "ann: \u{2764}\u{fe0f}".to_owned());
        assert_eq!(texts(&mut scrollback, 20, 1), ["ann: \u{2764}"]);
    }

    #[test]
    fn oldest_line_is_dropped_when_full() {
        let mut scrollback = Scrollback::default();
        (0..LINES_MAX + 5).for_each(|number| scrollback.push((), number.to_string()));
        scrollback.scroll(isize::MAX);
        assert_eq!(texts(&mut scrollback, 9, 1), ["5"]);
        scrollback.push((), "x".repeat(BYTES_MAX));
        assert_eq!((scrollback.lines.len(), scrollback.bytes), (1, BYTES_MAX));
    }
}
