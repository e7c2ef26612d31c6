//! The page, and how a browser reaches all other services: each is a WebSocket at the path of its name. Answers requests, whose
//! heads it gets as bytes.

use constant_time_eq::constant_time_eq;

use super::Service;
use super::facts::{Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_anything, is_nothing};
use crate::engine::http::site::{File, Origin, Site};
use crate::engine::http::upgrade::{self, Unopened};
use crate::engine::http::{Request, Response, Status, Unreadable};
use crate::engine::limits::{METRICS_BYTES_MAX, PAGE_FILE_BYTES_MAX};
use crate::engine::metrics::Form;
use crate::engine::text::quote;

/// Its facts.
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
    replies: Replies::Many(ANSWER_BYTES_MAX + HEAD_BYTES),
    burst: None,
    keeps: Keeps::Nothing,
    unread: "",
    own_words: &[],
};

/// The page's address for a client without a Host field (HTTP/1.0).
const LOCALHOST: &str = "localhost:33080";

/// Bytes of the longest answer.
const ANSWER_BYTES_MAX: usize =
    if PAGE_FILE_BYTES_MAX > METRICS_BYTES_MAX { PAGE_FILE_BYTES_MAX } else { METRICS_BYTES_MAX };

/// More bytes than the head of any answer.
const HEAD_BYTES: usize = 1024;

/// The services that a page of unknown origin may use, because they are for everyone.
const FOR_ANY_PAGE: [Service; 3] = [Service::Multiply, Service::Greeting, Service::Hello];

/// Fields that a proxy adds to a request (RFC 9110, section 7.6.3; RFC 7239; and older ones).
const PROXY_FIELDS: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// The subprotocol of a WebSocket of multiply whose client wants the hints about its requests too.
pub const HINTS: &str = "ipcd.hints";

/// The paths for which the token is required.
const GUARDED: [(&str, Service); 3] =
    [("status", Service::Status), ("watch", Service::Watch), ("control", Service::Mux)];

/// The error for others who ask for the metrics.
const FOR_WHOM_METRICS: &str = "the metrics are for this machine, at http://localhost:33080/metrics and not through a proxy; from elsewhere send the token that ipcctl page --teacher prints, as Authorization: Bearer TOKEN; the daemon has a new one after each start";

/// Where a request comes from, as far as that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// This machine: over loopback, or root or the daemon's own user on a Unix socket.
    Own,
    /// Anywhere else.
    Other,
}

/// What to do for a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Send this; `keeps_open`: then the next request may follow.
    Answer {
        /// The whole answer.
        bytes: Vec<u8>,
        /// Whether another request may follow.
        keeps_open: bool,
        /// What is wrong with the request, if anything is.
        error: Option<String>,
    },
    /// Send the metrics.
    Metrics(MetricsRequest),
    /// Send this, and begin the service.
    Open {
        /// The answer that opens the WebSocket.
        bytes: Vec<u8>,
        /// The service; `Mux`: control.
        service: Service,
        /// On which terms.
        terms: Terms,
    },
}

/// How a service begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// At once.
    Usual,
    /// At once; and the client gets the hints about what it sends.
    Advised,
    /// Once the client has shown the token.
    Guarded,
}

/// A request for the metrics from a client that may read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsRequest {
    /// The format.
    pub form: Form,
    /// Another request may follow.
    pub keeps_open: bool,
    /// Whether only their length is requested.
    pub is_head: bool,
}

impl MetricsRequest {
    /// Writes the answer.
    pub fn write(self, text: &str, out: &mut Vec<u8>) {
        let MetricsRequest { form, keeps_open, is_head } = self;
        let fields = "Cache-Control: no-store\r\nVary: Accept\r\n".to_owned();
        let content_type = form.content_type();
        let response =
            Response { content_type, fields, keeps_open, is_head, ..Response::text(Status::Ok, text) };
        response.write(out);
    }
}

/// Why a request is refused. The answer ends the connection, because what follows the request is unknown.
struct Refusal {
    status: Status,
    /// A further field, with CR LF.
    field: &'static str,
    reason: String,
}

impl Refusal {
    fn new(status: Status, reason: impl Into<String>) -> Refusal {
        Refusal { status, field: "", reason: reason.into() }
    }
}

/// Answers a request from this client.
pub fn answer(site: &Site, head: &[u8], remote: Remote) -> Reply {
    let refusal = match serve(site, head, remote) {
        Ok(reply) => return reply,
        Err(refusal) => refusal,
    };
    let mut bytes = Vec::new();
    let body = format!("{}\n", refusal.reason);
    let response = Response { fields: refusal.field.to_owned(), ..Response::text(refusal.status, &body) };
    Response { is_head: is_for_head(head), ..response }.write(&mut bytes);
    Reply::Answer { bytes, keeps_open: false, error: Some(refusal.reason) }
}

