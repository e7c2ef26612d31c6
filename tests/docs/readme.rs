//! The README's tour, as a reader types it: every command prints what the README shows.
//!
//! In the section below, each block marked `console` runs in order. `$ COMMAND` is typed into one bash, in a second terminal; the
//! lines after it, up to the next `$ `, are its whole output. `$ cargo run --release` starts the daemon in the first terminal, and
//! the lines after it are in its log. In a block marked `console two`, `alice$ COMMAND` opens a terminal for Alice, `alice> TEXT`
//! is what she types, and `alice< TEXT` is the line that she sees next.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, read_to_string};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::harness::program::{Program, command};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

const SECTION: &str = "A two-minute tour";
const START: &str = "cargo run --release";

/// Set if the tour has the network and the runtime directory to itself.
const ALONE: &str = "IPCD_TEST_IS_ALONE";

/// The end of a command's output, which no command of the tour writes.
const END: u8 = 0x1e;

/// A step and its expected output.
#[derive(Debug, PartialEq)]
enum Step {
    /// The daemon starts, with these lines in its log.
    Start(Vec<String>),
    /// A command and its whole output.
    Command(String, Vec<String>),
    /// Opens a terminal with this command.
    Opens(String, String),
    /// Types this.
    Types(String, String),
    /// Waits for this line.
    Sees(String, String),
}

/// The steps of the tour, each with the number of its line.
fn steps(readme: &str) -> Vec<(usize, Step)> {
    let mut steps: Vec<(usize, Step)> = Vec::new();
    let (mut inside, mut block) = (None, None);
    for (number, line) in (1..).zip(readme.lines()) {
        match (&block, line.strip_prefix("```")) {
            (None, Some(info)) => block = Some(info.split_whitespace().collect::<Vec<_>>()),
            (Some(_), Some(_)) => block = None,
            (None, None) => {
                let level = line.bytes().take_while(|byte| *byte == b'#').count();
                let title = line[level..].trim();
                match inside {
                    _ if level == 0 => {}
                    None if title == SECTION => inside = Some(level),
                    Some(outer) if level <= outer => inside = None,
                    _ => {}
                }
            }
            (Some(info), None) if inside.is_some() && info.first() == Some(&"console") => {
                if info.get(1) == Some(&"two") {
                    steps.push((
                        number,
                        dialogue_step(line).unwrap_or_else(|| panic!("README.md:{number}: {line}")),
                    ));
                } else if let Some(typed) = line.strip_prefix("$ ") {
                    let step = match typed {
                        START => Step::Start(Vec::new()),
                        _ => Step::Command(typed.to_owned(), Vec::new()),
                    };
                    steps.push((number, step));
                } else {
                    match steps.last_mut() {
                        Some((_, Step::Start(lines) | Step::Command(_, lines))) => {
                            lines.push(line.to_owned())
                        }
                        _ => panic!("README.md:{number}: no `$ ` before this line"),
                    }
                }
            }
            (Some(_), None) => {}
        }
    }
    steps
}

fn dialogue_step(line: &str) -> Option<Step> {
    let at = line.find(['$', '>', '<'])?;
    let (who, rest) = (line[..at].to_owned(), &line[at + 1..]);
    let text = rest.strip_prefix(' ').unwrap_or(rest).to_owned();
    Some(match line.as_bytes()[at] {
        b'$' => Step::Opens(who, text),
        b'>' => Step::Types(who, text),
        _ => Step::Sees(who, text),
    })
}

