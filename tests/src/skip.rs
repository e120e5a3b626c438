//! Saying that a test is skipped, so that nobody takes it for one that passed.

use std::ffi::OsString;
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

/// Whether the program is there that an environment variable names. If none is named it says so, with what is wanted.
///
/// That is no failure where the environment has `CI` set: there is no package to install.
///
/// # Panics
/// When the variable names something that is not a program: then the tests were asked for.
pub(crate) fn named_program(variable: &str, wanted: &str) -> bool {
    let Some(named) = named(variable) else {
        say(&line(&format!(
            "{variable} does not name a {wanted}, so NOTHING of this was tested with a real one"
        )));
        return false;
    };
    assert!(find_program(&named).is_some(), "{variable}={} is not a program", named.display());
    if let Some(missing) = missing(&["setpriv"]) {
        panic!("{variable} is set, yet {missing} is not on PATH");
    }
    true
}

/// What an environment variable names.
pub(crate) fn named(variable: &str) -> Option<OsString> {
    std::env::var_os(variable).filter(|named| !named.is_empty())
}

/// Writes a line to standard error, past the test harness, which keeps what a test that passes prints to itself.
pub(crate) fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).expect("standard error can be written");
}
