//! Standard output, as a program that is piped somewhere has to treat it.

use std::io::{self, Write};

use serde::Serialize;

use crate::view::text;

/// Writes text.
///
/// # Errors
/// When standard output cannot be written; see [`is_closed_pipe`]. (`println!` would panic.)
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    write(text.as_bytes())
}

/// Writes bytes as they are.
///
/// # Errors
/// As [`print()`].
pub(crate) fn write(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

/// Writes a remark to standard error, where it is in nobody's way who reads the output.
pub(crate) fn note(remark: &str) {
    eprintln!("blockcast: {}", text::clean_lines(remark));
}

/// Writes a value as JSON, indented, with a line end.
///
/// # Errors
/// As [`print()`].
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Whether the reader of our output has gone (`blockcast status | head -1`): it has what it wanted.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
