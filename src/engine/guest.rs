//! A guest: it has given its name to a room with a passphrase, and not joined yet.

use serde::{Deserialize, Serialize};

/// Bytes of a name that is kept until the passphrase has come: the longest is 32 characters, in whatever form they are typed.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// Its progress.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Guest {
    /// It has said this name, and has been asked; how often it has said something else.
    Asked(Box<[u8]>, u8),
    /// It has said the passphrase.
    Known,
}