/// Whether a request, as far as it has arrived, is a HEAD: its answer never has a body.
pub fn is_for_head(head: &[u8]) -> bool {
    head.starts_with(b"HEAD ")
}

fn serve(site: &Site, head: &[u8], remote: Remote) -> Result<Reply, Refusal> {
    let request = match Request::read(head) {
        Ok(request) => request,
        Err(Unreadable::Version) => {
            let reason = "send HTTP/1.1; other versions are not supported here";
            return Err(Refusal::new(Status::VersionNotSupported, reason));
        }
        Err(Unreadable::Bad(reason)) => return Err(Refusal::new(Status::BadRequest, reason)),
    };
    if let Some(host) = request.host.filter(|host| !site.is_host(host)) {
        let host = quote(host.as_bytes());
        let reason = format!(
            "this server is not called {host}; use an address, localhost, or a name from hosts under [page] in the configuration"
        );
        return Err(Refusal::new(Status::Misdirected, reason));
    }
    if request.has_body {
        return Err(Refusal::new(Status::ContentTooLarge, "requests with a body are not supported here"));
    }
    if !matches!(request.method, "GET" | "HEAD") {
        let refusal = Refusal::new(Status::MethodNotAllowed, "only GET and HEAD are supported here");
        return Err(Refusal { field: "Allow: GET, HEAD\r\n", ..refusal });
    }
    let place = at_path(site, request.path);
    let protocol = place.filter(|place| *place == (Service::Multiply, Terms::Usual)).map(|_| HINTS);
    let opening = upgrade::open(&request, protocol).map_err(|unopened| match unopened {
        Unopened::Bad(reason) => Refusal::new(Status::BadRequest, reason),
        Unopened::Version => Refusal {
            field: "Sec-WebSocket-Version: 13\r\n",
            ..Refusal::new(
                Status::UpgradeRequired,
                "only version 13 of WebSocket (RFC 6455) is supported here",
            )
        },
    })?;
    let host = request.host.unwrap_or(LOCALHOST);
    match (opening, place) {
        (Some((bytes, is_advised)), Some((service, terms))) => {
            let terms = if is_advised { Terms::Advised } else { terms };
            open(site, &request, service, terms, bytes)
        }
        (None, Some(_)) => {
            let (path, name) = (request.path, &request.path[1..]);
            let reason = format!(
                "{name} is a WebSocket: open it in a program, for example new WebSocket(\"ws://{host}{path}\")"
            );
            let field = "Upgrade: websocket\r\n";
            Err(Refusal { field, ..Refusal::new(Status::UpgradeRequired, reason) })
        }
        (Some(_), None) => {
            let path = quote(request.path.as_bytes());
            let reason = format!(
                "there is no WebSocket at {path}; each service has one at its name, for example new WebSocket(\"ws://{host}/multiply\"): {}",
                offered()
            );
            Err(Refusal::new(Status::NotFound, reason))
        }
        (None, None) if request.path == "/metrics" && site.has_metrics => {
            tell_metrics(site, &request, remote)
        }
        (None, None) => Ok(show(site, &request)),
    }
}

/// The service at a path, and whether the token is required there.
fn at_path(site: &Site, path: &str) -> Option<(Service, Terms)> {
    let name = path.strip_prefix('/')?;
    let guarded = GUARDED.iter().find(|(guarded, _)| *guarded == name && !site.token.is_empty());
    let open = || Service::named(name).filter(|service| service.is_at_a_path());
    let guarded = guarded.map(|(_, service)| (*service, Terms::Guarded));
    guarded.or_else(|| open().map(|service| (service, Terms::Usual)))
}

/// Opens the WebSocket of a service, if the requesting page may use it.
fn open(
    site: &Site,
    request: &Request<'_>,
    service: Service,
    terms: Terms,
    bytes: Vec<u8>,
) -> Result<Reply, Refusal> {
    if request.values("origin").count() > 1 {
        return Err(Refusal::new(Status::BadRequest, "there are two Origin fields"));
    }
    let origin = request.value("origin");
    match site.origin(origin, request.host) {
        Origin::Opaque if terms == Terms::Guarded || !FOR_ANY_PAGE.contains(&service) => {
            let reason = format!(
                "a page that was opened as a file may only use multiply, greeting and hello; for {service}, serve it (python3 -m http.server 8000) and add origins = [\"http://localhost:8000\"] under [page] in the configuration"
            );
            Err(Refusal::new(Status::Forbidden, reason))
        }
        Origin::Foreign => {
            let origin = quote(origin.unwrap_or_default().as_bytes());
            let reason = format!(
                "pages of {origin} may not speak to this daemon, unless origins under [page] in the configuration names it"
            );
            Err(Refusal::new(Status::Forbidden, reason))
        }
        Origin::Own | Origin::Opaque => Ok(Reply::Open { bytes, service, terms }),
    }
}

