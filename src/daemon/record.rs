//! The record of the connections for a restart: a memory file, written once, sealed, and read by the next process.
//! It knows versions and lengths; the contents of a piece belong to the engine.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

use crate::engine::record::piece::{Piece, SIZES_BYTES, Sizes};
use crate::engine::record::reader::Reader;
use crate::engine::record::{Record, VERSION, VERSION_OF_ONE_TEXT};
use crate::os_error::describe;

/// The first word of the record.
const MAGIC: &str = "ipcd-record";

/// The longest first line, in bytes.
const FIRST_LINE_BYTES_MAX: usize = 64;

/// The seals: a written record must not change.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::GROW).union(SealFlags::SHRINK).union(SealFlags::SEAL);

/// The size of a write, in bytes: there are many small pieces.
const BUFFER_BYTES: usize = 256 * 1024;

/// Writes a record piece by piece, as `pieces` provides them, into a memory file, and seals it. Also returns the result of `pieces`.
///
/// # Errors
/// There is no descriptor or no memory for it, or `pieces` fails.
pub(super) fn write<T>(
    pieces: impl FnOnce(&mut dyn FnMut(&Piece<'_>) -> io::Result<()>) -> io::Result<T>,
) -> io::Result<(File, T)> {
    let memory = memfd_create(MAGIC, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::from(memory));
    writeln!(file, "{MAGIC} {VERSION}")?;
    let outcome = pieces(&mut |piece| {
        let (start, mut runs) = piece.parts();
        file.write_all(&start)?;
        runs.try_for_each(|run| file.write_all(run))
    })?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok((file, outcome))
}

/// Reads a record, if it is complete, sealed and of a known version.
pub(super) fn read(fd: OwnedFd) -> Result<Record, String> {
    let mut file = File::from(fd);
    match fcntl_get_seals(&file) {
        Ok(seals) if seals.contains(SEALS) => {}
        _ => return Err("it is not a sealed memory file".to_owned()),
    }
    let length = file.rewind().and_then(|()| file.metadata()).map_err(|error| describe(&error))?.len();
    parse(BufReader::with_capacity(BUFFER_BYTES, file), length)
}

fn parse(mut bytes: impl Read, length: u64) -> Result<Record, String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        bytes.read_exact(&mut byte).map_err(|_| "it has no first line")?;
        match byte {
            [b'\n'] => break,
            _ if line.len() == FIRST_LINE_BYTES_MAX => {
                return Err("its first line is not a record's".to_owned());
            }
            [byte] => line.push(byte),
        }
    }
    let left = length.saturating_sub(line.len() as u64 + 1);
    let line = std::str::from_utf8(&line).map_err(|_| "its first line is not text")?;
    match line.split(' ').collect::<Vec<_>>()[..] {
        [MAGIC, version] if version == VERSION.to_string() => parse_pieces(bytes, left),
        // The checksum is ignored: a sealed file has not changed.
        [MAGIC, version, length, _] if version == VERSION_OF_ONE_TEXT.to_string() => {
            parse_one_text(bytes, left, length)
        }
        [MAGIC, version, ..] => Err(format!(
            "it is of version {}, and this ipcd reads {VERSION_OF_ONE_TEXT} and {VERSION}",
            version.escape_default()
        )),
        _ => Err("its first line is not a record's".to_owned()),
    }
}

fn parse_pieces(mut bytes: impl Read, mut left: u64) -> Result<Record, String> {
    let mut reader = Reader::default();
    let mut take = |buffer: &mut [u8]| bytes.read_exact(buffer).map_err(|error| describe(&error));
    while !reader.is_complete() {
        let mut sizes = [0; SIZES_BYTES];
        left = left.checked_sub(SIZES_BYTES as u64).ok_or("it is cut off")?;
        take(&mut sizes)?;
        let sizes = Sizes::read(&sizes, left)?;
        left -= sizes.json + sizes.runs.iter().sum::<u64>();
        // The lengths were checked, so this allocates no more than the file has.
        let mut next = |size: u64| {
            let mut run = vec![0; usize::try_from(size).map_err(|error| error.to_string())?];
            take(&mut run).map(|()| run)
        };
        let json = next(sizes.json)?;
        let [first, second, third] = sizes.runs;
        reader.take(&json, [next(first)?, next(second)?, next(third)?])?;
    }
    if left == 0 { reader.finish() } else { Err(format!("{left} bytes follow its end")) }
}

