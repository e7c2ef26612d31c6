//! Sockets that the service manager handed over and keeps open, whatever ipcd does with its own copy: which endpoints
//! they block, and the error about it.

use crate::endpoint::ResolvedEndpoint;
use crate::transport::open::{OpenError, OpenErrorKind};
use crate::transport::owner::PortOwner;

/// A socket of a socket unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnitSocket {
    /// Its address.
    pub(super) place: ResolvedEndpoint,
    /// FileDescriptorName=, by default the unit's name (systemd.socket(5)).
    pub(super) name: String,
    /// Whether it is IPv6 and also accepts IPv4 (BindIPv6Only=both).
    pub(super) is_dual: bool,
}

/// Whether two places of one protocol and port share an address. `is_dual`: the second one accepts both families.
pub(super) fn meet(new: &ResolvedEndpoint, old: &ResolvedEndpoint, is_dual: bool) -> bool {
    let (Some(a), Some(b)) = (new.network(), old.network()) else {
        // Sockets of every kind share the paths.
        let is_no_path = matches!(new, ResolvedEndpoint::Mq(_) | ResolvedEndpoint::Buffer(_));
        return !is_no_path && new.path().is_some() && new.path() == old.path();
    };
    if new.bare().scheme().name != old.bare().scheme().name {
        return false;
    }
    let (ours, theirs) = (a.ip(), b.ip());
    a.port() == b.port()
        && match ours.is_ipv4() == theirs.is_ipv4() {
            true => ours == theirs || ours.is_unspecified() || theirs.is_unspecified(),
            // `[::]`, or an IPv4-mapped address.
            false if is_dual && ours.is_ipv4() => {
                theirs.is_unspecified() || theirs.to_canonical() == ours || ours.is_unspecified()
            }
            false => false,
        }
}

impl UnitSocket {
    /// Whether it blocks a place.
    fn is_in_the_way_of(&self, place: &ResolvedEndpoint) -> bool {
        meet(place, &self.place, self.is_dual)
    }

    /// The unit, if known.
    fn unit(&self) -> String {
        let name = self.name.escape_default();
        match self.name.as_str() {
            "" | "unknown" => "the socket unit".to_owned(),
            unit if unit.ends_with(".socket") => name.to_string(),
            _ => format!("the socket unit with FileDescriptorName={name}"),
        }
    }
}

/// Which of these sockets blocks a place, and what to change; the place's position in the configuration can follow the text.
pub(super) fn explain(error: &OpenError, sockets: &[UnitSocket]) -> Option<String> {
    let OpenErrorKind::InUse { owner } = &error.kind else { return None };
    if !owner.as_ref().is_none_or(may_hold_for_us) {
        return None;
    }
    let place = &error.place;
    let socket = sockets.iter().find(|socket| socket.is_in_the_way_of(place))?;
    let (unit, theirs) = (socket.unit(), &socket.place);
    Some(if *theirs == place.bare() {
        format!(
            "{place}: address already in use (by {unit}, which holds it for ipcd and passes it only at a start); restart ipcd, or choose another one"
        )
    } else {
        format!(
            "{place}: address already in use (by {theirs} of {unit}, handed over by the service manager); let {unit} open {place} in its place, or choose {theirs} or another one"
        )
    })
}

/// The possible holders of a socket from the service manager: the manager, or this process itself.
fn may_hold_for_us(owner: &PortOwner) -> bool {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_pid());
    owner.is_this_process() || [1, parent].contains(&owner.pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> ResolvedEndpoint {
        match text.split_once("://").unwrap() {
            ("tcp", address) => ResolvedEndpoint::Tcp(address.parse().unwrap()),
            ("tls", address) => ResolvedEndpoint::Tls(address.parse().unwrap()),
            ("udp", address) => ResolvedEndpoint::Udp(address.parse().unwrap()),
            ("unix", path) => ResolvedEndpoint::Unix(path.into()),
            (_, path) => ResolvedEndpoint::UnixSeq(path.into()),
        }
    }

    #[test]
    fn addresses_conflict_if_one_covers_the_other_and_paths_if_equal() {
        for (new, old, is_dual, is_met) in [
            ("tcp://0.0.0.0:5", "tcp://127.0.0.1:5", false, true),
            ("tcp://127.0.0.1:5", "tcp://0.0.0.0:5", false, true),
            ("tcp://127.0.0.1:5", "tcp://127.0.0.1:5", false, true),
            ("tcp://127.0.0.1:5", "tcp://127.0.1.1:5", false, false),
            ("tcp://0.0.0.0:5", "tcp://127.0.0.1:6", false, false),
            ("udp://0.0.0.0:5", "tcp://127.0.0.1:5", false, false),
            ("tls://0.0.0.0:5", "tcp://127.0.0.1:5", false, true),
            ("udp://0.0.0.0:5", "udp://127.0.0.1:5", false, true),
            ("tcp://[::]:5", "tcp://[::1]:5", false, true),
            ("tcp://[::]:5", "tcp://127.0.0.1:5", false, false),
            ("tcp://0.0.0.0:5", "tcp://[::]:5", false, false),
            ("tcp://0.0.0.0:5", "tcp://[::]:5", true, true),
            ("tcp://127.0.0.1:5", "tcp://[::]:5", true, true),
            ("tcp://127.0.0.1:5", "tcp://[::1]:5", true, false),
            ("unixseq:///a", "unix:///a", false, true),
            ("unix:///b", "unix:///a", false, false),
            ("unix:///a", "tcp://[::]:5", true, false),
        ] {
            assert_eq!(meet(&place(new), &place(old), is_dual), is_met, "{new} {old}");
        }
    }

    #[test]
    fn socket_is_named_with_its_unit_and_foreign_holder_is_reported() {
        let error =
            |owner| OpenError { place: place("tcp://0.0.0.0:33000"), kind: OpenErrorKind::InUse { owner } };
        let sockets = |name: &str| {
            [UnitSocket { place: place("tcp://127.0.0.1:33000"), name: name.to_owned(), is_dual: false }]
        };
        let us = || Some(PortOwner { pid: std::process::id() as i32, name: "ipcd".to_owned() });
        for owner in [None, us(), Some(PortOwner { pid: 1, name: "systemd".to_owned() })] {
            assert_eq!(
                explain(&error(owner), &sockets("ipcd.socket")).unwrap(),
                "tcp://0.0.0.0:33000: address already in use (by tcp://127.0.0.1:33000 of ipcd.socket, handed over by the \
                 service manager); let ipcd.socket open tcp://0.0.0.0:33000 in its place, or choose \
                 tcp://127.0.0.1:33000 or another one"
            );
        }
        let named = |name| explain(&error(None), &sockets(name)).unwrap();
        assert!(named("chat").contains("of the socket unit with FileDescriptorName=chat, handed"));
        assert!(named("unknown").contains("of the socket unit, handed"));
        assert!(named("a\u{1b}.socket").contains("of a\\u{1b}.socket, handed"));
        let other = Some(PortOwner { pid: 4_000_000, name: "python3".to_owned() });
        assert_eq!(explain(&error(other), &sockets("ipcd.socket")), None);
        assert_eq!(explain(&error(None), &[]), None);
    }
}
