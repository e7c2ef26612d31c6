//! The files of the page, as they lie in `web/`: built into the program.

use std::sync::Arc;

use sha1_smol::Sha1;

use crate::config::Config;
use crate::endpoint::Host;
use crate::engine::http::site::File;
use crate::engine::service::facts::Need;

/// Each file: its path, what it is, and its bytes.
const FILES: [(&str, &str, &[u8]); 5] = [
    ("/", "text/html; charset=utf-8", include_bytes!("../../web/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_bytes!("../../web/page.css")),
    ("/chat.js", "text/javascript; charset=utf-8", include_bytes!("../../web/chat.js")),
    ("/line.js", "text/javascript; charset=utf-8", include_bytes!("../../web/line.js")),
    ("/texts.js", "text/javascript; charset=utf-8", include_bytes!("../../web/texts.js")),
];

/// The files as the engine shows them.
pub(super) fn files() -> Arc<[File]> {
    let file = |(path, content_type, plain): (&'static str, &'static str, &'static [u8])| {
        let mut hash = Sha1::new();
        hash.update(plain);
        File { path, content_type, plain, gzip: b"", tag: format!("\"{}\"", hash.digest()) }
    };
    FILES.into_iter().map(file).collect()
}

/// Where the page is, as somebody on this machine opens it in a browser: `http://localhost:33080`.
pub(super) fn address(config: &Config) -> Option<String> {
    let mut pages = config.listens.iter().filter(|listen| listen.service.facts().needs.contains(&Need::Web));
    let endpoint = pages.find_map(|listen| Some((listen.endpoint.scheme(), listen.endpoint.network()?)));
    let (scheme, network) = endpoint?;
    Some(match network.host {
        Host::Address(address) if !address.is_unspecified() => format!("{}://{network}", scheme.name),
        _ => format!("{}://localhost:{}", scheme.name, network.port),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::limits::PAGE_FILE_BYTES_MAX;

    #[test]
    fn page_is_small_and_has_nothing_inline_or_from_elsewhere() {
        let mut bytes = 0;
        for file in files().iter() {
            let text = std::str::from_utf8(file.plain).unwrap();
            bytes += text.len();
            assert!(text.len() <= PAGE_FILE_BYTES_MAX, "{}", file.path);
            for foreign in
                ["http://", "https://", "innerHTML", "eval(", "style=", "onclick", "localStorage", "cookie"]
            {
                assert!(!text.contains(foreign), "{} has {foreign}", file.path);
            }
            // What one file loads is another one here.
            for loaded in
                text.split(['"', '\'']).filter(|part| part.ends_with(".js") || part.ends_with(".css"))
            {
                let path = format!("/{}", loaded.trim_start_matches(['.', '/']));
                assert!(files().iter().any(|file| file.path == path), "{} loads {loaded}", file.path);
            }
            assert!(!text.contains("<script>") && !text.contains("<style"), "{}", file.path);
        }
        assert!(bytes <= 60 * 1024, "{bytes}");
        // Every text that is named is there, and each that is there is named.
        let every_text = include_str!("../../web/texts.js");
        let mut named = BTreeSet::new();
        for file in files().iter() {
            let text = std::str::from_utf8(file.plain).unwrap();
            let used =
                text.split("texts.").skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_alphabetic()));
            named.extend(used.filter_map(|mut rest| rest.next().map(str::to_owned)));
            let marked = text.split("data-text=\"").skip(1).filter_map(|rest| rest.split('"').next());
            named.extend(marked.map(str::to_owned));
        }
        named.retain(|name| !name.is_empty() && name != "js");
        let keys = every_text.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": "));
        let there: BTreeSet<String> = keys.map(|(key, _)| key.to_owned()).collect();
        assert_eq!(named, there);
    }
}
