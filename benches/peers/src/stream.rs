//! A connection to a server, in the clear or over TLS. With TLS it is TLS 1.3, AES-256-GCM and X25519 for every server.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, ensure};
use rustls::client::Resumption;
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore};
use socket2::Socket;

/// The certificate that every server shows (P-256), its key, and both in one file.
#[derive(Clone)]
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub both: PathBuf,
}

/// What a client knows: trusted certificates, and sessions that it can resume.
pub type ClientSide = Arc<ClientConfig>;

/// A client that never resumes a session.
static FORGETFUL: OnceLock<ClientSide> = OnceLock::new();

/// A client that resumes the sessions of one server.
pub fn resuming_client() -> io::Result<ClientSide> {
    let mut config = ClientConfig::clone(FORGETFUL.get().ok_or(ErrorKind::NotFound)?);
    config.resumption = Resumption::in_memory_sessions(64);
    Ok(Arc::new(config))
}

impl Certificate {
    /// Makes a certificate, which all clients trust from now on.
    pub fn make(directory: &Path) -> Result<Certificate> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text)?;
            // The key belongs to root, and some servers read the certificate as another user.
            let mode = if name == "certificate.pem" { 0o644 } else { 0o600 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            io::Result::Ok(path)
        };
        let files = Certificate {
            certificate: write("certificate.pem", &certificate)?,
            key: write("key.pem", &key)?,
            both: write("both.pem", &format!("{certificate}{key}"))?,
        };
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone())?;
        let mut provider = default_provider();
        provider.cipher_suites = vec![cipher_suite::TLS13_AES_256_GCM_SHA384];
        provider.kx_groups = vec![kx_group::X25519];
        let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = Resumption::disabled();
        ensure!(FORGETFUL.set(Arc::new(client)).is_ok(), "one certificate is enough");
        Ok(files)
    }
}

/// The client's side of a connection.
pub struct Stream {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    is_resuming: bool,
}

impl Stream {
    pub fn plain(socket: Socket) -> Stream {
        Stream { socket, tls: None, is_resuming: false }
    }

    /// Speaks TLS from the first byte on. Nothing is written yet.
    pub fn over_tls(socket: Socket, resuming: Option<&ClientSide>) -> io::Result<Stream> {
        let config = resuming.or(FORGETFUL.get()).ok_or(ErrorKind::NotFound)?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Stream { socket, tls: Some(Box::new(connection)), is_resuming: resuming.is_some() })
    }

    /// Completes the handshake, if there is one. The socket blocks.
    pub fn settle(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.is_handshaking() {
                tls.complete_io(&mut self.socket)?;
            }
        }
        Ok(())
    }

    pub fn set_nonblocking(&self, is_nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(is_nonblocking)
    }

    /// Writes the client's hello.
    pub fn begin(&mut self) -> io::Result<()> {
        self.tls.as_mut().map_or(Ok(()), |tls| write_all(tls, &mut self.socket))
    }

    /// The client's answer to the server's part of the handshake, followed by this message.
    pub fn prepare(&mut self, said: &[u8]) -> Result<Vec<u8>> {
        let tls = self.tls.as_mut().context("in the clear there is no handshake")?;
        tls.writer().write_all(said)?;
        while tls.is_handshaking() {
            match tls.read_tls(&mut self.socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                got => ensure!(got? > 0, "the server closed a connection"),
            }
            tls.process_new_packets()?;
        }
        let mut flight = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut flight)?;
        }
        Ok(flight)
    }

    /// Writes these prepared bytes.
    pub fn write_prepared(&mut self, flight: &[u8]) -> io::Result<()> {
        self.socket.write_all(flight)
    }

    /// Whether the completed handshake was of the intended kind.
    pub fn check_handshake(&self) -> Result<()> {
        let Some(tls) = &self.tls else { return Ok(()) };
        let kind = tls.handshake_kind().context("a reply came before the handshake was complete")?;
        let wanted = if self.is_resuming { HandshakeKind::Resumed } else { HandshakeKind::Full };
        ensure!(kind == wanted, "a handshake was {kind:?}, not {wanted:?}");
        Ok(())
    }

    /// Sends the end of the conversation (TLS: close_notify).
    pub fn end(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            write_all(tls, &mut self.socket)?;
        }
        Ok(())
    }
}

fn write_all(tls: &mut ClientConnection, socket: &mut Socket) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(socket)?;
    }
    Ok(())
}

impl Read for Stream {
    /// Reads as read(2) does. Over TLS it also returns `WouldBlock` for records without application data.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            tls.read_tls(&mut self.socket)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            write_all(tls, &mut self.socket)?;
        }
    }
}

impl Write for Stream {
    /// Over TLS it accepts everything: before there are keys, it keeps the bytes and sends them with the handshake.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        let count = tls.writer().write(bytes)?;
        write_all(tls, &mut self.socket)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
