//! Reads a page of the manual: its sections, items and marked blocks.

use std::collections::BTreeSet;

/// Replaces a page's escapes by the characters that they stand for.
pub fn unescape(line: &str) -> String {
    let mut text = line.to_owned();
    for (escape, meaning) in [
        ("\\(aq", "'"),
        ("\\(dq", "\""),
        ("\\(ha", "^"),
        ("\\(ti", "~"),
        ("\\(ga", "`"),
        ("\\-", "-"),
        ("\\&", ""),
        ("\\[u2026]", "…"),
        ("\\e", "\\"),
    ] {
        text = text.replace(escape, meaning);
    }
    text
}

/// The sections whose heading contains `heading`, each with its lines.
pub fn sections<'p>(page: &'p str, heading: &str) -> Vec<(&'p str, Vec<&'p str>)> {
    let mut sections = Vec::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix(".Sh ") {
            sections.push((title, Vec::new()));
        } else if let Some((_, lines)) = sections.last_mut() {
            lines.push(line);
        }
    }
    sections.retain(|(title, _)| title.contains(heading));
    assert!(!sections.is_empty(), "no section {heading:?}");
    sections
}

/// The first word after `.It MACRO` of each item in a section.
pub fn items(page: &str, heading: &str, macro_name: &str) -> BTreeSet<String> {
    let start = format!(".It {macro_name}");
    let lines = sections(page, heading).into_iter().flat_map(|(_, lines)| lines);
    let rests = lines.filter_map(|line| line.strip_prefix(start.as_str()).map(str::trim));
    rests.filter_map(|rest| rest.split_whitespace().next()).map(unescape).collect()
}

/// The displays that follow a comment `.\" KIND WORDS`: the words, and the lines.
pub fn blocks(page: &str, kind: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let mark = format!(".\\\" {kind}");
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(words) = line.strip_prefix(mark.as_str()) {
            assert!(lines.next().is_some_and(|line| line.starts_with(".Bd -literal")), "{line}");
            let block = lines.by_ref().take_while(|line| *line != ".Ed").map(unescape).collect();
            blocks.push((words.split_whitespace().map(str::to_owned).collect(), block));
        }
    }
    blocks
}
