//! A teacher's orders with `kick`, `mute`, `say` and `close`: each is executed, answered, logged and in the transcript, and nobody
//! else may give one.

use super::BRISK;
use std::process::{Command, Stdio};

use crate::harness::around::{as_user, from, is_root, outcome};
use crate::harness::healthy::Healthy;
use crate::harness::packets::Packets;
use crate::harness::{CHAT, Client, Daemon, MULTIPLY};

const ROOM: &str = r#"
[multiply]
listen = ["tcp://{ip}:65432"]
[chat]
listen = ["tcp://{ip}:33000", "fifo://{dir}/box"]
transcript = "{dir}/chat.log"
history = 5
[mux]
listen = ["unix://{dir}/ipcd.sock"]
mode = "0666"
"#;

/// Runs `ipcctl` on the daemon's own socket; returns its status and its output.
pub fn ipcctl(daemon: &Daemon, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    command.arg("--to").arg(format!("unix://{}", daemon.socket().display())).args(arguments);
    let output = outcome(&mut command);
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).expect("text"))
}

fn member(daemon: &Daemon, last: u8, name: &str) -> Client {
    let mut client = from([127, 78, 0, last].into(), daemon.address(CHAT));
    client.say(format!("{name}\n"));
    client.hear("Greetings from the cave! Now type your name and press enter!\n");
    client.hear(format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.\n"));
    client
}

/// Waits until the transcript has all of these lines; returns all lines.
fn wait_for_transcript(daemon: &Daemon, wanted: &[&str]) -> String {
    let file = daemon.socket().with_file_name("chat.log");
    crate::harness::wait_until(&format!("the transcript has {wanted:?}"), || {
        let written = std::fs::read_to_string(&file).expect("a transcript");
        wanted.iter().all(|text| written.contains(text)).then_some(written)
    })
}

#[test]
fn kicked_member_gets_the_reason_and_others_see_it_leave() {
    let daemon = Daemon::with(&format!("{ROOM}{BRISK}"));
    let (mut ann, mut bob) = (member(&daemon, 2, "ann"), member(&daemon, 3, "bob lee"));
    ann.hear("bob lee has joined the chat!\n");
    let (status, said) = ipcctl(&daemon, &["kick", "Bob Lee"]);
    assert!(status == 0 && said.starts_with("kicked bob lee (127.78.0.3:"), "{status} {said}");
    bob.hear("Error: you were removed from the room\n");
    bob.hear_end();
    ann.hear("bob lee has left the chat.\n");
    let logged = daemon.wait_for_log("kicked bob lee (127.78.0.3:");
    assert!(logged.contains("ipcd.sock") && logged.contains("uid "), "{logged}");
    daemon.wait_for_log("[bob lee] closed: removed by the administrator");
    wait_for_transcript(&daemon, &["(kicked bob lee (127.78.0.3:", ", by pid "]);
    // A program in a pipe ends with a status that gives the reason.
    let mut pipe = Command::new(env!("CARGO_BIN_EXE_ipcctl"));
    pipe.arg("--to").arg(format!("unix://{}", daemon.socket().display())).args(["chat", "--name", "cron"]);
    pipe.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let pipe = pipe.spawn().expect("it starts");
    ann.hear("cron has joined the chat!\n");
    assert_eq!(ipcctl(&daemon, &["kick", "cron"]).0, 0);
    let ended = pipe.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(77));
    assert_eq!(ended.stderr, b"ipcctl: you were removed from the room\n");
    ann.hear("cron has left the chat.\n");
    // The client may join again; and no other member can be kicked by mistake.
    drop(member(&daemon, 3, "bob lee"));
    assert_eq!(
        ipcctl(&daemon, &["kick", "carol"]),
        (1, "ipcctl: nobody in the room is called 'carol'\n".into())
    );
    let (status, said) = ipcctl(&daemon, &["kick", "box"]);
    assert!(status == 1 && said.contains("box is an endpoint"), "{said}");
    daemon.stop();
}

#[test]
fn removed_client_that_leaves_without_reading_gets_no_hint() {
    let daemon = Daemon::with(ROOM);
    let mut client = from([127, 78, 0, 2].into(), daemon.address(MULTIPLY));
    client.say("5 10\n");
    daemon.wait_for_log("connected");
    crate::harness::wait_until("it is served", || {
        ipcctl(&daemon, &["class", "--once"]).1.contains("127.78.0.2").then_some(())
    });
    assert_eq!(
        ipcctl(&daemon, &["close", "127.78.0.2"]),
        (0, "closed one connection of 127.78.0.2\n".into())
    );
    drop(client); // with both replies and the error unread
    daemon.wait_for_log("closed: removed by the administrator");
    assert_eq!(daemon.log().iter().find(|line| line.contains("hint: ")), None);
    daemon.stop();
}

