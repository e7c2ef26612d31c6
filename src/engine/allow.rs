//! Who may connect through a binding. Knows users and groups by number; has never seen a certificate or a socket.

pub mod names;
pub mod networks;
pub mod passphrase;

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::message::{CloseReason, RemoteAddress};
use super::service::Service;
use super::service::facts::Openness;
use super::text::quote;
use super::words;
use names::Names;
use networks::Networks;

/// A peer that may not connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// This user.
    User(u32),
    /// A user that the kernel does not identify.
    Unknown,
    /// A client at this address.
    Address(IpAddr),
}

impl Refused {
    /// The close reason for this refusal.
    pub fn reason(self) -> CloseReason {
        match self {
            Refused::User(_) | Refused::Unknown => CloseReason::NotAllowed,
            Refused::Address(_) => CloseReason::AddressNotAllowed,
        }
    }
}

/// The peers that an endpoint accepts: on a Unix socket users, besides root and the daemon's own; elsewhere network
/// addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
    networks: Networks,
    /// Names in certificates; `None`: no certificate is requested.
    names: Option<Names>,
}

impl Allowed {
    /// These users, and those whose process has one of these groups.
    pub fn new(users: impl IntoIterator<Item = u32>, groups: impl IntoIterator<Item = u32>) -> Allowed {
        Allowed {
            users: users.into_iter().collect(),
            groups: groups.into_iter().collect(),
            ..Allowed::default()
        }
    }

    /// Clients from these networks whose certificate has one of these names. Without `names`, no certificate is requested. Returns
    /// `None` if everyone is allowed.
    pub fn from_networks(networks: Networks, names: Option<Names>) -> Option<Allowed> {
        (!networks.is_empty() || names.is_some()).then(|| Allowed { networks, names, ..Allowed::default() })
    }

    /// Whether every client is asked for a certificate.
    pub fn asks_for_certificate(&self) -> bool {
        self.names.is_some()
    }

    /// Whether this name in a certificate is allowed; `None`: the certificate has no name.
    pub fn lets_in_name(&self, name: Option<&str>) -> bool {
        self.names.as_ref().is_none_or(|names| names.let_in(name))
    }

    /// The network address.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Whether a user is in one of the two lists.
    pub fn or(mut self, other: Allowed) -> Allowed {
        self.users.extend(other.users);
        self.groups.extend(other.groups);
        self
    }

    /// Whether it names no user.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// Why the peer may not connect; `None`: it may. A user that the kernel does not identify is never allowed.
    pub fn refuses(&self, remote: RemoteAddress, owner: u32) -> Option<Refused> {
        if let RemoteAddress::Address(address) = remote
            && (!self.networks.is_empty() || self.names.is_some())
        {
            let address = address.ip().to_canonical();
            return (!self.networks.let_in(address)).then_some(Refused::Address(address));
        }
        let RemoteAddress::Process { uid, gid, .. } = remote else { return Some(Refused::Unknown) };
        let is_let_in = is_master(remote, owner) || self.users.contains(&uid) || self.groups.contains(&gid);
        (!is_let_in).then_some(Refused::User(uid))
    }
}

/// The peers that a service's lists allow; `None`: everyone. Empty lists of watch allow nobody, because watch shows what others
/// say.
pub fn listed(service: Service, lists: Allowed) -> Option<Allowed> {
    (service.facts().openness == Openness::Masters || !lists.is_empty()).then_some(lists)
}

/// Whether it is root or `owner`, the daemon's own user. Only a Unix socket can show that, because the kernel says so.
pub fn is_master(remote: RemoteAddress, owner: u32) -> bool {
    matches!(remote, RemoteAddress::Process { uid, .. } if uid == 0 || uid == owner)
}

/// The error for a peer that may not connect.
pub fn refusal(refused: Refused) -> String {
    match refused {
        Refused::User(uid) => words::user_refused(format_args!("user {uid}")),
        Refused::Unknown => words::user_refused("an unknown user"),
        Refused::Address(address) => words::refused_to_connect(address),
    }
}

