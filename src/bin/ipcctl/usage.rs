//! What to print when no command is given: all of them, in a few lines; and what would be right after other usage errors.

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::cli::Arguments;

/// The commands by purpose. A test compares them with the command line.
const COMMANDS: [(&str, &str); 6] = [
    ("use a service", "multiply, greeting, hello, chat, talk"),
    ("look at the daemon", "status, watch, class, notify"),
    ("look at machines", "report, top"),
    ("as the teacher", "page, kick, mute, unmute, say, close"),
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

/// Examples of the commands that need arguments, or whose arguments are often guessed.
const EXAMPLES: [(&str, &str); 11] = [
    ("multiply", "5 10"),
    ("chat", "--name ann"),
    ("watch", "--service multiply"),
    ("kick", "ann"),
    ("mute", "ann 5min"),
    ("unmute", "ann"),
    ("say", "five more minutes"),
    ("close", "192.168.1.20"),
    ("certificate", "teacher.local"),
    ("completions", "bash"),
    ("report", "--once"),
];

/// What would be right after a usage error: an example of the typed command, and where to read on.
pub(crate) fn remedy(typed: &[String], kind: ErrorKind) -> String {
    let all = Arguments::command();
    let is_command = |word: &&String| all.find_subcommand(word.as_str()).is_some();
    let Some(command) = typed.iter().find(is_command) else {
        return "see 'ipcctl --help'".to_owned();
    };
    let see = format!("see 'ipcctl {command} --help'");
    let helps = matches!(kind, ErrorKind::MissingRequiredArgument | ErrorKind::UnknownArgument);
    match EXAMPLES.iter().find(|(name, _)| helps && name == command) {
        Some((_, arguments)) => format!("for example: ipcctl {command} {arguments}; {see}"),
        None => see,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn usage_errors_show_an_example_that_is_accepted() {
        let remedy =
            |line: &str, kind| remedy(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), kind);
        let missing = ErrorKind::MissingRequiredArgument;
        assert_eq!(
            remedy("--to /run/x kick", missing),
            "for example: ipcctl kick ann; see 'ipcctl kick --help'"
        );
        assert_eq!(remedy("kick --xyz", ErrorKind::InvalidValue), "see 'ipcctl kick --help'");
        assert_eq!(remedy("status now", ErrorKind::UnknownArgument), "see 'ipcctl status --help'");
        assert_eq!(remedy("kikc ann", ErrorKind::InvalidSubcommand), "see 'ipcctl --help'");
        for (name, arguments) in EXAMPLES {
            let words = ["ipcctl", name].into_iter().chain(arguments.split(' '));
            assert!(Arguments::try_parse_from(words).is_ok(), "{name} {arguments}");
        }
        let mut command = Arguments::command();
        command.build();
        for command in command.get_subcommands() {
            let needs = command.get_arguments().any(|argument| argument.is_required_set());
            let has_example = EXAMPLES.iter().any(|(name, _)| *name == command.get_name());
            assert!(!needs || has_example, "{}", command.get_name());
        }
    }

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
