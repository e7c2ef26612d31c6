//! The machines that report to stats, as `ipcctl top` shows them. Knows no screen.

use clap::ValueEnum;
use ipcd::engine::text::quote;
use serde_json::Value;

use super::super::daemon::Conversation;
use super::super::error::CliError;
use super::super::report;

/// The sort order of the machines: the busiest first, or by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    Host,
    Cpu,
    Memory,
    Load,
    Age,
}

/// A machine's reported figures, safe for a terminal, except the original name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Machine {
    pub(crate) host: String,
    /// The original name, for requests to the daemon.
    #[cfg(feature = "tui")]
    pub(crate) name: String,
    /// Seconds since the report.
    pub(crate) age: f64,
    /// Percent.
    pub(crate) cpu: Option<f64>,
    pub(crate) memory: Option<f64>,
    /// Over a minute.
    pub(crate) load: Option<f64>,
    /// MHz.
    pub(crate) frequency: Option<f64>,
}

/// The most machines of any daemon (`max_machines`); a longer list is invalid.
const LIST_MACHINES_MAX: usize = 10_000;

/// The most bytes of a list: 3 KiB for each machine, more than psutil reports for a large one.
const LIST_BYTES_MAX: usize = 32 << 20;

/// A list that is being received.
#[derive(Default)]
pub(crate) struct List {
    pub(crate) told: Vec<Value>,
    bytes: usize,
}

impl List {
    /// Adds one line; returns whether it was the last.
    pub(crate) fn take(&mut self, conversation: &Conversation, line: &str) -> Result<bool, CliError> {
        self.bytes += line.len();
        if self.told.len() > LIST_MACHINES_MAX || self.bytes > LIST_BYTES_MAX {
            let bound = format!("{LIST_MACHINES_MAX} machines or {} MiB", LIST_BYTES_MAX >> 20);
            return Err(conversation.too_much(&bound));
        }
        match serde_json::from_str::<Value>(line) {
            Ok(machine) if machine["host"].is_string() => {
                self.told.push(machine);
                Ok(false)
            }
            Ok(end) if end["machines"].is_u64() => Ok(true),
            _ => Err(report::complaint(conversation, line)),
        }
    }
}

/// The reports, sorted.
pub(crate) fn sorted(told: &[Value], sort: Sort) -> Vec<Machine> {
    let mut machines: Vec<Machine> = told.iter().map(Machine::of).collect();
    machines.sort_by(|a, b| a.host.cmp(&b.host));
    // Missing values come last.
    let falling = |a: Option<f64>, b: Option<f64>| b.unwrap_or(-1.0).total_cmp(&a.unwrap_or(-1.0));
    match sort {
        Sort::Host => {}
        Sort::Cpu => machines.sort_by(|a, b| falling(a.cpu, b.cpu)),
        Sort::Memory => machines.sort_by(|a, b| falling(a.memory, b.memory)),
        Sort::Load => machines.sort_by(|a, b| falling(a.load, b.load)),
        Sort::Age => machines.sort_by(|a, b| a.age.total_cmp(&b.age)),
    }
    machines
}

impl Machine {
    fn of(told: &Value) -> Machine {
        let name = told["host"].as_str().unwrap_or_default();
        Machine {
            host: quote(name.as_bytes()),
            #[cfg(feature = "tui")]
            name: name.to_owned(),
            age: told["age"].as_f64().unwrap_or_default(),
            cpu: told["cpu_percent"].as_f64(),
            memory: told["virtual_memory"]["percent"].as_f64(),
            load: told["getloadavg"][0].as_f64(),
            frequency: told["cpu_freq"]["current"].as_f64(),
        }
    }

    /// Its cells: host, CPU, memory, load, MHz, age.
    pub(crate) fn cells(&self) -> [String; 6] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            self.host.clone(),
            or_dash(self.cpu.map(|percent| format!("{percent:.1}%"))),
            or_dash(self.memory.map(|percent| format!("{percent:.1}%"))),
            or_dash(self.load.map(|load| format!("{load:.2}"))),
            or_dash(self.frequency.map(|megahertz| format!("{megahertz:.0}"))),
            format!("{:.0}s", self.age),
        ]
    }
}

/// The heading of the cells.
pub(crate) const HEADINGS: [&str; 6] = ["HOST", "CPU", "MEMORY", "LOAD", "MHZ", "AGE"];

pub(super) fn lines(machines: &[Machine]) -> String {
    let width = machines.iter().map(|machine| machine.host.chars().count()).max().unwrap_or(0).max(4);
    let line = |[host, cpu, memory, load, frequency, age]: [&str; 6]| {
        format!("{host:width$} {cpu:>7} {memory:>7} {load:>7} {frequency:>6} {age:>6}")
    };
    let rows = machines.iter().map(|machine| line(machine.cells().each_ref().map(String::as_str)));
    std::iter::once(line(HEADINGS)).chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn machines_sort_by_column_with_missing_figures_last() {
        let told = [
            json!({"host": "c", "age": 1.5, "cpu_percent": 5}),
            json!({"host": "a", "age": 3.0, "cpu_percent": 50.0, "virtual_memory": {"percent": 1}}),
            json!({"host": "b\u{1b}", "age": 2.0, "getloadavg": [1, 2, 3]}),
        ];
        let order = |sort| sorted(&told, sort).iter().map(|machine| machine.host.clone()).collect::<Vec<_>>();
        assert_eq!(order(Sort::Host), ["a", "b\\u{1b}", "c"]);
        assert_eq!(order(Sort::Cpu), ["a", "c", "b\\u{1b}"]);
        assert_eq!(order(Sort::Memory), ["a", "b\\u{1b}", "c"]);
        assert_eq!(order(Sort::Load), ["b\\u{1b}", "a", "c"]);
        assert_eq!(order(Sort::Age), ["c", "b\\u{1b}", "a"]);
        let shown = lines(&sorted(&told[..1], Sort::Host));
        assert_eq!(
            shown,
            "HOST     CPU  MEMORY    LOAD    MHZ    AGE\nc       5.0%       -       -      -     2s"
        );
    }
}
