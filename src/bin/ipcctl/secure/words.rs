//! An error of TLS, as a sentence that says what to do.

use std::time::{Duration, UNIX_EPOCH};

use ipcd::engine::text::quote;
use rustls::{AlertDescription, CertificateError, Error};

/// `is_first`: nothing was understood before. `ca`: the file of `--ca`, if given.
pub(super) fn sentence(error: &Error, is_first: bool, ca: Option<&str>) -> String {
    match error {
        // The reply of a server without TLS is no record: too long, of no version, or of no type.
        Error::InvalidMessage(_) | Error::PeerSentOversizedRecord if is_first => {
            "this port does not speak TLS; try tcp:// instead of tls://".to_owned()
        }
        Error::InvalidCertificate(error) => certificate(error, ca),
        Error::AlertReceived(alert) => refused(*alert),
        Error::PeerIncompatible(_) => {
            format!("no common version or cipher of TLS ({}); ipcctl has 1.3 and 1.2", plain(error))
        }
        _ => format!("TLS failed: {}", plain(error)),
    }
}

/// The server's certificate was not accepted.
fn certificate(error: &CertificateError, ca: Option<&str>) -> String {
    let day = |seconds: u64| {
        let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
        time.replace('T', " ").replace('Z', " UTC")
    };
    match error {
        CertificateError::UnknownIssuer => match ca {
            Some(ca) => format!("the server's certificate is not from the authority in {ca}; give that of this server with --ca"),
            None => "the server's certificate is from an authority that this system does not trust; give its file with --ca".to_owned(),
        },
        CertificateError::BadSignature => "the server's certificate has a wrong signature; give the authority of this server with --ca".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<String> = presented.iter().map(|name| quote(bare(name).as_bytes())).collect();
            let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
            format!("the server's certificate is for {names}, and not for {}; use a name from it with --to, or make one with this name", expected.to_str())
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate has been out of date since {}; the server needs a new one, if the clock of this machine is right", day(not_after.as_secs()))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the server's certificate is valid from {} on; set the clock of this machine, or of the one that made it", day(not_before.as_secs()))
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate is not for servers; the server needs another one".to_owned()
        }
        // The sentence of rustls does not name this.
        CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
            "the server's certificate is an authority's own; the server needs one that the authority has signed ('ipcctl certificate' makes both)".to_owned()
        }
        other => format!("the server's certificate is not valid: {}", quote(other.to_string().as_bytes())),
    }
}

/// The name in `DnsName("teacher.local")` or `IpAddress(192.0.2.7)`, which is how it is reported.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// The server sent this alert.
fn refused(alert: AlertDescription) -> String {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired => {
            "the server requires a client certificate; give yours with --client-certificate and --client-key".to_owned()
        }
        A::BadCertificate | A::UnknownCA | A::CertificateUnknown | A::UnsupportedCertificate | A::AccessDenied => format!(
            "the server does not accept the client's certificate (alert {alert:?}); give one of its authority with --client-certificate and --client-key"
        ),
        A::CertificateExpired => "the client's certificate has expired; ask for a new one".to_owned(),
        A::CertificateRevoked => "the client's certificate was revoked; ask for a new one".to_owned(),
        A::UnrecognisedName => "the server does not know this name; use a name of the server with --to".to_owned(),
        A::ProtocolVersion | A::InsufficientSecurity => {
            format!("no common version or cipher of TLS (alert {alert:?}); ipcctl has 1.3 and 1.2")
        }
        A::NoApplicationProtocol => {
            "the server speaks another protocol in TLS there (alert NoApplicationProtocol); a page is wss://, a service tls://".to_owned()
        }
        A::HandshakeFailure => {
            "the server refused the handshake (alert HandshakeFailure): no common cipher, or it requires a client certificate (--client-certificate)".to_owned()
        }
        _ => format!("the server ended TLS with the alert {alert:?}; its log says why"),
    }
}

fn plain(error: &Error) -> String {
    quote(error.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::InvalidMessage;

    #[test]
    fn name_is_shown_as_in_the_certificate() {
        assert_eq!(bare("DnsName(\"teacher.local\")"), "teacher.local");
        assert_eq!(bare("IpAddress(192.0.2.7)"), "192.0.2.7");
        assert_eq!(bare("odd"), "odd");
    }

    #[test]
    fn only_the_first_bytes_show_that_a_port_does_not_speak_tls() {
        let error = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert!(sentence(&error, true, None).contains("try tcp://"));
        assert!(!sentence(&error, false, None).contains("tcp://"));
    }

    #[test]
    fn alert_of_the_server_says_what_to_do() {
        for (alert, advice) in [
            (AlertDescription::CertificateRequired, "--client-certificate and --client-key"),
            (AlertDescription::UnknownCA, "does not accept the client's certificate (alert UnknownCA)"),
            (AlertDescription::CertificateExpired, "has expired; ask for a new one"),
            (AlertDescription::ProtocolVersion, "ipcctl has 1.3 and 1.2"),
            (AlertDescription::HandshakeFailure, "or it requires a client certificate"),
            (AlertDescription::UnrecognisedName, "use a name of the server with --to"),
            (AlertDescription::InternalError, "the alert InternalError; its log says why"),
        ] {
            let said = sentence(&Error::AlertReceived(alert), true, None);
            assert!(said.contains(advice), "{said}");
        }
    }

    #[test]
    fn nothing_of_the_server_reaches_the_terminal_unescaped() {
        let name = rustls::pki_types::ServerName::try_from("a.example").unwrap();
        let presented = vec!["DnsName(\"\u{1b}[31m\")".to_owned()];
        let error = CertificateError::NotValidForNameContext { expected: name, presented };
        let said = sentence(&Error::InvalidCertificate(error), false, None);
        assert!(said.contains("is for \\u{1b}[31m, and not for a.example"), "{said}");
    }
}
