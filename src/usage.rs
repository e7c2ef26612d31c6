//! Errors on the command line, as one line.

/// Commands of ipcctl.
const OF_IPCCTL: [&str; 12] = [
    "status", "reload", "class", "watch", "kick", "mute", "unmute", "say", "close", "chat", "report", "bench",
];

/// The correct form of an argument that the daemon does not have; `is_similar`: one of its options looks like it.
pub fn of_unexpected(argument: &str, is_similar: bool) -> Option<String> {
    let right = match argument {
        "start" | "run" | "serve" => "ipcd without arguments starts the daemon".to_owned(),
        "stop" => "to stop it, press Ctrl-C, or run 'systemctl stop ipcd'".to_owned(),
        "restart" => "to restart it, run 'systemctl restart ipcd'".to_owned(),
        "check" | "daemon" | "help" | "version" => format!("did you mean --{argument}?"),
        "-c" | "-f" => "did you mean --config FILE?".to_owned(),
        "-d" => "did you mean --daemon?".to_owned(),
        "-p" | "--port" => {
            "a port is part of an endpoint: listen in the configuration, see ipcd.toml(5)".to_owned()
        }
        "-v" | "--verbose" => "did you mean --log-level debug, or --version?".to_owned(),
        _ if OF_IPCCTL.contains(&argument) => format!("did you mean 'ipcctl {argument}'?"),
        _ if argument.starts_with('-') || is_similar => return None,
        file => format!("a configuration is read with --config {}", file.escape_debug()),
    };
    Some(format!("unexpected argument '{}'; {right}", argument.escape_debug()))
}

/// Joins the lines of an error of clap: the error, and a hint if there is one.
pub fn one_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let what = lines.next().unwrap_or_default().trim_start_matches("error: ");
    let rest = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    rest.fold(what.to_owned(), |all, hint| {
        let joint = if all.ends_with(':') { " " } else { "; " };
        format!("{all}{joint}{}", hint.trim_start_matches("tip: "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_error_is_one_line_with_a_hint() {
        let text = "error: unexpected argument '--chek' found\n\n  tip: a similar argument exists: '--check'\n\nUsage: ipcd --check\n\nFor more information, try '--help'.\n";
        assert_eq!(
            one_line(text),
            "unexpected argument '--chek' found; a similar argument exists: '--check'"
        );
        let missing =
            "error: the following required arguments were not provided:\n  --pid-file <FILE>\n\nUsage: x\n";
        assert_eq!(
            one_line(missing),
            "the following required arguments were not provided: --pid-file <FILE>"
        );
    }
}