#[test]
fn muted_member_hears_but_is_not_heard_until_it_expires() {
    let daemon = Daemon::with(&format!("{ROOM}{BRISK}"));
    let (mut ann, mut bob) = (member(&daemon, 2, "ann"), member(&daemon, 3, "bob"));
    ann.hear("bob has joined the chat!\n");
    let (status, said) = ipcctl(&daemon, &["mute", "bob", "10min"]);
    assert!(
        status == 0 && said.starts_with("muted bob (127.78.0.3:") && said.ends_with(") for 10 minutes\n"),
        "{said}"
    );
    bob.hear("Error: you are muted for 10 minutes: nobody sees your messages\n");
    for words in ["hello\n", "/me waves\n", "/msg ann psst\n", "//x\n"] {
        bob.say(words);
        let told = bob.hear_line();
        let left = told.strip_prefix("Error: you are muted for 9 minutes ");
        assert!(left.is_some_and(|left| left.ends_with(" seconds: nobody sees your messages")), "{told}");
    }
    bob.say("/who\n");
    bob.hear("In the room: box, ann, bob (3)\n");
    ann.say("hi\n");
    bob.hear("ann: hi\n");
    // With another name it is the same member, as long as nobody has the old name.
    bob.say("{quit}\n");
    bob.hear("{quit}\n");
    ann.hear("ann: hi\nbob has left the chat.\n");
    let mut other = member(&daemon, 3, "robert");
    other.say("it is me\n");
    other.hear_line_with("Error: you are muted for ");
    let mut elsewhere = member(&daemon, 4, "carol");
    elsewhere.say("not me\n");
    ann.hear("robert has joined the chat!\ncarol has joined the chat!\ncarol: not me\n");
    assert_eq!(ipcctl(&daemon, &["unmute", "bob"]), (0, "unmuted bob\n".into()));
    other.say("at last\n");
    ann.hear("robert: at last\n");
    assert_eq!(ipcctl(&daemon, &["unmute", "bob"]).0, 1);
    // Without a time, the mute lasts until it is lifted.
    assert!(ipcctl(&daemon, &["mute", "robert"]).1.starts_with("muted robert ("));
    other.hear_line_with("Error: you are muted: nobody sees your messages");
    assert_eq!(ipcctl(&daemon, &["unmute", "robert"]), (0, "unmuted robert\n".into()));
    other.hear("You are no longer muted.\n");
    assert_eq!(ipcctl(&daemon, &["mute", "robert", "1s"]).0, 0);
    other.hear_line_with("you are muted for 1 second:");
    crate::harness::wait_until("it is over", || {
        other.say("now\n");
        other.hear_line().starts_with("robert: ").then_some(())
    });
    let wanted = [
        "(muted bob (127.78.0.3:",
        ") for 10 minutes, by pid ",
        "(unmuted bob, by pid ",
        "(unmuted robert, by pid ",
    ];
    let written = wait_for_transcript(&daemon, &wanted);
    assert!(
        !written.contains("psst") && !written.contains("waves") && !written.contains("it is me"),
        "{written}"
    );
    daemon.stop();
}

#[test]
fn teacher_speaks_with_a_mark_no_name_can_have() {
    let daemon = Daemon::with(&format!("{ROOM}{BRISK}"));
    let mut ann = member(&daemon, 2, "ann");
    let (status, said) = ipcctl(&daemon, &["say", "five", "more", "minutes: then", "--", "we", "stop"]);
    assert_eq!((status, said.as_str()), (0, "sent to 2 members\n")); // the FIFO is one of them
    ann.hear("[teacher] five more minutes: then -- we stop\n");
    // No member can have this name, or begin a line with it.
    let mut eve = from([127, 78, 0, 9].into(), daemon.address(CHAT));
    eve.say("[teacher] x\n");
    eve.hear("Greetings from the cave! Now type your name and press enter!\nError: a name has");
    ann.say("[teacher] no homework\n");
    ann.hear("ann: [teacher] no homework\n");
    // A new member is shown it.
    let mut bob = from([127, 78, 0, 3].into(), daemon.address(CHAT));
    bob.say("bob\n");
    bob.hear("Greetings from the cave! Now type your name and press enter!\nWelcome bob! If you ever want to quit, type {quit} to exit.\n[teacher] five");
    daemon.wait_for_log("said to the room: 'five more minutes: then -- we stop'");
    wait_for_transcript(&daemon, &[" [teacher] five more minutes"]);
    assert_eq!(ipcctl(&daemon, &["say", "a\nb"]).0, 2);
    daemon.stop();
}

