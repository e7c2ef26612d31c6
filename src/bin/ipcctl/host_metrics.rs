//! This machine's figures, with psutil's names and meanings. Knows /proc and /sys, but no daemon.

use std::fs;
use std::io;

use procfs::net::InterfaceDeviceStatus;
use procfs::{CpuInfo, CpuTime, Current, CurrentSI, KernelStats, LoadAverage, Meminfo};
use serde_json::{Map, Value, json};

/// Reads the figures repeatedly: percentages of time cover the time since the last reading.
pub(crate) struct HostMetrics {
    before: CpuTime,
}

impl HostMetrics {
    pub(crate) fn new() -> io::Result<HostMetrics> {
        Ok(HostMetrics { before: KernelStats::current().map_err(io::Error::other)?.total })
    }

    /// A report, without the machine's name. Values that this machine does not provide are null, like psutil's `None`.
    pub(crate) fn read(&mut self) -> io::Result<Map<String, Value>> {
        let kernel = KernelStats::current().map_err(io::Error::other)?;
        let before = std::mem::replace(&mut self.before, kernel.total.clone());
        let (percent, times) = shares(&before, &kernel.total);
        let memory = Meminfo::current().map_err(io::Error::other)?;
        let fields = [
            ("cpu_percent", json!(percent)),
            ("cpu_times_percent", times),
            ("cpu_count", json!(kernel.cpu_time.len())),
            ("cpu_freq", frequency().unwrap_or_default()),
            ("virtual_memory", virtual_memory(&memory)),
            ("swap_memory", swap_memory(&memory)),
            ("getloadavg", LoadAverage::current().map(|load| loads(&load)).unwrap_or_default()),
            ("boot_time", json!(kernel.btime)),
            ("disk_usage", disk_usage().unwrap_or_default()),
            ("net_io_counters", network().unwrap_or_default()),
        ];
        Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// The host name of this machine.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The share of busy time between two readings, and its parts, in percent.
fn shares(before: &CpuTime, after: &CpuTime) -> (f64, Value) {
    let parts = |time: &CpuTime| {
        [
            ("user", time.user),
            ("nice", time.nice),
            ("system", time.system),
            ("idle", time.idle),
            ("iowait", time.iowait.unwrap_or(0)),
            ("irq", time.irq.unwrap_or(0)),
            ("softirq", time.softirq.unwrap_or(0)),
            ("steal", time.steal.unwrap_or(0)),
            // The next two are also counted in user and nice.
            ("guest", time.guest.unwrap_or(0)),
            ("guest_nice", time.guest_nice.unwrap_or(0)),
        ]
    };
    // A counter may decrease: iowait does, and all of them in some virtual machines.
    let spent = parts(after).into_iter().zip(parts(before));
    let spent: Vec<(&str, u64)> =
        spent.map(|((name, after), (_, before))| (name, after.saturating_sub(before))).collect();
    let total: u64 = spent[..8].iter().map(|(_, ticks)| ticks).sum();
    let idle = spent[3].1 + spent[4].1;
    let share = |ticks: u64| percent(ticks, total);
    let times: Map<String, Value> =
        spent.iter().map(|(name, ticks)| ((*name).to_owned(), json!(share(*ticks)))).collect();
    (share(total - idle), Value::Object(times))
}

/// With one decimal, as in psutil; 0 if the total is 0.
fn percent(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        _ => (part as f64 / whole as f64 * 1000.0).round().min(1000.0) / 10.0,
    }
}

fn virtual_memory(memory: &Meminfo) -> Value {
    let cached = memory.cached + memory.s_reclaimable.unwrap_or(0);
    // Kernels before 3.14 do not report the available memory.
    let available = memory.mem_available.unwrap_or(memory.mem_free + cached + memory.buffers);
    let available = available.min(memory.mem_total);
    let used = memory.mem_total - available;
    json!({
        "total": memory.mem_total,
        "available": available,
        "percent": percent(used, memory.mem_total),
        "used": used,
        "free": memory.mem_free,
        "active": memory.active,
        "inactive": memory.inactive,
        "buffers": memory.buffers,
        "cached": cached,
        "shared": memory.shmem,
        "slab": memory.slab,
    })
}

fn swap_memory(memory: &Meminfo) -> Value {
    let used = memory.swap_total.saturating_sub(memory.swap_free);
    json!({
        "total": memory.swap_total,
        "used": used,
        "free": memory.swap_free,
        "percent": percent(used, memory.swap_total),
    })
}

fn loads(load: &LoadAverage) -> Value {
    let digits = |load: f32| (f64::from(load) * 100.0).round() / 100.0;
    json!([digits(load.one), digits(load.five), digits(load.fifteen)])
}

/// In MHz: the mean of all processors, and the limits of the first.
fn frequency() -> Option<Value> {
    let info = CpuInfo::current().ok()?;
    let each: Vec<f64> =
        (0..info.num_cores()).filter_map(|cpu| info.get_field(cpu, "cpu MHz")?.parse().ok()).collect();
    let bound = |name: &str| -> Option<f64> {
        let path = format!("/sys/devices/system/cpu/cpufreq/policy0/{name}");
        Some(fs::read_to_string(path).ok()?.trim().parse::<f64>().ok()? / 1000.0)
    };
    let mean = each.iter().sum::<f64>() / each.len() as f64;
    // Only x86 processors report it there.
    let current = Some(mean).filter(|mean| mean.is_finite()).or_else(|| bound("scaling_cur_freq"))?;
    let current = (current * 1000.0).round() / 1000.0;
    let (min, max) = (bound("scaling_min_freq").unwrap_or(0.0), bound("scaling_max_freq").unwrap_or(0.0));
    Some(json!({ "current": current, "min": min, "max": max }))
}

/// The file system at `/`, as in df: space reserved for root is neither used nor free.
fn disk_usage() -> Option<Value> {
    let disk = rustix::fs::statvfs("/").ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    let used = bytes(disk.f_blocks.saturating_sub(disk.f_bfree));
    let free = bytes(disk.f_bavail);
    let percent = percent(used, used.saturating_add(free));
    Some(json!({ "total": bytes(disk.f_blocks), "used": used, "free": free, "percent": percent }))
}

/// The sum of all interfaces.
fn network() -> Option<Value> {
    let devices = InterfaceDeviceStatus::current().ok()?.0;
    let sum = |count: fn(&procfs::net::DeviceStatus) -> u64| devices.values().map(count).sum::<u64>();
    Some(json!({
        "bytes_sent": sum(|device| device.sent_bytes),
        "bytes_recv": sum(|device| device.recv_bytes),
        "packets_sent": sum(|device| device.sent_packets),
        "packets_recv": sum(|device| device.recv_packets),
        "errin": sum(|device| device.recv_errs),
        "errout": sum(|device| device.sent_errs),
        "dropin": sum(|device| device.recv_drop),
        "dropout": sum(|device| device.sent_drop),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_here_are_accepted_by_the_daemon() {
        let mut metrics = HostMetrics::new().unwrap();
        let report = Value::Object(metrics.read().unwrap()).to_string();
        let read = ipcd::engine::service::stats::read(report.as_bytes());
        assert!(matches!(read, Ok(ipcd::engine::service::stats::Message::Report(_))), "{report}: {read:?}");
        assert!(report.len() < 4096, "{}", report.len());
    }

    #[test]
    fn busy_time_is_neither_idle_nor_iowait() {
        let stats = |line: &str| {
            use procfs::current_system_info;
            let text = format!("{line}\nctxt 0\nbtime 0\nprocesses 0\n");
            <KernelStats as procfs::FromBufReadSI>::from_buf_read(text.as_bytes(), current_system_info())
                .unwrap()
                .total
        };
        let before = stats("cpu 100 0 100 800 0 0 0 0 50 0");
        let after = stats("cpu 130 0 110 850 10 0 0 0 60 0");
        let (percent, times) = shares(&before, &after);
        assert_eq!(percent, 40.0);
        assert_eq!(
            (&times["user"], &times["idle"], &times["iowait"]),
            (&json!(30.0), &json!(50.0), &json!(10.0))
        );
        assert_eq!(shares(&after, &after).0, 0.0);
        assert_eq!(shares(&after, &before).0, 0.0, "time that runs backwards is none");
    }
}
