//! A server with TLS, which answers like the daemon, with a thread for each connection.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::harness::TIMEOUT;
use crate::harness::interrupted::uninterrupted;

/// How a server treats its clients.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers each line with the product of 5 and 10, or an error.
    Multiply,
    /// The same, but only for clients with a certificate of the same authority.
    Certified,
    /// Ends in the middle of the first answer, without the message that ends TLS.
    Cut,
    /// Ends when its client has ended, and answers nothing more.
    Strict,
}

pub struct Server {
    pub port: u16,
}

impl Server {
    /// A proxy for another server, which has no TLS.
    pub fn before(directory: &Path, certificate: &str, behind: SocketAddr) -> Server {
        let config = Arc::new(config(directory, certificate, Behaviour::Multiply));
        Server::with(move |stream| {
            let connection = ServerConnection::new(config.clone()).unwrap();
            // One side is gone; the client's test decides whether that is right.
            let _ = carry(StreamOwned::new(connection, stream), behind);
        })
    }

    /// A server with a certificate in this directory.
    pub fn start(directory: &Path, certificate: &str, behaviour: Behaviour) -> Server {
        let config = Arc::new(config(directory, certificate, behaviour));
        Server::with(move |stream| {
            let connection = ServerConnection::new(config.clone()).unwrap();
            // A client that does not trust us ends the connection; the client's test checks that.
            let _ = converse(StreamOwned::new(connection, stream), behaviour);
        })
    }

    /// Any server on a port of 127.0.0.1.
    pub fn with(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                stream.set_read_timeout(Some(TIMEOUT)).unwrap();
                let serve = serve.clone();
                std::thread::spawn(move || serve(stream));
            }
        });
        Server { port }
    }
}

fn config(directory: &Path, certificate: &str, behaviour: Behaviour) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = match behaviour {
        Behaviour::Multiply | Behaviour::Cut | Behaviour::Strict => builder.unwrap().with_no_client_auth(),
        Behaviour::Certified => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(directory.join("ca.pem")).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.unwrap().with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = CertificateDer::from_pem_file(directory.join(format!("{certificate}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join(format!("{certificate}-key.pem"))).unwrap();
    builder.with_single_cert(vec![chain], key).unwrap()
}

fn converse(stream: StreamOwned<ServerConnection, TcpStream>, behaviour: Behaviour) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let answer = match line.trim_end() {
            "5 10" => "Data received\n50.0\n".to_owned(),
            other => format!("Data received\nError: not a number: {other:?}\n"),
        };
        line.clear();
        if behaviour == Behaviour::Cut {
            lines.get_mut().write_all(b"Data received\n")?;
            lines.get_mut().flush()?;
            return lines.get_mut().sock.shutdown(Shutdown::Both);
        }
        if behaviour == Behaviour::Strict {
            let stream = lines.get_mut();
            stream.sock.set_read_timeout(Some(Duration::from_millis(300)))?;
            match uninterrupted(|| stream.read(&mut [0; 100])) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                _ => break,
            }
        }
        lines.get_mut().write_all(answer.as_bytes())?;
        lines.get_mut().flush()?;
    }
    let mut stream = lines.into_inner();
    stream.conn.send_close_notify();
    stream.flush()
}

/// Passes bytes on in both directions by turns, up to both ends.
fn carry(mut front: StreamOwned<ServerConnection, TcpStream>, behind: SocketAddr) -> std::io::Result<()> {
    let briefly = Some(Duration::from_millis(2));
    let mut back = TcpStream::connect(behind)?;
    front.sock.set_read_timeout(briefly)?;
    back.set_read_timeout(briefly)?;
    let mut buffer = [0; 16384];
    let mut is_half = false;
    loop {
        match uninterrupted(|| front.read(&mut buffer)) {
            Ok(0) if !is_half => {
                is_half = true;
                back.shutdown(Shutdown::Write)?;
            }
            Ok(count) => back.write_all(&buffer[..count])?,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        match uninterrupted(|| back.read(&mut buffer)) {
            Ok(0) => break,
            Ok(count) => {
                front.sock.set_read_timeout(None)?;
                front.write_all(&buffer[..count])?;
                front.sock.set_read_timeout(briefly)?;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    front.conn.send_close_notify();
    front.flush()
}
