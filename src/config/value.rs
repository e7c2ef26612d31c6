//! Values: numbers, sizes, times, words, and their ranges. Knows no key and no position in the file.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use log::LevelFilter;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::engine::limits::{FramingRule, HISTORY_CEILING, MESSAGE_BYTES_CEILING, PER_SECOND_MAX};
use crate::engine::service::Service;

/// A value as written, and where.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// The longest name of a group or user, in bytes: useradd's own bound is 32, names from a directory service are longer.
const NAME_BYTES_MAX: usize = 255;

/// The range of a value, also in words, and the reason for it.
pub(super) struct Bounds<T> {
    min: T,
    max: T,
    text: &'static str,
    reason: &'static str,
}

pub(super) const CONNECTIONS: Bounds<usize> = Bounds {
    min: 1,
    max: 1_000_000,
    text: "1 to 1000000",
    reason: "the kernel lets one process hold about a million of them",
};

pub(super) const SERVICE_CONNECTIONS: Bounds<usize> = Bounds {
    min: 0,
    max: 1_000_000,
    text: "1 to 1000000, or 0 for no separate bound",
    reason: "the kernel lets one process hold about a million of them",
};

pub(super) const CONNECTIONS_PER_ADDRESS: Bounds<usize> = Bounds {
    min: 0,
    max: 1_000_000,
    text: "1 to 1000000, or 0 for no bound",
    reason: "the kernel lets one process hold about a million of them",
};

pub(super) const MESSAGE_BYTES: Bounds<usize> = Bounds {
    min: 1,
    max: MESSAGE_BYTES_CEILING,
    text: "1 byte to 16MiB",
    reason: "a message is held in memory whole",
};

pub(super) const QUEUED_BYTES: Bounds<usize> = Bounds {
    min: 1024 * 1024,
    max: 1024 * 1024 * 1024 * 1024,
    text: "1MiB to 1TiB",
    reason: "a few clients alone can fill less",
};

pub(super) const BACKLOG_BYTES: Bounds<usize> = Bounds {
    min: 4 * 1024,
    max: 1024 * 1024 * 1024,
    text: "4KiB to 1GiB",
    reason: "less would hold only a few replies, and one client could fill more",
};

pub(super) const LISTEN_BACKLOG: Bounds<usize> = Bounds {
    min: 1,
    max: 65535,
    text: "1 to 65535",
    reason: "the kernel's queue needs at least one place; net.core.somaxconn limits it too",
};

pub(super) const MESSAGES_PER_SECOND: Bounds<usize> = Bounds {
    min: 0,
    max: PER_SECOND_MAX as usize,
    text: "1 to 10000, or 0 for no bound",
    reason: "a higher bound would be no bound",
};

pub(super) const REFUSED_LINGERING: Bounds<usize> = Bounds {
    min: 0,
    max: 65536,
    text: "0 to 65536",
    reason: "each holds a descriptor; with 0 every refused connection gets its error and is closed at once",
};

pub(super) const MACHINES: Bounds<usize> = Bounds {
    min: 1,
    max: 10_000,
    text: "1 to 10000",
    reason: "the last report of each is held in memory, up to 16KiB",
};

pub(super) const WATCHERS: Bounds<usize> =
    Bounds { min: 1, max: 64, text: "1 to 64", reason: "every event is formatted for each watcher" };

pub(super) const ANSWERS_PER_SECOND: Bounds<usize> = Bounds {
    min: 0,
    max: 100_000,
    text: "1 to 100000, or 0 for no bound",
    reason: "the time for one answer is a whole number of microseconds",
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) const TIMEOUT: Bounds<Duration> = Bounds {
    min: Duration::from_millis(1),
    max: DAY.saturating_mul(365),
    text: "1ms to 365days",
    reason: "a timeout of zero would close every connection at once",
};

pub(super) const FIRST_MESSAGE_TIMEOUT: Bounds<Duration> = Bounds {
    min: Duration::ZERO,
    max: DAY.saturating_mul(365),
    text: "1ms to 365days, or 0s for none",
    reason: "without it, idle_timeout limits silence",
};

pub(super) const LINGER_TIMEOUT: Bounds<Duration> = Bounds {
    min: Duration::from_millis(1),
    max: Duration::from_secs(60 * 60),
    text: "1ms to 1h",
    reason: "until the client closes, its place is taken",
};

pub(super) const SHUTDOWN_GRACE: Bounds<Duration> = Bounds {
    min: Duration::ZERO,
    max: DAY.saturating_mul(365),
    text: "0s to 365days",
    reason: "a stop must end",
};

pub(super) const RAW_GAP: Bounds<Duration> = Bounds {
    min: Duration::from_millis(1),
    max: Duration::from_secs(10),
    text: "1ms to 10s",
    reason: "every result to a raw client waits that long",
};

pub(super) const HISTORY: Bounds<usize> =
    Bounds { min: 0, max: HISTORY_CEILING, text: "0 to 10000", reason: "a new member gets it all at once" };

impl<T: PartialOrd> Bounds<T> {
    pub(super) fn check(&self, value: T) -> Result<T, String> {
        if self.min <= value && value <= self.max {
            Ok(value)
        } else {
            Err(format!("it must be {} ({})", self.text, self.reason))
        }
    }
}

