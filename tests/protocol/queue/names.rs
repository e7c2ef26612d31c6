//! The names of message queues: which queues exist at a start, a reload, a stop, a crash and a restart.

use std::process::Command;

use nix::sys::stat::Mode;
use rustix::process::Signal;

use super::config;
use crate::harness::around::{as_user, failure, is_root, may_unshare, outcome};
use crate::harness::manager::Manager;
use crate::harness::queues::Queues;
use crate::harness::{Daemon, TestDir};

const OWNER: Mode = Mode::from_bits_truncate(0o600);

fn after(mut daemon: Daemon) -> TestDir {
    TestDir {
        directory: std::mem::replace(&mut daemon.directory, tempfile::tempdir().unwrap()),
        ip: daemon.ip,
    }
}

#[test]
fn two_daemons_share_no_queues_and_foreign_ones_are_named() {
    let queues = Queues::new("shared");
    let test_dir = TestDir::new();
    test_dir.write_config(&config(&queues));
    let (command, mut second) = (test_dir.command(), test_dir.command());
    let daemon = test_dir.start(command);
    let said = failure(&mut second, 69);
    assert!(said.contains(&format!("mq://{}: address already in use (by pid", queues.0)), "{said}");
    queues.say("5 10");
    queues.hear(&["Data received", "50.0"]);
    daemon.stop();

    let test_dir = TestDir::new();
    queues.make(".lock", 2, 2, OWNER);
    test_dir.write_config(&config(&queues));
    let said = failure(&mut test_dir.command(), 69);
    assert!(said.contains("is not a lock of ipcd; remove it, if nobody needs it (mq_unlink(3)"), "{said}");
    assert_eq!(queues.names(), [".lock"]);
}

#[test]
fn queues_of_another_user_are_refused() {
    if !is_root() {
        return;
    }
    for mode in [0o600, 0o666] {
        let queues = Queues::new("foreign");
        as_user(4711, 4711, || queues.make(".in", 2, 100, Mode::from_bits_truncate(mode)));
        let test_dir = TestDir::new();
        test_dir.write_config(&config(&queues));
        // Root could open another user's queue, and does not use it.
        let said = failure(&mut test_dir.command(), 69);
        assert!(said.contains(".in is a message queue of user 4711, not of ipcd's user"), "{said}");
        assert_eq!(queues.names(), [".in"]);
    }
}

#[test]
fn exhausted_limit_is_reported_and_no_queue_is_left() {
    let queues = Queues::new("limit");
    let test_dir = TestDir::new();
    test_dir.write_config(&config(&queues));
    let limited = |arguments: &str| {
        let mut command = Command::new("sh");
        let script = "ulimit -q 2000; exec \"$0\" \"$@\"";
        command.args(["-c", script, env!("CARGO_BIN_EXE_ipcd"), "--config"]).arg(test_dir.config_file());
        command.args(arguments.split_whitespace());
        command
    };
    if !outcome(Command::new("sh").args(["-c", "ulimit -q 2000"])).status.success() {
        return; // this shell lacks the option
    }
    let checked = outcome(&mut limited("--check"));
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(
        checked.status.success() && said.contains("and a user may have 2000 (RLIMIT_MSGQUEUE)"),
        "{said}"
    );
    let said = failure(&mut limited(""), 69);
    assert!(said.contains("take all that RLIMIT_MSGQUEUE allows (2000 bytes); raise that limit"), "{said}");
    assert_eq!(queues.names(), [""; 0]);
}

#[test]
fn mode_follows_reloads_and_unlisted_queues_go() {
    let (queues, second) = (Queues::new("reload"), Queues::new("second"));
    let daemon = Daemon::with(&config(&queues).replace("listen", "mode = \"0666\"\nlisten"));
    assert_eq!((queues.mode(".in"), queues.mode(".out")), (Some(0o622), Some(0o644)));
    let both = config(&queues).replace("\"]", &format!("\", \"mq://{}\"]", second.0));
    daemon.write_config(&both);
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded");
    assert_eq!((queues.mode(".in"), queues.mode(".out")), (Some(0o620), Some(0o640)));
    second.say("5 10");
    second.hear(&["Data received", "50.0"]);
    // A failed change changes nothing, and leaves nothing.
    let third = Queues::new("third");
    let since = daemon.log().len();
    daemon
        .write_config(&both.replace("\"]", &format!("\", \"mq://{}\", \"unix://{{dir}}/gone/s\"]", third.0)));
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "reload failed");
    assert_eq!(third.names(), [""; 0]);
    daemon.write_config(&config(&queues));
    daemon.signal(Signal::HUP);
    daemon.wait_for_log_since(since, "reloaded");
    assert_eq!(second.names(), [""; 0]);
    queues.say("6 7");
    queues.hear(&["Data received", "42.0"]);
    daemon.stop();
}

