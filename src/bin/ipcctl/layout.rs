//! Text in the width of a terminal: wrapped sentences, and tables of the columns that fit. Knows no contents.

/// The narrowest column whose cells are broken.
const COLUMN_MIN: usize = 8;

/// Between two columns.
const GAP: usize = 2;

/// Wraps a line at spaces to this many columns; `indent` precedes all lines but the first. A longer word
/// stays whole, and so does the part before the first figure or word.
pub(crate) fn wrapped(line: &str, width: usize, indent: &str) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let lead = &line[..line.len() - line.trim_start().len()];
    let mut lines = vec![lead.to_owned()];
    let mut is_first = true;
    for word in line[lead.len()..].split(' ') {
        let last = lines.last_mut().expect("one at least");
        let room = width.saturating_sub(last.chars().count());
        match is_first {
            true => last.push_str(word),
            false if word.chars().count() < room => *last = format!("{last} {word}"),
            false => lines.push(format!("{indent}{word}")),
        }
        is_first = false;
    }
    lines.join("\n")
}

/// A column of a table.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) heading: &'static str,
    /// Its turn to be left out if the table is too wide, from 1 on; 0: it always stays.
    pub(crate) turn: u8,
}

/// Rows under their headings, after an empty line; numbers are right-aligned. If they are wider than `width`, columns are left
/// out; if that is not enough, the cells of the widest column continue on further lines.
pub(crate) fn table<const N: usize>(
    columns: [Column; N],
    rows: &[[String; N]],
    width: Option<usize>,
) -> String {
    let mut widths: [usize; N] = std::array::from_fn(|at| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([columns[at].heading.len()]).max().unwrap_or(0)
    });
    let kept = fitting(&columns, &mut widths, width.unwrap_or(usize::MAX));
    let numbers: [bool; N] = std::array::from_fn(|at| is_number(rows.iter().map(|row| &*row[at])));
    let mut text = "\n".to_owned();
    let headings = columns.map(|column| column.heading.to_owned());
    for row in std::iter::once(&headings).chain(rows) {
        let pieces: Vec<Vec<String>> = kept.iter().map(|at| pieces(&row[*at], widths[*at])).collect();
        for line in 0..pieces.iter().map(Vec::len).max().unwrap_or(0) {
            let cells = kept.iter().zip(&pieces).map(|(at, pieces)| {
                let piece = pieces.get(line).map_or("", String::as_str);
                match numbers[*at] {
                    true => format!("{piece:>0$}", widths[*at]),
                    false => format!("{piece:<0$}", widths[*at]),
                }
            });
            text += "\n";
            text += cells.collect::<Vec<_>>().join("  ").trim_end();
        }
    }
    text
}

/// The columns that fit; the widest is made narrower if it must be.
fn fitting(columns: &[Column], widths: &mut [usize], width: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let total = |kept: &[usize], widths: &[usize]| -> usize {
        kept.iter().map(|at| widths[*at]).sum::<usize>() + GAP * kept.len().saturating_sub(1)
    };
    while total(&kept, widths) > width {
        let droppable = kept.iter().filter(|at| columns[**at].turn > 0);
        let Some(first) = droppable.min_by_key(|at| columns[**at].turn).copied() else { break };
        kept.retain(|at| *at != first);
    }
    let over = total(&kept, widths).saturating_sub(width);
    if let Some(widest) = kept.iter().copied().max_by_key(|at| widths[*at]).filter(|_| over > 0) {
        widths[widest] = widths[widest].saturating_sub(over).max(COLUMN_MIN.min(widths[widest]));
    }
    kept
}

/// Whether the cells are numbers, also with a unit (1.2 KiB), or unknown.
fn is_number<'a>(cells: impl Iterator<Item = &'a str>) -> bool {
    let starts = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit());
    let units = |cell: &str| cell.ends_with(" B") || cell.ends_with("iB");
    let digits = |cell: &str| cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let mut known = cells.filter(|cell| *cell != "-").peekable();
    known.peek().is_some() && known.all(|cell| starts(cell) && (units(cell) || digits(cell)))
}

/// A cell in pieces of this width.
fn pieces(cell: &str, width: usize) -> Vec<String> {
    let chars: Vec<char> = cell.chars().collect();
    match chars.len() <= width {
        true => vec![cell.to_owned()],
        false => chars.chunks(width).map(|piece| piece.iter().collect()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn column(heading: &'static str, turn: u8) -> Column {
        Column { heading, turn }
    }

    #[test]
    fn lines_wrap_at_spaces() {
        assert_eq!(wrapped("one two three", 9, "  "), "one two\n  three");
        assert_eq!(wrapped(" a  b", 4, "-"), " a \n-b");
        assert_eq!(wrapped("0123456789 x", 5, ""), "0123456789\nx");
        assert_eq!(wrapped("fits", 4, ""), "fits");
    }

    #[test]
    fn numbers_align_right() {
        let rows = [["a".to_owned(), "7".to_owned()], ["bcd".to_owned(), "1234".to_owned()]];
        let columns = [column("N", 0), column("OUT", 0)];
        assert_eq!(table(columns, &rows, None), "\n\nN     OUT\na       7\nbcd  1234");
    }

    #[test]
    fn too_wide_table_loses_columns_in_turn_and_breaks_the_widest_cell() {
        let rows = [["chat", "unix:///tmp/a.sock", "12", "ab"].map(str::to_owned)];
        let columns = [column("WHAT", 0), column("WHERE", 0), column("IN", 2), column("KIND", 1)];
        let at = |width| table(columns, &rows, Some(width));
        assert_eq!(at(34), "\n\nWHAT  WHERE               IN  KIND\nchat  unix:///tmp/a.sock  12  ab");
        assert_eq!(at(33), "\n\nWHAT  WHERE               IN\nchat  unix:///tmp/a.sock  12");
        assert_eq!(at(27), "\n\nWHAT  WHERE\nchat  unix:///tmp/a.sock");
        assert_eq!(at(16), "\n\nWHAT  WHERE\nchat  unix:///tm\n      p/a.sock");
        assert_eq!(at(0), at(14), "no column is narrower than it can be read");
    }
}