/// Converts the value to the right type, or says what would be right.
pub(super) fn typed<T: DeserializeOwned>(value: Value<'_>) -> Result<T, String> {
    T::deserialize(ValueDeserializer::from(value)).map_err(|error| error.message().to_owned())
}

/// A value before its meaning is known.
enum Raw {
    /// Any integer; values beyond 64 bits are treated as the largest.
    Integer(i64),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Integer(i64::MAX))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Integer(if value < 0 { i64::MIN } else { i64::MAX }))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Integer(i64::MAX))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Raw::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Raw::Other)
    }
}

/// Defines a type: which [`Raw`] values it accepts, and what would be right.
macro_rules! meaning {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $right:expr, $read:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name(pub(super) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let read: fn(Raw) -> Option<$inner> = $read;
                // An integer beyond 128 bits fails in the parser itself, and is just as invalid.
                let raw = Raw::deserialize(deserializer).unwrap_or(Raw::Other);
                read(raw).map($name).ok_or_else(|| D::Error::custom($right))
            }
        }
    )*};
}

meaning! {
    /// A count.
    Count(usize), "it must be a whole number without quotes, for example 100", |raw| match raw {
        // A negative number is out of every range; the range gives the better message.
        Raw::Integer(count) => Some(usize::try_from(count).unwrap_or(usize::MAX)),
        _ => None,
    };

    /// A size in bytes.
    Size(usize), "it must be a number of bytes or a string with a unit, for example 4096 or \"4KiB\"", |raw| match raw {
        Raw::Integer(bytes) => Some(usize::try_from(bytes).unwrap_or(usize::MAX)),
        Raw::Text(text) => text.parse().ok().map(|ByteSize(bytes)| usize::try_from(bytes).unwrap_or(usize::MAX)),
        Raw::Other => None,
    };

    /// A duration.
    Time(Duration), "it must be a string with a unit, for example \"20ms\", \"30s\", \"5min\" or \"1h\"", |raw| match raw {
        Raw::Text(text) => humantime::parse_duration(&text).ok(),
        _ => None,
    };

    /// Permission bits.
    Permissions(u32), "it must be a string of octal digits, \"0000\" to \"0777\", for example \"0660\"", |raw| match raw {
        Raw::Text(text) if text.len() <= 4 && text.bytes().all(|digit| digit.is_ascii_digit()) => {
            u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777)
        }
        _ => None,
    };

    /// A group's name; whether it exists is checked when a socket is created.
    Group(String), "it must be the name of a group, for example \"ipcd\"", |raw| match raw {
        Raw::Text(name) => is_name(&name).then_some(name),
        _ => None,
    };

    /// A user or a group, by name or number; the system's databases know whether the name exists.
    Person(Principal), "a name in quotes or a number, for example \"root\" or 1000", |raw| match raw {
        // The highest number means "none" (chown(2)).
        Raw::Integer(id) => u32::try_from(id).ok().filter(|id| *id < u32::MAX).map(Principal::Id),
        Raw::Text(name) => is_name(&name).then_some(Principal::Name(name)),
        Raw::Other => None,
    };

    /// Any string.
    Text(String), "an endpoint must be a string, for example \"tcp://localhost:65432\"", |raw| match raw {
        Raw::Text(text) => Some(text),
        _ => None,
    };

    /// A file to write to; empty: no file.
    File(Option<PathBuf>), "it must be an absolute path, for example \"/var/log/ipcd/chat.log\", or \"\" for none", |raw| match raw {
        Raw::Text(text) if text.is_empty() => Some(None),
        Raw::Text(text) if text.starts_with('/') && !text.ends_with('/') && !text.chars().any(char::is_control) => {
            Some(Some(PathBuf::from(text)))
        }
        _ => None,
    };

    /// How messages end.
    Framing(FramingRule), "it must be \"auto\", \"line\", \"raw\", \"c\" or \"telnet\"", |raw| match raw {
        Raw::Text(text) => match text.as_str() {
            "auto" => Some(FramingRule::Auto),
            "line" => Some(FramingRule::Line),
            "raw" => Some(FramingRule::Raw),
            "c" => Some(FramingRule::C),
            "telnet" => Some(FramingRule::Telnet),
            _ => None,
        },
        _ => None,
    };

    /// The log level.
    Level(LevelFilter), "it must be \"error\", \"warn\", \"info\", \"debug\" or \"trace\"", |raw| match raw {
        Raw::Text(text) => match text.as_str() {
            "error" => Some(LevelFilter::Error),
            "warn" => Some(LevelFilter::Warn),
            "info" => Some(LevelFilter::Info),
            "debug" => Some(LevelFilter::Debug),
            "trace" => Some(LevelFilter::Trace),
            _ => None,
        },
        _ => None,
    };

    /// A service that the mux offers.
    Offered(Service), offered(), |raw| match raw {
        Raw::Text(text) => Service::offered().find(|service| service.name() == text),
        _ => None,
    };
}

/// A user or a group as written in the file.
pub(super) enum Principal {
    Name(String),
    Id(u32),
}

/// Whether a user or a group can have such a name (passwd(5), group(5)).
fn is_name(name: &str) -> bool {
    let good = |c: char| !c.is_control() && c != ':' && c != ',';
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(good)
}

fn offered() -> String {
    let names: Vec<_> = Service::offered().map(|service| format!("{:?}", service.name())).collect();
    format!("it must be one of {}", names.join(", "))
}
