//! Warnings about message queues that a valid configuration asks for.

use nix::sys::resource::{Resource, getrlimit};

use crate::config::{Config, Listen};
use crate::endpoint::Endpoint;
use crate::engine::transport::QUEUE_MESSAGE_BYTES_MAX;
use crate::host::namespace;
use crate::transport::queue::cost;

fn queues(config: &Config) -> impl Iterator<Item = &Listen> {
    config.listens.iter().filter(|listen| matches!(listen.endpoint, Endpoint::Mq(_)))
}

/// Warns if a service's longest message fits into no queue that any user may have.
pub(super) fn of_size(config: &Config) -> Vec<String> {
    let longest = |listen: &Listen| config.settings.of(listen.service).message_bytes_max;
    let long = queues(config).filter(|listen| longest(listen) > QUEUE_MESSAGE_BYTES_MAX);
    long.map(|listen| {
        format!(
            "{}: max_message is {} bytes, but {} takes messages of at most {QUEUE_MESSAGE_BYTES_MAX} (fs.mqueue.msgsize_max); lower it under [{}]",
            listen.position,
            longest(listen),
            listen.endpoint,
            listen.service,
        )
    })
    .collect()
}

/// Warns if the queues take more than a user may have. `--check` knows the limit of its own user alone.
pub(super) fn of_limit(config: &Config) -> Option<String> {
    let (limit, _) = getrlimit(Resource::RLIMIT_MSGQUEUE).ok()?;
    let bytes: u64 =
        queues(config).map(|listen| cost(config.settings.of(listen.service).message_bytes_max)).sum();
    (bytes > limit).then(|| {
        format!(
            "{}: the message queues of its mq:// endpoints take {bytes} bytes, and a user may have {limit} (RLIMIT_MSGQUEUE); raise that limit for ipcd (LimitMSGQUEUE=, ulimit -q), lower max_message, or list fewer of them",
            config.file_to_change(),
        )
    })
}

/// Warns a unit if no other process sees the queues, because it has an IPC namespace of its own. In a container, the namespace
/// may be that of all its processes.
pub(super) fn of_namespace(config: &Config) -> Option<String> {
    let first = queues(config).next()?;
    namespace::is_another().then(|| {
        format!(
            "{}: only processes in the same IPC namespace see {}; if that is the unit's own (PrivateIPC=yes), the drop-in /usr/share/doc/ipcd/examples/message-queues.conf makes the queues visible to all",
            first.position, first.endpoint,
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("f"), text).unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn queues_too_small_for_a_message_are_named() {
        let with = |bytes: &str| {
            of_size(&config(&format!(
                "[multiply]\nmax_message = {bytes}\nlisten = [\"tcp://localhost:1\", \"mq:///a\"]\n"
            )))
        };
        assert_eq!(with("8192"), [""; 0]);
        assert_eq!(
            with("8193"),
            [
                "f:3:32: max_message is 8193 bytes, but mq:///a takes messages of at most 8192 (fs.mqueue.msgsize_max); lower it under [multiply]"
            ]
        );
    }

    #[test]
    fn more_queues_than_a_user_may_have_cause_a_warning() {
        let (limit, _) = getrlimit(Resource::RLIMIT_MSGQUEUE).unwrap();
        let with = |count: u64| {
            let list: Vec<String> = (0..count).map(|number| format!("\"mq:///a{number}\"")).collect();
            of_limit(&config(&format!("[multiply]\nlisten = [{}]\n", list.join(", "))))
        };
        let fits = limit.checked_div(cost(4096)).unwrap().min(1000);
        assert_eq!(with(fits), None);
        if fits < 1000 {
            let said = with(fits + 1).unwrap();
            assert!(said.contains(&format!("a user may have {limit} (RLIMIT_MSGQUEUE)")), "{said}");
        }
    }
}
