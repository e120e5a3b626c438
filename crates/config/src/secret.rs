//! Secrets and paths: passwords and tokens live in files of their own, never in the configuration.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::problem::{Kind, Report, path_text};
use crate::section::Found;
use crate::source;

/// No password or token is longer; a file that is, is the wrong file.
const SECRET_LIMIT: u64 = 4096;

/// A secret and the file that it was read from. `Debug` and `Serialize` show the file only.
#[derive(Clone, Serialize)]
pub struct SecretFile {
    #[serde(serialize_with = "path_text")]
    path: PathBuf,
    #[serde(skip)]
    secret: SecretString,
}

impl SecretFile {
    /// Where it came from, joined with the configuration directory if it was relative.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content without its line end: one line of text, not empty, at most 4096 bytes.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A path as the files write it, made absolute or relative to `base`.
pub(crate) fn path(found: &Found<&str>, base: &Path, report: &mut Report) -> Option<PathBuf> {
    let text = found.value;
    let problem = if text.is_empty() {
        found.problem(Kind::BadValue, "the path is empty", "write a path, or remove the key")
    } else if text.starts_with('~') {
        found.problem(
            Kind::BadValue,
            "`~` is not expanded here",
            "write the whole path, such as /home/pool/…",
        )
    } else if text.contains('\0') {
        found.problem(Kind::BadValue, "no path can hold a zero byte", "write a plain path")
    } else {
        return Some(base.join(text));
    };
    report.problem(problem);
    None
}

/// Reads the secret that `found` names. `what` is "password" or "token".
pub(crate) fn read(found: &Found<&str>, what: &str, base: &Path, report: &mut Report) -> Option<SecretFile> {
    let path = path(found, base, report)?;
    let mut fail = |message: String, remedy: String| {
        report.problem(found.problem(Kind::Secret, message, remedy));
        None
    };
    let shown = path.display();
    let write_it = format!("put the {what}, one line, into {shown}");
    let bytes = match source::read_bounded(&path, SECRET_LIMIT) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let remedy = format!("create it: (umask 077; openssl rand -hex 32 > {shown})");
            return match what {
                // Ours to choose.
                "token" => fail(format!("there is no file {shown}"), remedy),
                _ => fail(format!("there is no file {shown}"), write_it),
            };
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let remedy = "let the user that Blockcast runs as read it".to_owned();
            return fail(format!("{shown} cannot be read: {error}"), remedy);
        }
        Err(error) => return fail(format!("{shown} cannot be read: {error}"), write_it),
    };
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => return fail(format!("{shown} is not UTF-8 text"), write_it),
    };
    // `echo` and editors end a file with a line break, which is not part of the secret.
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let secret = SecretString::from(line.strip_suffix('\r').unwrap_or(line));
    text.zeroize();
    if secret.expose_secret().is_empty() {
        return fail(format!("{shown} is empty"), write_it);
    }
    if secret.expose_secret().chars().any(char::is_control) {
        return fail(format!("{shown} holds more than one line, or control characters"), write_it);
    }
    if let Some(warning) = open_to_others(&path) {
        let remedy = format!("chmod 600 {shown}, and change the {what} if strangers have accounts here");
        report.warning(found.problem(Kind::Caution, warning, remedy));
    }
    Some(SecretFile { path, secret })
}

/// A message if every user of the machine can read the file.
#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    // The file was read a moment ago. Should it have gone since, there is no mode to warn about.
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o004 != 0)
        .then(|| format!("{} can be read by every user (mode {:03o})", path.display(), mode & 0o777))
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<String> {
    None
}
