//! An error on the command line, in one line.

/// Joins clap's error of several lines into one line: what is wrong, and a hint if there is one.
pub fn one_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let what = lines.next().unwrap_or_default().trim_start_matches("error: ");
    let rest = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    rest.fold(what.to_owned(), |all, hint| {
        let joint = if all.ends_with(':') { " " } else { "; " };
        format!("{all}{joint}{}", hint.trim_start_matches("tip: "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_error_is_one_line_with_a_hint() {
        let text = "error: unexpected argument '--chek' found\n\n  tip: a similar argument exists: '--check'\n\nUsage: ipcd --check\n\nFor more information, try '--help'.\n";
        assert_eq!(
            one_line(text),
            "unexpected argument '--chek' found; a similar argument exists: '--check'"
        );
        let missing =
            "error: the following required arguments were not provided:\n  --pid-file <FILE>\n\nUsage: x\n";
        assert_eq!(
            one_line(missing),
            "the following required arguments were not provided: --pid-file <FILE>"
        );
    }
}
