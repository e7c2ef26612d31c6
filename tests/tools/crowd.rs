//! The course's chat window in a room with a history that is not ASCII, and with three members that talk at the same time.

use std::time::Duration;

use crate::harness::{Client, Daemon, USUAL};
use crate::window::{Display, Shown, Window};
use crate::{CAVE, welcome};

const TALKERS: [&str; 3] = ["bob", "Zoë", "Ольга"];
const SAYINGS: usize = 10;

/// Lines that a member receives, up to this one.
fn lines_until(client: &mut Client, last: &str) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != last) {
        lines.push(client.hear_line());
    }
    lines
}

/// The contents of a window that joins such a room, and the items that it should have; `None`: its thread has died.
fn visit(display: &Display) -> Option<(Shown, Vec<String>)> {
    let daemon = Daemon::with(&USUAL.replace("[chat]", "[chat]\nhistory = 20"));
    let mut talkers = TALKERS.map(|name| Client::member(&daemon, name));
    let [bob, others @ ..] = &mut talkers;
    let mut items = vec![CAVE.to_owned(), welcome("alice")];
    for number in 0..12 {
        let said = format!("Grüße, №{number}: 😀 ½ 你好");
        bob.say(format!("{said}\n"));
        lines_until(bob, &format!("bob: {said}"));
        items.push(format!("bob: {said}"));
    }
    // A line that is longer than a recv(1024); it is cut between two characters.
    let long = "é".repeat(800);
    bob.say(format!("{long}\n"));
    lines_until(bob, &format!("bob: {long}"));
    items.push(format!("bob: {}", "é".repeat(509)));
    items.push("é".repeat(291));

    let mut window = Window::open(display, &daemon);
    window.hear(CAVE)?;
    window.send("alice");
    window.hear(&items.concat())?;
    lines_until(bob, "alice has joined the chat!");
    std::thread::scope(|scope| {
        for (client, name) in others.iter_mut().zip(&TALKERS[1..]) {
            scope.spawn(move || {
                for number in 0..SAYINGS {
                    client.say(format!("{name} sagt {number} – ß\n"));
                    std::thread::sleep(Duration::from_millis(3 * number as u64)); // people sometimes send at the same time
                }
            });
        }
        for number in 0..SAYINGS {
            bob.say(format!("und {number}…\n"));
        }
    });
    bob.say("end\n");
    let mut said = Vec::new();
    while said.len() < 3 * SAYINGS + 1 {
        said.push(bob.hear_line());
    }
    items.extend(said);
    let shown = window.hear(&items.concat())?;
    daemon.stop();
    Some((shown, items))
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn course_window_lists_each_message_of_history_and_three_speakers() {
    let display = Display::new();
    // Its thread calls recv() again once Tk has shown the item. On a busy machine that may take longer than the 5 ms. Then it takes
    // two messages for one, or dies if they fill the 1,024 bytes up to the middle of a character.
    let mut late = Vec::new();
    loop {
        let Some((shown, items)) = visit(&display) else {
            late.push(0);
            assert!(late.len() < 10, "its thread has died: {late:?}");
            continue;
        };
        if shown.items == items {
            println!("{} items, one for each message; {} visits before with fewer", items.len(), late.len());
            return;
        }
        late.push(shown.items.len());
        assert!(late.len() < 10, "{late:?} items in place of {}: {:?}", items.len(), shown.items);
    }
}
