//! The clients that can be printed: the examples themselves, which are run whenever ipcd is tested.

use clap::ValueEnum;

/// A language with an example.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Language {
    Python,
    Java,
    Node,
    C,
}

impl Language {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Language::Python => include_str!("../../../../examples/python/multiply_tls.py"),
            Language::Java => include_str!("../../../../examples/java/MultiplyTls.java"),
            Language::Node => include_str!("../../../../examples/javascript/multiply_tls.js"),
            Language::C => include_str!("../../../../examples/c/multiply_tls.c"),
        }
    }
}
