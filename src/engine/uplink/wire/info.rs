//! INFO: what a server says about itself. Other fields are ignored, and none is required.

use serde::Deserialize;

/// The fields that we use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Info {
    /// Its own name.
    pub server_name: String,
    /// Its version.
    pub version: String,
    /// The longest message that it accepts.
    pub max_payload: u64,
    /// Whether messages may have headers.
    pub headers: bool,
    /// Whether it requires credentials.
    pub auth_required: bool,
    /// Whether it requires TLS.
    pub tls_required: bool,
    /// Whether it offers TLS.
    pub tls_available: bool,
    /// The text that a key must sign.
    pub nonce: String,
    /// The servers of its cluster.
    pub connect_urls: Vec<String>,
    /// Whether it is about to close.
    #[serde(rename = "ldm")]
    pub is_lame_duck: bool,
}

impl Info {
    /// Reads it; `None`: it is not an object with fields of these types.
    pub fn read(json: &[u8]) -> Option<Info> {
        serde_json::from_slice(json).ok()
    }
}

/// The host and port of one of `connect_urls`: `host:port`, IPv6 in brackets.
pub fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    let fits = (1..=255).contains(&host.len()) && host.chars().all(is_host);
    Some((host, port.parse().ok().filter(|port| *port > 0)?)).filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_of_any_version_is_read_and_unknown_fields_are_ignored() {
        let info = Info::read(
            br#"{"server_id":"N","server_name":"n1","version":"2.15.1","proto":1,"go":"go1.26","host":"0.0.0.0","port":4222,
            "headers":true,"tls_required":true,"max_payload":1048576,"jetstream":true,"client_id":5,"nonce":"abc",
            "connect_urls":["10.0.0.1:4222","[::1]:4223"],"ldm":true,"xkey":"X","api_lvl":5}"#,
        );
        let info = info.unwrap();
        assert_eq!(
            (info.server_name.as_str(), info.version.as_str(), info.max_payload),
            ("n1", "2.15.1", 1_048_576)
        );
        assert!(info.headers && info.tls_required && info.is_lame_duck && !info.tls_available);
        assert_eq!((info.nonce.as_str(), info.connect_urls.len()), ("abc", 2));
        assert_eq!(Info::read(b"{}"), Some(Info::default()));
        for wrong in [&b""[..], b"[1", b"5", br#"{"version":5}"#] {
            assert_eq!(Info::read(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn addresses_of_other_servers_are_read_or_ignored() {
        assert_eq!(host_and_port("10.0.0.1:4222"), Some(("10.0.0.1", 4222)));
        assert_eq!(host_and_port("[::1]:4223"), Some(("::1", 4223)));
        assert_eq!(host_and_port("n1.example:1"), Some(("n1.example", 1)));
        for wrong in ["", "n1", "n1:", "n1:0", "n1:65536", ":4222", "a b:1", "a\u{1b}:1", "a/b:1"] {
            assert_eq!(host_and_port(wrong), None, "{wrong}");
        }
    }
}
