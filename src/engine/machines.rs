//! The machines that report, each with its last report and a short history. Knows names, times and JSON as text. A name stands for
//! the last report under it, and belongs to its first sender.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::crowding::Crowding;
use super::json;
use super::limits::{HOST_CHARS_MAX, REPORT_BYTES_MAX, SAMPLES_MAX};
use super::message::Timestamp;
use super::source::Source;
use super::text::{is_host, is_invisible};

/// What is kept of a report after the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// `cpu_percent`.
    pub cpu_percent: Option<f64>,
    /// `virtual_memory.percent`.
    pub memory_percent: Option<f64>,
    /// `cpu_freq.current`, in MHz.
    pub frequency: Option<f64>,
    /// `getloadavg`.
    pub loads: Option<[f64; 3]>,
}

/// One report, checked.
#[derive(Debug, PartialEq)]
pub struct Report {
    /// The machine; `None`: it gave no name.
    pub host: Option<String>,
    /// All other fields, as one compact JSON object in which every character is visible.
    pub text: String,
    /// What the history keeps of it.
    pub sample: Sample,
}

/// One machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// A compact JSON object.
    pub(super) latest: String,
    /// Its reports and their times, oldest first, with the last one.
    history: VecDeque<(Timestamp, Sample)>,
    /// Its owner: the first that reported under that name, so that nobody can take over the machines of others.
    #[serde(default)]
    source: Option<Source>,
}

/// A list of all machines that is being sent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ListCursor {
    /// The machine sent last.
    pub(super) after: Option<String>,
    pub(super) told: usize,
}

/// All of them, by name.
#[derive(Debug, Default)]
pub struct Machines {
    machines: BTreeMap<Rc<str>, Machine>,
    /// The same names, by owner and by the time of the last report.
    crowding: Crowding,
    /// Bytes of names, reports and histories.
    bytes: usize,
}

impl Machines {
    /// Takes a report. If there are `max` machines already, one makes room for a new one: of the source that has the most, the
    /// machine that has been silent longest.
    pub fn handle_report(
        &mut self,
        now: Timestamp,
        source: Source,
        host: String,
        report: Report,
        max: usize,
    ) {
        let before = self.remove(&host);
        let source = before.as_ref().map_or(Some(source), |machine| machine.source);
        while self.machines.len() >= max.max(1)
            && let Some(host) = self.crowding.choose(source)
        {
            self.remove(&host);
        }
        let mut history = before.map(|machine| machine.history).unwrap_or_default();
        if history.len() >= SAMPLES_MAX {
            history.pop_front();
        }
        history.push_back((now, report.sample));
        self.insert(host, Machine { latest: report.text, history, source });
    }

    /// Forgets all machines but `max`, in the same order.
    pub fn keep(&mut self, max: usize) {
        while self.machines.len() > max
            && let Some(host) = self.crowding.choose_any()
        {
            self.remove(&host);
        }
    }

    fn insert(&mut self, host: String, machine: Machine) {
        self.bytes += host.len() + machine.bytes();
        let host: Rc<str> = host.into();
        self.crowding.insert(machine.source, machine.heard(), Rc::clone(&host));
        self.machines.insert(host, machine);
    }

    fn remove(&mut self, host: &str) -> Option<Machine> {
        let (host, machine) = self.machines.remove_entry(host)?;
        self.bytes -= host.len() + machine.bytes();
        self.crowding.remove(machine.source, machine.heard(), &host);
        Some(machine)
    }

    /// Bytes that names, reports and histories hold.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The last report of a machine, as one line of JSON.
    pub fn latest(&self, now: Timestamp, host: &str) -> Option<String> {
        Some(latest_line(now, host, self.machines.get(host)?))
    }

    /// A machine's last report, and its time.
    pub fn last(&self, host: &str) -> Option<&(Timestamp, Sample)> {
        self.machines.get(host)?.history.back()
    }

