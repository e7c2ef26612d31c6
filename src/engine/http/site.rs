//! Under which names this site may be asked for, and which pages may open its WebSockets. Without these rules any site that
//! somebody visits could speak to the daemon on that person's machine as if it were the daemon's own page.

use std::net::IpAddr;
use std::sync::Arc;

/// What the configuration says of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Names under which it may be asked for beside addresses and `localhost`: the machine's own and those of the
    /// configuration.
    pub hosts: Vec<String>,
    /// Other pages that may open WebSockets: `https://school.example`, or `null`.
    pub origins: Vec<String>,
    /// What there is to see.
    pub files: Arc<[File]>,
    /// Whether `/metrics` is among that.
    pub has_metrics: bool,
    /// The teacher's token: the first message of a WebSocket that is not for everybody. Empty: there is none.
    pub token: Arc<str>,
}

impl Default for Site {
    fn default() -> Site {
        Site {
            hosts: Vec::new(),
            origins: Vec::new(),
            files: Arc::default(),
            has_metrics: true,
            token: Arc::default(),
        }
    }
}

/// One file of the page.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// Its path: `/`, `/page.css`.
    pub path: String,
    /// What it is.
    pub content_type: &'static str,
    /// As it is.
    pub plain: &'static [u8],
    /// Compressed with gzip; empty where that is no shorter.
    pub gzip: &'static [u8],
    /// What changes when it does, in quotes.
    pub plain_tag: String,
    /// The same of what is compressed: two forms of a file have two tags (RFC 9110, section 8.8.3).
    pub gzip_tag: String,
}

/// What a page may do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// All: it is this page, or a listed one, or no page at all.
    Own,
    /// A file that was opened from disk, or a frame that any site may have made: it may have what everybody may.
    Opaque,
    /// Another site's.
    Foreign,
}

impl Site {
    /// Whether this is a name of this site: the value of a Host field.
    pub fn is_host(&self, host: &str) -> bool {
        let Some((name, _)) = split_port(host) else { return false };
        self.is_name(name)
    }

    /// What the page with this origin may do that speaks to this host.
    pub fn origin(&self, origin: Option<&str>, host: Option<&str>) -> Origin {
        let Some(origin) = origin else { return Origin::Own };
        if self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin)) {
            return Origin::Own;
        }
        if origin == "null" {
            return Origin::Opaque;
        }
        let authority = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
        let own = authority.and_then(split_port).zip(host.and_then(split_port));
        match own {
            Some(((name, port), (host, host_port)))
                if port == host_port && (name.eq_ignore_ascii_case(host) || self.is_own_name(name)) =>
            {
                Origin::Own
            }
            _ => Origin::Foreign,
        }
    }

    /// Whether this may stand in a Host field: any address may, since nobody can give an address of ours to a page of theirs.
    fn is_name(&self, name: &str) -> bool {
        address(name).is_some() || self.is_own_name(name)
    }

    /// Whether only a page of this machine has this name. The page of an address that is not loopback may be anybody's.
    fn is_own_name(&self, name: &str) -> bool {
        address(name).is_some_and(|address| address.is_loopback())
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The address that a name is; that of IPv6 stands in brackets.
fn address(name: &str) -> Option<IpAddr> {
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse().map(IpAddr::V6).ok(),
        None => name.parse().map(IpAddr::V4).ok(),
    }
}

/// A name and its port; `None`: one that need not be said, 80 or 443.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (name, port) = match authority[end..].find(':') {
        Some(colon) => authority.split_at(end + colon),
        None => (authority, ""),
    };
    let port = match port.strip_prefix(':') {
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
    };
    Some((name, port.filter(|port| !matches!(port, 80 | 443))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        let origins = vec!["https://school.example".to_owned()];
        Site {
            hosts: vec!["teacher".to_owned(), "ipcd.school.example".to_owned()],
            origins,
            ..Site::default()
        }
    }

    #[test]
    fn site_is_served_under_its_own_names_alone() {
        for (host, is_own) in [
            ("localhost:33080", true),
            ("LOCALHOST", true),
            ("127.0.0.1:33080", true),
            ("192.168.1.7", true),
            ("[::1]:33080", true),
            ("[fe80::1]", true),
            ("Teacher:33080", true),
            ("ipcd.school.example", true),
            ("evil.example:33080", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("teacher.evil.example", false),
            ("evil@localhost", false),
            ("localhost:x", false),
            ("localhost:99999", false),
            ("[::1", false),
            ("::1", false),
            ("", false),
            ("2130706433", false),
        ] {
            assert_eq!(site().is_host(host), is_own, "{host}");
        }
    }

    #[test]
    fn websockets_are_for_the_own_page_under_any_of_its_names() {
        for (origin, host, may) in [
            (None, "localhost:33080", Origin::Own),
            (Some("http://localhost:33080"), "127.0.0.1:33080", Origin::Own),
            (Some("http://127.0.0.1:33080"), "localhost:33080", Origin::Own),
            (Some("http://[::1]:33080"), "localhost:33080", Origin::Own),
            (Some("https://ipcd.school.example"), "ipcd.school.example", Origin::Own),
            (Some("https://ipcd.school.example"), "ipcd.school.example:443", Origin::Own),
            (Some("http://192.168.1.7:33080"), "192.168.1.7:33080", Origin::Own),
            (Some("http://[fe80::1]:33080"), "[fe80::1]:33080", Origin::Own),
            (Some("http://localhost:33080"), "192.168.1.7:33080", Origin::Own),
            (Some("http://192.168.1.8:33080"), "192.168.1.7:33080", Origin::Foreign),
            (Some("http://203.0.113.5:33080"), "localhost:33080", Origin::Foreign),
            (Some("http://[2001:db8::1]:33080"), "[::1]:33080", Origin::Foreign),
            (Some("https://school.example"), "localhost:33080", Origin::Own),
            (Some("https://SCHOOL.example"), "localhost:33080", Origin::Own),
            (Some("null"), "localhost:33080", Origin::Opaque),
            (Some("http://localhost:8000"), "localhost:33080", Origin::Foreign),
            (Some("http://localhost"), "localhost:33080", Origin::Foreign),
            (Some("http://evil.example:33080"), "localhost:33080", Origin::Foreign),
            (Some("http://localhost:33080.evil.example"), "localhost:33080", Origin::Foreign),
            (Some("file://"), "localhost:33080", Origin::Foreign),
            (Some(""), "localhost:33080", Origin::Foreign),
            (Some("http://school.example"), "localhost:33080", Origin::Foreign),
        ] {
            assert_eq!(site().origin(origin, Some(host)), may, "{origin:?} {host}");
        }
        let open = Site { origins: vec!["null".to_owned()], ..site() };
        assert_eq!(open.origin(Some("null"), Some("localhost")), Origin::Own);
    }
}