#[test]
fn stop_answers_what_waits_and_leaves_unread_replies() {
    let queues = Queues::new("stop");
    let mut daemon = Daemon::with(&config(&queues));
    daemon.freeze();
    queues.say("5 10");
    daemon.signal(Signal::TERM);
    daemon.thaw();
    assert!(daemon.wait().success());
    daemon.wait_for_log("stopped");
    assert_eq!(queues.names(), [".out", ".lock"], "somebody may still read the reply");
    queues.hear(&["Data received", "50.0"]);
    // The next daemon knows that ipcd has created them.
    Daemon::with(&config(&queues)).stop();
    assert_eq!(queues.names(), [""; 0]);
}

#[test]
fn queues_of_a_killed_daemon_are_taken_over_with_their_messages() {
    let queues = Queues::new("killed");
    let mut daemon = Daemon::with(&config(&queues));
    queues.say("1 1");
    queues.hear(&["Data received", "1.0"]);
    daemon.signal(Signal::KILL);
    daemon.wait();
    assert_eq!(queues.names(), [".in", ".out", ".lock"]);
    queues.say("5 10"); // while no daemon runs
    let test_dir = after(daemon);
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    queues.hear(&["Data received", "50.0"]);
    daemon.stop();
    assert_eq!(queues.names(), [""; 0]);
}

#[test]
fn restart_with_handover_keeps_queues_and_unsent_replies() {
    let queues = Queues::new("restart");
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("{}[mux]\nlisten = [\"unix://{{dir}}/ipcd.sock\"]\n", config(&queues)));
    let manager = Manager::new(&test_dir);
    let mut daemon = test_dir.start_with(&manager, vec![]);
    (0..20).for_each(|number| queues.say(format!("{number} 1"))); // more replies than the queue holds
    let mut control = daemon.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(daemon.wait().success());
    assert!(!manager.stored().contains_key("ipcd-fifo"), "queues outlive every process");
    assert_eq!(queues.names(), [".in", ".out", ".lock"]);
    queues.say("5 10");
    let stored = manager.take_stored();
    let daemon = after(daemon).start_with(&manager, stored);
    for number in 0..20 {
        queues.hear(&["Data received", &format!("{number}.0")]);
    }
    queues.hear(&["Data received", "50.0"]);
    daemon.stop();
    assert_eq!(queues.names(), [""; 0]);
}

#[test]
fn unit_with_its_own_ipc_namespace_gets_a_warning() {
    if !may_unshare() {
        return;
    }
    let queues = Queues::new("hidden");
    let test_dir = TestDir::new();
    test_dir.write_config(&config(&queues));
    let manager = Manager::new(&test_dir);
    let command = manager.command_by("exec unshare --ipc -- \"$@\"", &test_dir, vec![]);
    let daemon = test_dir.start(command);
    let warning = format!("only processes in the same IPC namespace see mq://{}; if", queues.0);
    daemon.wait_for_log(&warning);
    assert_eq!(queues.names(), [""; 0], "as PrivateIPC=yes does it");
    daemon.stop();

    // In a container a unit with PrivateIPC=no looks the same; the drop-in says that it is not.
    let test_dir = TestDir::new();
    test_dir.write_config(&config(&queues));
    let manager = Manager::new(&test_dir);
    let mut command = manager.command_by("exec unshare --ipc -- \"$@\"", &test_dir, vec![]);
    command.env("IPCD_PRIVATE_IPC", "no");
    let log = test_dir.start(command).stop();
    assert!(!log.iter().any(|line| line.contains(&warning)), "{log:?}");
}