#[test]
#[ignore = "needs nc and python3"]
fn tour_matches_a_real_run() {
    if std::env::var_os(ALONE).is_none()
        && let Some(mut again) = in_a_world_of_its_own()
    {
        let output = again.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = read_to_string(&path).unwrap_or_else(|error| {
        panic!("README.md: {error}; its section \"{SECTION}\" is what this test runs")
    });
    let steps = steps(&readme);
    let shows = steps.iter().filter(|(_, step)| matches!(step, Step::Command(_, lines) if !lines.is_empty()));
    assert!(
        shows.count() > 0,
        "README.md: no command and its output in a ```console block under \"{SECTION}\""
    );
    assert!(matches!(steps[0].1, Step::Start(_)), "README.md: the tour begins with `$ {START}`");

    let mut tour = Tour::new();
    for (number, step) in &steps {
        println!("README.md:{number}: {step:?}");
        tour.take(step);
    }
    tour.stop();
}

/// Runs this test again, in a network and a runtime directory that no other daemon uses; `None`: that is not permitted here.
fn in_a_world_of_its_own() -> Option<Command> {
    // Root's socket is under /run. Other users have a directory of their own, and stay the same user.
    let (flags, prepare): (&[&str], _) = match geteuid().is_root() {
        true => (&["--net", "--mount"], "ip link set lo up && mount -t tmpfs tmpfs /run"),
        false => (&["--user", "--map-current-user", "--keep-caps", "--net"], "ip link set lo up"),
    };
    let within = |script: &str| {
        let mut unshare = command("unshare", flags);
        unshare.args(["bash", "-c", &format!("{prepare} && {script}"), "bash"]);
        unshare
    };
    let permitted = Program::run(within("true"), "");
    if !permitted.status.success() {
        println!("not in a network of its own: {}", permitted.errors.trim_end());
        return None;
    }
    let mut again = within("exec \"$@\"");
    again.arg(std::env::current_exe().unwrap());
    again
        .args(["--exact", "readme::tour_matches_a_real_run", "--include-ignored", "--nocapture"])
        .env(ALONE, "yes");
    Some(again)
}

/// The terminals of a tour.
struct Tour {
    directory: TempDir,
    daemon: Option<Program>,
    bash: Program,
    /// Commands reach the shell through a descriptor of their own. So its standard input is that of the commands: a terminal, on
    /// which nobody types.
    commands: File,
    people: BTreeMap<String, Program>,
}

impl Tour {
    fn new() -> Tour {
        let directory = tempfile::tempdir().unwrap(); // mode 0700, like a runtime directory
        let pipe = directory.path().join("commands");
        mkfifoat(CWD, &pipe, Mode::from_raw_mode(0o600)).unwrap();
        // Opened for both, so that neither side waits for the other to open it.
        let commands = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        let read_all =
            "while IFS= read -r -u 9 line; do eval \"$line\" 9<&- 2>&1; printf '\\036'; done 9<\"$1\"";
        let mut bash = command("bash", ["-c", read_all, "bash", pipe.to_str().unwrap()]);
        settle(&mut bash, &directory);
        let bash = Program::start(bash);
        Tour { directory, daemon: None, bash, commands, people: BTreeMap::new() }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Start(log) => {
                let mut daemon = command(env!("CARGO_BIN_EXE_ipcd"), [""; 0]);
                settle(&mut daemon, &self.directory);
                daemon.env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
                let daemon = self.daemon.insert(Program::start(daemon));
                daemon.wait_for_error("is ready");
                log.iter().for_each(|line| daemon.wait_for_error(line));
            }
            Step::Command(typed, lines) => {
                writeln!(self.commands, "{typed}").unwrap();
                let said = String::from_utf8(self.bash.hear_until(END)).unwrap();
                // A terminal shows no CR, and the next prompt follows a last line without LF.
                let said = said.replace("\r\n", "\n");
                let said: Vec<&str> = said.lines().collect();
                assert_eq!(said, *lines, "`{typed}` says (left) something else than in the README (right)");
            }
            Step::Opens(who, typed) => {
                let mut terminal = command("bash", ["-c", typed]);
                settle(&mut terminal, &self.directory);
                self.people.insert(who.clone(), Program::start(terminal));
            }
            Step::Types(who, text) => self.person(who).say(&format!("{text}\n")),
            Step::Sees(who, line) => {
                let seen = self.person(who).hear_line();
                assert_eq!(
                    seen.trim_end_matches('\r'),
                    line,
                    "{who} sees (left) something else than in the README (right)"
                );
            }
        }
    }

    fn person(&mut self, who: &str) -> &mut Program {
        self.people.get_mut(who).unwrap_or_else(|| panic!("{who} has opened no terminal"))
    }

    fn stop(mut self) {
        let mut daemon = self.daemon.take().expect("a daemon was started");
        kill_process(Pid::from_raw(daemon.pid()).unwrap(), Signal::TERM).unwrap();
        let finished = daemon.finish();
        assert!(finished.status.success(), "{finished:?}");
    }
}

/// What all terminals of the tour have: the README's directory, our programs, and a runtime directory.
fn settle(command: &mut Command, directory: &TempDir) {
    let programs = Path::new(env!("CARGO_BIN_EXE_ipcd")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("PATH", path);
    command.env("XDG_RUNTIME_DIR", directory.path()); // root's daemon does not use it
}

#[test]
fn docs_index_lists_exactly_the_pages() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let index = std::fs::read_to_string(docs.join("README.md")).unwrap();
    let mut pages: Vec<String> = std::fs::read_dir(&docs)
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.retain(|page| page != "README.md" && !page.ends_with(".svg") && !page.ends_with(".png"));
    for page in &pages {
        assert!(index.contains(&format!("]({page})")), "docs/README.md does not name {page}");
    }
    assert_eq!(index.lines().filter(|line| line.starts_with("| [")).count(), pages.len());
}
