//! Where a conversation takes place, for messages: the address that was connected to, and whether TLS is on it.

use std::fmt;
use std::ops::Deref;

use ipcd::endpoint::ResolvedEndpoint;

/// An endpoint, with or without TLS.
pub(crate) struct Place {
    endpoint: ResolvedEndpoint,
    is_secure: bool,
}

impl Place {
    pub(crate) fn new(endpoint: ResolvedEndpoint, is_secure: bool) -> Place {
        Place { endpoint, is_secure }
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }
}

impl Deref for Place {
    type Target = ResolvedEndpoint;

    fn deref(&self) -> &ResolvedEndpoint {
        &self.endpoint
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.endpoint, self.is_secure) {
            (ResolvedEndpoint::Tcp(address), true) => write!(f, "tls://{address}"),
            (endpoint, _) => endpoint.fmt(f),
        }
    }
}