/// Answers a request for the metrics, or refuses it.
fn tell_metrics(site: &Site, request: &Request<'_>, remote: Remote) -> Result<Reply, Refusal> {
    // A proxy requests it for somebody else.
    let is_passed_on = PROXY_FIELDS.into_iter().any(|field| request.values(field).next().is_some());
    let is_own = remote == Remote::Own && !is_passed_on;
    if !is_own && !has_token(site, request) {
        let field = "WWW-Authenticate: Bearer\r\n";
        return Err(Refusal { field, ..Refusal::new(Status::Unauthorized, FOR_WHOM_METRICS) });
    }
    let takes = |media: &str| {
        let types = request.tokens("accept").filter_map(|word| word.split(';').next());
        types.map(str::trim).any(|known| known.eq_ignore_ascii_case(media))
    };
    let is_open = takes("application/openmetrics-text") || !(takes("text/plain") || takes("text/html"));
    let form = if is_open { Form::OpenMetrics } else { Form::Text };
    let (keeps_open, is_head) = (request.keeps_open, request.method == "HEAD");
    Ok(Reply::Metrics(MetricsRequest { form, keeps_open, is_head }))
}

/// Whether a request shows the token (RFC 6750, section 2.1).
fn has_token(site: &Site, request: &Request<'_>) -> bool {
    let credentials = request.value("authorization").and_then(|value| value.split_once(' '));
    credentials.is_some_and(|(scheme, token)| {
        scheme.eq_ignore_ascii_case("bearer") && is_token(site, token.trim().as_bytes())
    })
}

/// Whether this is the token. Takes the same time wherever a wrong one differs.
pub fn is_token(site: &Site, shown: &[u8]) -> bool {
    !site.token.is_empty() && constant_time_eq(shown, site.token.as_bytes())
}

/// Whether a request, as far as it has come, may hold a secret, which no log and no watcher is shown.
pub fn is_confidential(head: &[u8]) -> bool {
    const SECRETS: [&[u8]; 3] = [b"authorization", b"proxy-authorization", b"cookie"];
    let is_secret = |line: &[u8]| {
        SECRETS.iter().any(|name| line.get(..name.len()).is_some_and(|line| line.eq_ignore_ascii_case(name)))
    };
    head.split(|byte| *byte == b'\n').any(is_secret)
}

/// Sends a file, or an error with the known paths.
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
        (path, None) => {
            let reason = unknown(path, !site.files.is_empty());
            plain(Status::NotFound, &format!("{reason}\n"), Some(reason))
        }
    }
}

fn show_file(request: &Request<'_>, file: &File) -> Reply {
    let is_compressed = request.takes_gzip() && !file.gzip.is_empty();
    let (body, tag, encoding) = match is_compressed {
        true => (file.gzip, file.gzip_tag, "Content-Encoding: gzip\r\n"),
        false => (file.plain, file.plain_tag, ""),
    };
    let is_known = request
        .tokens("if-none-match")
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag);
    let response = Response {
        status: if is_known { Status::NotModified } else { Status::Ok },
        content_type: file.content_type,
        fields: format!("ETag: {tag}\r\nCache-Control: no-cache\r\nVary: Accept-Encoding\r\n{encoding}"),
        body,
        keeps_open: request.keeps_open,
        is_head: request.method == "HEAD",
    };
    let mut bytes = Vec::new();
    response.write(&mut bytes);
    Reply::Answer { bytes, keeps_open: request.keeps_open, error: None }
}

/// The paths of the services: `/multiply, /greeting`.
fn offered() -> String {
    let services = Service::ALL.into_iter().filter(|service| service.is_at_a_path());
    services.map(|service| format!("/{service}")).collect::<Vec<_>>().join(", ")
}

fn unknown(path: &str, has_files: bool) -> String {
    if path == "/" && !has_files {
        return format!(
            "this program was built without the page (feature page); there are /healthz, /metrics and the WebSockets {}",
            offered()
        );
    }
    let root = if has_files { "/, " } else { "" };
    let path = quote(path.as_bytes());
    format!("there is no {path} here; there are {root}/healthz, /metrics and the WebSockets {}", offered())
}

#[cfg(test)]
mod tests;