    /// The machine that follows `after` (the first, if that is `None`) in the order of names, and its last report.
    pub fn next(&self, now: Timestamp, after: Option<&str>) -> Option<(&str, String)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (host, machine) = self.machines.range::<str, _>((from, Bound::Unbounded)).next()?;
        Some((host, latest_line(now, host, machine)))
    }

    /// The history of a machine, oldest first, as one line of JSON.
    pub fn history(&self, now: Timestamp, host: &str) -> Option<String> {
        let machine = self.machines.get(host)?;
        let samples: Vec<String> = machine.history.iter().map(|(at, sample)| sample.line(now, *at)).collect();
        Some(format!("{{\"host\":{},\"history\":[{}]}}", json::to_string(&host), samples.join(",")))
    }

    /// The state for the next process: names, machines without their last report, and that report.
    pub fn save(&self) -> impl Iterator<Item = (String, Machine, &[u8])> {
        self.machines.iter().map(|(host, machine)| {
            let without =
                Machine { latest: String::new(), history: machine.history.clone(), source: machine.source };
            (host.to_string(), without, machine.latest.as_bytes())
        })
    }

    /// The number of machines.
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// Restores the machines of the previous process, at most `max`; impossible data are left out.
    pub fn restore(&mut self, now: Timestamp, saved: Vec<(String, Machine)>, max: usize) {
        for (host, mut machine) in saved {
            if is_host(&host) && machine.is_sound() {
                machine.history.iter_mut().for_each(|(at, _)| *at = (*at).min(now));
                self.remove(&host);
                self.insert(host, machine);
                self.keep(max);
            }
        }
    }
}

/// Bytes of one entry of a history.
pub const SAMPLE_BYTES: usize = size_of::<(Timestamp, Sample)>();

/// Bytes that a machine's name, report and history can hold.
pub const MACHINE_BYTES_MAX: usize = 4 * HOST_CHARS_MAX + REPORT_BYTES_MAX + SAMPLES_MAX * SAMPLE_BYTES;

impl Machine {
    fn heard(&self) -> Timestamp {
        self.history.back().map_or(Timestamp::default(), |(at, _)| *at)
    }

    fn bytes(&self) -> usize {
        self.latest.len() + self.history.len() * SAMPLE_BYTES
    }

    fn is_sound(&self) -> bool {
        self.latest.len() <= REPORT_BYTES_MAX
            && (1..=SAMPLES_MAX).contains(&self.history.len())
            && !self.latest.contains(is_invisible)
            && self.latest.starts_with('{')
            && serde_json::from_str::<Value>(&self.latest).is_ok_and(|value| value.is_object())
    }
}

fn latest_line(now: Timestamp, host: &str, machine: &Machine) -> String {
    let start = format!("{{\"host\":{},\"age\":{}", json::to_string(&host), age(now, machine.heard()));
    match machine.latest.as_str() {
        "{}" => start + "}",
        fields => format!("{start},{}", &fields[1..]),
    }
}

/// The end of a list of machines, with their number.
pub fn last_line(count: usize) -> String {
    format!("{{\"machines\":{count}}}")
}

/// The age in seconds.
fn age(now: Timestamp, at: Timestamp) -> String {
    format!("{:.3}", now.since(at).as_secs_f64())
}

