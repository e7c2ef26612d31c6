//! Where the daemon is: the endpoints at which a service can be, which of them answers, and why none does.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipcd::endpoint::{Endpoint, Host, HostPort, ResolvedEndpoint};
use ipcd::transport::directory::runtime_directory_if_there;

use super::connect::ConnectOptions;
use super::connection::Connection;
use super::error::CliError;
use super::output;
use super::race::{self, Tried};
use super::reason;
use super::services::ServiceSpec;
use super::sockets;
use super::target::{Target, Transport};
use ipcd::os_error::describe;

/// The socket of the system's daemon.
const SYSTEM_SOCKET: &str = "/run/ipcd/ipcd.sock";

/// Opens the first of these endpoints that has a daemon.
pub(crate) fn open(
    endpoints: &[ResolvedEndpoint],
    time_limit: Option<Duration>,
    deadline: Option<Instant>,
) -> Result<(Connection, ResolvedEndpoint), Tried> {
    // Only a network connection can take long.
    if endpoints
        .iter()
        .all(|endpoint| endpoint.network().is_some() && !matches!(endpoint, ResolvedEndpoint::Udp(_)))
    {
        return race::connect(endpoints, deadline);
    }
    let mut tried = Tried::new();
    for endpoint in endpoints {
        match Connection::open(endpoint, time_limit) {
            Ok(connection) => return Ok((connection, endpoint.clone())),
            Err(error) => tried.push((endpoint.clone(), error)),
        }
    }
    Err(tried)
}

