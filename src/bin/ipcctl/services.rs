//! The services that ipcctl uses, and where to find them.

/// A service of a daemon.
pub(crate) struct ServiceSpec {
    /// Its name on the mux.
    pub(crate) name: &'static str,
    /// Its usual TCP port, to find a daemon without a Unix socket.
    pub(crate) port: Option<u16>,
    /// Whether it consists of a request and its reply, so that datagrams are enough.
    pub(crate) datagrams: bool,
    /// Whether it works over a pair of FIFOs or message queues.
    pub(crate) fifo: bool,
    /// Whether it works over shared memory.
    pub(crate) memory: bool,
    /// Whether it exists only on a mux, which ipcctl uses only on Unix sockets: elsewhere, another service would treat
    /// the request as a message.
    pub(crate) mux_only: bool,
}

impl ServiceSpec {
    /// Whether to wait a moment for another service that speaks first: the chat greets, and a first message there would be a
    /// name. Not for multiply, which scripts call in a loop. A talk port, which says nothing first, cannot be told from it.
    pub(crate) fn listens_first(&self) -> bool {
        [STATUS.name, WATCH.name, STATS.name, "hello", "greeting"].contains(&self.name)
    }
}

pub(crate) const MULTIPLY: ServiceSpec = ServiceSpec {
    name: "multiply",
    port: Some(65432),
    datagrams: true,
    fifo: true,
    memory: true,
    mux_only: false,
};
pub(crate) const CONTROL: ServiceSpec =
    ServiceSpec { name: "control", port: None, datagrams: false, fifo: false, memory: false, mux_only: true };
pub(crate) const CHAT: ServiceSpec = ServiceSpec {
    name: "chat",
    port: Some(33000),
    datagrams: false,
    fifo: false,
    memory: true,
    mux_only: false,
};
pub(crate) const TALK: ServiceSpec = ServiceSpec {
    name: "talk",
    port: Some(5000),
    datagrams: false,
    fifo: false,
    memory: false,
    mux_only: false,
};
pub(crate) const STATS: ServiceSpec = ServiceSpec {
    name: "stats",
    port: Some(33001),
    datagrams: false,
    fifo: false,
    memory: false,
    mux_only: false,
};
pub(crate) const STATUS: ServiceSpec =
    ServiceSpec { name: "status", port: None, datagrams: false, fifo: false, memory: false, mux_only: false };
pub(crate) const WATCH: ServiceSpec =
    ServiceSpec { name: "watch", port: None, datagrams: false, fifo: false, memory: false, mux_only: false };
