//! The names in clients' certificates that may connect.

use std::collections::BTreeSet;

/// The longest name in a certificate, in bytes. A common name has at most 64 characters (RFC 5280, appendix A.1).
pub const NAME_BYTES_MAX: usize = 128;

/// Whether a certificate may have this name: it is not empty or too long, and all of its characters are visible.
pub fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// A list of names; an empty list allows everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<Box<str>>);

impl Names {
    /// A list of these names, as the certificates have them.
    pub fn new(names: impl IntoIterator<Item = String>) -> Names {
        Names(names.into_iter().map(String::into_boxed_str).collect())
    }

    /// Whether it allows everyone.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a client with this name may connect; `None`: a client without one.
    pub fn let_in(&self, name: Option<&str>) -> bool {
        self.is_empty() || name.is_some_and(|name| self.0.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_name_is_admitted() {
        let names = Names::new(["ada".to_owned(), "Zoë Müller".to_owned()]);
        assert!(names.let_in(Some("ada")) && names.let_in(Some("Zoë Müller")));
        for other in [None, Some(""), Some("Ada"), Some("ada "), Some("ad"), Some("bob")] {
            assert!(!names.let_in(other), "{other:?}");
            assert!(Names::default().let_in(other), "{other:?}");
        }
    }
}