/// The error when no daemon can be reached: one line, and on request each endpoint that was tried.
pub(crate) fn nobody(options: &ConnectOptions, wanted: &ServiceSpec, tried: &Tried) -> CliError {
    if options.verbose {
        tried
            .iter()
            .for_each(|(endpoint, error)| output::tell(&format!("tried {endpoint}: {}", describe(error))));
    }
    let is_of = |kind: ErrorKind| tried.iter().find(|(_, error)| error.kind() == kind);
    // A Unix socket's queue that stays full for the whole timeout: its listener does not accept.
    if let Some((endpoint, _)) = is_of(ErrorKind::WouldBlock) {
        return CliError::TimedOut(format!("{endpoint}: connect timed out: listen queue full"));
    }
    if let Some((endpoint, _)) =
        is_of(ErrorKind::PermissionDenied).filter(|(endpoint, _)| endpoint.path().is_some())
    {
        return CliError::Unreachable(format!(
            "{endpoint}: permission denied; only its owner and group may use it ('ls -l' shows them, 'id' shows your groups)"
        ));
    }
    let Some(target) = &options.to else {
        let is_tried = |socket: &Path| tried.iter().any(|(endpoint, _)| endpoint.path() == Some(socket));
        if wanted.port.is_none()
            && let Some(socket) = sockets::all().into_iter().find(|socket| !is_tried(socket))
        {
            return CliError::Unreachable(format!(
                "no ipcd has its socket in {SYSTEM_SOCKET} or in this user's runtime directory, but an instance has its own; name it with --to {}, or ask all with 'ipcctl status --all'",
                socket.display()
            ));
        }
        let text = match wanted.port {
            Some(_) => "no ipcd runs here; start one with 'ipcd', or give an endpoint with --to",
            None => {
                "no ipcd runs here, or the one that runs has no [mux]; start one with 'ipcd', or add [mux] with listen = [\"unix://%t/ipcd/ipcd.sock\"] to its configuration and send it SIGHUP"
            }
        };
        return CliError::Unreachable(text.to_owned());
    };
    let timeout = humantime::format_duration(options.timeout);
    let mut reasons: Vec<String> = Vec::new();
    for (endpoint, error) in tried {
        let reason = match error.kind() {
            ErrorKind::TimedOut => format!("no answer within {timeout}; --timeout changes this time"),
            _ => reason::of(endpoint, error),
        };
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let line = format!("no ipcd at {target}: {}", reasons.join("; "));
    match is_of(ErrorKind::TimedOut) {
        Some(_) => CliError::TimedOut(line),
        None => CliError::Unreachable(line),
    }
}

/// Whether such an endpoint can carry the service.
pub(crate) fn carries(target: &Target, wanted: &ServiceSpec) -> Result<(), CliError> {
    let can = match target {
        _ if wanted.mux_only
            && !matches!(target, Target::Endpoint(Endpoint::Unix(_) | Endpoint::UnixSeq(_))) =>
        {
            return Err(CliError::Usage(format!(
                "{target}: only the daemon's Unix socket takes orders; leave --to out, or give that socket, for example --to unix:///run/ipcd/ipcd.sock"
            )));
        }
        Target::Named {
            transport: Transport::Tcp | Transport::Tls | Transport::Http | Transport::Https,
            ..
        }
        | Target::Endpoint(
            Endpoint::Tcp(_)
            | Endpoint::Tls(_)
            | Endpoint::Unix(_)
            | Endpoint::UnixSeq(_)
            | Endpoint::Http(_)
            | Endpoint::Https(_)
            | Endpoint::HttpUnix(_),
        ) => true,
        Target::Named { transport: Transport::Udp, .. }
        | Target::Endpoint(Endpoint::Udp(_) | Endpoint::UnixGram(_)) => wanted.datagrams,
        Target::Endpoint(Endpoint::Shm(_)) => wanted.memory,
        Target::Endpoint(Endpoint::Fifo(_) | Endpoint::Mq(_)) => wanted.fifo,
        Target::Endpoint(Endpoint::Buffer(_)) => {
            return Err(CliError::Usage(format!(
                "{target}: this endpoint sends nothing back, so it is for chat only; use another one for {}",
                wanted.name
            )));
        }
    };
    match can {
        true => Ok(()),
        false => Err(CliError::Usage(format!(
            "{target}: {} needs a connection; use a tcp://, tls://, unix:// or unixseq:// endpoint instead",
            wanted.name
        ))),
    }
}

/// Whether the service must be selected there: on a Unix socket with connections, unless its file is named after the
/// service, as in `chat.sock`.
pub(crate) fn is_mux(endpoint: &ResolvedEndpoint, name: &str) -> bool {
    match endpoint {
        ResolvedEndpoint::Unix(path) | ResolvedEndpoint::UnixSeq(path) => {
            path.file_stem().is_none_or(|stem| stem != name)
        }
        ResolvedEndpoint::Tcp(_)
        | ResolvedEndpoint::Tls(_)
        | ResolvedEndpoint::Udp(_)
        | ResolvedEndpoint::UnixGram(_)
        | ResolvedEndpoint::Fifo(_)
        | ResolvedEndpoint::Mq(_)
        | ResolvedEndpoint::Shm(_)
        | ResolvedEndpoint::Buffer(_)
        | ResolvedEndpoint::Http(_)
        | ResolvedEndpoint::Https(_)
        | ResolvedEndpoint::HttpUnix(_) => false,
    }
}

/// The endpoints of a local daemon, the most likely first.
pub(crate) fn local(port: Option<u16>) -> Vec<ResolvedEndpoint> {
    let own = runtime_directory_if_there().map(|directory| directory.join("ipcd/ipcd.sock"));
    let mut sockets: Vec<PathBuf> = own.into_iter().chain([PathBuf::from(SYSTEM_SOCKET)]).collect();
    sockets.dedup();
    let mut endpoints: Vec<ResolvedEndpoint> = sockets.into_iter().map(ResolvedEndpoint::Unix).collect();
    let tcp = port.map(|port| Endpoint::Tcp(HostPort { host: Host::Localhost, port }));
    endpoints.extend(tcp.into_iter().flat_map(|endpoint| endpoint.resolve(Path::new(""))));
    endpoints
}
