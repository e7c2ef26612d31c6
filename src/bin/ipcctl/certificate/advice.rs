//! What is printed about new certificates: the files, the lines for the configuration, and how clients use them.

use std::path::Path;

use ipcd::engine::json;
use serde_json::{Value, json};

use super::authority::date;
use super::made::{Made, Pair};
use super::names::ServerName;

/// The port in the example.
const PORT: u16 = 65443;

/// For programs.
pub(crate) fn json(made: &Made) -> Value {
    let pair = |pair: &Pair| {
        json!({
            "name": pair.name,
            "certificate": pair.certificate.display().to_string(),
            "key": pair.key.display().to_string(),
            "ends": humantime::format_rfc3339_seconds(pair.ends).to_string(),
        })
    };
    json!({
        "authority": made.authority.display().to_string(),
        "new_authority": made.new_authority.is_some(),
        "names": made.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "server": made.server.as_ref().map(pair),
        "clients": made.clients.iter().map(pair).collect::<Vec<_>>(),
    })
}

/// For people.
pub(crate) fn text(made: &Made) -> String {
    let mut paragraphs = vec![files(made)];
    if let (Some(server), Some(first)) = (&made.server, made.names.first()) {
        paragraphs.push(configuration(server, &made.names));
        paragraphs.push(clients(made, first));
    }
    if !made.clients.is_empty() {
        paragraphs.push(with_client_certificates(made));
    }
    paragraphs.join("\n\n")
}

/// Each file, and who gets it.
fn files(made: &Made) -> String {
    let mut rows = Vec::new();
    match &made.new_authority {
        Some(authority) => {
            rows.push((
                &authority.certificate,
                format!("the authority, until {}: every client needs it", date(authority.ends)),
            ));
            rows.push((
                &authority.key,
                "its key: anyone who has it can impersonate any server; keep it here".to_owned(),
            ));
        }
        None => rows.push((&made.authority, "the existing authority".to_owned())),
    }
    if let Some(server) = &made.server {
        let names: Vec<String> = made.names.iter().map(ToString::to_string).collect();
        rows.push((
            &server.certificate,
            format!("for the server {}, until {}", names.join(", "), date(server.ends)),
        ));
        rows.push((&server.key, "its key: for the daemon alone".to_owned()));
    }
    for client in &made.clients {
        rows.push((
            &client.certificate,
            format!("for the client {}, until {}", client.name, date(client.ends)),
        ));
        rows.push((&client.key, format!("its key: for {} alone", client.name)));
    }
    let width = rows.iter().map(|(path, _)| path.display().to_string().chars().count()).max().unwrap_or(0);
    let lines: Vec<String> =
        rows.iter().map(|(path, what)| format!("{:width$}  {what}", path.display().to_string())).collect();
    lines.join("\n")
}

fn configuration(server: &Pair, names: &[ServerName]) -> String {
    let is_local = |name: &ServerName| match name {
        ServerName::Host(name) => name == "localhost",
        ServerName::Address(address) => address.is_loopback(),
    };
    let listen = if names.iter().all(is_local) { "localhost" } else { "0.0.0.0" };
    format!(
        "In ipcd.toml:\n\n    [tls]\n    certificate = {}\n    key = {}\n\n    [multiply]\n    listen = [\"tls://{listen}:{PORT}\"]\n\n\
         A daemon that runs as its own user needs the key for itself:\n\n    \
         install -D -m 644 {} /etc/ipcd/tls/certificate.pem\n    \
         install -D -m 600 -o ipcd -g ipcd {} /etc/ipcd/tls/key.pem",
        literal(&server.certificate),
        literal(&server.key),
        shell(&server.certificate),
        shell(&server.key),
    )
}

fn clients(made: &Made, first: &ServerName) -> String {
    let host = first.example();
    let authority = if host.contains(':') { format!("[{host}]:{PORT}") } else { format!("{host}:{PORT}") };
    format!(
        "In a shell:\n\n    ipcctl --to tls://{authority} --ca {} multiply 5 10\n\n\
         In Python:\n\n    \
         import socket, ssl\n    \
         context = ssl.create_default_context(cafile={})\n    \
         plain = socket.create_connection((\"{host}\", {PORT}))\n    \
         with context.wrap_socket(plain, server_hostname=\"{host}\") as connection:\n        \
         connection.sendall(b\"5 10\\n\")\n        \
         for line in connection.makefile():\n            \
         print(line, end=\"\")\n            \
         if line != \"Data received\\n\":\n                \
         break\n\n\
         Whole clients in Python, Java, Node and C: ipcctl certificate --code java",
        shell(&made.authority),
        literal(&made.authority),
    )
}

fn with_client_certificates(made: &Made) -> String {
    let mut lines = vec![
        "In ipcd.toml, to accept only clients with a certificate:".to_owned(),
        String::new(),
        "    [tls]".to_owned(),
        format!("    client_ca = {}", literal(&made.authority)),
        String::new(),
        "In a shell:".to_owned(),
        String::new(),
    ];
    for client in &made.clients {
        lines.push(format!(
            "    ipcctl --to tls://SERVER:{PORT} --ca {} --client-certificate {} --client-key {} chat",
            shell(&made.authority),
            shell(&client.certificate),
            shell(&client.key),
        ));
    }
    lines.join("\n")
}

/// A path as a string of TOML and of Python.
fn literal(path: &Path) -> String {
    json::to_string(&path.display().to_string())
}

/// A path as a word of a shell.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '@' | '+' | ',' | ':');
    match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}
