//! The configuration that a start reads.

use std::path::Path;

use super::failure::Failure;
use crate::config::Config;

/// The default configuration file, if it exists.
pub const DEFAULT_FILE: &str = "/etc/ipcd/ipcd.toml";

/// Reads the configuration that a start with `--config FILE`, or without, would use.
pub fn configuration(named: Option<&Path>) -> Result<Config, Failure> {
    match named {
        Some(file) => Config::read(file),
        None if Path::new(DEFAULT_FILE).symlink_metadata().is_ok() => Config::read(Path::new(DEFAULT_FILE)),
        None => Ok(Config::built_in()),
    }
    .map_err(Failure::Config)
}
