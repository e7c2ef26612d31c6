//! A wire stands between the bytes on a descriptor and the bytes of a conversation, and converts them in both directions. Bytes in,
//! bytes out: it knows no socket, and not what the bytes mean.

mod heard;
#[cfg(test)]
pub(crate) mod masked;
#[cfg(feature = "tls")]
pub mod tls;

use std::io;

pub use heard::Heard;

/// The encoding of one stream. It takes as much room in a connection's slot as a pointer.
#[derive(Debug, Default)]
pub enum Wire {
    /// The conversation's bytes, unchanged: nothing is copied or held.
    #[default]
    Plain,
    /// TLS records.
    #[cfg(feature = "tls")]
    Tls(Box<tls::Tls>),
    /// Records as a cipher makes them.
    #[cfg(test)]
    Masked(Box<masked::Masked>),
}

impl Wire {
    /// Passes the contents of received bytes to `hear`, in any number of pieces, or none if a record is incomplete. `more`: other
    /// bytes wait to be received.
    #[inline]
    pub fn receive(&mut self, received: &mut [u8], more: bool, mut hear: impl FnMut(Heard<'_>)) {
        match self {
            Wire::Plain => hear(Heard::Bytes { bytes: received, more }),
            #[cfg(feature = "tls")]
            Wire::Tls(tls) => {
                if tls.receive(received, more, &mut hear) == tls::Outcome::PlainText {
                    *self = Wire::Plain;
                    hear(Heard::PlainText);
                }
            }
            #[cfg(test)]
            Wire::Masked(masked) => masked.receive(received, more, hear),
        }
    }

    /// Handles the end of the descriptor's input.
    pub fn receive_end(&mut self, mut hear: impl FnMut(Heard<'_>)) {
        match self {
            Wire::Plain => hear(Heard::End),
            #[cfg(feature = "tls")]
            Wire::Tls(tls) => tls.receive_end(hear),
            #[cfg(test)]
            Wire::Masked(_) => hear(Heard::End),
        }
    }

    /// Handles that the handshake has taken too long.
    #[cfg_attr(not(feature = "tls"), expect(unused_variables, unused_mut))]
    pub fn give_up_handshake(&mut self, reason: &str, mut hear: impl FnMut(Heard<'_>)) {
        match self {
            Wire::Plain => {}
            #[cfg(feature = "tls")]
            Wire::Tls(tls) => {
                if tls.give_up(reason, &mut hear) == tls::Outcome::PlainText {
                    *self = Wire::Plain;
                    hear(Heard::PlainText);
                }
            }
            #[cfg(test)]
            Wire::Masked(_) => {}
        }
    }

    /// Whether nothing can be sent for now.
    #[inline]
    pub fn is_handshaking(&self) -> bool {
        match self {
            Wire::Plain => false,
            #[cfg(feature = "tls")]
            Wire::Tls(tls) => tls.is_handshaking(),
            #[cfg(test)]
            Wire::Masked(_) => false,
        }
    }

    /// Encodes `said` and passes it to `write`, after the bytes that are [held](Self::is_holding). `write` returns how many bytes
    /// were accepted. Returns how many bytes of `said` need not be offered again, because they were written or are held here.
    ///
    /// # Errors
    /// The error of `write`, unless part of `said` was accepted. After `WouldBlock`, try again.
    #[inline]
    pub fn send(
        &mut self,
        said: &[&[u8]],
        mut write: impl FnMut(&[&[u8]]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        match self {
            Wire::Plain => write(said),
            #[cfg(feature = "tls")]
            Wire::Tls(tls) => tls.send(said, write),
            #[cfg(test)]
            Wire::Masked(masked) => masked.send(said, write),
        }
    }

    /// Whether bytes of its own wait to be written: [`send`](Self::send) writes them.
    #[inline]
    pub fn is_holding(&self) -> bool {
        match self {
            Wire::Plain => false,
            #[cfg(feature = "tls")]
            Wire::Tls(tls) => tls.is_holding(),
            #[cfg(test)]
            Wire::Masked(masked) => masked.is_holding(),
        }
    }

    /// Whether the descriptor accepts no more, even if `send` has accepted everything.
    #[inline]
    pub fn is_stuck(&self, has_taken_all: bool) -> bool {
        match self {
            Wire::Plain => !has_taken_all,
            #[cfg(feature = "tls")]
            Wire::Tls(tls) => tls.is_holding(),
            #[cfg(test)]
            Wire::Masked(masked) => masked.is_holding(),
        }
    }

    /// Ends the output: the message about the end is held.
    pub fn end(&mut self) {
        match self {
            Wire::Plain => {}
            #[cfg(feature = "tls")]
            Wire::Tls(tls) => tls.end(),
            #[cfg(test)]
            Wire::Masked(masked) => masked.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_bytes_are_neither_copied_nor_held_back() {
        let mut wire = Wire::default();
        let mut received = *b"5 10\n";
        let (start, mut pieces) = (received.as_ptr(), 0);
        wire.receive(&mut received, true, |heard| {
            let Heard::Bytes { bytes, more } = heard else { panic!("{heard:?}") };
            assert_eq!((bytes, more, bytes.as_ptr()), (&b"5 10\n"[..], true, start));
            pieces += 1;
        });
        assert_eq!(pieces, 1);

        let said = [&b"Data"[..], b" received\n"];
        let sent = wire.send(&said, |pieces| {
            assert!(std::ptr::eq(pieces, said.as_slice()));
            Ok(7)
        });
        assert_eq!(sent.unwrap(), 7, "as many as were written");
        wire.end();
        assert!(!wire.is_holding());
    }

    #[test]
    fn wire_is_no_larger_than_a_pointer() {
        // In this test there may be two kinds of records, which takes a word to distinguish.
        let words = if cfg!(feature = "tls") { 2 } else { 1 };
        assert!(size_of::<Wire>() <= words * size_of::<usize>());
    }
}
