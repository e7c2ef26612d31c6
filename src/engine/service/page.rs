//! The page, and how all other services are reached from a browser: each is a WebSocket at the path of its name. Answers
//! requests, given their heads as bytes.

use super::Service;
use super::facts::{Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_anything, is_nothing};
use crate::engine::http::site::{File, Origin, Site};
use crate::engine::http::upgrade::{self, Unopened};
use crate::engine::http::{Request, Response, Status, Unreadable};
use crate::engine::limits::PAGE_FILE_BYTES_MAX;
use crate::engine::text::quote;

/// What it is.
pub const FACTS: Facts = Facts {
    name: "page",
    conduct: Conduct::Page,
    needs: &[Need::Session, Need::Web],
    default_port: Some(33080),
    first: First::Message,
    idle: Idle::Silent,
    waits_for: Some("an HTTP request"),
    is_typed: false,
    is_complete: is_anything,
    is_private: is_nothing,
    is_shared: false,
    openness: Openness::Everybody,
    replies: Replies::Pairs(PAGE_FILE_BYTES_MAX + HEAD_BYTES),
    keeps: Keeps::Nothing,
    unread: "",
    own_words: &[],
};

/// Where the page is for somebody who does not say how it was found (HTTP/1.0).
const LOCALHOST: &str = "localhost:33080";

/// More bytes than the head of any answer has.
const HEAD_BYTES: usize = 1024;

/// The services that a page of unknown origin may use: they neither do nor tell anything that is not for everybody.
const FOR_ANY_PAGE: [Service; 3] = [Service::Multiply, Service::Greeting, Service::Hello];

/// What is to be done for a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Send this; `keeps_open`: then comes the next request.
    Answer {
        /// The whole answer.
        bytes: Vec<u8>,
        /// Whether another request may follow.
        keeps_open: bool,
        /// What is wrong with the request, if anything is.
        error: Option<String>,
    },
    /// Send this, and begin the service.
    Open {
        /// What opens the WebSocket.
        bytes: Vec<u8>,
        /// The service.
        service: Service,
    },
}

/// Answers a request.
pub fn answer(site: &Site, head: &[u8]) -> Reply {
    let request = match Request::read(head) {
        Ok(request) => request,
        Err(Unreadable::Version) => {
            return refuse(Status::VersionNotSupported, "send HTTP/1.1: no other version is spoken here");
        }
        Err(Unreadable::Bad(why)) => return refuse(Status::BadRequest, why),
    };
    if let Some(host) = request.host.filter(|host| !site.is_host(host)) {
        let host = quote(host.as_bytes());
        let why = format!(
            "nobody here is called {host}; use an address, localhost, or a name from hosts under [page] in the configuration"
        );
        return refuse(Status::Misdirected, &why);
    }
    if request.has_body {
        return refuse(Status::ContentTooLarge, "no request here has a body");
    }
    if !matches!(request.method, "GET" | "HEAD") {
        let why = "only GET and HEAD are known here";
        let allow = "Allow: GET, HEAD\r\n".to_owned();
        return refused(Response { fields: allow, ..Response::text(Status::MethodNotAllowed, "") }, why);
    }
    let service = request.path.strip_prefix('/').and_then(Service::named);
    match (upgrade::open(&request), service.filter(|service| service.is_at_a_path())) {
        (Ok(Some(bytes)), Some(service)) => open(site, &request, service, bytes),
        (Err(Unopened::Bad(why)), _) => refuse(Status::BadRequest, why),
        (Err(Unopened::Version), _) => {
            let version = "Sec-WebSocket-Version: 13\r\n".to_owned();
            let response = Response { fields: version, ..Response::text(Status::UpgradeRequired, "") };
            refused(response, "WebSockets here are of version 13 (RFC 6455)")
        }
        (Ok(None), Some(service)) => {
            let upgrade = "Upgrade: websocket\r\n".to_owned();
            let response = Response { fields: upgrade, ..Response::text(Status::UpgradeRequired, "") };
            let host = request.host.unwrap_or(LOCALHOST);
            let why = format!(
                "{service} is a WebSocket: open it in a program, for example new WebSocket(\"ws://{host}/{service}\")"
            );
            refused(response, &why)
        }
        (Ok(Some(_)), None) => refuse(Status::NotFound, &unknown(request.path)),
        (Ok(None), None) => show(site, &request),
    }
}

