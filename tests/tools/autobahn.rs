//! The Autobahn test suite, against the frames of the engine in a server that echoes: no service of ipcd sends back just what it was
//! sent.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use ipcd::engine::codec::websocket::{self, Ending, Frames, code};
use ipcd::engine::http::{Request, upgrade};
use serde_json::{Value, json};
use thin_vec::ThinVec;

use crate::harness::interrupted::uninterrupted;
use crate::harness::program::command;

/// The longest message of the suite has 16 MiB.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Compression, which is declined.
const DECLINED: [&str; 2] = ["12.*", "13.*"];

/// Which messages are binary: the engine reads them as text, and does not say.
#[derive(Default)]
struct Kinds {
    head: Vec<u8>,
    payload_left: u64,
    begun: VecDeque<u8>,
}

impl Kinds {
    /// Notes the kinds of the messages that begin in these bytes of frames.
    fn note(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.payload_left > 0 {
                let skipped = bytes.len().min(usize::try_from(self.payload_left).unwrap_or(usize::MAX));
                self.payload_left -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            self.head.push(*first);
            bytes = rest;
            let [first, second, more @ ..] = &self.head[..] else { continue };
            let length_bytes = match second & 0x7f {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            if more.len() < length_bytes + 4 {
                continue;
            }
            let long = more[..length_bytes].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
            self.payload_left = if length_bytes == 0 { u64::from(second & 0x7f) } else { long };
            if matches!(first & 0x0f, 1 | 2) {
                self.begun.push_back(first & 0x0f);
            }
            self.head.clear();
        }
    }
}

/// Opens the WebSocket.
fn open(stream: &mut TcpStream) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let (answer, _) = upgrade::open(&Request::read(&head).ok()?, None).ok()??;
    stream.write_all(&answer).ok()
}

/// Sends back every message.
fn echo(mut stream: TcpStream) -> Option<()> {
    open(&mut stream)?;
    let (mut frames, mut kinds) = (Frames::default(), Kinds::default());
    let (mut waiting, mut buffer) = (ThinVec::new(), vec![0; 65536]);
    loop {
        let count = uninterrupted(|| stream.read(&mut buffer)).ok().filter(|count| *count > 0)?;
        kinds.note(&buffer[..count]);
        let mut out = Vec::new();
        let ending = frames.filter(&buffer[..count], MESSAGE_BYTES_MAX, &mut waiting, &mut out);
        while let Some(found) = websocket::find(&waiting) {
            let message = &waiting[found.start..found.end];
            match kinds.begun.pop_front() {
                Some(2) => websocket::encode_binary(message, &mut out),
                _ => websocket::encode(message, &mut out),
            }
            waiting.drain(..found.taken);
        }
        if let Some(ending) = ending {
            websocket::encode_close(code_of(ending), &mut out);
            stream.write_all(&out).ok()?;
            stream.shutdown(std::net::Shutdown::Write).ok()?;
            while uninterrupted(|| stream.read(&mut buffer)).is_ok_and(|count| count > 0) {}
            return None;
        }
        stream.write_all(&out).ok()?;
    }
}

fn code_of(ending: Ending) -> u16 {
    match ending {
        Ending::Closed(code) => code,
        Ending::TooLong => code::TOO_BIG,
        Ending::NotUtf8 => code::NOT_UTF_8,
        Ending::Broken(_) => code::PROTOCOL,
    }
}

#[test]
#[ignore = "needs IPCD_AUTOBAHN, the path of a wstest (Autobahn's, for Python 2.7)"]
fn every_case_of_autobahn_passes() {
    let Ok(wstest) = std::env::var("IPCD_AUTOBAHN") else {
        eprintln!("not tested: IPCD_AUTOBAHN names no wstest");
        return;
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || echo(stream.unwrap()));
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let (specification, out) =
        (directory.path().join("fuzzingclient.json"), directory.path().join("reports"));
    let cases = json!({
        "outdir": out,
        "servers": [{"agent": "ipcd", "url": format!("ws://127.0.0.1:{port}")}],
        "cases": ["*"],
        "exclude-cases": DECLINED,
        "exclude-agent-cases": {},
    });
    std::fs::write(&specification, cases.to_string()).unwrap();
    let mut suite = command("timeout", ["1800", &wstest, "--mode", "fuzzingclient", "--spec"]);
    suite.arg(&specification);
    let output = suite.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let index: Value = serde_json::from_slice(&std::fs::read(out.join("index.json")).unwrap()).unwrap();
    let cases = index["ipcd"].as_object().unwrap();
    let good = |value: &Value| matches!(value.as_str(), Some("OK" | "INFORMATIONAL" | "NON-STRICT"));
    let failed: Vec<_> =
        cases.iter().filter(|(_, told)| !(good(&told["behavior"]) && good(&told["behaviorClose"]))).collect();
    eprintln!("{} cases", cases.len());
    assert!(failed.is_empty() && cases.len() > 200, "{} cases, of which failed: {failed:#?}", cases.len());
}
