//! The same services as a competent tokio program offers them: one thread, a task for each connection. Everything from one read is
//! answered in one write. A member of the chat has a bounded channel, and one write sends all that waits in it.
//!
//!     tokio-server multiply|greeting|chat tcp PORT
//!     tokio-server multiply|greeting unix PATH
//!     tokio-server multiply|chat tls PORT CERTIFICATE KEY
//!     tokio-server multiply|chat ws PORT

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream, UnixListener};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

const BACKLOG: u32 = 4096;

/// The size of the read buffer, in bytes.
const BURST: usize = 4096;

/// Messages that may wait for one member; a member with more is dropped.
const WAITING: usize = 1024;

type Heard = Arc<[u8]>;

#[derive(Default)]
struct Room {
    next: u64,
    members: HashMap<u64, mpsc::Sender<Heard>>,
}

impl Room {
    fn say(&mut self, text: &[u8]) {
        let text: Heard = text.into();
        self.members.retain(|_, member| member.try_send(Arc::clone(&text)).is_ok());
    }
}

type Shared = Arc<Mutex<Room>>;

#[derive(Clone, Copy)]
enum Service {
    Multiply,
    Greeting,
    Chat,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [service, kind, place, files @ ..] = &arguments[..] else {
        return Err(io::Error::other("usage: tokio-server multiply|greeting|chat tcp|unix|tls PORT|PATH"));
    };
    let acceptor = match files {
        [certificate, key] => Some(acceptor(certificate, key).map_err(io::Error::other)?),
        _ => None,
    };
    let service = match service.as_str() {
        "multiply" => Service::Multiply,
        "greeting" => Service::Greeting,
        _ => Service::Chat,
    };
    let room = Shared::default();
    let web_room = WebRoom::default();
    if kind == "unix" {
        let listener = UnixListener::bind(place)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(service, stream));
        }
    }
    let port = place.parse().map_err(io::Error::other)?;
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let listener = socket.listen(BACKLOG)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        if kind == "ws" {
            tokio::spawn(serve_web(service, stream, Arc::clone(&web_room)));
            continue;
        }
        match (&acceptor, service) {
            (Some(acceptor), service) => {
                let (handshake, room) = (acceptor.accept(stream), Arc::clone(&room));
                tokio::spawn(async move {
                    let stream = handshake.await?;
                    match service {
                        Service::Chat => {
                            let (reader, writer) = tokio::io::split(stream);
                            chat(reader, writer, room).await
                        }
                        _ => serve(service, stream).await,
                    }
                });
            }
            (None, Service::Chat) => {
                let (reader, writer) = stream.into_split();
                tokio::spawn(chat(reader, writer, Arc::clone(&room)));
            }
            (None, _) => drop(tokio::spawn(serve(service, stream))),
        }
    }
}

