//! Where a mistake was made, and the endpoint of the service that the client may have meant. Knows endpoints as text.

use crate::engine::service::Service;

/// The open endpoints and their services.
pub type Endpoints<'a> = &'a [(String, Service)];

/// Where a mistake was made.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The endpoint to which the peer connected.
    pub here: &'a str,
    /// All open endpoints, in the configuration's order.
    pub endpoints: Endpoints<'a>,
}

/// The parts of `tcp://127.0.0.1:65432`: scheme, host or path, and port.
fn parts(endpoint: &str) -> (&str, &str, Option<&str>) {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or((endpoint, ""));
    match rest.rsplit_once(':') {
        Some((host, port)) if !rest.starts_with('/') => (scheme, host, Some(port)),
        _ => (scheme, rest, None),
    }
}

/// How suitable an endpoint is for a client of another one: the same address, or at least the same kind.
fn fitness(endpoint: &str, here: &str) -> u8 {
    let ((scheme, host, _), (own_scheme, own_host, _)) = (parts(endpoint), parts(here));
    u8::from(scheme == own_scheme) * (1 + u8::from(host == own_host))
}

/// An endpoint in a form that a client can use: the address for all interfaces is replaced.
fn reachable(endpoint: &str) -> String {
    match parts(endpoint) {
        (scheme, "0.0.0.0" | "[::]", Some(port)) => format!("{scheme} port {port} of this host"),
        _ => endpoint.to_owned(),
    }
}

impl Context<'_> {
    /// The service that a browser can use, if there is one.
    pub(super) fn for_browsers(self) -> Option<String> {
        let (endpoint, service) = self.endpoints.iter().find(|(endpoint, _)| parts(endpoint).0 == "http")?;
        Some(format!("{service} is on {}", reachable(endpoint)))
    }

    /// The endpoints of the other services, each once, in order: those of the same kind, if there are any; only `likely`, if it is
    /// open.
    pub(super) fn elsewhere(self, but: Service, likely: Option<Service>) -> String {
        let mut others: Vec<(&str, Service)> = Vec::new();
        for (endpoint, service) in self.endpoints.iter().filter(|(_, service)| *service != but) {
            match others.iter_mut().find(|(_, known)| known == service) {
                None => others.push((endpoint, *service)),
                Some((best, _)) if fitness(endpoint, self.here) > fitness(best, self.here) => {
                    *best = endpoint;
                }
                Some(_) => {}
            }
        }
        if let Some(meant) = others.iter().find(|(_, service)| Some(*service) == likely).copied() {
            others = vec![meant];
        } else if others.iter().any(|(endpoint, _)| fitness(endpoint, self.here) > 0) {
            others.retain(|(endpoint, _)| fitness(endpoint, self.here) > 0);
        }
        let list: Vec<String> = others
            .iter()
            .map(|(endpoint, service)| format!("{service} is on {}", reachable(endpoint)))
            .collect();
        match list.is_empty() {
            true => "no other service is open".to_owned(),
            false => list.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Vec<(String, Service)> {
        let kinds = ["udp://[::1]", "unix:///s", "tcp://127.0.0.1", "tcp://[::1]", "fifo:///f"];
        let services = [Service::Chat, Service::Multiply, Service::Greeting];
        let all = services.into_iter().zip(1..);
        let mut endpoints: Vec<_> =
            all.flat_map(|(service, port)| kinds.map(|kind| (format!("{kind}:{port}"), service))).collect();
        endpoints.push(("unixseq:///stats".to_owned(), Service::Stats));
        endpoints
    }

    #[test]
    fn other_services_are_named_once_and_the_own_one_never() {
        let endpoints = endpoints();
        let of = |here, but, likely| Context { here, endpoints: &endpoints }.elsewhere(but, likely);
        assert_eq!(
            of("tcp://[::1]:2", Service::Multiply, None),
            "chat is on tcp://[::1]:1, greeting is on tcp://[::1]:3"
        );
        assert_eq!(
            of("tcp://10.0.0.7:2", Service::Multiply, None),
            "chat is on tcp://127.0.0.1:1, greeting is on tcp://127.0.0.1:3"
        );
        assert_eq!(
            of("tcp://[::1]:2", Service::Multiply, Some(Service::Stats)),
            "stats is on unixseq:///stats"
        );
        assert!(of("unixgram:///m", Service::Multiply, None).contains(", stats is on unixseq:///stats"));
        assert!(of("unix:///m", Service::Multiply, None).starts_with("chat is on unix:///s:1, greeting"));
        assert_eq!(
            of("tcp://127.0.0.1:1", Service::Chat, Some(Service::Multiply)),
            "multiply is on tcp://127.0.0.1:2"
        );
        let all = of("tcp://127.0.0.1:1", Service::Chat, None);
        assert_eq!(of("tcp://127.0.0.1:1", Service::Chat, Some(Service::Talk)), all, "talk is not open");
        let alone = Context { here: "tcp://[::1]:2", endpoints: &endpoints[5..10] };
        assert_eq!(alone.elsewhere(Service::Multiply, None), "no other service is open");
    }

    #[test]
    fn address_that_means_every_address_is_named_by_its_port() {
        for (open, named) in [
            ("tcp://0.0.0.0:33000", "chat is on tcp port 33000 of this host"),
            ("tls://[::]:33001", "chat is on tls port 33001 of this host"),
            ("tcp://192.168.1.7:33000", "chat is on tcp://192.168.1.7:33000"),
            ("unix:///run/a:b", "chat is on unix:///run/a:b"),
        ] {
            let endpoints = [(open.to_owned(), Service::Chat)];
            let context = Context { here: "tcp://0.0.0.0:65432", endpoints: &endpoints };
            assert_eq!(context.elsewhere(Service::Multiply, None), named);
        }
    }
}
