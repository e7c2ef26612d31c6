//! The transport of a conversation, described by its properties: code asks for the property that it needs, never for a kind of
//! transport. A new mechanism is one more constant here.

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest packet that is received whole: more than a sender's buffer at its default size (net.core.wmem_default, socket(7)).
/// Untouched pages of the receive buffer cost nothing.
pub const PACKET_BYTES_MAX: usize = 256 * 1024;

/// The longest datagram on the network: 65535 bytes less the headers of IPv4 and UDP (udp(7)).
const UDP_BYTES_MAX: usize = 65_507;

/// The longest message of a message queue that ipcd creates: the system's default for the most that any user may have
/// (`fs.mqueue.msgsize_max`, mq_overview(7)).
pub const QUEUE_MESSAGE_BYTES_MAX: usize = 8192;

/// The longest message in the rings of shared memory: nearly half a ring.
pub const RING_MESSAGE_BYTES_MAX: usize = 32_764;

/// The longest message of a bounded buffer with semaphores.
pub const BUFFER_MESSAGE_BYTES_MAX: usize = 8192;

/// The properties of a transport that matter to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Its name in the record of a restart. Later versions read it, so it never changes.
    name: &'static str,
    /// The unit of one read.
    pub unit: Unit,
    /// How long a conversation lasts.
    pub lifetime: Lifetime,
    /// Whether our side can end while the other one continues (shutdown(2)).
    pub half_close: bool,
    /// Whether it can be closed with a reset (SO_LINGER 0, socket(7)).
    pub reset: bool,
    /// Whether unread data are dropped, because there may be no reader.
    pub lossy: bool,
    /// Whether there are many writers that cannot be told apart: then messages are lines, none is the first, and no single client
    /// can get an error.
    pub many_writers: bool,
    /// Whether the rest of a message may wait in the sender's kernel until its beginning is acknowledged (TCP_QUICKACK, tcp(7)).
    pub acknowledges: bool,
    /// Whether it is the process's only connection.
    pub is_alone: bool,
    /// How the kernel identifies the peer.
    pub identity: Identity,
    /// Whether it is encrypted: only this process has its keys, so no other process can continue it.
    pub is_encrypted: bool,
    /// Whether a conversation begins with HTTP.
    pub is_web: bool,
    /// Whether its bytes are in memory that the peer can change, and do not pass through the kernel.
    pub is_memory: bool,
    /// Whether there is no way back to its writers: nothing can be answered.
    pub is_one_way: bool,
}

/// The unit of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As many bytes as have arrived.
    Bytes,
    /// One whole message.
    Message {
        /// The longest message, in bytes.
        bytes_max: usize,
    },
}

/// How long a conversation lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// From a client's connect to its leaving.
    Connection,
    /// As long as the endpoint is open, for all writers and readers.
    Endpoint,
    /// One message and its answer.
    Message,
}

/// How the kernel identifies the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// An address and port.
    Address,
    /// A process and its user (SO_PEERCRED, SCM_CREDENTIALS: unix(7)).
    Process,
    /// Not at all.
    Nobody,
}

