//! The machine of a measurement, without which the figures mean nothing.

use std::time::SystemTime;

use procfs::{CpuInfo, Current};
use serde::Serialize;

use ipcd::engine::text::clean;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// As uname(1) says.
    pub(crate) kernel: String,
    /// As /proc/cpuinfo says; not every processor has a name there.
    pub(crate) processor: String,
    /// Processors that this process may use.
    pub(crate) processors: usize,
}

impl Machine {
    pub(crate) fn this() -> Machine {
        let uname = rustix::system::uname();
        let words = [uname.sysname(), uname.release(), uname.machine()];
        let kernel: Vec<String> = words.iter().map(|word| clean(word.to_bytes())).collect();
        let cpuinfo = CpuInfo::current().ok();
        let name = cpuinfo.as_ref().and_then(|info| info.model_name(0)).unwrap_or("unnamed processor");
        Machine {
            kernel: kernel.join(" "),
            processor: clean(name.as_bytes()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    pub(crate) fn line(&self) -> String {
        let Machine { kernel, processor, processors } = self;
        let unit = if *processors == 1 { "CPU" } else { "CPUs" };
        format!("{kernel}, {processor}, {processors} {unit}")
    }
}

/// The date, in UTC, as 2026-11-21.
pub(crate) fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}