/// The error for a peer whose certificate has this name, which is not allowed; `None`: it has none.
pub fn refusal_of_name(name: Option<&str>) -> String {
    match name {
        Some(name) => words::refused_to_connect(quote(name.as_bytes())),
        None => "Error: the certificate has no name".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::limits::REFUSAL_BYTES;
    use crate::engine::message::NO_GROUP;

    #[test]
    fn only_root_the_owner_and_listed_users_are_admitted() {
        let allowed = Allowed::new([1000], []).or(Allowed::new([1001], [50]));
        let refuses = |uid, gid| allowed.refuses(RemoteAddress::Process { uid, gid, pid: 1 }, 990);
        for (uid, gid) in [(0, 7), (990, 7), (1000, 7), (1001, 7), (1002, 50)] {
            assert_eq!(refuses(uid, gid), None, "{uid} {gid}");
        }
        for (uid, gid) in [(1002, 7), (50, 7), (7, 1000), (65534, 65534)] {
            assert_eq!(refuses(uid, gid), Some(Refused::User(uid)), "{uid} {gid}");
        }
        assert_eq!(
            allowed.refuses(RemoteAddress::Address("127.0.0.1:5".parse().unwrap()), 990),
            Some(Refused::Unknown)
        );
        assert!(Allowed::default().is_empty() && !allowed.is_empty());
    }

    #[test]
    fn root_and_the_owner_are_masters_and_network_peers_never() {
        assert!(is_master(RemoteAddress::Process { uid: 0, gid: 1, pid: 1 }, 990));
        assert!(is_master(RemoteAddress::Process { uid: 990, gid: 1, pid: 0 }, 990));
        assert!(!is_master(RemoteAddress::Process { uid: 1000, gid: 1, pid: 1 }, 990));
        assert!(!is_master(RemoteAddress::Address("127.0.0.1:5".parse().unwrap()), 0));
    }

    #[test]
    fn user_unknown_to_the_kernel_matches_no_list_and_no_other_user() {
        let stranger = RemoteAddress::Unknown { pid: 7 };
        for owner in [0, 990, 65534, u32::MAX] {
            let everybody_known = Allowed::new([65534, u32::MAX], [65534]);
            assert_eq!(everybody_known.refuses(stranger, owner), Some(Refused::Unknown));
            assert!(!is_master(stranger, owner));
        }
        let without_group = RemoteAddress::Process { uid: 7, gid: NO_GROUP, pid: 0 };
        assert_eq!(Allowed::new([], [65534]).refuses(without_group, 990), Some(Refused::User(7)));
    }

    #[test]
    fn peer_from_a_listed_network_is_admitted_whatever_its_user() {
        let networks = Networks::new(["192.0.2.0/24".parse().unwrap()]);
        let class = Allowed::from_networks(networks, None).unwrap();
        let refuses = |address: &str| class.refuses(RemoteAddress::Address(address.parse().unwrap()), 0);
        assert_eq!(refuses("192.0.2.7:5"), None);
        assert_eq!(refuses("[::ffff:192.0.2.7]:5"), None);
        let refused = refuses("[::ffff:198.51.100.1]:5").unwrap();
        assert_eq!(refused, Refused::Address("198.51.100.1".parse().unwrap()));
        assert_eq!(refusal(refused), "Error: 198.51.100.1 may not connect");
        assert_eq!(refused.reason(), CloseReason::AddressNotAllowed);
        assert!(Allowed::from_networks(Networks::default(), None).is_none());
    }

    #[test]
    fn list_of_names_admits_every_address() {
        let names = Names::new(["ada".to_owned()]);
        let class = Allowed::from_networks(Networks::default(), Some(names)).unwrap();
        assert_eq!(class.refuses(RemoteAddress::Address("192.0.2.7:5".parse().unwrap()), 0), None);
        assert_eq!(
            class.refuses(RemoteAddress::Process { uid: 7, gid: 7, pid: 1 }, 990),
            Some(Refused::User(7)),
            "a name is none of a user"
        );
        assert!(class.asks_for_certificate() && class.lets_in_name(Some("ada")));
        assert!(!class.lets_in_name(Some("eve")) && !class.lets_in_name(None));
        let networks = Networks::new(["192.0.2.0/24".parse().unwrap()]);
        let anybody = Allowed::from_networks(networks, None).unwrap();
        assert!(!anybody.asks_for_certificate() && anybody.lets_in_name(None));
    }

    #[test]
    fn refusal_fits_the_pending_refusals() {
        let longest = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff".parse().unwrap();
        for refused in [Refused::User(u32::MAX), Refused::Unknown, Refused::Address(longest)] {
            assert!(refusal(refused).len() < REFUSAL_BYTES);
        }
    }
}