/// Defines the transports, and `ALL` of them.
macro_rules! transports {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)+) => {
        $($(#[$doc])* pub const $name: Transport = $value;)+

        /// All that differ in the services that they can carry, each with a name of its own.
        pub const ALL: [Transport; [$(stringify!($name)),+].len()] = [$(Transport::$name),+];
    };
}

impl Transport {
    transports! {
        /// A TCP connection.
        TCP = Transport {
            reset: true,
            acknowledges: true,
            identity: Identity::Address,
            ..Transport::stream("Tcp")
        };
        /// TLS on a TCP connection.
        TLS = Transport { name: "Tls", is_encrypted: true, ..Transport::TCP };
        /// A Unix stream socket.
        UNIX = Transport::stream("Unix");
        /// A Unix sequenced-packet socket: each packet is one message.
        UNIXSEQ = Transport { unit: Unit::Message { bytes_max: PACKET_BYTES_MAX }, ..Transport::stream("Packets") };
        /// UDP datagrams.
        UDP = Transport {
            unit: Unit::Message { bytes_max: UDP_BYTES_MAX },
            identity: Identity::Address,
            ..Transport::datagrams("Datagrams")
        };
        /// Datagrams on a Unix socket.
        UNIXGRAM = Transport::datagrams("UnixDatagrams");
        /// Two FIFOs: lines from any number of writers, without end.
        FIFO = Transport {
            lifetime: Lifetime::Endpoint,
            half_close: false,
            lossy: true,
            many_writers: true,
            identity: Identity::Nobody,
            ..Transport::stream("Fifo")
        };
        /// Standard input and output on one stream socket, as inetd(8) passes it.
        STDIO_SOCKET = Transport { is_alone: true, ..Transport::stream("Pipe") };
        /// HTTP, and WebSockets, on TCP.
        HTTP = Transport { name: "Http", is_web: true, ..Transport::TCP };
        /// HTTP, and WebSockets, in TLS.
        HTTPS = Transport { name: "Https", is_web: true, ..Transport::TLS };
        /// HTTP, and WebSockets, on a Unix stream socket.
        HTTP_UNIX = Transport { name: "HttpUnix", is_web: true, ..Transport::UNIX };
        /// Two POSIX message queues: messages from any number of writers, without end.
        MQ = Transport {
            name: "Queues",
            unit: Unit::Message { bytes_max: QUEUE_MESSAGE_BYTES_MAX },
            ..Transport::FIFO
        };
        /// Two rings of messages in shared memory, passed over a Unix socket.
        SHM = Transport {
            unit: Unit::Message { bytes_max: RING_MESSAGE_BYTES_MAX },
            is_memory: true,
            ..Transport::stream("Rings")
        };
        /// A bounded buffer in shared memory with semaphores: what its writers put there, without a way back to them.
        BUFFER = Transport {
            name: "Buffer",
            unit: Unit::Message { bytes_max: BUFFER_MESSAGE_BYTES_MAX },
            is_one_way: true,
            ..Transport::FIFO
        };
    }

    /// Standard input and output of any kind, except one socket for both. It has that one's name.
    pub const STDIO: Transport =
        Transport { half_close: false, identity: Identity::Nobody, ..Transport::STDIO_SOCKET };

    const fn stream(name: &'static str) -> Transport {
        Transport {
            name,
            unit: Unit::Bytes,
            lifetime: Lifetime::Connection,
            half_close: true,
            reset: false,
            lossy: false,
            many_writers: false,
            acknowledges: false,
            is_alone: false,
            identity: Identity::Process,
            is_encrypted: false,
            is_web: false,
            is_memory: false,
            is_one_way: false,
        }
    }

    const fn datagrams(name: &'static str) -> Transport {
        Transport {
            unit: Unit::Message { bytes_max: PACKET_BYTES_MAX },
            lifetime: Lifetime::Message,
            half_close: false,
            lossy: true,
            ..Transport::stream(name)
        }
    }

    /// Whether the conversation is the endpoint's own, and lasts as long as the endpoint.
    pub const fn is_standing(&self) -> bool {
        matches!(self.lifetime, Lifetime::Endpoint)
    }

    /// The transport of a conversation in a WebSocket on it.
    pub const fn within(self) -> Transport {
        Transport { is_web: false, ..self }
    }

    /// Whether each read is one message.
    pub const fn has_messages(&self) -> bool {
        matches!(self.unit, Unit::Message { .. })
    }
}

impl Serialize for Transport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Transport {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Transport, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        let found = Transport::ALL.into_iter().find(|transport| transport.name == name);
        found.ok_or_else(|| Error::custom(format!("unknown transport {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::service::Service;

    #[test]
    fn record_has_the_names_that_earlier_versions_wrote_and_read() {
        let written = Transport::ALL.map(|transport| serde_json::to_string(&transport).unwrap());
        assert_eq!(
            written,
            [
                "Tcp",
                "Tls",
                "Unix",
                "Packets",
                "Datagrams",
                "UnixDatagrams",
                "Fifo",
                "Pipe",
                "Http",
                "Https",
                "HttpUnix",
                "Queues",
                "Rings",
                "Buffer"
            ]
            .map(|name| format!("\"{name}\""))
        );
        for (text, transport) in written.iter().zip(Transport::ALL) {
            assert_eq!(serde_json::from_str::<Transport>(text).unwrap(), transport);
        }
        let unknown = serde_json::from_str::<Transport>("\"Carrier pigeon\"").unwrap_err();
        assert!(unknown.to_string().contains("Carrier pigeon"), "{unknown}");
    }

    #[test]
    fn service_is_offered_where_its_needs_are_met() {
        let fitting = |service: Service| -> Vec<&str> {
            let fits = Transport::ALL.into_iter().filter(|transport| service.fits(*transport));
            fits.map(|transport| transport.name).collect()
        };
        let everywhere = [
            "Tcp",
            "Tls",
            "Unix",
            "Packets",
            "Datagrams",
            "UnixDatagrams",
            "Fifo",
            "Pipe",
            "Queues",
            "Rings",
        ];
        let without_fifo = ["Tcp", "Tls", "Unix", "Packets", "Datagrams", "UnixDatagrams", "Pipe", "Rings"];
        for (service, expected) in [
            (Service::Multiply, &everywhere[..]),
            (Service::Greeting, &without_fifo[..7]),
            (Service::Hello, &without_fifo),
            (Service::Chat, &["Tcp", "Tls", "Unix", "Packets", "Fifo", "Queues", "Rings", "Buffer"]),
            (Service::Talk, &everywhere[..4]),
            (Service::Stats, &everywhere[..4]),
            (Service::Status, &everywhere[..3]),
            (Service::Watch, &everywhere[..4]),
            (Service::Mux, &["Tcp", "Tls", "Unix", "Packets", "Pipe"]),
            (Service::Page, &["Http", "Https", "HttpUnix"]),
        ] {
            assert_eq!(fitting(service), expected, "{service}");
        }
    }

    #[test]
    fn service_is_not_offered_where_its_longest_reply_exceeds_a_message() {
        let short = Transport { unit: Unit::Message { bytes_max: 511 }, ..Transport::UNIXSEQ };
        assert!(!Service::Multiply.fits(short), "its replies have up to 512 bytes");
    }
}
