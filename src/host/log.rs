//! The log: one line on standard error for each record, with a priority for the journal or the word for the level.
//!
//! The journal adds the time itself; everywhere else a line begins with the time.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, OnceLock};

use log::LevelFilter;
use rustix::fs::fstat;
use rustix::termios::isatty;

use super::stderr::{Sink, Style};

/// The longest line, including its newline: one less than PIPE_BUF (pipe(7)), so that it is written whole or not at all.
pub const LINE_BYTES_MAX: usize = 4095;

/// The mark at the end of a line that was cut.
const CUT: &str = "…";

/// Whether the command line or the environment sets the level, so that a reload does not change it.
static ASKED: OnceLock<()> = OnceLock::new();

/// Starts the log on standard error. Call it once, after standard error was redirected.
///
/// The level is `asked` (`--log-level`), otherwise that of RUST_LOG (as env_logger reads it: `debug`, or
/// `ipcd::reactor=trace`; modules that it does not name stay as configured), otherwise `configured`. An invalid part of
/// RUST_LOG is ignored, with a warning.
pub fn init(configured: LevelFilter, asked: Option<LevelFilter>) {
    let style = style();
    *sink() = Some(Sink::stderr(style));
    let mut builder = env_logger::Builder::new();
    builder.target(env_logger::Target::Pipe(Box::new(Output)));
    builder.format(move |out, record| {
        out.write_all(line(style.prefix(record.level()), record.args()).as_bytes())
    });

    let wanted = std::env::var_os("RUST_LOG").unwrap_or_default();
    let (directives, complaints) = directives(&wanted);
    let mut level = None;
    if asked.is_none() && !directives.is_empty() {
        builder.filter_level(configured).parse_filters(&directives);
    } else {
        // The logger accepts everything; only `log::max_level`, which a reload can change, filters.
        builder.filter_level(LevelFilter::Trace);
        level = Some(asked.unwrap_or(configured));
    }
    if asked.is_some() || level.is_none() {
        let _ = ASKED.set(());
    }
    // Fails only if there already is a logger, which then stays in use.
    let _ = builder.try_init();
    if let Some(level) = level {
        log::set_max_level(level);
    }
    for complaint in complaints {
        log::warn!("RUST_LOG: {complaint}; ignored");
    }
}

/// The sink: standard error at the start, or at the last renewal.
static SINK: Mutex<Option<Sink>> = Mutex::new(None);

/// Lines that could not be written since the start.
pub fn lines_dropped() -> u64 {
    sink().as_ref().map_or(0, Sink::dropped)
}

fn sink() -> MutexGuard<'static, Option<Sink>> {
    SINK.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Passes lines to the current sink.
struct Output;

impl io::Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut *sink() {
            Some(sink) => sink.write(line),
            None => Ok(line.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Switches to the current standard error, which is of the same kind as before: a file.
pub(super) fn renew() {
    if let Some(sink) = &mut *sink() {
        sink.move_to(Sink::stderr(Style::File));
    }
}

/// Changes the configured level (a reload). RUST_LOG and `--log-level` still override it.
pub fn set_level(configured: LevelFilter) {
    if ASKED.get().is_none() {
        log::set_max_level(configured);
    }
}

/// The valid parts of RUST_LOG, and the errors of the others. env_logger would report these with
/// `eprintln!`, which blocks on a full pipe and panics on a full disk.
fn directives(value: &OsStr) -> (String, Vec<String>) {
    let Some(value) = value.to_str() else {
        return (String::new(), vec!["it is not UTF-8".to_owned()]);
    };
    let (levels, pattern) = match value.split_once('/') {
        Some((levels, pattern)) => (levels, Some(pattern)),
        None => (value, None),
    };
    if pattern.is_some_and(|pattern| pattern.contains('/')) {
        return (String::new(), vec![format!("{value:?} has more than one /")]);
    }
    let mut kept = Vec::new();
    let mut complaints = Vec::new();
    for part in levels.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let is_sound = match part.split_once('=') {
            Some((_, level)) => level.trim().is_empty() || level.trim().parse::<LevelFilter>().is_ok(),
            // A bare word would be a module, so `RUST_LOG=debgu` would log nothing.
            None => part.parse::<LevelFilter>().is_ok() || is_ours(part),
        };
        if is_sound {
            kept.push(part);
        } else {
            complaints.push(format!("{part:?} is not a level (off, error, warn, info, debug, trace)"));
        }
    }
    let mut kept = kept.join(",");
    if let Some(pattern) = pattern {
        kept.extend(["/", pattern]);
    }
    (kept, complaints)
}

fn is_ours(module: &str) -> bool {
    matches!(module.split("::").next(), Some("ipcd" | "ipcctl"))
}

/// The prefix of lines for the current standard error.
fn style() -> Style {
    let stream = std::env::var_os("JOURNAL_STREAM");
    match (stream, fstat(io::stderr())) {
        (Some(stream), Ok(it)) if is_journal(&stream, it.st_dev, it.st_ino) => Style::Priority,
        _ if isatty(io::stderr()) => Style::Terminal,
        _ => Style::File,
    }
}

/// The last message of a process: unchanged for people; in the journal, each line has the priority of an error.
pub fn as_errors(text: &str) -> String {
    match style() {
        Style::Terminal | Style::File => text.to_owned(),
        Style::Priority => text.lines().map(|line| format!("<3>{line}")).collect::<Vec<String>>().join("\n"),
    }
}

/// Whether the file is the one that systemd connected to the journal (`JOURNAL_STREAM`, systemd.exec(5)). The
/// variable alone is not enough: processes whose standard error was redirected inherit it too.
fn is_journal(stream: &OsStr, device: u64, inode: u64) -> bool {
    let parts = stream.to_str().and_then(|text| text.split_once(':'));
    parts.is_some_and(|(d, i)| d.parse() == Ok(device) && i.parse() == Ok(inode))
}

/// One record as one line.
fn line(prefix: String, text: &fmt::Arguments<'_>) -> String {
    let mut line = Line { text: prefix, is_cut: false };
    // Fails only if a `Display` fails; then the line ends there.
    let _ = line.write_fmt(*text);
    line.text.push('\n');
    line.text
}

/// A line being built: escaped, and never longer than the limit.
struct Line {
    text: String,
    is_cut: bool,
}

impl Line {
    fn push(&mut self, part: &str) {
        // Always leaves room for the mark and the newline.
        if self.text.len() + part.len() + CUT.len() < LINE_BYTES_MAX {
            self.text.push_str(part);
        } else {
            self.text.push_str(CUT);
            self.is_cut = true;
        }
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.is_cut {
                break;
            }
            if is_unsafe(c) {
                self.push(&c.escape_default().to_string());
            } else {
                self.push(c.encode_utf8(&mut [0; 4]));
            }
        }
        Ok(())
    }
}

