//! What ipcctl wants of a daemon: the services, and where each is usually found.

/// What is wanted of a daemon.
pub(crate) struct ServiceSpec {
    /// Its name on the mux.
    pub(crate) name: &'static str,
    /// Its usual TCP port, where a daemon without a Unix socket is looked for.
    pub(crate) port: Option<u16>,
    /// Whether a request and its reply are all of it, so that no connection is needed.
    pub(crate) datagrams: bool,
    /// Whether it can be had through a pair of FIFOs.
    pub(crate) fifo: bool,
}

pub(crate) const MULTIPLY: ServiceSpec =
    ServiceSpec { name: "multiply", port: Some(65432), datagrams: true, fifo: true };
pub(crate) const CONTROL: ServiceSpec =
    ServiceSpec { name: "control", port: None, datagrams: false, fifo: false };
pub(crate) const CHAT: ServiceSpec =
    ServiceSpec { name: "chat", port: Some(33000), datagrams: false, fifo: false };
pub(crate) const TALK: ServiceSpec =
    ServiceSpec { name: "talk", port: Some(5000), datagrams: false, fifo: false };
pub(crate) const STATS: ServiceSpec =
    ServiceSpec { name: "stats", port: Some(33001), datagrams: false, fifo: false };
pub(crate) const STATUS: ServiceSpec =
    ServiceSpec { name: "status", port: None, datagrams: false, fifo: false };
pub(crate) const WATCH: ServiceSpec =
    ServiceSpec { name: "watch", port: None, datagrams: false, fifo: false };
