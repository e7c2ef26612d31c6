//! The files of the page, from `web/`, which are built into the program.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::config::Config;
use crate::endpoint::Host;
use crate::engine::http::site::File;
use crate::engine::service::facts::Need;
use crate::host::interfaces;

/// Bytes of the token: too many to guess.
const TOKEN_BYTES: usize = 16;

/// A file: its path, the tags of its two forms, its bytes, and the same compressed, or nothing if that is not shorter.
type Packed = (&'static str, [&'static str; 2], &'static [u8], &'static [u8]);

/// Each file, as `build.rs` packs it.
#[cfg(feature = "page")]
const FILES: &[Packed] = &include!(concat!(env!("OUT_DIR"), "/page.rs"));
#[cfg(not(feature = "page"))]
const FILES: &[Packed] = &[];

/// The token of the teacher's view: a new one in each process.
pub(super) fn token() -> Arc<str> {
    static TOKEN: OnceLock<Arc<str>> = OnceLock::new();
    let make = || {
        let mut bytes = [0; TOKEN_BYTES];
        // Without random bytes there is no token, and so no access with one.
        let filled = getrandom(&mut bytes[..], GetRandomFlags::empty());
        let token: String = match filled {
            Ok(TOKEN_BYTES) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            _ => String::new(),
        };
        token.into()
    };
    Arc::clone(TOKEN.get_or_init(make))
}

/// Where others open the page: an address for each network of this machine that it is offered in.
pub(super) fn addresses(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for listen in config.listens.iter().filter(|listen| listen.service.facts().needs.contains(&Need::Web)) {
        let Some(network) = listen.endpoint.network() else { continue };
        let Host::Address(address) = network.host else { continue };
        let addresses = match address {
            address if address.is_loopback() => continue,
            address if address.is_unspecified() => interfaces::addresses(),
            address => vec![address],
        };
        let is_reachable = |other: &IpAddr| address.is_ipv6() || other.is_ipv4();
        let scheme = listen.endpoint.scheme().name;
        found.extend(
            addresses
                .into_iter()
                .filter(is_reachable)
                .map(|address| format!("{scheme}://{}/", SocketAddr::new(address, network.port))),
        );
    }
    found.dedup();
    found
}

/// The files as the engine shows them.
pub(super) fn files() -> Arc<[File]> {
    let file = |(path, [plain_tag, gzip_tag], plain, gzip): &Packed| File {
        path,
        content_type: content_type(path),
        plain,
        gzip,
        plain_tag,
        gzip_tag,
    };
    FILES.iter().map(file).collect()
}

/// What a file is, by its path.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("html", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        _ => "text/plain; charset=utf-8",
    }
}

/// The address of the page for a browser on this machine: `http://localhost:33080`.
pub(super) fn address(config: &Config) -> Option<String> {
    if FILES.is_empty() {
        return None;
    }
    let mut pages = config.listens.iter().filter(|listen| listen.service.facts().needs.contains(&Need::Web));
    let endpoint = pages.find_map(|listen| Some((listen.endpoint.scheme(), listen.endpoint.network()?)));
    let (scheme, network) = endpoint?;
    Some(match network.host {
        Host::Address(address) if !address.is_unspecified() => format!("{}://{network}", scheme.name),
        _ => format!("{}://localhost:{}", scheme.name, network.port),
    })
}

#[cfg(all(test, feature = "page"))]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::engine::limits::PAGE_FILE_BYTES_MAX;

    /// Bytes of all files together, as a browser loads them.
    const PACKED_BYTES_MAX: usize = 60 * 1024;

    #[test]
    fn page_is_at_most_60_kib_compressed_and_unpacks_unchanged() {
        let mut packed_bytes = 0;
        for file in files().iter() {
            let mut unpacked = Vec::new();
            match file.gzip {
                [] => unpacked.extend_from_slice(file.plain),
                gzip => _ = GzDecoder::new(gzip).read_to_end(&mut unpacked).unwrap(),
            }
            assert!(unpacked == file.plain, "{}", file.path);
            packed_bytes += file.gzip.len().max(if file.gzip.is_empty() { file.plain.len() } else { 0 });
        }
        assert!(files().iter().any(|file| !file.gzip.is_empty()));
        assert!(packed_bytes <= PACKED_BYTES_MAX, "{packed_bytes}");
    }

    #[test]
    fn page_has_nothing_inline_or_from_elsewhere() {
        for file in files().iter() {
            let text = std::str::from_utf8(file.plain).unwrap();
            assert!(text.len() <= PAGE_FILE_BYTES_MAX, "{}", file.path);
            for foreign in
                ["http://", "https://", "innerHTML", "eval(", "style=", "onclick", "localStorage", "cookie"]
            {
                assert!(!text.contains(foreign), "{} has {foreign}", file.path);
            }
            // Every file that another one loads is here.
            for loaded in
                text.split(['"', '\'']).filter(|part| part.ends_with(".js") || part.ends_with(".css"))
            {
                let path = format!("/{}", loaded.trim_start_matches(['.', '/']));
                assert!(files().iter().any(|file| file.path == path), "{} loads {loaded}", file.path);
            }
            assert!(!text.contains("<script>") && !text.contains("<style"), "{}", file.path);
        }
        // Every text that is used exists, and every one that exists is used.
        let every_text = include_str!("../../web/texts.js");
        let mut named = BTreeSet::new();
        for file in files().iter() {
            let text = std::str::from_utf8(file.plain).unwrap();
            let used =
                text.split("texts.").skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_alphabetic()));
            named.extend(used.filter_map(|mut rest| rest.next().map(str::to_owned)));
            for mark in ["data-text=\"", "data-label=\""] {
                let marked = text.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
                named.extend(marked.map(str::to_owned));
            }
        }
        named.retain(|name| !name.is_empty() && name != "js");
        let keys = every_text.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": "));
        let there: BTreeSet<String> = keys.map(|(key, _)| key.to_owned()).collect();
        assert_eq!(named, there);
    }
}
