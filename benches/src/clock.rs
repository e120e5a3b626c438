//! The machine's monotonic clock, which all processes share.

use std::time::Instant;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds of the monotonic clock.
pub(crate) fn now() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// Nanoseconds of CPU time that this process has used so far.
pub(crate) fn cpu() -> u64 {
    nanoseconds(clock_gettime(ClockId::ProcessCPUTime))
}

/// An [`Instant`], which reads the same clock but does not show its number, on the monotonic clock.
pub(crate) fn of(instant: Instant) -> u64 {
    let (now, here) = (now(), Instant::now());
    match here.checked_duration_since(instant) {
        Some(ago) => now - ago.as_nanos() as u64,
        None => now + (instant - here).as_nanos() as u64,
    }
}

fn nanoseconds(time: Timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
