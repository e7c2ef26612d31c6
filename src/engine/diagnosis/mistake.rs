//! The names of the mistakes. Knows no message and no connection.

use crate::engine::listed::listed;

listed! {
    /// Mistakes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Mistake {
        /// It closed before it read a reply, so the connection was reset.
        Unread,
        /// It connected and sent nothing.
        Silent,
        /// It sent neither a line end nor a complete request.
        Unfinished,
        /// It read one of two replies.
        ReadOnce,
        /// It used another service's port, or another protocol.
        WrongPort,
        /// A number with a comma.
        Comma,
        /// Quotes, brackets, semicolons and the like around or between the numbers.
        Punctuation,
        /// The name of the service before the request.
        ServiceName,
        /// A JSON object.
        Json,
        /// A minus sign that is not the keyboard's.
        MinusSign,
        /// One number alone.
        OneNumber,
        /// Several sends without a message end, which together are not a request.
        JoinedSends,
        /// Messages that end with NUL, or a whole array.
        CString,
        /// A length before each message.
        LengthPrefix,
        /// Telnet commands.
        Telnet,
        /// A serialized object.
        Serialized,
        /// UTF-16, Latin-1, or another encoding than UTF-8.
        Encoding,
        /// A newline that was sent separately.
        NewlineApart,
        /// It waits for more replies than there are.
        SecondRecv,
        /// A backslash and an n instead of a newline.
        LiteralNewline,
        /// A template without its values.
        Placeholder,
        /// Bytes as Python prints them.
        PrintedBytes,
        /// More than two numbers in a message.
        MoreNumbers,
        /// Binary numbers.
        Binary,
    }
}

impl Mistake {
    /// Its name in a watcher's JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Mistake::Unread => "unread",
            Mistake::Silent => "silent",
            Mistake::Unfinished => "unfinished",
            Mistake::ReadOnce => "read_once",
            Mistake::WrongPort => "wrong_port",
            Mistake::Comma => "comma",
            Mistake::Punctuation => "punctuation",
            Mistake::ServiceName => "service_name",
            Mistake::Json => "json",
            Mistake::MinusSign => "minus_sign",
            Mistake::OneNumber => "one_number",
            Mistake::JoinedSends => "joined_sends",
            Mistake::CString => "c_string",
            Mistake::LengthPrefix => "length_prefix",
            Mistake::Telnet => "telnet",
            Mistake::Serialized => "serialized",
            Mistake::Encoding => "encoding",
            Mistake::NewlineApart => "newline_apart",
            Mistake::SecondRecv => "second_recv",
            Mistake::LiteralNewline => "literal_newline",
            Mistake::Placeholder => "placeholder",
            Mistake::PrintedBytes => "printed_bytes",
            Mistake::MoreNumbers => "more_numbers",
            Mistake::Binary => "binary",
        }
    }

    /// Whether it is only about how a connection ended or what the client does not do, rather than about the contents of a message.
    pub const fn is_vague(self) -> bool {
        matches!(self, Mistake::Unread | Mistake::Silent | Mistake::ReadOnce | Mistake::SecondRecv)
    }

    /// Whether it is a wrong number of numbers, which joined sends may have caused.
    pub const fn is_count(self) -> bool {
        matches!(self, Mistake::OneNumber | Mistake::MoreNumbers)
    }

    /// The bit of a mistake that is reported once for each connection, because its program makes it with each message, or because
    /// it replaces another one.
    pub const fn once(self) -> Option<u32> {
        Some(match self {
            Mistake::Unread | Mistake::ReadOnce => 1,
            Mistake::CString => 1 << 1,
            Mistake::LengthPrefix => 1 << 2,
            Mistake::Telnet => 1 << 3,
            Mistake::Encoding => 1 << 4,
            Mistake::NewlineApart => 1 << 5,
            Mistake::SecondRecv => 1 << 6,
            Mistake::Unfinished | Mistake::JoinedSends => 1 << 7,
            Mistake::Binary => 1 << 8,
            _ => return None,
        })
    }
}

/// A mistake, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Its kind.
    pub mistake: Mistake,
    /// The text. Quotations from the peer are escaped.
    pub text: String,
}

impl Hint {
    pub(super) fn new(mistake: Mistake, text: impl Into<String>) -> Hint {
        Hint { mistake, text: text.into() }
    }
}
