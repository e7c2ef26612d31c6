//! Reads the file as bytes: opened without blocking, whatever is at its path, and up to a limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::syntax::{Cursor, shown};
use crate::os_error::describe;

/// The largest configuration file, in bytes: about a hundred times the shipped one.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// The file's bytes, or one line with the reason. Never blocks.
pub(super) fn load(path: &Path) -> Result<Vec<u8>, String> {
    let wrong = |what: &str| format!("{}: {what}", shown(path));
    // Without NONBLOCK, opening a FIFO would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let descriptor =
        rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| wrong(&cannot_open(errno)))?;
    let stat = rustix::fs::fstat(&descriptor)
        .map_err(|errno| wrong(&format!("cannot be examined: {}", describe(&errno.into()))))?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Fifo => Some("a FIFO"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        _ => Some("no file"),
    };
    if let Some(kind) = kind {
        return Err(wrong(&format!("is {kind}; the configuration must be a regular file")));
    }
    let too_large = || wrong(&format!("is too large; at most {FILE_BYTES_MAX} bytes (1 MiB) are read"));
    if u64::try_from(stat.st_size).is_ok_and(|size| size > FILE_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // One byte more than allowed: it may grow while it is read.
    File::from(descriptor)
        .take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(&format!("cannot be read: {}; check the disk it is on", describe(&error))))?;
    if bytes.len() > FILE_BYTES_MAX { Err(too_large()) } else { Ok(bytes) }
}

fn cannot_open(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "no such file; create it or name another one with --config".to_owned(),
        Errno::ACCESS | Errno::PERM => {
            "permission denied; the user that ipcd runs as must be able to read it".to_owned()
        }
        Errno::LOOP => "too many symbolic links; they must end at a regular file".to_owned(),
        Errno::NOTDIR => "a part of the path is not a directory; correct the path".to_owned(),
        Errno::NAMETOOLONG => "the path is too long; choose a shorter one".to_owned(),
        Errno::NXIO | Errno::NODEV => {
            "is a socket or a device; the configuration must be a regular file".to_owned()
        }
        _ => {
            format!("cannot be opened: {}; the configuration must be a regular file", describe(&errno.into()))
        }
    }
}

/// The bytes as text, or one line with the position that is not UTF-8.
pub(super) fn decode<'b>(path: &Path, bytes: &'b [u8]) -> Result<&'b str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let (line, column) = Cursor::new(bytes).advance(at);
        format!(
            "{}:{line}:{column}: byte 0x{:02x} is not UTF-8; save the file as UTF-8",
            shown(path),
            bytes[at]
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn file_up_to_the_size_limit_is_read_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ipcd.toml");
        let allowed = vec![b'#'; FILE_BYTES_MAX];
        std::fs::write(&path, &allowed).expect("a file");
        assert_eq!(load(&path).expect("allowed"), allowed);
        std::fs::write(&path, [&allowed[..], b"#"].concat()).expect("a file");
        let expected = format!("{}: is too large; at most 1048576 bytes (1 MiB) are read", path.display());
        assert_eq!(load(&path).expect_err("too large"), expected);
    }

    #[test]
    fn anything_but_a_regular_file_is_refused_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("directory")).expect("a directory");
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).expect("a FIFO");
        symlink(at("loop"), at("loop")).expect("a link");
        symlink(at("fifo"), at("link")).expect("a link");
        let _socket = UnixListener::bind(at("socket")).expect("a socket");
        std::fs::write(at("file"), "").expect("a file");
        for (name, what) in [
            ("directory", "is a directory; the configuration must be a regular file"),
            ("fifo", "is a FIFO; the configuration must be a regular file"),
            ("link", "is a FIFO; the configuration must be a regular file"),
            ("socket", "is a socket or a device; the configuration must be a regular file"),
            ("loop", "too many symbolic links; they must end at a regular file"),
            ("missing", "no such file; create it or name another one with --config"),
            ("file/x", "a part of the path is not a directory; correct the path"),
            ("/dev/null", "is a device; the configuration must be a regular file"),
        ] {
            let path = directory.path().join(name);
            assert_eq!(load(&path).expect_err(name), format!("{}: {what}", path.display()));
        }
    }

    #[test]
    fn every_refusal_says_how_to_correct_it() {
        for errno in [Errno::ACCESS, Errno::NAMETOOLONG, Errno::MFILE] {
            assert!(cannot_open(errno).contains("; "), "{errno}");
        }
    }

    #[test]
    fn invalid_utf_8_is_reported_with_its_place() {
        let error = decode(Path::new("f\n.toml"), b"# \xc3\xa4\n# \xc3\xa4\xff\n").expect_err("no UTF-8");
        assert_eq!(error, "f\\n.toml:2:4: byte 0xff is not UTF-8; save the file as UTF-8");
    }
}
