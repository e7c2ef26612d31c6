//! A Telnet client's bytes (RFC 854): commands and options are removed, lines remain.

use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

/// Interpret as command.
pub const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SUBNEGOTIATION: u8 = 250;
const SUBNEGOTIATION_END: u8 = 240;
/// The end of the input (RFC 1184): plink sends it and keeps the connection.
const END_OF_FILE: u8 = 236;

/// Sent after Ctrl-C. Without an answer to each one, the client displays nothing more (RFC 860).
const TIMING_MARK: u8 = 6;

/// Whether an IAC followed by this byte is a command.
pub fn is_command(byte: u8) -> bool {
    (END_OF_FILE..=DONT).contains(&byte)
}

/// The state of a Telnet client.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Telnet {
    #[serde(rename = "place")] // its name in the records of earlier versions
    parser: Parser,
    /// Whether the last byte of text was CR.
    is_behind_cr: bool,
    /// The options that were refused already, as DO and as WILL.
    refused: [[u64; 4]; 2],
}

/// The position of the last byte within a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Parser {
    #[default]
    Text,
    /// After IAC.
    Command,
    /// After WILL, WONT, DO or DONT.
    Option(u8),
    /// Inside the parameters of an option.
    Parameters,
    /// After an IAC inside the parameters.
    ParametersCommand,
}

impl Telnet {
    /// Appends the text in `bytes` to `text`, and the answers to commands to `replies`; returns whether the input has
    /// ended.
    pub fn filter(&mut self, bytes: &[u8], text: &mut ThinVec<u8>, replies: &mut Vec<u8>) -> bool {
        for byte in bytes {
            self.parser = match (self.parser, *byte) {
                (Parser::Text, IAC) => Parser::Command,
                (Parser::Text, byte) => {
                    self.push(byte, text);
                    Parser::Text
                }
                (Parser::Command, IAC) => {
                    self.push(IAC, text);
                    Parser::Text
                }
                (Parser::Command, END_OF_FILE) => {
                    self.parser = Parser::Text;
                    return true;
                }
                (Parser::Command, SUBNEGOTIATION) => Parser::Parameters,
                (Parser::Command, verb @ WILL..=DONT) => Parser::Option(verb),
                (Parser::Command, _) => Parser::Text,
                (Parser::Option(verb), option) => {
                    self.refuse(verb, option, replies);
                    Parser::Text
                }
                (Parser::Parameters, IAC) => Parser::ParametersCommand,
                (Parser::ParametersCommand, SUBNEGOTIATION_END) => Parser::Text,
                (Parser::Parameters | Parser::ParametersCommand, _) => Parser::Parameters,
            };
        }
        false
    }

    /// CR NUL and CR LF are the Return key; a NUL alone means nothing.
    fn push(&mut self, byte: u8, text: &mut ThinVec<u8>) {
        let is_behind_cr = std::mem::replace(&mut self.is_behind_cr, byte == b'\r');
        match byte {
            0 if is_behind_cr => text.push(b'\n'),
            0 => {}
            _ => text.push(byte),
        }
    }

    fn refuse(&mut self, verb: u8, option: u8, replies: &mut Vec<u8>) {
        let (number, answer) = match verb {
            DO => (0, WONT),
            WILL => (1, DONT),
            _ => return,
        };
        let (word, bit) = (&mut self.refused[number][usize::from(option / 64)], 1 << (option % 64));
        if *word & bit == 0 || option == TIMING_MARK {
            *word |= bit;
            replies.extend([IAC, answer, option]);
        }
    }
}

/// A message with its CR LF.
pub fn encode(message: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(message);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The remaining text of some bytes, the answers, and whether the bytes end the input, for every way to split them.
    #[track_caller]
    fn filtered(bytes: &[u8]) -> (Vec<u8>, Vec<u8>, bool) {
        let of = |pieces: &[&[u8]]| {
            let (mut telnet, mut text, mut replies) = (Telnet::default(), ThinVec::new(), Vec::new());
            let has_ended = pieces.iter().any(|piece| telnet.filter(piece, &mut text, &mut replies));
            (text.to_vec(), replies, has_ended)
        };
        let whole = of(&[bytes]);
        for cut in 1..bytes.len() {
            assert_eq!(of(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn putty_options_are_each_refused_once_and_removed_from_the_text() {
        let first = b"\xff\xfb\x1f\xff\xfb \xff\xfb\x18\xff\xfb'\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03";
        let refused = b"\xff\xfe\x1f\xff\xfe \xff\xfe\x18\xff\xfe'\xff\xfc\x01\xff\xfe\x03\xff\xfc\x03";
        let (text, replies, _) = filtered(&[&first[..], b"5 10\r\n", first].concat());
        assert_eq!((text, replies), (b"5 10\r\n".to_vec(), refused.to_vec()));
    }

    #[test]
    fn ctrl_c_is_removed_and_each_timing_mark_is_answered() {
        let (text, replies, _) = filtered(b"5 \xff\xf4\xff\xfd\x0610\r\0\xff\xf4\xff\xfd\x06\0x\rz\r\n");
        assert_eq!(text, b"5 10\r\nx\rz\r\n");
        assert_eq!(replies, b"\xff\xfc\x06\xff\xfc\x06");
    }

    #[test]
    fn subnegotiation_is_skipped_and_doubled_iac_is_one_byte() {
        let (text, replies, has_ended) =
            filtered(b"a\xff\xfa\x18\0x\xff\xffterm\xff\xf0b\xff\xff\xff\xfe\x01\xff\xfc\x01c");
        assert_eq!((text, replies, has_ended), (b"ab\xffc".to_vec(), vec![], false));
    }

    #[test]
    fn end_of_file_command_ends_the_input() {
        assert_eq!(filtered(b"5 10\r\n\xff\xec"), (b"5 10\r\n".to_vec(), vec![], true));
    }
}
