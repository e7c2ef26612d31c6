//! Frames that end a WebSocket.

#[cfg(feature = "nats")]
use super::say;
use super::{
    OPENED, PAGE, PORT, client_frame, daemon, hear, hear_close, opened, server_frame, token, upgrade,
};
use crate::harness::{Daemon, USUAL, show};

#[test]
fn broken_frames_are_closed_with_the_code_of_the_rfc() {
    let daemon =
        Daemon::with(&format!("{USUAL}{PAGE}[limits]\nmessage_timeout = \"300ms\"\nmax_message = 64\n"));
    let long = client_frame(0x81, &[b'x'; 65]);
    for (frame, code, words) in [
        (server_frame(0x81, b"5 10"), 1002, "a client's frame is masked, and this one is not"),
        (client_frame(0xc1, b"5 10"), 1002, "a reserved bit is set, and no extension was agreed on"),
        (client_frame(0x81, b"\xff"), 1007, "a text message is not UTF-8; send bytes as binary"),
        (long, 1009, "message longer than 64 bytes"),
        (client_frame(0x81, b"5 10")[..3].to_vec(), 1008, "message not finished after 0.3 s"),
        (client_frame(0x01, b"5 10"), 1008, "message not finished after 0.3 s"),
    ] {
        let mut client = opened(&daemon, "multiply");
        client.say([&client_frame(0x81, b"3 4")[..], &frame].concat());
        hear(&mut client, "Data received");
        hear(&mut client, "12.0");
        hear(&mut client, &format!("Error: {words}"));
        hear_close(&mut client, code);
    }
    daemon.wait_for_log("closed: broke the rules of WebSocket frames");
    daemon.stop();
}

/// More wrong requests in one write than are answered in one turn, and then a frame that ends the connection.
#[test]
fn all_messages_before_a_broken_frame_are_answered() {
    let daemon = daemon();
    const MASKED: &str = "Error: a client's frame is masked, and this one is not";
    for (last, code, error) in [
        (server_frame(0x81, b"5 10"), 1002, MASKED),
        (client_frame(0x81, b"\xff"), 1007, "Error: a text message is not UTF-8; send bytes as binary"),
        (client_frame(0x81, &[b'1'; 5000]), 1009, "Error: message longer than 4096 bytes"),
        ([client_frame(0x01, b"5"), server_frame(0x80, b" 10")].concat(), 1002, MASKED),
        (client_frame(0x88, &1001_u16.to_be_bytes()), 1001, ""),
    ] {
        let mut client = opened(&daemon, "multiply");
        client.say([client_frame(0x81, b"x").repeat(3000), last].concat());
        let answer = ["Data received", "Error: expected two numbers, for example: 5 10"];
        let answer = answer.map(|text| server_frame(0x81, text.as_bytes())).concat();
        for nth in 0..3000 {
            let mut heard = vec![0; answer.len()];
            heard.iter_mut().for_each(|byte| *byte = client.hear_byte());
            assert!(heard == answer, "{nth}, {code}: {}", show(&heard));
        }
        if !error.is_empty() {
            hear(&mut client, error);
        }
        hear_close(&mut client, code);
    }
    daemon.stop();
}

/// The payload of a frame without a mask, and what follows it.
fn first_frame(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (head, length) = match bytes[1] {
        126 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes[2..10].try_into().unwrap())).unwrap()),
        short => (2, usize::from(short)),
    };
    bytes[head..].split_at(length)
}

#[test]
fn order_is_answered_before_the_end_of_the_frames() {
    let daemon = daemon();
    let mut client = opened(&daemon, "control");
    let frames =
        [token(&daemon).as_str(), "say hi", "say ho"].map(|text| client_frame(0x81, text.as_bytes()));
    client.say([frames.concat(), client_frame(0x88, &1000_u16.to_be_bytes())].concat());
    hear(&mut client, "OK");
    hear(&mut client, "OK: sent to 0 members");
    hear(&mut client, "OK: sent to 0 members");
    hear_close(&mut client, 1000);
    daemon.stop();
}

#[test]
fn answer_under_way_is_finished_before_the_end_of_the_frames() {
    let daemon = daemon();
    let token = token(&daemon);
    for (last, code) in
        [(client_frame(0x88, &1000_u16.to_be_bytes()), 1000), (server_frame(0x81, b"x"), 1002)]
    {
        let mut client = opened(&daemon, "status");
        client.say([client_frame(0x81, token.as_bytes()), last].concat());
        hear(&mut client, "OK");
        let heard = client.hear_rest();
        let (mut report, mut end, mut is_last) = (Vec::new(), &heard[..], false);
        while !is_last {
            is_last = end[0] & 0x80 != 0;
            let (payload, rest) = first_frame(end);
            report.extend(payload);
            end = rest;
        }
        serde_json::from_slice::<serde_json::Value>(&report).expect("a whole report");
        let close = server_frame(0x88, &u16::to_be_bytes(code));
        let expected = match code {
            1000 => close,
            _ => [server_frame(0x81, b"Error: a client's frame is masked, and this one is not"), close]
                .concat(),
        };
        assert_eq!(show(end), show(&expected));
    }
    daemon.stop();
}

#[test]
fn beginning_of_a_frame_with_the_request_to_open_has_its_time() {
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}[limits]\nmessage_timeout = \"300ms\"\n"));
    for begun in [&client_frame(0x81, b"5 10")[..3], &client_frame(0x81, b"5 10")[..8]] {
        let mut client = daemon.tcp(PORT);
        client.say([upgrade("multiply", "").as_bytes(), begun].concat());
        client.hear(OPENED);
        hear(&mut client, "Error: message not finished after 0.3 s");
        hear_close(&mut client, 1008);
    }
    daemon.stop();
}

/// Such a room announces nobody, so nothing is lost with the client.
#[cfg(feature = "nats")]
#[test]
fn close_frame_ends_a_client_that_waits_for_a_room_that_is_cut_off() {
    let shared =
        USUAL.replace("[chat]", "[nats]\nservers = [\"nats://{ip}:4222\"]\n[chat]\nroom = \"class\"");
    let daemon = Daemon::with(&format!("{shared}{PAGE}"));
    daemon.wait_for_log("the room is cut off");
    for (last, code) in
        [(client_frame(0x88, &1000_u16.to_be_bytes()), 1000), (server_frame(0x81, b"x"), 1002)]
    {
        let mut client = opened(&daemon, "chat");
        hear(&mut client, "Greetings from the cave! Now type your name and press enter!");
        say(&mut client, "ann");
        hear(
            &mut client,
            "This room is cut off from its other machines; you join it when it is whole again.",
        );
        client.say(last);
        if code == 1002 {
            hear(&mut client, "Error: a client's frame is masked, and this one is not");
        }
        hear_close(&mut client, code);
    }
    daemon.stop();
}
