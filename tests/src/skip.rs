//! Saying that a test is skipped, so that nobody takes it for one that passed.

use std::io::Write as _;

use crate::process::find_program;

/// Those of the programs that are not on PATH, if there are any.
pub(crate) fn missing(programs: &[&str]) -> Option<String> {
    let missing: Vec<_> = programs.iter().copied().filter(|name| find_program(name).is_none()).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// The line that says of the calling test why it is skipped.
pub(crate) fn line(why: &str) -> String {
    let thread = std::thread::current();
    format!("SKIPPED {}: {why}\n", thread.name().unwrap_or("a test"))
}

/// Writes a line to standard error, past the test harness, which keeps what a test that passes prints to itself.
pub(crate) fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).expect("standard error can be written");
}
