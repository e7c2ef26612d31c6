//! Reads the head of a request, and refuses whatever two readers could understand differently.

/// The most fields in one head; a browser sends about twenty.
const FIELDS_MAX: usize = 64;

/// One request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Its method, as sent.
    pub method: &'a str,
    /// The path, without a query.
    pub path: &'a str,
    /// The host that it is sent to: `localhost:33080`; `None`: HTTP/1.0 does not require one.
    pub host: Option<&'a str>,
    /// Whether the connection stays open for another request.
    pub keeps_open: bool,
    /// Whether it has a body, which no request here may have.
    pub has_body: bool,
    /// Whether it is HTTP/1.0.
    pub is_old: bool,
    fields: Vec<(&'a str, &'a str)>,
}

/// Why a request cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It breaks this rule.
    Bad(&'static str),
    /// Its HTTP version is not supported.
    Version,
}

impl<'a> Request<'a> {
    /// Reads a whole head.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(head: &'a [u8]) -> Result<Request<'a>, Unreadable> {
        use Unreadable::Bad;
        if head.windows(2).any(|two| matches!(two, b"\n " | b"\n\t")) {
            return Err(Bad("a field continues on the next line (obs-fold), which RFC 9112 forbids"));
        }
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut parsed = httparse::Request::new(&mut fields);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Bad("the head is incomplete")),
            Err(httparse::Error::Version) => return Err(Unreadable::Version),
            Err(httparse::Error::TooManyHeaders) => return Err(Bad("there are more than 64 fields")),
            Err(httparse::Error::Token) => {
                return Err(Bad("the request line is not METHOD, a space, TARGET, a space, HTTP/1.1"));
            }
            Err(_) => return Err(Bad("a field is not NAME: VALUE")),
        }
        let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
            return Err(Bad("the request line is not METHOD, a space, TARGET, a space, HTTP/1.1"));
        };
        let mut read = Vec::with_capacity(parsed.headers.len());
        for field in parsed.headers {
            let value = str::from_utf8(field.value).map_err(|_| Bad("a field is not text"))?;
            read.push((field.name, value.trim_matches([' ', '\t'])));
        }
        let (authority, path) = split_target(target)?;
        let request = Request {
            method,
            path,
            host: None,
            keeps_open: true,
            has_body: false,
            is_old: parsed.version == Some(0),
            fields: read,
        };
        request.check(authority)
    }

    /// The request, if its fields agree with each other.
    fn check(mut self, authority: Option<&'a str>) -> Result<Request<'a>, Unreadable> {
        use Unreadable::Bad;
        let one = |name| {
            let mut values = self.values(name);
            (values.next(), values.next().is_some())
        };
        let (host, has_two_hosts) = one("host");
        let (length, has_two_lengths) = one("content-length");
        let is_in_pieces = one("transfer-encoding").0.is_some();
        if has_two_hosts {
            return Err(Bad("there are two Host fields"));
        }
        if host.is_none() && !self.is_old {
            return Err(Bad("the Host field is missing"));
        }
        if has_two_lengths {
            return Err(Bad("there are two Content-Length fields"));
        }
        if is_in_pieces {
            return Err(Bad("a body (Transfer-Encoding) is not supported here: send none"));
        }
        if length.is_some_and(|length| length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(Bad("Content-Length is not a number"));
        }
        self.has_body = length.is_some_and(|length| length.bytes().any(|byte| byte != b'0'));
        self.keeps_open = !self.is_old && !self.has_token("connection", "close");
        self.host = authority.or(host);
        Ok(self)
    }

    /// The values of a field, by its name in lower case, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The value of a field that must not be repeated.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Whether a field that is a list contains this word.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|word| word.eq_ignore_ascii_case(token))
    }

    /// Whether an answer may be compressed with gzip.
    pub fn takes_gzip(&self) -> bool {
        self.tokens("accept-encoding").any(|word| {
            let (coding, weight) = word.split_once(';').unwrap_or((word, ""));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            coding.trim().eq_ignore_ascii_case("gzip")
                && weight.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
        })
    }

    /// The words of a field that is a list.
    pub fn tokens(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.values(name).flat_map(|value| value.split(',')).map(str::trim)
    }
}

