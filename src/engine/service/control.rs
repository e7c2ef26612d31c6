//! Requests to the daemon itself, on the mux, from those who may make them. Has never seen the daemon.

use crate::engine::message::{Origin, Request};
use crate::engine::text::trim;

/// The request that a message makes.
pub fn request(message: &[u8]) -> Option<Request> {
    match trim(message) {
        b"reload" => Some(Request::Reload),
        b"handover" => Some(Request::HandOver),
        _ => None,
    }
}

/// Whether somebody may control the daemon: root or `owner`, on a Unix socket, where the kernel vouches for the user.
pub fn is_allowed(origin: Origin, owner: u32) -> bool {
    matches!(origin, Origin::Process { uid, .. } if uid == 0 || uid == owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_owner_may_and_nobody_from_the_network() {
        assert!(is_allowed(Origin::Process { uid: 0, gid: 1, pid: 1 }, 990));
        assert!(is_allowed(Origin::Process { uid: 990, gid: 1, pid: 1 }, 990));
        assert!(!is_allowed(Origin::Process { uid: 1000, gid: 1, pid: 1 }, 990));
        assert!(!is_allowed(Origin::Address("127.0.0.1:5".parse().unwrap()), 0));
    }

    #[test]
    fn a_request_is_one_word() {
        assert_eq!(request(b" reload\r"), Some(Request::Reload));
        assert_eq!(request(b"handover"), Some(Request::HandOver));
        assert_eq!(request(b"reload now"), None);
    }
}