/// Opens the WebSocket of a service, if the page that wants it may have it.
fn open(site: &Site, request: &Request<'_>, service: Service, bytes: Vec<u8>) -> Reply {
    if request.values("origin").count() > 1 {
        return refuse(Status::BadRequest, "there are two Origin fields");
    }
    let origin = request.value("origin");
    match site.origin(origin, request.host) {
        Origin::Opaque if !FOR_ANY_PAGE.contains(&service) => {
            let why = format!(
                "a page that was opened as a file may have multiply, greeting and hello; for {service} serve it (python3 -m http.server 8000) and add origins = [\"http://localhost:8000\"] under [page] in the configuration"
            );
            refuse(Status::Forbidden, &why)
        }
        Origin::Foreign => {
            let origin = quote(origin.unwrap_or_default().as_bytes());
            let why = format!(
                "pages of {origin} may not speak to this daemon, unless origins under [page] in the configuration names it"
            );
            refuse(Status::Forbidden, &why)
        }
        Origin::Own | Origin::Opaque => Reply::Open { bytes, service },
    }
}

/// Shows a file, or says what there is.
fn show(site: &Site, request: &Request<'_>) -> Reply {
    let plain = |status: Status, body: &str, error: Option<String>| {
        let (is_head, keeps_open) = (request.method == "HEAD", request.keeps_open);
        let mut bytes = Vec::new();
        Response { is_head, keeps_open, ..Response::text(status, body) }.write(&mut bytes);
        Reply::Answer { bytes, keeps_open, error }
    };
    match (request.path, site.files.iter().find(|file| file.path == request.path)) {
        (_, Some(file)) => show_file(request, file),
        ("/healthz", None) => plain(Status::Ok, "ok\n", None),
        ("/", None) => plain(Status::Ok, &listing(request.host.unwrap_or(LOCALHOST)), None),
        (path, None) => {
            let why = unknown(path);
            plain(Status::NotFound, &format!("{why}\n"), Some(why))
        }
    }
}

fn show_file(request: &Request<'_>, file: &File) -> Reply {
    let is_known = request
        .tokens("if-none-match")
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == file.tag.as_str());
    let is_compressed = request.takes_gzip() && !file.gzip.is_empty();
    let encoding = if is_compressed { "Content-Encoding: gzip\r\n" } else { "" };
    let response = Response {
        status: if is_known { Status::NotModified } else { Status::Ok },
        content_type: file.content_type,
        fields: format!(
            "ETag: {}\r\nCache-Control: no-cache\r\nVary: Accept-Encoding\r\n{encoding}",
            file.tag
        ),
        body: if is_compressed { file.gzip } else { file.plain },
        keeps_open: request.keeps_open,
        is_head: request.method == "HEAD",
    };
    let mut bytes = Vec::new();
    response.write(&mut bytes);
    Reply::Answer { bytes, keeps_open: request.keeps_open, error: None }
}

/// What there is, where no page is built in.
fn listing(host: &str) -> String {
    let lines: String = offered().map(|service| format!("ws://{host}/{service}\n")).collect();
    format!("ipcd: each of its services is a WebSocket.\n{lines}")
}

/// The services that are WebSockets here.
fn offered() -> impl Iterator<Item = Service> {
    Service::ALL.into_iter().filter(|service| service.is_at_a_path())
}

fn unknown(path: &str) -> String {
    let names: Vec<String> = offered().map(|service| format!("/{service}")).collect();
    let path = quote(path.as_bytes());
    format!("there is no {path} here; there are / and the WebSockets {}", names.join(", "))
}

/// An answer that ends the connection, because nobody knows what follows the request.
fn refuse(status: Status, why: &str) -> Reply {
    refused(Response::text(status, ""), why)
}

fn refused(response: Response<'_>, why: &str) -> Reply {
    let body = format!("{why}\n");
    let mut bytes = Vec::new();
    Response { body: body.as_bytes(), ..response }.write(&mut bytes);
    Reply::Answer { bytes, keeps_open: false, error: Some(why.to_owned()) }
}

#[cfg(test)]
mod tests;