impl Sample {
    fn line(&self, now: Timestamp, at: Timestamp) -> String {
        let mut line = format!("{{\"age\":{}", age(now, at));
        if let Some(percent) = self.cpu_percent {
            line += &format!(",\"cpu_percent\":{}", Value::from(percent));
        }
        if let Some(frequency) = self.frequency {
            line += &format!(",\"cpu_freq\":{{\"current\":{}}}", Value::from(frequency));
        }
        if let Some(percent) = self.memory_percent {
            line += &format!(",\"virtual_memory\":{{\"percent\":{}}}", Value::from(percent));
        }
        if let Some(loads) = self.loads {
            line += &format!(",\"getloadavg\":{}", Value::from(loads.to_vec()));
        }
        line + "}"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::limits::{MACHINES_MAX, STATS_LINE_BYTES_MAX};
    use crate::engine::service::stats::{Message, read};

    fn report(machines: &mut Machines, at: u64, host: &str, text: &str) {
        let Ok(Message::Report(report)) = read(text.as_bytes()) else { panic!("{text}") };
        machines.handle_report(Timestamp::at(at), Source::User(1), host.into(), report, MACHINES_MAX);
    }

    #[test]
    fn latest_report_of_each_machine_is_listed_by_name() {
        let mut machines = Machines::default();
        report(&mut machines, 0, "b", r#"{"cpu_percent":5}"#);
        report(&mut machines, 1_000_000, "a \"1\"", "{}");
        report(&mut machines, 2_000_000, "b", r#"{"cpu_percent":6}"#);
        let now = Timestamp::at(3_500_000);
        let first = machines.next(now, None).unwrap();
        assert_eq!(first, ("a \"1\"", r#"{"host":"a \"1\"","age":2.500}"#.into()));
        let second = machines.next(now, Some(first.0)).unwrap();
        assert_eq!(second, ("b", r#"{"host":"b","age":1.500,"cpu_percent":6}"#.into()));
        assert_eq!(machines.next(now, Some("b")), None);
        assert_eq!(machines.latest(now, "b"), Some(second.1));
        assert_eq!(machines.latest(now, "c"), None);
        let wanted =
            r#"{"host":"b","history":[{"age":3.500,"cpu_percent":5.0},{"age":1.500,"cpu_percent":6.0}]}"#;
        assert_eq!(machines.history(now, "b").unwrap(), wanted);
    }

    #[test]
    fn least_recent_machine_is_evicted_and_memory_is_bounded() {
        let mut machines = Machines::default();
        for at in 0..MACHINES_MAX as u64 {
            report(&mut machines, at, &format!("pc{at}"), "{}");
        }
        report(&mut machines, 1000, "pc0", "{}");
        report(&mut machines, 1001, "new", "{}");
        assert_eq!(machines.machines.len(), MACHINES_MAX);
        assert!(
            machines.latest(Timestamp::at(0), "pc1").is_none()
                && machines.latest(Timestamp::at(0), "pc0").is_some()
        );
        for at in 0..3 * SAMPLES_MAX as u64 {
            report(&mut machines, 2000 + at, "new", r#"{"cpu_percent":1}"#);
        }
        assert_eq!(machines.machines["new"].history.len(), SAMPLES_MAX);
        assert_eq!(machines.machines["new"].history[0].0, Timestamp::at(2000 + 2 * SAMPLES_MAX as u64));
        let of_one = |(host, machine): (&Rc<str>, &Machine)| {
            host.len() + machine.latest.len() + machine.history.len() * SAMPLE_BYTES
        };
        let counted: usize = machines.machines.iter().map(of_one).sum();
        assert_eq!(machines.bytes(), counted);
        machines.keep(2);
        let left: Vec<&str> = machines.machines.keys().map(|host| &**host).collect();
        assert_eq!(left, vec!["new", "pc0"], "a reload may leave fewer");
    }

    #[test]
    fn no_line_exceeds_its_bound() {
        let mut machines = Machines::default();
        let host = "\u{1f600}".repeat(64);
        let long = -1.234_567_890_123_456_7e-300;
        let text = format!(
            "{{\"cpu_percent\":0.12345678901234567,\"cpu_freq\":{{\"current\":{long}}},\"virtual_memory\":{{\"percent\":0.12345678901234567}},\"getloadavg\":[{long},{long},{long}],\"x\":\"{}\"}}",
            "x".repeat(REPORT_BYTES_MAX - 800)
        );
        for _ in 0..SAMPLES_MAX {
            report(&mut machines, 0, &host, &text);
        }
        let late = Timestamp::at(u64::MAX);
        assert!(machines.latest(late, &host).unwrap().len() < STATS_LINE_BYTES_MAX);
        assert!(machines.history(late, &host).unwrap().len() < STATS_LINE_BYTES_MAX);
    }

    #[test]
    fn restored_reports_equal_saved_ones_and_invalid_ones_are_dropped() {
        let mut machines = Machines::default();
        report(&mut machines, 5, "pc7", r#"{"cpu_percent":5}"#);
        let whole = |(host, without, report): (String, Machine, &[u8])| {
            assert_eq!(without.latest, "", "it goes its own way");
            (host, Machine { latest: String::from_utf8(report.to_vec()).unwrap(), ..without })
        };
        let mut saved: Vec<_> = machines.save().map(whole).collect();
        let mut forged = saved[0].1.clone();
        forged.latest = "no JSON".into();
        saved.push(("pc8".into(), forged));
        saved.push(("\u{1b}".into(), saved[0].1.clone()));
        let mut restored = Machines::default();
        restored.restore(Timestamp::at(3), saved.clone(), 0);
        assert_eq!(restored.bytes(), 0);
        restored.restore(Timestamp::at(3), saved, 5);
        assert_eq!(
            restored.next(Timestamp::at(3), None),
            Some(("pc7", r#"{"host":"pc7","age":0.000,"cpu_percent":5}"#.into()))
        );
        assert_eq!(restored.next(Timestamp::at(3), Some("pc7")), None);
        assert_eq!(restored.bytes(), machines.bytes());
    }
}
