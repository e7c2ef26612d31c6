//! When certificates and revocation lists expire: logged at a start, at a reload, and when it happens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// How long before a certificate expires the first warning comes, in seconds.
const SOON: u64 = 14 * 24 * 60 * 60;

/// The interval of the warnings from then on, in seconds.
const AGAIN: u64 = 24 * 60 * 60;

/// When a certificate is valid, in seconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) path: String,
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

/// The dates of all files of `[tls]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Dates {
    pub(super) certificates: Vec<Span>,
    /// The file of revocation lists, and when the first of them expires.
    pub(super) list: Option<(String, u64)>,
}

/// The clock's time, in seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Dates {
    /// The files with certificates.
    pub(super) fn paths(&self) -> String {
        let paths: Vec<&str> = self.certificates.iter().map(|span| span.path.as_str()).collect();
        paths.join(", ")
    }

    /// The warnings that are due at a time.
    pub(super) fn warnings(&self, now: u64) -> Vec<String> {
        let of_certificates = self.certificates.iter().filter_map(|span| {
            let text = span.warning(now)?;
            Some(format!("{}: {text}", span.path))
        });
        let of_list = self.list.iter().filter(|(_, until)| now > *until).map(|(path, until)| {
            format!(
                "{path}: the list of revoked certificates expired on {}; certificates revoked since then are still accepted; fetch a new one, and reload",
                date(*until)
            )
        });
        of_certificates.chain(of_list).collect()
    }

    /// The time from `now` until the next warning is due; `None`: never.
    pub(super) fn next(&self, now: u64) -> Option<Duration> {
        let ends = self
            .certificates
            .iter()
            .flat_map(|span| [span.not_after - SOON.min(span.not_after), span.not_after + 1]);
        let ends = ends.chain(self.list.iter().map(|(_, until)| until + 1));
        let next = ends.filter(|end| *end > now).map(|end| end - now).min();
        let again = (!self.warnings(now).is_empty()).then_some(AGAIN);
        next.into_iter().chain(again).min().map(Duration::from_secs)
    }
}

impl Span {
    /// Warns of certificates that are not valid at a moment, or not for long.
    fn warning(&self, now: u64) -> Option<String> {
        let Span { not_before, not_after, .. } = self;
        if now < *not_before {
            return Some(format!(
                "the certificate is not valid before {}, and clients refuse it; is the clock right?",
                date(*not_before)
            ));
        }
        if now > *not_after {
            return Some(format!(
                "the certificate expired on {}, and clients refuse it; renew it, and reload",
                date(*not_after)
            ));
        }
        (not_after - now <= SOON)
            .then(|| format!("the certificate expires on {}; renew it before, and reload", date(*not_after)))
    }
}

/// A moment, in seconds since 1970.
fn date(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| "the end of time".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    #[test]
    fn certificate_expiry_is_logged_14_days_before_and_then_daily() {
        let span = Span { path: "c".into(), not_before: 0, not_after: 100 * DAY };
        let dates = Dates { certificates: vec![span], list: Some(("l".into(), 99 * DAY)) };
        let told =
            |now: u64| dates.warnings(now).into_iter().map(|line| line[..2].to_owned()).collect::<String>();
        let mut now = 0;
        let mut at = Vec::new();
        for _ in 0..18 {
            now += dates.next(now).unwrap().as_secs();
            at.push((now / DAY, told(now)));
        }
        let days: Vec<u64> = at.iter().map(|(day, _)| *day).collect();
        assert_eq!(days[..14], Vec::from_iter(86..100)[..]);
        assert_eq!(at[0].1, "c:");
        assert!(at[14..].iter().all(|(_, told)| told == "c:l:"), "{at:?}");
        assert!(dates.warnings(99 * DAY + 1)[0].contains("expires on 1970-04-11T00:00:00Z"));
        assert!(dates.warnings(100 * DAY + 1)[0].contains("the certificate expired on 1970-04-11T00:00:00Z"));
        assert_eq!(Dates::default().next(5), None);
    }
}