/// Whether a character can end a line, control a terminal or change the direction of text. Text from peers is escaped
/// earlier; this is a second line of defence.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    #[test]
    fn log_record_is_one_line_with_its_level() {
        for (level, word, priority) in [
            (Level::Error, " error: x\n", "<3>x\n"),
            (Level::Warn, " warning: x\n", "<4>x\n"),
            (Level::Info, " info: x\n", "<6>x\n"),
            (Level::Debug, " debug: x\n", "<7>x\n"),
            (Level::Trace, " trace: x\n", "<7>x\n"),
        ] {
            let of = |style: Style| line(style.prefix(level), &format_args!("x"));
            assert_eq!(of(Style::Priority), priority);
            assert!(of(Style::Terminal).ends_with(word) && of(Style::File).ends_with(word));
        }
    }

    #[test]
    fn line_content_cannot_end_the_line_or_control_the_terminal() {
        let text = "a\nb\r\tc\0\u{1b}[2J\u{7f}\u{9b}\u{2028}\u{202e}\u{2066}\u{200f} é 日本 \\ \"'";
        let expected = "info: a\\nb\\r\\tc\\u{0}\\u{1b}[2J\\u{7f}\\u{9b}\\u{2028}\\u{202e}\\u{2066}\\u{200f} \
                        é 日本 \\ \"'\n";
        assert_eq!(line("info: ".to_owned(), &format_args!("{text}")), expected);
    }

    #[test]
    fn line_never_exceeds_an_atomic_pipe_write() {
        let fits = LINE_BYTES_MAX - "info: ".len() - CUT.len() - 1;
        for (text, is_cut) in [
            ("x".repeat(fits), false),
            ("x".repeat(fits + 1), true),
            ("日".repeat(5000), true),
            ("\n".repeat(100_000), true),
            ("\u{202e}".repeat(3000), true),
        ] {
            let line = line("info: ".to_owned(), &format_args!("{text}"));
            assert!(line.len() <= LINE_BYTES_MAX && line.len() > LINE_BYTES_MAX - 16, "{}", line.len());
            assert_eq!(line.ends_with("…\n"), is_cut);
            assert_eq!(line.matches('\n').count(), 1);
            assert_eq!(line.matches(CUT).count(), usize::from(is_cut));
        }
    }

    #[test]
    fn journal_is_recognized_by_its_inode() {
        let is = |stream: &str| is_journal(OsStr::new(stream), 9, 4711);
        assert!(is("9:4711"));
        for other in ["9:4712", "8:4711", "", "9", "9:", ":4711", "9:4711:0", "a:b"] {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn invalid_rust_log_is_reported_and_the_rest_applies() {
        let of = |value: &str| directives(OsStr::new(value));
        for sound in [
            "",
            "debug",
            "OFF",
            "ipcd",
            "ipcd::reactor=trace,warn",
            "mio=off",
            "ipcd=",
            "info/chat",
            "3x=info",
        ] {
            assert_eq!(of(sound), (sound.to_owned(), vec![]), "{sound}");
        }
        for (bad, kept, complaints) in [
            ("debgu", "", 1),
            ("warn, =x ,ipcd=loud", "warn", 2),
            ("a/b/c", "", 1),
            ("info,a=b=c", "info", 1),
        ] {
            let (text, told) = of(bad);
            assert_eq!((text.as_str(), told.len()), (kept, complaints), "{bad}");
        }
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(directives(OsStr::from_bytes(b"\xff")).1, ["it is not UTF-8"]);
    }

    #[test]
    fn env_logger_accepts_the_kept_rust_log() {
        // It reports ignored parts only on standard error; so at least it must not panic.
        for value in ["warn, =x ,ipcd=loud", "a/b/c", ",,,", "=", "==", "/", "info/"] {
            let (kept, _) = directives(OsStr::new(value));
            let logger = env_logger::Builder::new().parse_filters(&kept).build();
            assert!(logger.filter() <= LevelFilter::Trace);
        }
    }
}
