//! `ipcctl page`: where the page is, for this machine and for others, and as a QR code for their cameras.

#[cfg(feature = "page")]
use std::io::{IsTerminal, stdout};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use ipcd::endpoint::{Endpoint, Host};
use ipcd::engine::text::clean;
use ipcd::engine::words::ERROR;
use ipcd::host::interfaces;
#[cfg(feature = "page")]
use qrcode::QrCode;
#[cfg(feature = "page")]
use qrcode::render::unicode::Dense1x2;
use serde_json::{Value, json};

use super::connect::ConnectOptions;
use super::control::not_the_mux;
use super::daemon::Conversation;
use super::error::CliError;
use super::locate;
use super::services::{CONTROL, STATUS};
use super::{output, status};

/// Print the address of the page, for each network that this machine is in; on a terminal also as a QR code
#[derive(Args)]
pub(crate) struct Arguments {
    /// Print addresses with the token of the teacher's view, for root and the daemon's own user; without a QR code
    #[arg(long)]
    teacher: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &ConnectOptions, arguments: &Arguments) -> Result<(), CliError> {
    let report = report(options)?;
    let Some(here) = here(&report) else {
        return Err(CliError::Failed(
            "the daemon offers no page; add listen = [\"http://localhost:33080\"] under [page] in its configuration, then: ipcctl reload".to_owned(),
        ));
    };
    let others = others(&report, &interfaces::addresses());
    let token = if arguments.teacher { Some(token(options)?) } else { None };
    if arguments.json {
        return output::print_json(&json!({ "here": here, "others": others, "token": token }));
    }
    let fragment = token.as_deref().map_or(String::new(), |token| format!("#teacher={token}"));
    let addresses = std::iter::once(&here).filter(|here| !others.contains(here)).chain(&others);
    let lines: Vec<String> = addresses.map(|address| format!("{address}{fragment}")).collect();
    output::print(&lines.join("\n"))?;
    match others.first() {
        None => output::tell(&alone(&here)),
        #[cfg(feature = "page")]
        Some(address) if token.is_none() && stdout().is_terminal() => {
            output::print(&picture(address, output::has_colour())?)?;
        }
        Some(_) => {}
    }
    Ok(())
}

/// The daemon's report.
fn report(options: &ConnectOptions) -> Result<Value, CliError> {
    let mut daemon = Conversation::begin(options, &STATUS)?.in_json();
    // On the mux, selecting the service is the request.
    if options.direct || !locate::is_mux(&daemon.endpoint, STATUS.name) {
        daemon.say(STATUS.name);
    }
    match daemon.hear_by(options.deadline())? {
        Some(line) => status::read(&daemon, &line),
        None => Err(CliError::Failed(format!("{}: closed without an answer", daemon.endpoint))),
    }
}

/// The token of the teacher's view.
fn token(options: &ConnectOptions) -> Result<String, CliError> {
    let mut daemon = Conversation::begin(options, &CONTROL)?;
    daemon.say("token");
    match daemon.hear_by(options.deadline())? {
        Some(line) => match (line.strip_prefix("OK: "), line.strip_prefix(ERROR)) {
            (Some(token), _) => Ok(clean(token.as_bytes())),
            (None, Some(error)) => Err(daemon.refused(CONTROL.name, error)),
            (None, None) => Err(not_the_mux(&daemon)),
        },
        None => Err(CliError::Failed(format!("{}: closed without an answer", daemon.endpoint))),
    }
}

/// Where the page is on this machine: the first of its endpoints on the network.
fn here(report: &Value) -> Option<String> {
    places(report).find_map(|place| {
        let (scheme, network) = (place.scheme().name, place.network()?);
        Some(match network.host {
            Host::Address(address) if address != Ipv4Addr::LOCALHOST && !address.is_unspecified() => {
                format!("{scheme}://{network}/")
            }
            _ => format!("{scheme}://localhost:{}/", network.port),
        })
    })
}

