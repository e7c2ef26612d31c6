//! What to print when no command is given: all of them, in a few lines.

/// The commands by purpose. A test compares them with the command line.
const COMMANDS: [(&str, &str); 6] = [
    ("use a service", "multiply, greeting, hello, chat, talk"),
    ("look at the daemon", "status, watch, class"),
    ("look at machines", "report, top"),
    ("as the teacher", "kick, mute, unmute, say, close"),
    ("as the administrator", "reload, handover, certificate"),
    ("also", "bench, completions, help"),
];

/// The lines, as wide as a small window.
pub(crate) fn short() -> String {
    let commands = COMMANDS.map(|(purpose, names)| format!("  {purpose:21} {names}"));
    format!(
        "which command? For example: ipcctl multiply 5 10\n{}\n'ipcctl --help' describes them, 'ipcctl COMMAND --help' one of them.",
        commands.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::super::cli::Arguments;
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_is_in_the_short_list() {
        let mut listed: Vec<&str> = COMMANDS.iter().flat_map(|(_, names)| names.split(", ")).collect();
        let mut command = Arguments::command();
        command.build();
        let mut known: Vec<&str> = command.get_subcommands().map(|one| one.get_name()).collect();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known);
        assert!(short().lines().all(|line| line.len() <= 80), "{}", short());
    }
}
