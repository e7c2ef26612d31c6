//! The subjects of certificates: host names and addresses, and people. Knows no key and no file.

use std::fmt;
use std::net::IpAddr;

use ipcd::engine::text::{is_invisible, quote};

/// The longest host name, in bytes (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// The longest common name, in characters (RFC 5280, ub-common-name).
pub(crate) const COMMON_NAME_CHARS_MAX: usize = 64;

/// A name of a server: what its clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerName {
    /// In lower case, without a dot at its end; `*` may be its first label.
    Host(String),
    Address(IpAddr),
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerName::Host(name) => f.write_str(name),
            ServerName::Address(address) => address.fmt(f),
        }
    }
}

impl ServerName {
    /// # Errors
    /// What is wrong, and what would be right, without the text itself.
    fn parse(text: &str) -> Result<ServerName, &'static str> {
        if text.is_empty() {
            return Err("a name is empty; give a host name or an address");
        }
        if text.contains("://") {
            return Err("give the name alone, without tls:// and without a port");
        }
        let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = address.parse::<IpAddr>() {
            return match address.is_unspecified() {
                true => Err("nobody connects to that address; give an address of the machine"),
                false => Ok(ServerName::Address(address)),
            };
        }
        if text.contains('%') {
            return Err("a certificate cannot name a network interface; leave out % and what follows it");
        }
        if text.rsplit_once(':').is_some_and(|(name, port)| !name.contains(':') && is_number(port)) {
            return Err("a certificate is for every port; leave out : and the port");
        }
        if !text.is_ascii() {
            return Err(
                "write a name with other than ASCII letters in its ASCII form, which begins with xn--",
            );
        }
        host(&text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()).map(ServerName::Host)
    }

    /// Its part of a file name.
    pub(crate) fn file_part(&self) -> String {
        match self {
            ServerName::Host(name) => name.replace('*', "wildcard"),
            ServerName::Address(address) => address.to_string().replace(':', "-"),
        }
    }

    /// A name that can be connected to: the first host that a wildcard covers.
    pub(crate) fn example(&self) -> String {
        match self {
            ServerName::Host(name) => name.replace('*', "www"),
            ServerName::Address(address) => address.to_string(),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A host name in lower case, if it is one.
fn host(name: &str) -> Result<String, &'static str> {
    let plain = match name.strip_prefix("*.") {
        // OpenSSL and browsers take no wildcard for a whole top-level domain.
        Some(rest) if rest.contains('.') => rest,
        Some(_) => return Err("after *. there must be at least two labels, as in *.school.example"),
        None => name,
    };
    if plain.contains('*') {
        return Err("a star must be the whole first label, as in *.school.example");
    }
    if plain.contains(char::is_whitespace) || plain.contains(',') {
        return Err("give several names as separate arguments");
    }
    if name.len() > HOST_BYTES_MAX || plain.split('.').any(|label| label.len() > 63) {
        return Err("a host name has at most 253 characters, and at most 63 between two dots");
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = plain.rsplit('.').next().unwrap_or_default();
    match plain.split('.').all(is_label) && !is_number(last) {
        true => Ok(name.to_owned()),
        false => {
            Err("a name is a host name or an address, for example teacher.local, 192.168.1.7 or fd00::7")
        }
    }
}

/// The names of a server, each once; localhost brings its addresses.
///
/// # Errors
/// The first invalid name, and what would be right.
pub(crate) fn servers(texts: &[String]) -> Result<Vec<ServerName>, String> {
    let mut names: Vec<ServerName> = Vec::new();
    let mut add = |name| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    for text in texts {
        let name =
            ServerName::parse(text).map_err(|error| format!("'{}': {error}", quote(text.as_bytes())))?;
        let is_localhost = name == ServerName::Host("localhost".to_owned());
        add(name);
        if is_localhost {
            add(ServerName::Address(std::net::Ipv4Addr::LOCALHOST.into()));
            add(ServerName::Address(std::net::Ipv6Addr::LOCALHOST.into()));
        }
    }
    Ok(names)
}

/// The name of a client that gets a certificate.
///
/// # Errors
/// What is wrong, and what would be right.
pub(crate) fn client(text: &str) -> Result<String, String> {
    let is_wrong = text.is_empty()
        || text.starts_with([' ', '.', '-'])
        || text.ends_with(' ')
        || text.chars().any(|c| c != ' ' && (is_invisible(c) || c == '/'));
    if is_wrong {
        return Err(format!(
            "--client '{}': not a name; give one in visible characters and without a slash, for example ann",
            quote(text.as_bytes())
        ));
    }
    if text.chars().count() > COMMON_NAME_CHARS_MAX {
        return Err(format!(
            "--client '{}': a name in a certificate has at most {COMMON_NAME_CHARS_MAX} characters",
            quote(text.as_bytes())
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Result<Vec<String>, String> {
        let texts: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
        servers(&texts).map(|names| names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn localhost_brings_its_addresses_and_each_name_counts_once() {
        assert_eq!(names(&["localhost"]).unwrap(), ["localhost", "127.0.0.1", "::1"]);
        let several = names(&["Teacher.Local.", "teacher.local", "192.168.1.7", "[fd00::7]", "FD00:0::7"]);
        assert_eq!(several.unwrap(), ["teacher.local", "192.168.1.7", "fd00::7"]);
        assert_eq!(names(&["*.school.example", "PC_7"]).unwrap(), ["*.school.example", "pc_7"]);
    }

    #[test]
    fn invalid_name_is_refused_with_what_would_be_right() {
        let label = "x".repeat(64);
        let long = ["x".repeat(63).as_str(); 4].join(".");
        for (text, reason) in [
            ("", "empty"),
            ("a b", "separate arguments"),
            ("a.example,b.example", "separate arguments"),
            ("tls://teacher.local", "without tls://"),
            ("teacher.local:33000", "every port"),
            ("127.0.0.1:80", "every port"),
            ("0.0.0.0", "nobody connects"),
            ("::", "nobody connects"),
            ("fe80::1%eth0", "interface"),
            ("1.2.3", "host name or an address"),
            ("999.1.1.1", "host name or an address"),
            ("a..b", "host name or an address"),
            ("-x", "host name or an address"),
            ("x-.example", "host name or an address"),
            ("a/b", "host name or an address"),
            ("..", "host name or an address"),
            ("*", "a star must be the whole first label"),
            ("*.local", "two labels"),
            ("w*.school.example", "a star must be the whole first label"),
            ("www.*.example", "a star must be the whole first label"),
            ("*.*.school.example", "a star must be the whole first label"),
            ("caf\u{e9}.example", "xn--"),
            ("\u{1b}[31m", "host name or an address"),
            (&label, "at most 63"),
            (&long, "at most 253"),
        ] {
            let error = names(&[text]).expect_err(text);
            assert!(error.contains(reason), "{text:?}: {error}");
            assert!(!error.contains('\u{1b}'), "{error:?}");
        }
    }

    #[test]
    fn client_name_must_fit_a_certificate_and_a_file_name() {
        for name in ["ann", "Ann Müller", "ann@school.example", "安", &"x".repeat(64)] {
            assert_eq!(client(name).unwrap(), name);
        }
        for name in ["", " ann", "ann ", "../ann", ".ann", "-ann", "a/b", "a\nb", "a\u{202e}b"] {
            assert!(client(name).unwrap_err().contains("not a name"), "{name:?}");
        }
        assert!(client(&"x".repeat(65)).unwrap_err().contains("at most 64"));
    }
}