/// Where others open it: the addresses that the daemon reports, and those found here, because a daemon in a sandbox finds none.
fn others(report: &Value, addresses: &[IpAddr]) -> Vec<String> {
    let told = report["pages"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut others: Vec<String> = told.map(|address| clean(address.as_bytes())).collect();
    for place in places(report) {
        let Some(network) = place.network() else { continue };
        let Host::Address(any) = network.host else { continue };
        let reachable = addresses.iter().filter(|address| any.is_ipv6() || address.is_ipv4());
        let found = reachable
            .filter(|_| any.is_unspecified())
            .map(|address| format!("{}://{}/", place.scheme().name, SocketAddr::new(*address, network.port)));
        let fresh: Vec<String> = found.filter(|address| !others.contains(address)).collect();
        others.extend(fresh);
    }
    others
}

/// The endpoints of the page.
fn places(report: &Value) -> impl Iterator<Item = Endpoint> {
    let endpoints = report["endpoints"].as_array().into_iter().flatten();
    let of_page = endpoints.filter(|endpoint| endpoint["service"] == "page");
    of_page.filter_map(|endpoint| endpoint["endpoint"].as_str()?.parse().ok())
}

/// What to change so that others can open the page.
fn alone(here: &str) -> String {
    let (scheme, rest) = here.split_once("://").unwrap_or(("http", here));
    let port = rest.trim_end_matches('/').rsplit_once(':').map_or("33080", |(_, port)| port);
    format!(
        "only this machine can open it; to let others in, write listen = [\"{scheme}://0.0.0.0:{port}\"] under [page] in the configuration, then: ipcctl reload"
    )
}

/// A QR code as text: dark on light if colours can be set, otherwise for a dark terminal.
#[cfg(feature = "page")]
fn picture(address: &str, has_colour: bool) -> Result<String, CliError> {
    let code = QrCode::new(address).map_err(|error| CliError::Failed(format!("{address}: {error}")))?;
    let mut renderer = code.render::<Dense1x2>();
    if !has_colour {
        renderer.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
    }
    let text = renderer.build();
    Ok(match has_colour {
        // Black on white, whatever the terminal's colours are.
        true => {
            let lines = text.lines().map(|line| format!("\x1b[30;107m{line}\x1b[0m"));
            lines.collect::<Vec<_>>().join("\n")
        }
        false => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_found_among_the_endpoints() {
        let report = |endpoints: &[(&str, &str)]| {
            let endpoint =
                |(endpoint, service): &(&str, &str)| json!({"endpoint": endpoint, "service": service});
            json!({ "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>() })
        };
        let chat = ("tcp://127.0.0.1:33000", "chat");
        for (endpoint, expected) in [
            ("http://127.0.0.1:33080", Some("http://localhost:33080/")),
            ("http://0.0.0.0:80", Some("http://localhost:80/")),
            ("http://127.0.0.9:33080", Some("http://127.0.0.9:33080/")),
            ("http://192.0.2.7:33080", Some("http://192.0.2.7:33080/")),
            #[cfg(feature = "tls")]
            ("https://[2001:db8::7]:443", Some("https://[2001:db8::7]:443/")),
            ("http+unix:///run/x", None),
        ] {
            assert_eq!(here(&report(&[chat, (endpoint, "page")])).as_deref(), expected, "{endpoint}");
        }
        assert_eq!(here(&report(&[chat])), None);
        let addresses: Vec<IpAddr> =
            ["192.0.2.7", "2001:db8::7"].map(|address| address.parse().unwrap()).into();
        for (endpoint, expected) in [
            ("http://127.0.0.1:33080", &[][..]),
            ("http://0.0.0.0:33080", &["http://192.0.2.7:33080/"]),
            ("http://[::]:80", &["http://192.0.2.7:80/", "http://[2001:db8::7]:80/"]),
        ] {
            assert_eq!(others(&report(&[(endpoint, "page")]), &addresses), expected, "{endpoint}");
        }
        let told = json!({"endpoints": [{"endpoint": "http://0.0.0.0:80", "service": "page"}], "pages": ["http://192.0.2.7:80/"]});
        assert_eq!(others(&told, &addresses), ["http://192.0.2.7:80/"], "once");
        assert!(alone("https://localhost:443/").contains("listen = [\"https://0.0.0.0:443\"]"));
    }

    #[cfg(feature = "page")]
    #[test]
    fn qr_code_is_dark_on_light_with_and_without_colours() {
        let plain = picture("http://192.0.2.7:33080/", false).unwrap();
        assert!(plain.lines().next().unwrap().chars().all(|c| c == '█'), "a quiet zone is light:\n{plain}");
        let coloured = picture("http://192.0.2.7:33080/", true).unwrap();
        assert!(coloured.lines().all(|line| line.starts_with("\x1b[30;107m") && line.ends_with("\x1b[0m")));
        let widths: std::collections::BTreeSet<usize> =
            plain.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths.len(), 1, "{plain}");
    }
}
