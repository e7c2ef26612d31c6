//! The first message selects the service. Knows the list of services, and not how they work.

use super::Service;
use super::facts::{Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_nothing};
use crate::engine::limits::REPLY_BYTES_MAX;
use crate::engine::limits::Settings;
use crate::engine::message::RemoteAddress;
use crate::engine::text::{quote, trim};

/// Its facts.
pub const FACTS: Facts = Facts {
    name: "mux",
    conduct: Conduct::Mux,
    needs: &[Need::Session, Need::OneWriter, Need::Kernel],
    default_port: None,
    first: First::Message,
    idle: Idle::Silent,
    waits_for: Some("a service's name, or help"),
    is_typed: true,
    is_complete: |message| choose(message) != Choice::Default,
    is_private: is_nothing,
    is_shared: false,
    openness: Openness::Everybody,
    replies: Replies::Many(REPLY_BYTES_MAX),
    burst: None,
    keeps: Keeps::Nothing,
    unread: "",
    own_words: &[],
};

/// What a first message requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The list of services.
    Help,
    /// A service by its name.
    Named(Service),
    /// The control service, which is not for everyone.
    Control,
    /// No service: the message is for the default one.
    Default,
}

/// Reads a first message.
pub fn choose(message: &[u8]) -> Choice {
    let word = trim(message);
    match word {
        b"help" => return Choice::Help,
        b"control" => return Choice::Control,
        _ => {}
    }
    match Service::offered().find(|service| service.name().as_bytes() == word) {
        Some(service) => Choice::Named(service),
        None => Choice::Default,
    }
}

/// Why a client may not select a service on the mux; `None`: it may. The daemon's reports about others are for users that the
/// kernel identifies and the service's own lists allow. `name`: the one in its certificate.
pub fn refusal(
    settings: &Settings,
    service: Service,
    remote: RemoteAddress,
    name: Option<&str>,
) -> Option<String> {
    if let Some(error) = refusal_of_place(settings, service, remote, name) {
        return Some(error);
    }
    if service.facts().openness == Openness::Everybody {
        return None;
    }
    if !matches!(remote, RemoteAddress::Process { .. } | RemoteAddress::Unknown { .. }) {
        return Some(format!("{service} needs a Unix socket, where the kernel identifies the user"));
    }
    settings.of(service).allowed.as_ref()?.refuses(remote, settings.owner)?;
    Some(format!(
        "{service} is only for root, the daemon's own user, and those in allow_users or allow_groups under [{service}]"
    ))
}

/// The same for the address and the name in the certificate only.
pub fn refusal_of_place(
    settings: &Settings,
    service: Service,
    remote: RemoteAddress,
    name: Option<&str>,
) -> Option<String> {
    if let RemoteAddress::Address(address) = remote
        && !settings.of(service).networks.let_in(address.ip())
    {
        let address = address.ip().to_canonical();
        return Some(format!(
            "{address} may not use {service}: it is not in allow_addresses under [{service}]"
        ));
    }
    if matches!(remote, RemoteAddress::Address(_)) && !settings.of(service).names.let_in(name) {
        return Some(match name.map(|name| quote(name.as_bytes())) {
            Some(name) => format!("{name} may not use {service}: not in allow_names under [{service}]"),
            None => format!("{service} needs a certificate with a name in allow_names under [{service}]"),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::allow::Allowed;
    use crate::engine::allow::names::Names;

    #[test]
    fn first_message_names_a_service_or_goes_to_the_default() {
        assert_eq!(choose(b"multiply"), Choice::Named(Service::Multiply));
        assert_eq!(choose(b" chat \r"), Choice::Named(Service::Chat));
        assert_eq!(choose(b"help"), Choice::Help);
        assert_eq!(choose(b"control"), Choice::Control);
        assert_eq!(choose(b"mux"), Choice::Default, "it is chosen already");
        assert_eq!(choose(b"5 10"), Choice::Default);
        assert_eq!(choose(b"multiply 5 10"), Choice::Default);
    }

    #[test]
    fn network_client_may_select_services_that_allow_its_address() {
        let mut settings = Settings::default();
        settings.services[Service::Chat as usize].networks =
            crate::engine::allow::networks::Networks::new(["192.0.2.0/24".parse().unwrap()]);
        let at = |address: &str| RemoteAddress::Address(address.parse().unwrap());
        assert_eq!(refusal(&settings, Service::Chat, at("192.0.2.7:5"), None), None);
        assert_eq!(
            refusal(&settings, Service::Chat, at("[::ffff:198.51.100.7]:5"), None).as_deref(),
            Some("198.51.100.7 may not use chat: it is not in allow_addresses under [chat]")
        );
        assert_eq!(refusal(&settings, Service::Multiply, at("198.51.100.7:5"), None), None);
        assert_eq!(
            refusal(&settings, Service::Chat, RemoteAddress::Process { uid: 1, gid: 1, pid: 1 }, None),
            None
        );
    }

    #[test]
    fn network_client_may_select_services_that_allow_its_certificate() {
        let mut settings = Settings::default();
        settings.services[Service::Chat as usize].names = Names::new(["ada".to_owned()]);
        let far = RemoteAddress::Address("192.0.2.7:5".parse().unwrap());
        let refusal = |service, origin, name| refusal(&settings, service, origin, name);
        assert_eq!(refusal(Service::Chat, far, Some("ada")), None);
        assert_eq!(
            refusal(Service::Chat, far, Some("eve\u{202e}")).as_deref(),
            Some("eve\\u{202e} may not use chat: not in allow_names under [chat]")
        );
        assert_eq!(
            refusal(Service::Chat, far, None).as_deref(),
            Some("chat needs a certificate with a name in allow_names under [chat]")
        );
        assert_eq!(refusal(Service::Multiply, far, None), None);
        let user = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
        assert_eq!(refusal(Service::Chat, user, None), None, "the kernel says who that is");
    }

    #[test]
    fn watch_is_for_masters_or_its_list_and_status_for_all_admitted() {
        let mut settings = Settings { owner: 990, ..Settings::default() };
        let user = |uid| RemoteAddress::Process { uid, gid: 50, pid: 1 };
        let (stranger, far) =
            (RemoteAddress::Unknown { pid: 1 }, RemoteAddress::Address("127.0.0.1:5".parse().unwrap()));
        let is_for =
            |settings: &Settings, service, remote| refusal(settings, service, remote, None).is_none();
        for service in Service::ALL {
            let everybodys = service != Service::Watch;
            assert!(is_for(&settings, service, user(0)) && is_for(&settings, service, user(990)));
            assert_eq!(is_for(&settings, service, user(1000)), everybodys, "{service}");
            assert_eq!(is_for(&settings, service, stranger), everybodys, "{service}");
            let tells = matches!(service, Service::Status | Service::Watch);
            assert_eq!(is_for(&settings, service, far), !tells, "{service}");
        }
        for service in [Service::Status, Service::Watch, Service::Multiply] {
            settings.services[service as usize].allowed = Some(Allowed::new([1000], []));
        }
        for (remote, is_listed) in [(user(1000), true), (user(1001), false), (stranger, false)] {
            assert_eq!(is_for(&settings, Service::Watch, remote), is_listed);
            assert_eq!(is_for(&settings, Service::Status, remote), is_listed);
            assert!(is_for(&settings, Service::Multiply, remote), "its list is its endpoints'");
        }
    }
}
