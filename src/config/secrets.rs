//! The keys whose values appear in no error and no log.

/// Whether the value of a key is secret, so that no message shows it.
pub(super) fn is_secret(name: &str) -> bool {
    name == "passphrase"
}