/// As in the daemon: ring, and one ticket for each connection.
fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor, Box<dyn std::error::Error + Send + Sync>> {
    let certificate = CertificateDer::from_pem_file(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.ticketer = ring::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(service: Service, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    match service {
        Service::Multiply => multiply(stream).await,
        Service::Greeting => greeting(stream).await,
        Service::Chat => Err(io::Error::other("the chat is on TCP")),
    }
}

async fn multiply(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut request = Vec::with_capacity(BURST);
    let mut reply = Vec::new();
    while stream.read_buf(&mut request).await? > 0 {
        let Some(end) = request.iter().rposition(|&byte| byte == b'\n') else { continue };
        for line in request[..end].split(|&byte| byte == b'\n') {
            reply.extend_from_slice(b"Data received\n");
            match product(line) {
                Some(product) => writeln!(reply, "{product:?}")?,
                None => reply.extend_from_slice(b"Error: expected two numbers, for example: 5 10\n"),
            }
        }
        request.drain(..=end);
        stream.write_all(&reply).await?;
        stream.flush().await?;
        reply.clear();
    }
    stream.shutdown().await
}

fn product(line: &[u8]) -> Option<f64> {
    let mut numbers = std::str::from_utf8(line).ok()?.split_whitespace();
    let (a, b) = (numbers.next()?, numbers.next()?);
    Some(a.parse::<f64>().ok()? * b.parse::<f64>().ok()?)
}

async fn greeting(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(b"Message received. Thank you for connecting\r\n").await?;
    stream.shutdown().await?;
    // Reads what the client still sends: a close() with unread input resets the connection, and the greeting is lost.
    let mut rest = [0; 256];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

async fn chat(
    reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    room: Shared,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(BURST, reader);
    writer.write_all(b"Greetings from the cave! Now type your name and press enter!\n").await?;
    writer.flush().await?;
    let mut name = String::new();
    reader.read_line(&mut name).await?;
    let name = name.trim_end();
    let (sender, mut heard) = mpsc::channel(WAITING);
    let welcome = format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.\n");
    writer.write_all(welcome.as_bytes()).await?;
    writer.flush().await?;
    let id = {
        let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
        room.say(format!("{name} has joined the chat!\n").as_bytes());
        room.next += 1;
        let id = room.next;
        room.members.insert(id, sender);
        id
    };
    let hears = async {
        let mut gathered = Vec::new();
        while let Some(first) = heard.recv().await {
            gathered.clear();
            gathered.extend_from_slice(&first);
            while let Ok(next) = heard.try_recv() {
                gathered.extend_from_slice(&next);
            }
            writer.write_all(&gathered).await?;
            writer.flush().await?;
        }
        io::Result::Ok(())
    };
    let says = async {
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).await? > 0 {
            let text = [name.as_bytes(), b": ", &line].concat();
            room.lock().unwrap_or_else(PoisonError::into_inner).say(&text);
            line.clear();
        }
        io::Result::Ok(())
    };
    let ended = tokio::select! { ended = hears => ended, ended = says => ended };
    let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
    if room.members.remove(&id).is_some() {
        room.say(format!("{name} has left the chat.\n").as_bytes());
    }
    ended
}

/// The chat's members on WebSockets. All of them share one copy of each text.
type WebRoom = Arc<Mutex<HashMap<u64, mpsc::Sender<Utf8Bytes>>>>;

fn say_in(room: &WebRoom, text: String) {
    let text = Utf8Bytes::from(text);
    let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
    room.retain(|_, member| member.try_send(text.clone()).is_ok());
}

async fn serve_web(service: Service, stream: TcpStream, room: WebRoom) -> Result<(), Error> {
    let socket = tokio_tungstenite::accept_async(stream).await?;
    match service {
        Service::Chat => {
            let (writer, reader) = socket.split();
            chat_web(reader, writer, room).await
        }
        _ => multiply_web(socket).await,
    }
}

async fn multiply_web(mut socket: WebSocketStream<TcpStream>) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        let mut message = message?;
        // Answers everything from one read in one write.
        loop {
            if let Message::Text(text) = message {
                socket.feed(Message::text("Data received")).await?;
                let product = product(text.as_bytes()).unwrap_or(f64::NAN);
                socket.feed(Message::text(format!("{product:?}"))).await?;
            }
            match socket.next().now_or_never() {
                Some(Some(next)) => message = next?,
                Some(None) | None => break,
            }
        }
        socket.flush().await?;
    }
    Ok(())
}

type Socket = WebSocketStream<TcpStream>;

async fn chat_web(
    mut reader: SplitStream<Socket>,
    mut writer: SplitSink<Socket, Message>,
    room: WebRoom,
) -> Result<(), Error> {
    writer.send(Message::text("Greetings from the cave! Now type your name and press enter!")).await?;
    let Some(Ok(Message::Text(name))) = reader.next().await else { return Ok(()) };
    let (sender, mut heard) = mpsc::channel(WAITING);
    let welcome = format!("Welcome {name}! If you ever want to quit, type {{quit}} to exit.");
    writer.send(Message::text(welcome)).await?;
    say_in(&room, format!("{name} has joined the chat!"));
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    room.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
    let hears = async {
        while let Some(first) = heard.recv().await {
            writer.feed(Message::Text(first)).await?;
            while let Ok(next) = heard.try_recv() {
                writer.feed(Message::Text(next)).await?;
            }
            writer.flush().await?;
        }
        Ok(())
    };
    let says = async {
        while let Some(message) = reader.next().await {
            if let Message::Text(text) = message? {
                say_in(&room, format!("{name}: {text}"));
            }
        }
        Ok(())
    };
    let ended = tokio::select! { ended = hears => ended, ended = says => ended };
    if room.lock().unwrap_or_else(PoisonError::into_inner).remove(&id).is_some() {
        say_in(&room, format!("{name} has left the chat."));
    }
    ended
}
