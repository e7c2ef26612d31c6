//! Writes answers: a status line, the fields that every answer has, and a body of a known length.

/// The status of an answer (RFC 9110, section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The answer has what was requested.
    Ok,
    /// The client's copy is up to date.
    NotModified,
    /// The request cannot be read.
    BadRequest,
    /// It is for those who show a token.
    Unauthorized,
    /// This client is not allowed to have it.
    Forbidden,
    /// Nothing has this path.
    NotFound,
    /// The method is not allowed.
    MethodNotAllowed,
    /// The request was not finished in time.
    RequestTimeout,
    /// The request has a body.
    ContentTooLarge,
    /// The request is for another host.
    Misdirected,
    /// The path is for WebSockets only.
    UpgradeRequired,
    /// The head is too long.
    HeadTooLarge,
    /// The service is unavailable now.
    Unavailable,
    /// The HTTP version is not supported.
    VersionNotSupported,
}

impl Status {
    /// Its number and name.
    pub const fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::NotModified => "304 Not Modified",
            Status::BadRequest => "400 Bad Request",
            Status::Unauthorized => "401 Unauthorized",
            Status::Forbidden => "403 Forbidden",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::RequestTimeout => "408 Request Timeout",
            Status::ContentTooLarge => "413 Content Too Large",
            Status::Misdirected => "421 Misdirected Request",
            Status::UpgradeRequired => "426 Upgrade Required",
            Status::HeadTooLarge => "431 Request Header Fields Too Large",
            Status::Unavailable => "503 Service Unavailable",
            Status::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

/// Headers of every answer, for browsers: nothing is loaded from elsewhere, no code is inline, no other site may frame or read the
/// page, and its address is sent to nobody.
const SAFETY: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\
     X-Content-Type-Options: nosniff\r\n\
     Referrer-Policy: no-referrer\r\n\
     Cross-Origin-Resource-Policy: same-origin\r\n";

const TEXT: &str = "text/plain; charset=utf-8";

/// An answer.
#[derive(Debug)]
pub struct Response<'a> {
    /// Its status.
    pub status: Status,
    /// The body's type.
    pub content_type: &'a str,
    /// Further fields, each with CR LF.
    pub fields: String,
    /// Its body.
    pub body: &'a [u8],
    /// Whether another request may follow.
    pub keeps_open: bool,
    /// Whether the request was HEAD: then the body is only counted.
    pub is_head: bool,
}

impl<'a> Response<'a> {
    /// An answer with this plain text, after which the connection ends.
    pub fn text(status: Status, body: &'a str) -> Response<'a> {
        Response {
            status,
            content_type: TEXT,
            fields: String::new(),
            body: body.as_bytes(),
            keeps_open: false,
            is_head: false,
        }
    }

    /// Appends the answer in the form in which it is sent.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Response { status, content_type, fields, body, .. } = self;
        let connection = if self.keeps_open { "" } else { "Connection: close\r\n" };
        let mut head = format!("HTTP/1.1 {}\r\n{SAFETY}{fields}{connection}", status.line());
        // An answer without a body has no header about one.
        if *status != Status::NotModified {
            let length = body.len();
            head.push_str(&format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n"));
        }
        head.push_str("\r\n");
        out.extend_from_slice(head.as_bytes());
        if !self.is_head && *status != Status::NotModified {
            out.extend_from_slice(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_security_headers_and_a_length() {
        let mut out = Vec::new();
        Response::text(Status::NotFound, "no\n").write(&mut out);
        let told = String::from_utf8(out).unwrap();
        assert!(
            told.starts_with("HTTP/1.1 404 Not Found\r\n")
                && told.ends_with("\r\nContent-Length: 3\r\n\r\nno\n")
        );
        for field in [
            "default-src 'none'",
            "nosniff",
            "no-referrer",
            "Resource-Policy: same-origin",
            "Connection: close",
        ] {
            assert!(told.contains(field), "{told}");
        }
        assert!(!told.contains("unsafe-inline"));
        let mut out = Vec::new();
        Response { is_head: true, keeps_open: true, ..Response::text(Status::Ok, "ok\n") }.write(&mut out);
        assert!(String::from_utf8(out).unwrap().ends_with("Content-Length: 3\r\n\r\n"), "HEAD has no body");
    }
}
