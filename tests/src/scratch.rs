//! Temporary directories below the build directory.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The directory that holds this test executable's build profile: `target/debug`.
///
/// Cargo puts test executables into its `deps` folder, and the programs they test beside that folder.
pub(crate) fn profile_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("the path of the running test executable");
    let dir = exe.parent().expect("an executable lies in a directory");
    let dir = if dir.ends_with("deps") { dir.parent().expect("`deps` lies in a profile") } else { dir };
    dir.to_path_buf()
}

/// `target/tmp`, which Cargo sets aside for the files of tests.
pub(crate) fn root() -> PathBuf {
    let dir = profile_dir().parent().expect("a profile lies in the target directory").join("tmp");
    std::fs::create_dir_all(&dir).unwrap_or_else(|e| panic!("cannot create {}: {e}", dir.display()));
    dir
}

/// A new empty directory that is removed when its owner is dropped.
pub(crate) fn dir(prefix: &str) -> TempDir {
    dir_in(&root(), prefix)
}

/// The same, inside `parent`.
pub(crate) fn dir_in(parent: &Path, prefix: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("{prefix}-"))
        .tempdir_in(parent)
        .unwrap_or_else(|e| panic!("cannot create a directory in {}: {e}", parent.display()))
}

/// The last `lines` lines of a log file, or why it cannot be read.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    match std::fs::read(path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(e) => format!("({}: {e})", path.display()),
    }
}
