//! The format of a batch in the log: its author, its number, and its entries. Knows only bytes.
//!
//! ```text
//! version 1 | instance 16 | number 8 | number of its last stored one 8 | entries before it 8 | items…
//! item: kind 1 | length 2 | body          numbers are little-endian; an unknown kind is skipped
//! ```

use super::event::Entry;
use super::ids::InstanceId;

const VERSION: u8 = 1;

/// Bytes before the items.
pub const HEAD_BYTES: usize = 1 + 16 + 3 * 8;

/// The part before the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The author.
    pub instance: InstanceId,
    /// Its number, from 1.
    pub number: u64,
    /// The number of the author's previous batch in the log.
    pub after: u64,
    /// The number of the author's entries in the log before it.
    pub entries: u64,
}

impl Head {
    /// The head as bytes.
    pub fn write(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [VERSION; HEAD_BYTES];
        bytes[1..17].copy_from_slice(&self.instance.0);
        for (at, number) in [(17, self.number), (25, self.after), (33, self.entries)] {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Reads the head; the items follow. `None`: this is not a batch, or one of a later version.
    pub fn read(bytes: &[u8]) -> Option<(Head, &[u8])> {
        let (head, items) = bytes.split_at_checked(HEAD_BYTES)?;
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let instance = InstanceId(head[1..17].try_into().expect("sixteen bytes"));
        let head = Head { instance, number: number(17), after: number(25), entries: number(33) };
        let is_sound = bytes[0] == VERSION && head.after < head.number && head.number < u64::MAX / 2;
        (is_sound && head.entries < u64::MAX / 2).then_some((head, items))
    }
}

/// One item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    /// An entry about members.
    Entry(Entry<'a>),
    /// A sign of life, with the number of members and a digest of their names.
    Hello {
        /// The number of members.
        count: u64,
        /// The sum of [`digest`] over their names.
        digest: u64,
    },
    /// A part of the list of all its members.
    MemberList {
        /// Whether the list begins here.
        is_first: bool,
        /// Whether the list ends here.
        is_last: bool,
        /// The names, to be read with [`names`].
        names: &'a [u8],
    },
    /// Asks an instance for its list.
    Ask(InstanceId),
    /// Declares an instance gone.
    Gone {
        /// The instance.
        instance: InstanceId,
        /// The number of its entries in the log.
        entries: u64,
    },
    /// The batch was published before, and may be in the log twice: see [`AGAIN`].
    Again,
}

/// The first item of a batch that was published before.
pub const AGAIN: [u8; 3] = [10, 0, 0];

/// Appends an item.
pub fn write(out: &mut Vec<u8>, item: Item<'_>) {
    let start = out.len();
    out.extend_from_slice(&[kind(item), 0, 0]);
    match item {
        Item::Entry(Entry::Joined(text) | Entry::Left(text) | Entry::Announced(text)) => {
            out.extend_from_slice(text.as_bytes());
        }
        Item::Entry(Entry::Said { name, text } | Entry::Acted { name, text }) => {
            push_name(out, name);
            out.extend_from_slice(text.as_bytes());
        }
        Item::Hello { count, digest } => {
            out.extend_from_slice(&count.to_le_bytes());
            out.extend_from_slice(&digest.to_le_bytes());
        }
        Item::MemberList { is_first, is_last, names } => {
            out.push(u8::from(is_first) | u8::from(is_last) << 1);
            out.extend_from_slice(names);
        }
        Item::Ask(instance) => out.extend_from_slice(&instance.0),
        Item::Gone { instance, entries } => {
            out.extend_from_slice(&instance.0);
            out.extend_from_slice(&entries.to_le_bytes());
        }
        Item::Again => {}
    }
    let length = u16::try_from(out.len() - start - 3).expect("names and texts are bounded");
    out[start + 1..start + 3].copy_from_slice(&length.to_le_bytes());
}

/// Appends a name after its length.
pub fn push_name(out: &mut Vec<u8>, name: &str) {
    out.push(u8::try_from(name.len()).expect("names are bounded"));
    out.extend_from_slice(name.as_bytes());
}

const fn kind(item: Item<'_>) -> u8 {
    match item {
        Item::Entry(Entry::Joined(_)) => 1,
        Item::Entry(Entry::Left(_)) => 2,
        Item::Entry(Entry::Said { .. }) => 3,
        Item::Entry(Entry::Acted { .. }) => 4,
        Item::Entry(Entry::Announced(_)) => 5,
        Item::Hello { .. } => 6,
        Item::MemberList { .. } => 7,
        Item::Ask(_) => 8,
        Item::Gone { .. } => 9,
        Item::Again => AGAIN[0],
    }
}

/// The items of a batch, as far as they can be read.
pub fn items(mut rest: &[u8]) -> impl Iterator<Item = Item<'_>> {
    std::iter::from_fn(move || {
        loop {
            let (start, behind) = rest.split_at_checked(3)?;
            let length = usize::from(u16::from_le_bytes([start[1], start[2]]));
            let (body, behind) = behind.split_at_checked(length)?;
            rest = behind;
            if let Some(item) = read(start[0], body) {
                return Some(item);
            }
        }
    })
}

fn read(kind: u8, body: &[u8]) -> Option<Item<'_>> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let instance = || Some(InstanceId(body.get(..16)?.try_into().ok()?));
    let number = |at: usize| Some(u64::from_le_bytes(body.get(at..at + 8)?.try_into().ok()?));
    Some(match kind {
        1 => Item::Entry(Entry::Joined(text(body)?)),
        2 => Item::Entry(Entry::Left(text(body)?)),
        3 | 4 => {
            let (name, rest) = split_name(body)?;
            let text = text(rest)?;
            Item::Entry(if kind == 3 { Entry::Said { name, text } } else { Entry::Acted { name, text } })
        }
        5 => Item::Entry(Entry::Announced(text(body)?)),
        6 => Item::Hello { count: number(0)?, digest: number(8)? },
        7 => {
            let (flags, names) = body.split_first()?;
            Item::MemberList { is_first: flags & 1 != 0, is_last: flags & 2 != 0, names }
        }
        8 => Item::Ask(instance()?),
        9 => Item::Gone { instance: instance()?, entries: number(16)? },
        10 => Item::Again,
        _ => return None,
    })
}

