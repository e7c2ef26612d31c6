//! The layout of top's table: the columns that fit, and their cells. Knows no machine and no screen.

use ipcd::engine::listed::listed;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The smallest width of a host's name, as long as figures can be dropped for it.
const HOST_MIN: usize = 12;

/// The longest name for which curves and bars are dropped.
const HOST_MAX: usize = 32;

/// The shortest curve worth drawing.
const CURVE_MIN: usize = 8;

listed! {
    /// The cells beside the host, from left to right.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Column {
        Cpu,
        Bar,
        History,
        Memory,
        Load,
        Megahertz,
        Age,
    }
}

/// The columns that fit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    /// The width of the host's name.
    pub(crate) host: usize,
    /// The other columns, from left to right, with their widths.
    pub(crate) others: Vec<(Column, usize)>,
}

impl Columns {
    /// The columns for a screen width and the longest host name.
    pub(crate) fn fitting(width: usize, longest: usize) -> Columns {
        let mut others = Column::ALL.map(|column| (column, column.width())).to_vec();
        let host_of = |others: &[(Column, usize)]| {
            width.saturating_sub(others.iter().map(|(_, width)| width + 1).sum())
        };
        let whole = longest.clamp(4, HOST_MAX);
        while let Some(first) = (0..others.len()).min_by_key(|at| others[*at].0.turn()) {
            let wanted = match others[first].0 {
                Column::Bar | Column::History => whole,
                _ => whole.min(HOST_MIN),
            };
            let missing = wanted.saturating_sub(host_of(&others));
            if missing == 0 {
                break;
            }
            let (column, has) = &mut others[first];
            match *column == Column::History && *has - missing.min(*has) >= CURVE_MIN {
                true => *has -= missing,
                false => _ = others.remove(first),
            }
        }
        let host = host_of(&others).min(whole.max(width.min(4)));
        Columns { host, others }
    }
}

impl Column {
    /// Its heading.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Column::Cpu => "CPU",
            Column::Bar => "",
            Column::History => "HISTORY",
            Column::Memory => "MEMORY",
            Column::Load => "LOAD",
            Column::Megahertz => "MHZ",
            Column::Age => "AGE",
        }
    }

    /// Its width, as long as there is room.
    fn width(self) -> usize {
        match self {
            Column::History => 20,
            Column::Bar => 10,
            Column::Memory => 7,
            Column::Cpu | Column::Load => 6,
            Column::Megahertz | Column::Age => 5,
        }
    }

    /// Its turn to be dropped if there is little room.
    fn turn(self) -> u8 {
        match self {
            Column::Bar => 0,
            Column::History => 1,
            Column::Megahertz => 2,
            Column::Load => 3,
            Column::Memory => 4,
            Column::Age => 5,
            Column::Cpu => 6,
        }
    }

    /// A text in a cell: numbers are right-aligned.
    pub(crate) fn cell(self, text: &str, width: usize) -> String {
        let text = cut(text, width);
        let blank = " ".repeat(width.saturating_sub(text.width()));
        match self {
            Column::Bar | Column::History => text + &blank,
            _ => blank + &text,
        }
    }
}

/// A text in this many columns, cut with an ellipsis.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 1;
    for grapheme in text.graphemes(true) {
        used += grapheme.width();
        if used > width {
            break;
        }
        shown.push_str(grapheme);
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

/// The first of these texts, the longest first, that fits in this many columns.
pub(crate) fn longest(texts: &[impl AsRef<str>], columns: usize) -> Option<&str> {
    texts.iter().map(AsRef::as_ref).find(|text| text.width() <= columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(columns: &Columns) -> Vec<Column> {
        columns.others.iter().map(|(column, _)| *column).collect()
    }

    #[test]
    fn host_column_has_priority_over_plots_and_figures() {
        use Column::*;
        let all = [Cpu, Bar, History, Memory, Load, Megahertz, Age];
        assert_eq!(kinds(&Columns::fitting(120, 20)), all);
        assert_eq!(kinds(&Columns::fitting(80, 7)), all);
        let long = Columns::fitting(80, 30);
        assert_eq!((long.host, kinds(&long)), (30, vec![Cpu, History, Memory, Load, Megahertz, Age]));
        assert_eq!(long.others[1], (History, 15));
        assert_eq!(kinds(&Columns::fitting(40, 30)), [Cpu, Memory, Load, Age]);
        assert_eq!(kinds(&Columns::fitting(12, 30)), []);
        for width in 0..200 {
            for longest in [0, 3, 12, 30, 64] {
                let columns = Columns::fitting(width, longest);
                let taken: usize = columns.others.iter().map(|(_, width)| width + 1).sum();
                assert!(columns.host + taken <= width, "{width} {longest}: {columns:?}");
            }
        }
    }

    #[test]
    fn longest_text_that_fits_is_accepted() {
        let texts = ["字字 q: quit", "q: quit", "q"];
        for (columns, taken) in [(12, Some(texts[0])), (11, Some("q: quit")), (1, Some("q")), (0, None)] {
            assert_eq!(longest(&texts, columns), taken);
        }
    }

    #[test]
    fn cut_cells_end_in_ellipsis_and_numbers_align_right() {
        assert_eq!(
            (cut("abc", 3), cut("abcd", 3), cut("abcd", 0)),
            ("abc".into(), "ab…".into(), String::new())
        );
        assert_eq!((cut("字字字", 5), cut("字字", 2)), ("字字…".to_owned(), "…".to_owned()));
        assert_eq!(
            (Column::Load.cell("9.00", 6), Column::Bar.cell("##", 4)),
            ("  9.00".into(), "##  ".into())
        );
    }
}