fn parse_one_text(bytes: impl Read, left: u64, length: &str) -> Result<Record, String> {
    if length != left.to_string() {
        return Err(format!("it has {left} bytes, not {}", length.escape_default()));
    }
    serde_json::from_reader(bytes).map(Record::of_one_text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::engine::Engine;
    use crate::engine::limits::Settings;
    use crate::engine::message::{Binding, ConnectionId, Input, Output, RemoteAddress, Timestamp, Transport};
    use crate::engine::service::Service;

    /// A room of members that have not heard its messages yet, and a client that asked for a product.
    fn engine() -> Engine {
        let mut engine = Engine::new(Settings { chat_history: 1000, ..Settings::default() });
        let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
        for index in 0..21 {
            let service = if index == 20 { Service::Multiply } else { Service::Chat };
            let binding =
                Binding { endpoint: "unix:/x".into(), service, transport: Transport::UNIX, allowed: None };
            let peer = ConnectionId { index, generation: 1 };
            engine.handle(Timestamp::at(0), Input::Opened { peer, binding: &Rc::new(binding), remote });
            let said = if index == 20 { b"5 10\n5 1".to_vec() } else { format!("m{index}\n").into_bytes() };
            engine.handle(Timestamp::at(0), Input::Bytes { peer, bytes: &said, more: false });
        }
        while let Some(output) = engine.poll_output() {
            if let Output::Flush(peer) = output {
                let bytes = engine.outgoing(peer).len();
                engine.handle(Timestamp::at(0), Input::Sent { peer, bytes });
            }
        }
        for _ in 0..60 {
            let peer = ConnectionId { index: 0, generation: 1 };
            let said = format!("{}\n/msg m1 {}\n", "hi \"all\" ".repeat(100), "psst ".repeat(100));
            engine.handle(Timestamp::at(0), Input::Bytes { peer, bytes: said.as_bytes(), more: false });
            engine.handle(Timestamp::at(0), Input::Tick);
        }
        engine
    }

    fn record(engine: &Engine) -> (File, usize) {
        write(|write| {
            let mut handover = engine.hand_over(Timestamp::at(7));
            write(&handover.head())?;
            handover.machines().try_for_each(|piece| write(&piece))?;
            let mut count = 0;
            for peer in handover.peers() {
                let Some(piece) = handover.session(peer, peer.index.into()) else { continue };
                write(&piece)?;
                count += 1;
            }
            write(&handover.end())?;
            Ok(count)
        })
        .unwrap()
    }

    fn bytes(file: &mut File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn parse_all(bytes: &[u8]) -> Result<Record, String> {
        parse(bytes, bytes.len() as u64)
    }

    /// The complete output for each client.
    fn outgoing(engine: &mut Engine) -> Vec<Vec<u8>> {
        (0..21)
            .map(|index| {
                let peer = ConnectionId { index, generation: 1 };
                let mut heard = Vec::new();
                loop {
                    let bytes = engine.outgoing(peer).slices().concat();
                    if bytes.is_empty() {
                        return heard;
                    }
                    engine.handle(Timestamp::at(7), Input::Sent { peer, bytes: bytes.len() });
                    heard.extend(bytes);
                }
            })
            .collect()
    }

    #[test]
    fn record_reads_back_and_every_session_continues() {
        let mut before = engine();
        let (mut file, count) = record(&before);
        assert_eq!(count, 21);
        assert!(file.write(b"x").is_err(), "it is sealed");
        let record = read(file.into()).unwrap();
        assert_eq!((record.now, record.sessions.len(), record.history.len()), (Timestamp::at(7), 21, 60));
        let mut after = Engine::new(Settings::default());
        let present = record
            .sessions
            .into_iter()
            .map(|(number, saved)| (ConnectionId { index: number as u32, generation: 1 }, saved))
            .collect();
        after.restore(Timestamp::at(7), (record.history, record.log), present, Vec::new());
        let (wanted, heard) = (outgoing(&mut before), outgoing(&mut after));
        assert!(wanted[1].len() > wanted[2].len() && wanted[2].len() > 50_000);
        assert!(heard == wanted);
        let half = ConnectionId { index: 20, generation: 1 };
        after.handle(Timestamp::at(8), Input::Bytes { peer: half, bytes: b"0\n", more: false });
        assert_eq!(after.outgoing(half).slices().concat(), b"Data received\n50.0\n");
        assert_eq!(after.shared_bytes().0, after.shared_bytes().1);
    }

    #[test]
    fn record_overhead_is_at_most_a_tenth_of_the_queued_bytes() {
        let (mut file, count) = record(&engine());
        let all = bytes(&mut file).len();
        // The log once, and not for each of the 20; the history; and direct messages to two of them.
        let (line, direct) = ("m0: ".len() + 900 + 1, "m0 (to you): ".len() + 500);
        let waits = 60 * (2 * line + 2 * direct);
        assert!(all < waits * 11 / 10 + 1024 * count, "{all} for {waits}");
    }

    #[test]
    fn damaged_record_is_read_or_refused_and_truncated_one_refused() {
        let mut engine = Engine::new(Settings::default());
        let binding = Binding {
            endpoint: "x".into(),
            service: Service::Multiply,
            transport: Transport::UNIX,
            allowed: None,
        };
        let (peer, remote) = (ConnectionId { index: 0, generation: 1 }, RemoteAddress::Input);
        engine.handle(Timestamp::at(0), Input::Opened { peer, binding: &Rc::new(binding), remote });
        engine.handle(Timestamp::at(0), Input::Bytes { peer, bytes: b"5 10\n5", more: false });
        let (mut file, _) = record(&engine);
        let bytes = bytes(&mut file);
        assert!(parse_all(&bytes).is_ok());
        assert!(parse_all(&[&bytes[..], b"x"].concat()).unwrap_err().contains("1 bytes follow its end"));
        for index in 0..bytes.len() {
            assert!(parse_all(&bytes[..index]).is_err(), "cut at {index}");
            for bit in [1, 0x80] {
                let mut damaged = bytes.clone();
                damaged[index] ^= bit;
                let _ = parse_all(&damaged);
            }
        }
    }

    #[test]
    fn invalid_record_is_refused_with_a_reason() {
        let error = |bytes: &[u8]| parse_all(bytes).unwrap_err();
        assert_eq!(error(b""), "it has no first line");
        assert_eq!(error(&[b'x'; 100]), "its first line is not a record's");
        assert_eq!(error(b"ipcd-record\n"), "its first line is not a record's");
        assert_eq!(error(b"ipcd-record 6\n"), "it is of version 6, and this ipcd reads 4 and 5");
        assert_eq!(error(b"ipcd-record 3 2 00000000\n{}"), "it is of version 3, and this ipcd reads 4 and 5");
        assert_eq!(error(b"ipcd-record 4 3 00000000\n{}"), "it has 2 bytes, not 3");
        let long = [&b"ipcd-record 5\n"[..], &[0xff; SIZES_BYTES]].concat();
        assert_eq!(error(&long), "a piece of it is longer than the remaining 0 bytes");
    }

    #[test]
    fn unsealed_file_is_not_accepted_as_a_record() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"ipcd-record 5\n").unwrap();
        assert!(read(file.into()).unwrap_err().contains("sealed"));
    }
}
