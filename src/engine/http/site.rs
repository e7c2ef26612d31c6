//! The names under which clients may request this site, and the pages that may open its WebSockets. Without these rules, any site
//! that a person visits could talk to the daemon on that person's machine.

use std::net::IpAddr;
use std::sync::Arc;

/// The site's part of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Names under which clients may request it, besides addresses and `localhost`: the machine's own, and those of the
    /// configuration.
    pub hosts: Vec<String>,
    /// Other pages that may open WebSockets: `https://school.example`, or `null`.
    pub origins: Vec<String>,
    /// Its files.
    pub files: Arc<[File]>,
    /// Whether it has `/metrics`.
    pub has_metrics: bool,
    /// The teacher's token: the first message on a WebSocket that is not for everyone. Empty: no token.
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
    pub path: &'static str,
    /// Its type.
    pub content_type: &'static str,
    /// Its contents.
    pub plain: &'static [u8],
    /// Its contents, compressed with gzip; empty if that is not shorter.
    pub gzip: &'static [u8],
    /// Its tag, in quotes, which changes with the contents.
    pub plain_tag: &'static str,
    /// The tag of the compressed form: each form of a file has its own (RFC 9110, section 8.8.3).
    pub gzip_tag: &'static str,
}

/// What a page may do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Everything: it is this page, or a listed one, or the client is no page at all.
    Own,
    /// Only what everyone may do: it is a file opened from disk, or a frame that any site may have created.
    Opaque,
    /// Nothing: it belongs to another site.
    Foreign,
}

impl Site {
    /// Whether the value of a Host field is a name of this site.
    pub fn is_host(&self, host: &str) -> bool {
        let Some((name, _)) = split_port(host) else { return false };
        self.is_name(name)
    }

    /// What a page with this origin may do when it speaks to this host.
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

    /// Whether a Host field may have this value. Every address may: another site's page cannot come from an address of ours.
    fn is_name(&self, name: &str) -> bool {
        address(name).is_some() || self.is_own_name(name)
    }

    /// Whether only a page of this machine can have this name. A page at an address that is not loopback may be anyone's.
    fn is_own_name(&self, name: &str) -> bool {
        address(name).is_some_and(|address| address.is_loopback())
            || name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The address in a name; an IPv6 address is in brackets.
fn address(name: &str) -> Option<IpAddr> {
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse().map(IpAddr::V6).ok(),
        None => name.parse().map(IpAddr::V4).ok(),
    }
}

/// A name and its port; `None`: the default port, 80 or 443.
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
    fn site_is_served_only_under_its_own_names() {
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
