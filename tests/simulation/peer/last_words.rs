//! The last message that a peer may receive, by the reason for its end.

use ipcd::engine::limits::{ServiceSettings, Settings};
use ipcd::engine::message::{CloseReason, RemoteAddress};
use ipcd::engine::service::Service;

use super::Actor;
use super::words::REFUSAL;

/// The text for each value once: most settings have few different values.
fn each(mut values: Vec<u64>, text: impl Fn(u64) -> String) -> Vec<String> {
    values.sort_unstable();
    values.dedup();
    values.into_iter().map(text).collect()
}

/// For the settings that applied when the deadline passed or the limit was reached, which may be any of these.
fn by_settings(reason: CloseReason, seen: &[Settings]) -> Vec<String> {
    let services = || seen.iter().flat_map(|settings| &settings.services);
    let of_services = |value: fn(&ServiceSettings) -> Option<u64>| services().filter_map(value).collect();
    match reason {
        CloseReason::PeerIdle => each(of_services(|service| Some(service.idle_timeout.as_secs())), |span| {
            format!("Error: idle for {span} s")
        }),
        CloseReason::PeerSilent => {
            each(of_services(|service| Some(service.first_message_timeout?.as_secs())), |span| {
                format!("Error: no message for {span} s")
            })
        }
        CloseReason::PeerUnfinished => {
            each(of_services(|service| Some(service.message_timeout.as_secs())), |span| {
                format!("Error: message not finished after {span} s")
            })
        }
        CloseReason::PeerNameless => {
            each(seen.iter().map(|settings| settings.chat_name_timeout.as_secs()).collect(), |span| {
                format!("Error: no name for {span} s")
            })
        }
        CloseReason::PeerTooLong => {
            each(of_services(|service| Some(service.message_bytes_max as u64)), |bytes| {
                format!("Error: message longer than {bytes} bytes")
            })
        }
        CloseReason::PeerNotReading => {
            each(seen.iter().map(|settings| settings.send_timeout.as_secs()).collect(), |span| {
                format!("Error: nothing read for {span} s")
            })
        }
        _ => unreachable!("{reason:?} depends on no setting"),
    }
}

impl Actor {
    /// Every text that `reason` allows; an empty one means none.
    pub(super) fn last_words(&self, reason: CloseReason, seen: &[Settings]) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match reason {
            CloseReason::Stopping if self.is_chatting() => one("Server is shutting down."),
            CloseReason::PeerQuit if self.service != Service::Talk => one("{quit}"),
            CloseReason::Served
            | CloseReason::PeerClosed
            | CloseReason::PeerReset
            | CloseReason::PeerQuit
            | CloseReason::PartnerLeft
            | CloseReason::Stopping
            | CloseReason::PeerWrongProtocol(_)
            | CloseReason::PeerUnsecured
            | CloseReason::PeerBadRequest
            | CloseReason::PeerMisframed
            | CloseReason::PeerBrokeMemory
            | CloseReason::PeerUnreadable => one(""),
            CloseReason::PeerInClear => one("Error: this port speaks TLS"),
            CloseReason::PeerIdle
            | CloseReason::PeerSilent
            | CloseReason::PeerUnfinished
            | CloseReason::PeerNameless
            | CloseReason::PeerTooLong
            | CloseReason::PeerNotReading => by_settings(reason, seen),
            CloseReason::PeerTooSlow | CloseReason::PeerHeldMost => one("Error: too slow"),
            CloseReason::PeerReplaced => one("Error: you joined again through another connection"),
            CloseReason::PeerDenied => {
                one("Error: control is only for root and the daemon's own user, on a Unix socket")
            }
            CloseReason::TooMany => one(REFUSAL),
            CloseReason::NotAllowed | CloseReason::AddressNotAllowed | CloseReason::NameNotAllowed => {
                vec![self.not_allowed(reason)]
            }
            CloseReason::PutOut => vec![
                "Error: you were removed from the room".to_owned(),
                "Error: the administrator closed your connection".to_owned(),
            ],
            CloseReason::Withdrawn => {
                vec![format!("Error: {} is no longer offered here", self.who.binding.service)]
            }
        }
    }

    fn not_allowed(&self, reason: CloseReason) -> String {
        match (reason, self.who.remote) {
            (CloseReason::NotAllowed, RemoteAddress::Process { uid, .. }) => {
                format!("Error: user {uid} may not use this socket")
            }
            (CloseReason::AddressNotAllowed, RemoteAddress::Address(address)) => {
                format!("Error: {} may not connect", address.ip().to_canonical())
            }
            _ => panic!("{}: refused", self.who),
        }
    }
}
