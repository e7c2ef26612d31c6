//! Why something is not delivered: each reason with its name in the status and its text in the log.

use std::fmt;

use super::listed::listed;

listed! {
    /// Why a datagram gets no answer, an answer does not reach its receiver, or a line on a FIFO or in a message queue its
    /// reader.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    #[repr(u8)]
    pub enum Dropped {
        /// Nobody reads the line on a FIFO, or in a message queue.
        Unread,
        /// The datagram looks like one of our own answers.
        OwnWords,
        /// Its sender has no address.
        NoAddress,
        /// It comes from a UDP port that belongs to a service.
        LowPort,
        /// Its sender has reached its limit on answers.
        TooMany,
        /// The receiving socket is full.
        NoRoom,
        /// Unread answers fill the user's share of our buffer.
        Share,
        /// The daemon cannot see the file of the sender's socket.
        Unseen,
        /// The daemon may not write to that file.
        NotWritable,
        /// The file is not a socket, or belongs to another user.
        NotItsOwn,
        /// Its address is a relative path in a directory that the daemon cannot see.
        Relative,
        /// Its address is an abstract one that may belong to another process here.
        Abstract,
        /// The receiver is gone.
        Gone,
        /// Another reason, in the kernel or in the daemon.
        Failed,
    }
}

impl Dropped {
    /// Its name in the status report.
    pub const fn name(self) -> &'static str {
        match self {
            Dropped::Unread => "unread",
            Dropped::OwnWords => "own_words",
            Dropped::NoAddress => "no_address",
            Dropped::LowPort => "low_port",
            Dropped::TooMany => "too_many",
            Dropped::NoRoom => "no_room",
            Dropped::Share => "share",
            Dropped::Unseen => "unseen",
            Dropped::NotWritable => "not_writable",
            Dropped::NotItsOwn => "not_its_own",
            Dropped::Relative => "relative",
            Dropped::Abstract => "abstract",
            Dropped::Gone => "gone",
            Dropped::Failed => "failed",
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dropped::Unread => "nobody reads it",
            Dropped::OwnWords => "it looks like an answer from ipcd (loop prevention)",
            Dropped::NoAddress => "it comes from a socket without an address",
            Dropped::LowPort => "it comes from a port below 1024",
            Dropped::TooMany => "its sender has reached its limit on answers",
            Dropped::NoRoom => "the receiving socket is full",
            Dropped::Share => "the user's share of the buffer is full of unread answers",
            Dropped::Unseen => "the daemon cannot see the socket's file",
            Dropped::NotWritable => "the daemon may not write to the socket's file",
            Dropped::NotItsOwn => "the file at that path is not a socket of the sender's user",
            Dropped::Relative => "the path is relative, and the daemon cannot see the sender's directory",
            Dropped::Abstract => "the abstract address may belong to another process here",
            Dropped::Gone => "the receiver is gone",
            Dropped::Failed => "it could not be sent",
        })
    }
}
