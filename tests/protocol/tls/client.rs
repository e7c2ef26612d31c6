//! A TLS client, and certificates for a daemon and its clients.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, CertificateRevocationListParams, CertifiedIssuer, KeyPair};
use rustls::client::WantsClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use crate::harness::interrupted::uninterrupted;
use crate::harness::{Daemon, TIMEOUT, show};

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "a class");
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, and its key, as PEM.
    pub fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A client that trusts only this authority.
    pub fn client(&self) -> ClientConfig {
        self.client_of(rustls::DEFAULT_VERSIONS)
    }

    /// A client that trusts only this authority, and presents this certificate.
    pub fn client_with(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> ClientConfig {
        self.trusting(ring(), rustls::DEFAULT_VERSIONS).with_client_auth_cert(chain, key).unwrap()
    }

    /// A list of revoked certificates, as PEM.
    pub fn sign_list(&self, list: CertificateRevocationListParams) -> String {
        list.signed_by(&self.0).unwrap().pem().unwrap()
    }

    /// A client that trusts only this authority, and speaks only these versions.
    pub fn client_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        self.client_computing_with(ring(), versions)
    }

    /// The same, whose arithmetic is that of this provider.
    pub fn client_computing_with(
        &self,
        provider: Arc<CryptoProvider>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        self.trusting(provider, versions).with_no_client_auth()
    }

    fn trusting(
        &self,
        provider: Arc<CryptoProvider>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
    }
}

fn ring() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Writes a file that nobody else can read.
pub fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The client's side of a TLS connection.
pub struct TlsClient {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
    heard: Vec<u8>,
}

impl TlsClient {
    #[track_caller]
    pub fn connect(daemon: &Daemon, port: u16, config: &Arc<ClientConfig>) -> TlsClient {
        TlsClient::begin(daemon, port, config, "localhost", b"").unwrap()
    }

    /// A connection, if the handshake succeeds.
    pub fn try_connect(daemon: &Daemon, port: u16, config: &Arc<ClientConfig>) -> Option<TlsClient> {
        TlsClient::begin(daemon, port, config, "localhost", b"").ok()
    }

    /// A connection on which the client asks for this name.
    ///
    /// # Errors
    /// If the handshake fails.
    pub fn connect_to(
        daemon: &Daemon,
        port: u16,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> std::io::Result<TlsClient> {
        TlsClient::begin(daemon, port, config, name, b"")
    }

    /// Sends this in one write with the last message of the handshake.
    pub fn connect_saying(daemon: &Daemon, port: u16, config: &Arc<ClientConfig>, said: &[u8]) -> TlsClient {
        TlsClient::begin(daemon, port, config, "localhost", said).unwrap()
    }

    fn begin(
        daemon: &Daemon,
        port: u16,
        config: &Arc<ClientConfig>,
        name: &str,
        said: &[u8],
    ) -> std::io::Result<TlsClient> {
        let socket = TcpStream::connect(daemon.address(port)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        connection.writer().write_all(said)?;
        let mut client = TlsClient { stream: StreamOwned::new(connection, socket), heard: Vec::new() };
        while client.stream.conn.is_handshaking() {
            client.stream.conn.complete_io(&mut client.stream.sock)?;
        }
        Ok(client)
    }

    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    pub fn try_say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends close_notify; the socket stays open.
    pub fn say_end(&mut self) {
        self.stream.conn.send_close_notify();
        let _ = self.stream.conn.write_tls(&mut self.stream.sock);
    }

    /// Ends the socket's side without a close_notify.
    pub fn half_close(&mut self) {
        let _ = self.stream.sock.shutdown(Shutdown::Write);
    }

    /// Expects exactly these bytes next.
    #[track_caller]
    pub fn hear(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut buffer = [0; 65536];
        while self.heard.len() < expected.len() {
            match uninterrupted(|| self.stream.read(&mut buffer)) {
                Ok(0) => break,
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error) => panic!("expected {}, got {} and {error}", show(expected), show(&self.heard)),
            }
        }
        assert_eq!(show(&self.heard[..expected.len().min(self.heard.len())]), show(expected));
        self.heard.drain(..expected.len());
    }

    /// The content of the next record that has any, however late it is read.
    pub fn recv(&mut self) -> Vec<u8> {
        loop {
            let mut content = [0; 20_000];
            match self.stream.conn.reader().read(&mut content) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return content[..read.unwrap()].to_vec(),
            }
            let mut record = vec![0; 5];
            self.stream.sock.read_exact(&mut record).unwrap();
            record.resize(5 + usize::from(u16::from_be_bytes([record[3], record[4]])), 0);
            self.stream.sock.read_exact(&mut record[5..]).unwrap();
            let mut rest = &record[..];
            while !rest.is_empty() {
                self.stream.conn.read_tls(&mut rest).unwrap();
            }
            self.stream.conn.process_new_packets().unwrap();
        }
    }

    /// Everything up to close_notify; an end without it is an error.
    #[track_caller]
    pub fn hear_rest(&mut self) -> Vec<u8> {
        let mut buffer = [0; 65536];
        loop {
            match uninterrupted(|| self.stream.read(&mut buffer)) {
                Ok(0) => return std::mem::take(&mut self.heard),
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error) => panic!("expected close_notify, got {} and {error}", show(&self.heard)),
            }
        }
    }
}

/// A bare socket's input until its end, or until nothing comes for a while.
pub fn hear_raw(socket: &mut TcpStream) -> Vec<u8> {
    socket.set_read_timeout(Some(TIMEOUT.min(Duration::from_secs(30)))).unwrap();
    let mut heard = Vec::new();
    match socket.read_to_end(&mut heard) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}: {}", show(&heard)),
        _ => heard,
    }
}
