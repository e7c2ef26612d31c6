//! The client's side of TLS, for the daemon's own connections. Bytes in, bytes out, like all wires.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore};

/// Makes the wires of connections to servers, whose certificates certain authorities must have signed.
#[derive(Clone, Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
    has_own_authorities: bool,
}

impl Connector {
    /// With the authorities of a PEM file; `None`: those that the system trusts, if there are any.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn new(authorities: Option<&[u8]>) -> Result<Connector, String> {
        let mut roots = RootCertStore::empty();
        match authorities {
            None => {
                // This skips certificates that do not conform: some systems have old ones.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let added = certificate
                        .map_err(|error| format!("this is not PEM: {error}"))
                        .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
                    added?;
                }
                if roots.is_empty() {
                    return Err("there is no certificate in it; it begins with -----BEGIN CERTIFICATE-----"
                        .to_owned());
                }
            }
        }
        let provider = Arc::new(super::provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Ok(Connector { config, has_own_authorities: authorities.is_some() })
    }

    /// The wire of a connection to a server with this name or address. It begins with the handshake.
    ///
    /// # Errors
    /// If no certificate can have that name.
    pub fn connect(&self, name: &str) -> Result<Client, String> {
        let name = ServerName::try_from(name.strip_suffix('.').unwrap_or(name).to_owned())
            .map_err(|_| "no certificate can have this name".to_owned())?;
        let tls = ClientConnection::new(self.config.clone(), name)
            .map_err(|error| sentence(&error, self.has_own_authorities))?;
        Ok(Client { tls, has_own_authorities: self.has_own_authorities })
    }
}

/// A client's wire.
pub struct Client {
    tls: ClientConnection,
    has_own_authorities: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Passes the contents of received bytes to `hear`. Returns whether the other side has ended.
    ///
    /// # Errors
    /// The broken rule of TLS, as a sentence.
    pub fn receive(&mut self, received: &[u8], mut hear: impl FnMut(&[u8])) -> Result<bool, String> {
        let (mut rest, mut plain) = (received, Vec::new());
        while !rest.is_empty() {
            self.tls.read_tls(&mut rest).map_err(|error| error.to_string())?;
            let state =
                self.tls.process_new_packets().map_err(|error| sentence(&error, self.has_own_authorities))?;
            let has_ended = state.peer_has_closed();
            plain.clear();
            match self.tls.reader().read_to_end(&mut plain) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.to_string()),
            }
            if !plain.is_empty() {
                hear(&plain);
            }
            if has_ended {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Encrypts as much of `said` as is accepted, and passes the result to `write`. Returns how many bytes of `said` were accepted.
    ///
    /// # Errors
    /// Those of `write`; `WouldBlock`: nothing was accepted.
    pub fn send(
        &mut self,
        said: &[u8],
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let count = match self.tls.is_handshaking() || said.is_empty() {
            true => 0,
            false => self.tls.writer().write(said)?,
        };
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Writer(&mut write)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if count == 0 && !said.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    /// Whether encrypted bytes wait to be written.
    pub fn is_holding(&self) -> bool {
        self.tls.wants_write()
    }

    /// Whether nothing can be sent yet.
    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Ends the output.
    pub fn end(&mut self) {
        self.tls.send_close_notify();
    }
}

/// A function in the form in which rustls can write to it.
struct Writer<'w, W>(&'w mut W);

impl<W: FnMut(&[u8]) -> io::Result<usize>> Write for Writer<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What an error means, and what to do.
fn sentence(error: &Error, has_own_authorities: bool) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) if has_own_authorities => {
            "the server's certificate is not from an authority in the file of ca; name that of this server".to_owned()
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is from an authority that this system does not trust; name its file with ca".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, .. }) => format!(
            "the server's certificate is not for {}; use a name from it under servers",
            expected.to_str()
        ),
        Error::InvalidCertificate(CertificateError::ExpiredContext { .. }) => {
            "the server's certificate has expired, or the clock of this machine is wrong".to_owned()
        }
        Error::InvalidMessage(_) => {
            "the server speaks no TLS here; if it does so only after its first line, set handshake_first = false".to_owned()
        }
        other => format!("TLS failed: {other}"),
    }
}
