//! Records cut in many ways, and the table of dialogues in them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::client::{TlsClient, write};
use super::{MULTIPLY, USUAL_TLS, daemon, test_dir};
use crate::conversations::daemon::{DialogueTransport, every_service, fill_room, hold_on};
use crate::conversations::kinds::client::messages;
use crate::conversations::table::Dialogue;
use crate::conversations::websocket;
use crate::harness::{self, Daemon, Probe, TIMEOUT, show};
use crate::page::{OPENED, client_frame, upgrade};

fn connect(daemon: &Daemon, port: u16) -> TcpStream {
    let socket = TcpStream::connect(daemon.address(port)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket
}

/// Sends each piece in a record, after a handshake; returns the connection for the answer.
fn encrypted(
    socket: &mut TcpStream,
    config: &Arc<rustls::ClientConfig>,
    says: &[&[u8]],
) -> (ClientConnection, Vec<u8>) {
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(socket).unwrap();
    }
    let mut records = Vec::new();
    for piece in says {
        connection.writer().write_all(piece).unwrap();
        while connection.wants_write() {
            connection.write_tls(&mut records).unwrap();
        }
    }
    connection.send_close_notify();
    connection.write_tls(&mut records).unwrap();
    (connection, records)
}

fn answer(socket: &mut TcpStream, connection: &mut ClientConnection) -> Vec<u8> {
    let mut heard = Vec::new();
    loop {
        let count = connection.read_tls(socket).unwrap();
        let state = connection.process_new_packets().unwrap();
        let mut piece = vec![0; state.plaintext_bytes_to_read()];
        connection.reader().read_exact(&mut piece).unwrap();
        heard.extend(piece);
        if state.peer_has_closed() {
            return heard;
        }
        assert!(count > 0, "close_notify is missing behind {}", show(&heard));
    }
}

#[test]
fn records_are_understood_wherever_they_are_cut() {
    let (daemon, config) = daemon("");
    let mut probe = Probe::new(&daemon);
    let length = encrypted(&mut connect(&daemon, MULTIPLY), &config, &[b"5 10\n"]).1.len();
    assert!(length > 40);
    for cut in 1..length {
        let mut socket = connect(&daemon, MULTIPLY);
        let (mut connection, records) = encrypted(&mut socket, &config, &[b"5 10\n"]);
        socket.write_all(&records[..cut]).unwrap();
        probe.wait();
        socket.write_all(&records[cut..]).unwrap();
        let heard = answer(&mut socket, &mut connection);
        assert_eq!(show(&heard), show(b"Data received\n50.0\n"), "cut at {cut}");
    }
    drop(probe);
    daemon.stop();
}

#[test]
fn handshake_is_understood_byte_by_byte() {
    let (daemon, config) = daemon("");
    let mut socket = connect(&daemon, MULTIPLY);
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(config, name).unwrap();
    while connection.is_handshaking() {
        let mut flight = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut flight).unwrap();
        }
        for byte in flight {
            socket.write_all(&[byte]).unwrap();
        }
        if connection.is_handshaking() {
            assert!(connection.read_tls(&mut socket).unwrap() > 0);
            connection.process_new_packets().unwrap();
        }
    }
    connection.writer().write_all(b"6 7\n").unwrap();
    connection.send_close_notify();
    while connection.wants_write() {
        connection.write_tls(&mut socket).unwrap();
    }
    assert_eq!(answer(&mut socket, &mut connection), b"Data received\n42.0\n");
    daemon.stop();
}

#[test]
fn dialogues_are_the_same_over_tls() {
    let (test_dir, authority) = test_dir("[limits]\nraw_gap = \"10s\"\n");
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let config = Arc::new(authority.client());
    let mut held = 0;
    hold_on(&daemon, DialogueTransport::Tcp, |port, pieces: &[&[u8]], probe: &mut Probe| {
        let port = if port == harness::MULTIPLY { MULTIPLY } else { port };
        let mut client = TlsClient::connect(&daemon, port, &config);
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                probe.wait();
            }
            if !client.try_say(piece) {
                break;
            }
        }
        client.say_end();
        held += 1;
        client.hear_rest()
    });
    assert!(held > 50, "{held}");
    daemon.stop();
}

