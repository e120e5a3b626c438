//! This process's memory, as the kernel accounts for it.

use std::fs;

use anyhow::Context;

/// Resident memory of this process in bytes: what it has touched and the kernel has not taken back, shared libraries
/// included. Buffers of sockets are the kernel's own and not among it.
pub(crate) fn resident() -> anyhow::Result<u64> {
    // Counted page by page at this moment, where the kernel offers that; the other number may lag behind.
    match fs::read_to_string("/proc/self/smaps_rollup") {
        Ok(text) => field(&text, "Rss:"),
        Err(_) => field(&fs::read_to_string("/proc/self/status")?, "VmRSS:"),
    }
}

fn field(text: &str, name: &str) -> anyhow::Result<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .with_context(|| format!("there is no {name}"))?;
    let kilobytes = line.trim().strip_suffix("kB").with_context(|| format!("{name}{line} is not in kB"))?;
    Ok(kilobytes.trim().parse::<u64>()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_read_in_kilobytes_and_nothing_else_is() {
        let text = "5581-7ffd ---p 00000000 00:00 0  [rollup]\nRss:                1812 kB\nPss:                 243 kB\n";
        assert_eq!(field(text, "Rss:").unwrap(), 1812 * 1024);
        assert!(field(text, "VmRSS:").is_err());
        assert!(field("Rss: 7 pages", "Rss:").is_err());
    }

    #[test]
    fn touched_memory_is_resident() {
        let before = resident().unwrap();
        let touched = std::hint::black_box(vec![1u8; 64 << 20]);
        let grown = resident().unwrap() - before;
        assert!(grown >= 48 << 20, "{grown} of {} bytes", touched.len());
    }
}
