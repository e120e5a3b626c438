//! Reading files: regular ones only, of bounded size, UTF-8.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::problem::{Kind, Place, Problem};

/// A hundred times what a large configuration needs.
const CONFIG_LIMIT: u64 = 256 * 1024;

/// Reads at most `limit` bytes of a regular file. A larger file is an error of kind `FileTooLarge`, anything but a
/// file (a FIFO would block for ever, a device might never end) one of kind `InvalidInput`.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("it is larger than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Reads a configuration file.
pub(crate) fn read_config(path: &Path) -> Result<String, Problem> {
    read_text(path, "create it (an empty one means all defaults), or pass another directory")
}

/// Reads a file of a chain's parameters.
pub(crate) fn read_parameters(path: &Path) -> Result<String, Problem> {
    read_text(path, "put the file there, or name another in `parameters`")
}

fn read_text(path: &Path, if_missing: &'static str) -> Result<String, Problem> {
    let bytes = read_bounded(path, CONFIG_LIMIT).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => if_missing,
            io::ErrorKind::PermissionDenied => "let the user that Blockcast runs as read it",
            _ => "put a plain configuration file there",
        };
        Problem::at(Kind::File, Place::file(path), format!("cannot be read: {error}"), remedy)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_start = good.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let place = Place::File {
            path: path.to_owned(),
            line: Some(good.iter().filter(|&&byte| byte == b'\n').count() + 1),
            column: Some(String::from_utf8_lossy(&good[line_start..]).chars().count() + 1),
        };
        Problem::at(Kind::File, place, "the text is not UTF-8 from here on", "save the file as UTF-8")
    })
}

/// `chains/*.toml` with their stems, in alphabetical order; hidden files (editors' backups) are left out.
/// No `chains` directory is the same as an empty one.
pub(crate) fn chain_files(dir: &Path) -> Result<Vec<(String, PathBuf)>, Problem> {
    let chains = dir.join("chains");
    let failed = |error: io::Error| {
        let remedy = "make it a directory that the user that Blockcast runs as can read";
        Problem::at(Kind::File, Place::file(&chains), format!("cannot be read: {error}"), remedy)
    };
    let entries = match fs::read_dir(&chains) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension() == Some(OsStr::new("toml")) && !stem.starts_with('.') {
            files.push((stem, path));
        }
    }
    files.sort();
    Ok(files)
}