/// Splits off a name, which follows its length.
pub fn split_name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(name).ok()?, rest))
}

/// The names of a list.
pub fn names(mut rest: &[u8]) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (name, behind) = split_name(rest)?;
        rest = behind;
        Some(name)
    })
}

/// A name's part in the sum: two different lists have the same sum with a probability of only 2⁻⁶⁴.
pub fn digest(name: &str) -> u64 {
    let digest = sha1_smol::Sha1::from(name).digest().bytes();
    u64::from_le_bytes(std::array::from_fn(|at| digest[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_reads_back_as_written_and_unknown_items_are_skipped() {
        let head = Head { instance: InstanceId([7; 16]), number: 5, after: 3, entries: 9 };
        let mut list = Vec::new();
        ["ann", "Zoë"].iter().for_each(|name| push_name(&mut list, name));
        let written = [
            Item::Entry(Entry::Joined("ann")),
            Item::Entry(Entry::Left("Zoë")),
            Item::Entry(Entry::Said { name: "ann", text: "" }),
            Item::Entry(Entry::Acted { name: "ann", text: "waves" }),
            Item::Entry(Entry::Announced("lunch")),
            Item::Hello { count: 2, digest: 77 },
            Item::MemberList { is_first: true, is_last: false, names: &list },
            Item::Ask(InstanceId([1; 16])),
            Item::Gone { instance: InstanceId([2; 16]), entries: 7 },
            Item::Again,
        ];
        let mut bytes = head.write().to_vec();
        for item in written {
            write(&mut bytes, item);
            bytes.extend_from_slice(&[200, 2, 0, 1, 2]);
        }
        let (read, items_read) = Head::read(&bytes).unwrap();
        assert_eq!(read, head);
        assert_eq!(items(items_read).collect::<Vec<_>>(), written);
        assert_eq!(names(&list).collect::<Vec<_>>(), ["ann", "Zoë"]);
        for cut in 0..bytes.len() {
            let whole = Head::read(&bytes[..cut]).map_or(0, |(_, rest)| items(rest).count());
            assert!(whole <= written.len(), "{cut}");
        }
    }

    #[test]
    fn impossible_heads_are_refused() {
        let head = Head { instance: InstanceId([7; 16]), number: 5, after: 4, entries: 9 };
        assert!(Head::read(&head.write()).is_some());
        let mut later = head.write();
        later[0] = 2;
        assert!(Head::read(&later).is_none());
        for wrong in [
            Head { number: 0, after: 0, ..head },
            Head { after: 5, ..head },
            Head { number: u64::MAX, ..head },
            Head { entries: u64::MAX, ..head },
        ] {
            assert!(Head::read(&wrong.write()).is_none(), "{wrong:?}");
        }
        assert!(Head::read(b"hello").is_none());
    }

    #[test]
    fn lists_of_other_names_have_other_digests() {
        assert_ne!(digest("ann"), digest("bob"));
        assert_ne!(digest("ann") ^ digest("bob"), digest("anna") ^ digest("ob"));
    }
}
