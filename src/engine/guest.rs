//! A guest: a client that has given its name to a room with a passphrase, but not the passphrase.

use serde::{Deserialize, Serialize};

/// The longest name that is kept until the passphrase comes, in bytes: 32 characters, in any form in which they are typed.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// Its progress.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Guest {
    /// It has given this name and was asked for the passphrase; with the number of its wrong answers.
    Asked(Box<[u8]>, u8),
    /// It has given the passphrase.
    Known,
}