/// Each dialogue, with a record for each piece, and the records cut at another place each time; whole dialogues are cut at every
/// byte.
#[test]
fn dialogues_are_the_same_wherever_their_records_are_cut() {
    let (test_dir, authority) = test_dir("[limits]\nraw_gap = \"10s\"\n");
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let config = Arc::new(authority.client());
    let mut held = 0;
    hold_on(&daemon, DialogueTransport::Tcp, |port, pieces: &[&[u8]], probe: &mut Probe| {
        held += 1;
        let mut socket = connect(&daemon, if port == harness::MULTIPLY { MULTIPLY } else { port });
        let (mut connection, records) = encrypted(&mut socket, &config, pieces);
        let at = if pieces.len() == 1 { 1 } else { 1 + held * 7 % (records.len() - 1) };
        for (index, part) in records.chunks(at).enumerate() {
            if index == 1 && pieces.len() > 1 {
                probe.wait();
            }
            // A client that closes early has sent everything.
            if socket.write_all(part).is_err() {
                break;
            }
        }
        answer(&mut socket, &mut connection)
    });
    assert!(held > 50, "{held}");
    daemon.stop();
}

/// Each dialogue in a WebSocket of the page's endpoint, by two names: with a record for each frame; again in one write, cut into records
/// elsewhere; and all at once with the request that opens it, cut at every byte of its record.
#[test]
fn dialogues_are_the_same_in_websockets_over_tls() {
    const PAGE: u16 = 33443;
    const OTHER_NAME: &str = "class.example";
    let (test_dir, authority) = test_dir("");
    let (certificate, key) = authority.issue(&["localhost", OTHER_NAME], |_| {});
    write(&test_dir.directory.path().join("certificate.pem"), &certificate);
    write(&test_dir.directory.path().join("key.pem"), &key);
    let page = format!("[page]\nlisten = [\"https://{{ip}}:{PAGE}\"]\nhosts = [\"{OTHER_NAME}\"]\n");
    test_dir.write_config(&format!("{USUAL_TLS}{}{page}", every_service()));
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    fill_room(&daemon);
    let config = Arc::new(authority.client());
    for dialogue in websocket::dialogues() {
        let mut frames: Vec<Vec<u8>> =
            messages(&dialogue).into_iter().map(|message| client_frame(0x82, message)).collect();
        frames.push(websocket::close());
        let all = frames.concat();
        let elsewhere: Vec<Vec<u8>> = all.chunks(1 + all.len() / 3).map(<[u8]>::to_vec).collect();
        let framed = Dialogue { hears: websocket::in_frames(&dialogue), ..dialogue };
        let opens = |name: &str| upgrade(framed.service.name(), "").replace("localhost:33080", name);
        for (name, pieces) in [("localhost", frames), (OTHER_NAME, elsewhere)] {
            let mut client = TlsClient::connect_to(&daemon, PAGE, &config, name).unwrap();
            client.say(opens(name));
            client.hear(OPENED);
            for piece in &pieces {
                if !client.try_say(piece) {
                    break;
                }
            }
            client.say_end();
            framed.check(&client.hear_rest(), &format!("over a WebSocket of https://{name}"));
        }
        let mut socket = connect(&daemon, PAGE);
        let whole = [opens(OTHER_NAME).as_bytes(), &all].concat();
        let (mut connection, records) = encrypted(&mut socket, &config, &[&whole]);
        for byte in records {
            // A server that closes early has heard everything.
            if socket.write_all(&[byte]).is_err() {
                break;
            }
        }
        let heard = answer(&mut socket, &mut connection);
        let heard = heard.strip_prefix(OPENED.as_bytes()).expect("it is opened");
        framed.check(heard, "over a WebSocket in TLS, cut at every byte");
    }
    daemon.stop();
}
