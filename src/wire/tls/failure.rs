//! Why TLS failed, in one sentence, without anything that a peer has sent.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};

/// The name of an alert, as RFC 8446 writes it.
fn name(alert: AlertDescription) -> String {
    let AlertDescription::Unknown(number) = alert else {
        let mut name = String::new();
        let written = format!("{alert:?}").replace("CA", "Ca").replace("PSK", "Psk");
        for letter in written.replace("recognised", "recognized").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        }
        return name;
    };
    format!("number {number}")
}

/// A record with a fatal alert, for the time before there are keys.
pub(super) fn record(alert: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, alert]
}

/// The alert for an error. rustls sends the same one, or none; once it is encrypted, it cannot be read.
pub(super) fn alert_of(error: &Error) -> Option<u8> {
    let alert = match error {
        Error::DecryptError => AlertDescription::BadRecordMac,
        Error::PeerSentOversizedRecord => AlertDescription::RecordOverflow,
        Error::InvalidMessage(InvalidMessage::InvalidKeyUpdate) => AlertDescription::IllegalParameter,
        Error::InvalidMessage(_) => AlertDescription::DecodeError,
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(
            PeerMisbehaved::IllegalMiddleboxChangeCipherSpec
            | PeerMisbehaved::IllegalTlsInnerPlaintext
            | PeerMisbehaved::KeyEpochWithPendingFragment
            | PeerMisbehaved::MessageInterleavedWithHandshakeMessage
            | PeerMisbehaved::RejectedEarlyDataInterleavedWithHandshakeMessage
            | PeerMisbehaved::TooManyEmptyFragments
            | PeerMisbehaved::TooManyKeyUpdateRequests
            | PeerMisbehaved::TooManyRenegotiationRequests
            | PeerMisbehaved::TooManyWarningAlertsReceived,
        ) => AlertDescription::UnexpectedMessage,
        Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => {
            AlertDescription::HandshakeFailure
        }
        Error::PeerMisbehaved(_) => AlertDescription::IllegalParameter,
        Error::InvalidCertificate(error) => error.clone().into(),
        Error::NoCertificatesPresented => AlertDescription::CertificateRequired,
        Error::NoApplicationProtocol => AlertDescription::NoApplicationProtocol,
        _ => return None,
    };
    Some(alert.into())
}

/// The failure; `alert`: the alert that was sent, if it is known.
pub(super) fn sentence(error: &Error, alert: Option<u8>) -> String {
    let reason = match error {
        Error::AlertReceived(alert) => {
            let does_not_trust = matches!(
                alert,
                AlertDescription::UnknownCA
                    | AlertDescription::BadCertificate
                    | AlertDescription::CertificateUnknown
            );
            let hint = if does_not_trust { ": it does not trust the certificate" } else { "" };
            return format!("the client sent the alert {}{hint}", name(*alert));
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ) => "the client offers no version of TLS that is allowed here".to_owned(),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => {
            "no cipher suite in common".to_owned()
        }
        Error::PeerIncompatible(
            PeerIncompatible::NoKxGroupsInCommon | PeerIncompatible::NamedGroupsExtensionRequired,
        ) => "no key exchange group in common".to_owned(),
        Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired) => {
            "the client offers no version of TLS that is allowed here, or no signature scheme".to_owned()
        }
        Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => {
            "no signature scheme in common".to_owned()
        }
        Error::NoCertificatesPresented => "the client has no certificate".to_owned(),
        Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the client's certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the client's certificate is not valid yet".to_owned()
            }
            CertificateError::Revoked => "the client's certificate is revoked".to_owned(),
            CertificateError::UnknownRevocationStatus => {
                "client_crl has no list of the authority that made the client's certificate".to_owned()
            }
            // Another authority may have the same name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the client's certificate is not of the authority in client_ca".to_owned()
            }
            _ => "the client's certificate is not valid".to_owned(),
        },
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => "no message of TLS".to_owned(),
        Error::InappropriateHandshakeMessage { .. } => "a message out of turn".to_owned(),
        Error::DecryptError => "a record that was changed on its way".to_owned(),
        Error::PeerSentOversizedRecord => "a record that is too long".to_owned(),
        Error::PeerMisbehaved(how) => format!("the client breaks the protocol ({how:?})"),
        Error::PeerIncompatible(what) => format!("the client cannot be served ({what:?})"),
        Error::NoApplicationProtocol => "no application protocol in common".to_owned(),
        _ => "an error of this side".to_owned(),
    };
    match alert {
        Some(alert) => format!("{reason} (alert {})", name(AlertDescription::from(alert))),
        None => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_standard() {
        for (number, expected) in [
            (0, "close_notify"),
            (10, "unexpected_message"),
            (20, "bad_record_mac"),
            (48, "unknown_ca"),
            (70, "protocol_version"),
            (112, "unrecognized_name"),
            (115, "unknown_psk_identity"),
            (116, "certificate_required"),
            (200, "number 200"),
        ] {
            assert_eq!(name(AlertDescription::from(number)), expected);
        }
    }
}
