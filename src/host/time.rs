//! The time of day for a log.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use rustix::fs::OFlags;

/// The file with the machine's time zone, unless TZ names another (tzset(3)).
const LOCAL: &str = "/etc/localtime";

/// The directory of the time zones that TZ can name.
const ZONES: &str = "/usr/share/zoneinfo";

/// The largest time zone file that is read, in bytes: the largest existing one has 4 KiB.
const ZONE_BYTES_MAX: u64 = 64 * 1024;

/// The time zone at its first use: it does not change during a log.
static ZONE: OnceLock<TimeZone> = OnceLock::new();

fn now() -> Zoned {
    local(Timestamp::now())
}

fn local(time: Timestamp) -> Zoned {
    let zone = ZONE.get_or_init(|| zone(std::env::var("TZ").ok().as_deref()));
    time.to_zoned(zone.clone())
}

/// The time zone of TZ, or UTC. (jiff could find it too, but it reads all time zones.)
fn zone(tz: Option<&str>) -> TimeZone {
    let name = tz.map(|tz| tz.strip_prefix(':').unwrap_or(tz));
    let file = match name {
        None => PathBuf::from(LOCAL),
        Some("") => return TimeZone::UTC,
        Some(name) => Path::new(ZONES).join(name),
    };
    let of_file = read(&file).and_then(|bytes| TimeZone::tzif(name.unwrap_or("local"), &bytes).ok());
    of_file.or_else(|| TimeZone::posix(name?).ok()).unwrap_or(TimeZone::UTC)
}

/// Reads a file if it is not too large. Does not block on a FIFO.
fn read(file: &Path) -> Option<Vec<u8>> {
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(file).ok()?;
    let mut bytes = Vec::new();
    file.take(ZONE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Date, time to the millisecond, and offset, as RFC 3339 has them: `2026-11-28T16:12:57.123+01:00`.
pub fn full() -> String {
    rfc_3339(&now())
}

/// The time alone: `16:12:57`.
pub fn short() -> String {
    clock(&now())
}

/// The same for another time; empty for one that no calendar has.
pub fn short_of(time: SystemTime) -> String {
    Timestamp::try_from(time).map(|time| clock(&local(time))).unwrap_or_default()
}

fn rfc_3339(time: &Zoned) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

fn clock(time: &Zoned) -> String {
    time.strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_is_a_file_or_a_rule_or_utc() {
        let offset = |zone: TimeZone| {
            let time = Timestamp::from_second(1_782_655_977).unwrap().to_zoned(zone);
            rfc_3339(&time).split_off("2026-06-28T16:12:57.000".len())
        };
        assert_eq!(offset(zone(Some("CET-1CEST,M3.5.0,M10.5.0/3"))), "+02:00");
        for nothing in ["", "No/Such", "/dev/null", "/dev/zero", "../../../etc/passwd"] {
            assert_eq!(offset(zone(Some(nothing))), "+00:00", "{nothing}");
        }
        if Path::new(ZONES).join("Asia/Kolkata").exists() {
            for name in ["Asia/Kolkata", ":Asia/Kolkata", "/usr/share/zoneinfo/Asia/Kolkata"] {
                assert_eq!(offset(zone(Some(name))), "+05:30", "{name}");
            }
        }
        zone(None);
    }

    #[test]
    fn time_has_its_offset_in_summer_and_winter() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let kathmandu = TimeZone::posix("<+0545>-5:45").unwrap();
        for (zone, second, full, short) in [
            (&berlin, 1_795_878_777, "2026-11-28T16:12:57.000+01:00", "16:12:57"),
            (&berlin, 1_782_655_977, "2026-06-28T16:12:57.000+02:00", "16:12:57"),
            (&kathmandu, 1_795_878_777, "2026-11-28T20:57:57.000+05:45", "20:57:57"),
            (&TimeZone::UTC, 0, "1970-01-01T00:00:00.000+00:00", "00:00:00"),
        ] {
            let time = Timestamp::from_second(second).unwrap().to_zoned(zone.clone());
            assert_eq!((rfc_3339(&time).as_str(), clock(&time).as_str()), (full, short));
        }
    }
}
