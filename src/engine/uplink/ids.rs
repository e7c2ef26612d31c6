//! The names of instances, connections and rooms in the log.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha1_smol::Sha1;

/// One run of one daemon: 128 random bits. A daemon that was declared gone continues under another id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceId(pub [u8; 16]);

impl InstanceId {
    /// The id of the same daemon after it was declared gone. No other daemon has it.
    pub fn successor(self) -> InstanceId {
        let digest = Sha1::from(self.0).digest().bytes();
        InstanceId(std::array::from_fn(|at| digest[at]))
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn read(text: &[u8]) -> Option<InstanceId> {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let mut id = [0; 16];
        if text.len() != 2 * id.len() {
            return None;
        }
        for (byte, pair) in id.iter_mut().zip(text.chunks(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(InstanceId(id))
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceId({self})")
    }
}

/// One connection to a server, for the reactor. No number is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// A private message that waits for its answer. No number is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WhisperId(pub u64);

/// The most characters in a house's name.
pub const HOUSE_CHARS_MAX: usize = 32;

/// The most bytes in a room's name, so that every subject stays far below a server's bound of 4,096.
pub const ROOM_BYTES_MAX: usize = 64;

/// A house: the daemons that share one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct House(Box<str>);

impl House {
    /// Reads a house's name; `None`: it must be 1 to 32 ASCII letters, digits, `-` or `_`.
    pub fn new(text: &str) -> Option<House> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let fits = (1..=HOUSE_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_token);
        fits.then(|| House(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its stream.
    pub fn stream(&self) -> String {
        format!("IPCD_{}", self.0)
    }
}

/// A room's name as a part of a subject, which allows few characters: in lower case, as hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomToken(Box<str>);

impl RoomToken {
    /// The token for a room's name; `None`: the name must have 1 to 64 bytes.
    pub fn new(name: &str) -> Option<RoomToken> {
        let folded = super::super::looks::fold(name.trim());
        let fits = (1..=ROOM_BYTES_MAX).contains(&folded.len());
        fits.then(|| RoomToken(folded.bytes().map(|byte| format!("{byte:02x}")).collect::<String>().into()))
    }

    /// The text of the token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_reads_back_as_written_and_its_successor_differs() {
        let id = InstanceId(std::array::from_fn(|at| at as u8 * 17));
        assert_eq!(id.to_string(), "00112233445566778899aabbccddeeff");
        assert_eq!(InstanceId::read(id.to_string().as_bytes()), Some(id));
        for wrong in ["", "0011", "00112233445566778899aabbccddeefg", "00112233445566778899aabbccddeeff0"] {
            assert_eq!(InstanceId::read(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(id.successor() != id && id.successor().successor() != id);
    }

    #[test]
    fn houses_and_rooms_become_parts_of_subjects() {
        assert_eq!(House::new("north-2").unwrap().stream(), "IPCD_north-2");
        for wrong in ["", "a.b", "a b", "é", "*", ">", &"x".repeat(33)] {
            assert!(House::new(wrong).is_none(), "{wrong}");
        }
        assert_eq!(RoomToken::new("Aula 1").unwrap().as_str(), "61756c612031");
        assert_eq!(RoomToken::new("ÉCOLE"), RoomToken::new(" école "));
        for wrong in ["", " ", &"x".repeat(65)] {
            assert!(RoomToken::new(wrong).is_none(), "{wrong}");
        }
    }
}
