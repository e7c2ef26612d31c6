//! `ipcctl completions SHELL`

use clap::{Args, Command};
use clap_complete::Shell;

use super::error::CliError;
use super::output;

/// Print completions for a shell
#[derive(Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, mut command: Command) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "ipcctl", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
}
