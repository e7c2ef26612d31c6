//! Tab completion of the words before the cursor: a command, or a member's name. Knows no key and no screen.

/// The room's commands; those that need a text end with a blank.
const COMMANDS: [&str; 5] = ["/help", "/me ", "/msg ", "/quit", "/who"];

/// The candidates, shown one after the other.
#[derive(Default)]
pub(crate) struct Completion {
    /// Where the completed text begins, in bytes.
    from: usize,
    candidates: Vec<String>,
    next: usize,
    /// The text before the cursor if nothing else was typed since.
    shown: String,
}

impl Completion {
    /// The replacement for everything from there to the cursor; `None`: no candidate matches.
    pub(crate) fn next<'n>(
        &mut self,
        before: &str,
        names: impl Iterator<Item = &'n str>,
    ) -> Option<(usize, String)> {
        if self.candidates.is_empty() || self.shown != before {
            let (from, candidates) = candidates(before, &names.collect::<Vec<_>>())?;
            *self = Completion { from, candidates, ..Completion::default() };
        }
        let candidate = self.candidates[self.next].clone();
        self.next = (self.next + 1) % self.candidates.len();
        self.shown = format!("{}{candidate}", &before[..self.from]);
        Some((self.from, candidate))
    }
}

/// Where the matching words begin, and all candidates for them.
fn candidates(before: &str, names: &[&str]) -> Option<(usize, Vec<String>)> {
    if before.starts_with('/') && !before.contains(' ') {
        let candidates: Vec<String> = COMMANDS
            .iter()
            .filter(|command| command.starts_with(before))
            .map(|it| (*it).to_owned())
            .collect();
        return Some((0, candidates)).filter(|(_, candidates)| !candidates.is_empty());
    }
    // A name may contain spaces: the longest match begins furthest to the left.
    let starts = std::iter::once(0).chain(before.match_indices(' ').map(|(at, _)| at + 1));
    for from in starts {
        let begun = before[from..].to_lowercase();
        let is_meant = |name: &&&str| !begun.is_empty() && name.to_lowercase().starts_with(&begun);
        let behind = if from == 0 { ": " } else { " " };
        let candidates: Vec<String> =
            names.iter().filter(is_meant).map(|name| format!("{name}{behind}")).collect();
        if !candidates.is_empty() {
            return Some((from, candidates));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(before: &str) -> Option<(usize, String)> {
        Completion::default().next(before, ["Ann", "Ann B.", "bob"].into_iter())
    }

    #[test]
    fn commands_and_names_complete_at_the_cursor() {
        let candidate = |from: usize, candidate: &str| Some((from, candidate.to_owned()));
        assert_eq!(first("/ms"), candidate(0, "/msg "));
        assert_eq!(first("/w"), candidate(0, "/who"));
        assert_eq!(first("/msg b"), candidate(5, "bob "));
        assert_eq!(first("B"), candidate(0, "bob: "));
        assert_eq!(first("hello bo"), candidate(6, "bob "));
        assert_eq!(first("/msg ann b"), candidate(5, "Ann B. "));
        for nothing in ["", "x", "/x", "hello ", "hello x"] {
            assert_eq!(first(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn repeated_tab_cycles_and_typing_starts_over() {
        let names = || ["Ann", "Ann B.", "bob"].into_iter();
        let mut completion = Completion::default();
        assert_eq!(completion.next("an", names()).unwrap().1, "Ann: ");
        assert_eq!(completion.next("Ann: ", names()).unwrap().1, "Ann B.: ");
        assert_eq!(completion.next("Ann B.: ", names()).unwrap().1, "Ann: ");
        assert_eq!(completion.next("Ann: b", names()), Some((5, "bob ".to_owned())));
    }
}
