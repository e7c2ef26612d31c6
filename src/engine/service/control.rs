//! Requests to the daemon itself, on the mux, from those who may make them. Has never seen the daemon.

use crate::engine::message::Request;
use crate::engine::text::trim;

/// The request that a message makes.
pub fn request(message: &[u8]) -> Option<Request> {
    match trim(message) {
        b"reload" => Some(Request::Reload),
        b"handover" => Some(Request::HandOver),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_word() {
        assert_eq!(request(b" reload\r"), Some(Request::Reload));
        assert_eq!(request(b"handover"), Some(Request::HandOver));
        assert_eq!(request(b"reload now"), None);
    }
}