#[test]
fn only_the_connections_of_an_address_are_closed() {
    let daemon = Daemon::with(&format!("{ROOM}{BRISK}"));
    let (mut ann, mut bob) = (member(&daemon, 2, "ann"), member(&daemon, 3, "bob"));
    let mut also = from([127, 78, 0, 2].into(), daemon.address(MULTIPLY));
    also.say("5 10\n");
    also.hear("Data received\n50.0\n");
    let (status, said) = ipcctl(&daemon, &["close", "127.78.0.2"]);
    assert_eq!((status, said.as_str()), (0, "closed 2 connections of 127.78.0.2\n"));
    for client in [&mut ann, &mut also] {
        client.hear_line_with("Error: the administrator closed your connection");
        client.hear_end();
    }
    bob.hear("ann has left the chat.\n");
    daemon.wait_for_log("closed 2 connections of 127.78.0.2");
    wait_for_transcript(&daemon, &["(closed 2 connections of 127.78.0.2, by pid "]);
    let (status, said) = ipcctl(&daemon, &["close", "127.78.0.2"]);
    assert_eq!((status, said.as_str()), (1, "ipcctl: nobody is connected from 127.78.0.2\n"));
    assert!(ipcctl(&daemon, &["close", "teacher"]).1.contains("for example close 192.168.1.20"));
    // Our own connection, which sends the order, gets its answer.
    let mut local = daemon.unix();
    local.say("multiply\n");
    let uid = format!("uid:{}", rustix::process::getuid().as_raw());
    assert_eq!(ipcctl(&daemon, &["close", &uid]).0, 0);
    local.hear("Error: the administrator closed your connection\n");
    bob.say("still here\n");
    bob.hear("bob: still here\n");
    daemon.stop();
}

#[test]
fn orders_of_others_are_refused() {
    const REFUSAL: &str = "Error: control is only for root and the daemon's own user, on a Unix socket\n";
    let daemon = Daemon::with(
        &(ROOM.replace("[\"unix://{dir}/ipcd.sock\"]", "[\"unix://{dir}/ipcd.sock\", \"tcp://{ip}:65434\"]")
            + BRISK),
    );
    let mut ann = member(&daemon, 2, "ann");
    let mut far = from([127, 78, 0, 3].into(), daemon.address(65434));
    far.say("control\nkick ann\n");
    far.hear(REFUSAL);
    far.hear_end();
    if is_root() {
        let path = daemon.socket();
        std::fs::set_permissions(
            path.parent().expect("a directory"),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .expect("a mode");
        let mut student = as_user(64_001, 64_001, || Client::unix(&path));
        student.say("control\nkick ann\n");
        student.hear(REFUSAL);
        student.hear_end();
    }
    ann.say("/kick ann\n");
    ann.hear("Error: unknown command: /kick (try /help)\n");
    daemon.stop();
}

/// Some orders are answered by the daemon after the turn, the others by the engine in it.
#[test]
fn all_orders_of_one_write_are_answered_in_their_order_even_at_its_end() {
    const ORDERS: [&str; 5] = ["say hi", "reload", "kick x", "reload", "unmute y"];
    const ANSWERS: [&str; 5] = [
        "OK: sent to one member",
        "OK",
        "Error: nobody in the room is called 'x'",
        "OK",
        "Error: no muted member is called 'y'",
    ];
    let daemon = Daemon::with(&ROOM.replace("ipcd.sock\"", "ipcd.sock\", \"unixseq://{dir}/seq.sock\""));
    for count in 1..=ORDERS.len() {
        let orders = ORDERS[..count].join("\n");
        let answers = |end| ANSWERS[..count].iter().map(|line| format!("{line}{end}")).collect::<String>();
        for line_end in ["\n", ""] {
            let mut client = daemon.unix();
            client.say(format!("control\n{orders}{line_end}"));
            client.half_close();
            client.hear(answers("\n"));
            client.hear_end();
        }
        // A Telnet client, which signals the end of its input.
        let mut client = daemon.unix();
        let (will_eof, orders) = (b"\xff\xfb\x06", orders.replace('\n', "\r\n"));
        client.say([&will_eof[..], b"control\r\n", orders.as_bytes(), b"\r\n\xff\xec"].concat());
        client.hear(b"\xff\xfe\x06");
        client.hear(answers("\r\n"));
        client.hear_end();
        let client = Packets::seq(&daemon.socket().with_file_name("seq.sock"));
        client.say("control");
        ORDERS[..count].iter().for_each(|order| client.say(order));
        client.half_close();
        ANSWERS[..count].iter().for_each(|answer| client.hear(answer));
        client.hear_end();
    }
    daemon.stop();
}

#[test]
fn thousands_of_orders_in_one_write_are_all_answered_at_their_pace() {
    let daemon = Daemon::with(&ROOM.replace("[mux]", "[mux]\nmessages_per_second = 1000"));
    let healthy = Healthy::on(daemon.tcp(MULTIPLY));
    for count in [1, 4000] {
        let mut client = daemon.unix();
        client.say(["control\n".to_owned(), "unmute y\n".repeat(count), "reload".to_owned()].concat());
        client.half_close();
        client.hear("Error: no muted member is called 'y'\n".repeat(count) + "OK\n");
        client.hear_end();
    }
    assert!(healthy.end().len() > 10);
    daemon.stop();
}
