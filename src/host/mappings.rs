//! What a process has mapped, from proc_pid_smaps(5).

use std::ops::Range;

/// The private mappings of files that cannot be written to and have no page of their own, neither in memory nor swapped out: who
/// drops their pages finds the same bytes again. `report` is /proc/self/smaps.
pub fn unchanged(report: &str) -> Vec<Range<usize>> {
    let (mut found, mut latest, mut counts) = (Vec::new(), None, 0);
    for line in report.lines() {
        let word = line.split_ascii_whitespace().next().unwrap_or_default();
        match word {
            // Anonymous counts pages in memory only.
            "Anonymous:" | "Swap:" if line.ends_with(" 0 kB") => counts += 1,
            _ if !word.ends_with(':') => (latest, counts) = (of_file(line), 0),
            _ => {}
        }
        if counts == 2 {
            found.extend(latest.take());
        }
    }
    found
}

/// A mapping from its first line, if it is a private one of a file and cannot be written to.
fn of_file(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (range, access, path) = (fields.next()?, fields.next()?, fields.nth(3)?);
    let (start, end) = range.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let is_constant = matches!(access, "r--p" | "r-xp") && path.starts_with('/');
    Some(address(start)?..address(end)?).filter(|_| is_constant)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const REPORT: &str = "\
5500-5600 r--p 00000000 fe:00 42 /usr/sbin/ipcd
Rss:                   4 kB
Anonymous:             0 kB
SwapPss:               0 kB
Swap:                  0 kB
VmFlags: rd mr mw me sd
5600-5700 r-xp 00001000 fe:00 42 /usr/sbin/ipcd: it
Anonymous:             0 kB
Swap:                  0 kB
5700-5800 r--p 00002000 fe:00 42 /usr/sbin/ipcd
Anonymous:             4 kB
Swap:                  0 kB
5800-5900 rw-p 00003000 fe:00 42 /usr/sbin/ipcd
Anonymous:             0 kB
Swap:                  0 kB
5900-5a00 r--s 00000000 00:01 7 /memfd:ipcd (deleted)
Anonymous:             0 kB
Swap:                  0 kB
5a00-5b00 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
Swap:                  0 kB
5b00-5c00 r--p 00000000 00:00 0
Anonymous:             0 kB
Swap:                  0 kB
5c00-5d00 r--p 00000000 fe:00 43 /lib/libc.so.6
Anonymous:            40 kB
Swap:                  0 kB
5d00-5e00 r--p 00000000 fe:00 43 /lib/libc.so.6
Anonymous:             0 kB
Swap:                  4 kB
5e00-5f00 r--p 00000000 fe:00 43 /lib/libc.so.6
Anonymous:             0 kB
";

    #[test]
    fn only_unchanged_pages_of_files_are_returned() {
        assert_eq!(unchanged(REPORT), [0x5500..0x5600, 0x5600..0x5700]);
        assert_eq!(unchanged(""), []);
    }

    #[test]
    fn own_code_is_found_and_own_data_is_not() {
        static mut CHANGED: u64 = 1;
        let report = fs::read_to_string("/proc/self/smaps").unwrap();
        let holds = |address: usize| unchanged(&report).iter().any(|mapping| mapping.contains(&address));
        assert!(holds(own_code_is_found_and_own_data_is_not as fn() as usize));
        let heap = Box::new(1);
        assert!(!holds((&raw const *heap).addr()) && !holds((&raw const CHANGED).addr()));
    }
}
