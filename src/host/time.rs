//! The time of day, as people read it in a log.

use std::sync::OnceLock;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The machine's time zone (TZ, /etc/localtime) as it was when it was first asked for: a log does not change its own.
static ZONE: OnceLock<TimeZone> = OnceLock::new();

fn now() -> Zoned {
    Timestamp::now().to_zoned(ZONE.get_or_init(TimeZone::system).clone())
}

/// Date, time to the millisecond, and offset, as RFC 3339 has them: `2026-11-28T16:12:57.123+01:00`.
pub fn full() -> String {
    rfc_3339(&now())
}

/// The time alone: `16:12:57`.
pub fn short() -> String {
    clock(&now())
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
    fn a_time_has_its_offset_in_summer_and_in_winter() {
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
