//! The first message chooses the service. Knows the list of services; has never seen one at work.

use super::Service;
use crate::engine::text::trim;

/// What a first message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The list of services.
    Help,
    /// A service by its name.
    Named(Service),
    /// The control service, which is no service for everybody.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_message_names_a_service_or_is_for_the_default_one() {
        assert_eq!(choose(b"multiply"), Choice::Named(Service::Multiply));
        assert_eq!(choose(b" chat \r"), Choice::Named(Service::Chat));
        assert_eq!(choose(b"help"), Choice::Help);
        assert_eq!(choose(b"control"), Choice::Control);
        assert_eq!(choose(b"mux"), Choice::Default, "it is chosen already");
        assert_eq!(choose(b"5 10"), Choice::Default);
        assert_eq!(choose(b"multiply 5 10"), Choice::Default);
    }
}