/// The authority of a target, if it has one, and its path.
fn split_target(target: &str) -> Result<(Option<&str>, &str), Unreadable> {
    let (authority, path) = match target.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            match rest.find(['/', '?']) {
                Some(at) => (Some(&rest[..at]), &rest[at..]),
                None => (Some(rest), "/"),
            }
        }
        _ => (None, target),
    };
    if !path.starts_with(['/', '?']) && path != "*" {
        return Err(Unreadable::Bad("the target is not a path, for example /"));
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Ok((authority, if path.is_empty() { "/" } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Result<Request<'_>, Unreadable> {
        Request::read(head.as_bytes())
    }

    #[test]
    fn head_is_read_with_its_host_path_and_fields() {
        let request = read(
            "GET /chat?x=1 HTTP/1.1\r\nHost: localhost:33080\r\nConnection: keep-alive, Upgrade\r\nUpgrade:websocket \r\n\r\n",
        )
        .unwrap();
        assert_eq!((request.method, request.path, request.host), ("GET", "/chat", Some("localhost:33080")));
        assert!(request.keeps_open && !request.has_body && !request.is_old);
        assert!(request.has_token("connection", "upgrade") && request.has_token("upgrade", "websocket"));
        let request =
            read("GET http://teacher:33080/a HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n").unwrap();
        assert_eq!((request.path, request.host, request.keeps_open), ("/a", Some("teacher:33080"), false));
        let request = read("GET / HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!((request.host, request.keeps_open, request.is_old), (None, false, true));
        assert!(
            read("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 00\r\n\r\n")
                .is_ok_and(|request| !request.has_body)
        );
        assert!(
            read("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
                .is_ok_and(|request| request.has_body)
        );
    }

    #[test]
    fn ambiguous_requests_are_refused() {
        let host = "Host: x\r\n";
        for (line, fields, reason) in [
            ("GET / HTTP/1.1", "", "the Host field is missing"),
            ("GET / HTTP/1.1", "Host: x\r\nHost: x\r\n", "two Host"),
            ("GET / HTTP/1.1", "Host: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n", "two Content-Length"),
            ("GET / HTTP/1.1", "Host: x\r\nContent-Length: 1, 1\r\n", "not a number"),
            ("GET / HTTP/1.1", "Host: x\r\nContent-Length: +1\r\n", "not a number"),
            ("GET / HTTP/1.1", "Host: x\r\nContent-Length:\r\n", "not a number"),
            ("GET / HTTP/1.1", "Host: x\r\nTransfer-Encoding: chunked\r\n", "(Transfer-Encoding)"),
            (
                "GET / HTTP/1.1",
                "Host: x\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n",
                "(Transfer-Encoding)",
            ),
            ("GET / HTTP/1.1", "Host: x\r\nA: b\r\n c\r\n", "obs-fold"),
            ("GET / HTTP/1.1", "Host: x\r\nA : b\r\n", "NAME: VALUE"),
            ("GET / HTTP/1.1", "Host: x\r\nA\r\n", "NAME: VALUE"),
            ("GET / HTTP/1.1", "Host: x\r\nA: b\rc\r\n", "NAME: VALUE"),
            ("GET / HTTP/1.1", "Host: x\r\nA: b\0c\r\n", "NAME: VALUE"),
            ("GET  / HTTP/1.1", host, "the request line"),
            ("G(T / HTTP/1.1", host, "the request line"),
            ("GET x HTTP/1.1", host, "not a path"),
            ("GET ftp://x/ HTTP/1.1", host, "not a path"),
            ("CONNECT x:1 HTTP/1.1", host, "not a path"),
        ] {
            match read(&format!("{line}\r\n{fields}\r\n")) {
                Err(Unreadable::Bad(told)) => assert!(told.contains(reason), "{line} {fields}: {told}"),
                other => panic!("{line} {fields}: {other:?}"),
            }
        }
        assert_eq!(read("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), Err(Unreadable::Version));
        assert_eq!(read("PRI * HTTP/2.0\r\n\r\n"), Err(Unreadable::Version));
        let many = "A: b\r\n".repeat(FIELDS_MAX + 1);
        assert!(
            matches!(read(&format!("GET / HTTP/1.1\r\n{many}\r\n")), Err(Unreadable::Bad(told)) if told.contains("64"))
        );
    }

    #[test]
    fn gzip_is_accepted_if_the_request_says_so() {
        for (list, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("deflate, gzip ; q=1.0", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("br", false),
            ("x-gzipped", false),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {list}\r\n\r\n");
            assert_eq!(read(&head).unwrap().takes_gzip(), takes, "{list}");
        }
    }
}
