//! A wall clock of a program's own, which a test can put forward and back while the program runs (libfaketime).

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{scratch, skip};

/// Where libfaketime is, if it is installed; otherwise this says so, loudly.
pub fn library() -> Option<PathBuf> {
    // Debian keeps it out of the loader's own directories: /usr/lib/TRIPLET/faketime.
    let below = |root: &str| fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let candidates = ["/usr/lib", "/usr/local/lib"].into_iter().flat_map(|root| {
        std::iter::once(PathBuf::from(root))
            .chain(below(root))
            .map(|dir| dir.join("faketime/libfaketime.so.1"))
    });
    let found = candidates.into_iter().find(|file| file.is_file());
    if found.is_none() {
        skip::say(&skip::line("no libfaketime here; ./tests/run installs it on Debian (package faketime)"));
    }
    found
}

/// The clock.
#[derive(Debug)]
pub struct Clock {
    dir: TempDir,
}

impl Clock {
    /// A clock that is right.
    #[expect(clippy::new_without_default, reason = "it makes a file")]
    pub fn new() -> Self {
        let clock = Self { dir: scratch::dir("clock") };
        clock.set(0);
        clock
    }

    /// The environment of a program that goes by it. Durations are not touched: the monotonic clock is the kernel's.
    pub fn env(&self, library: &Path) -> Vec<(String, String)> {
        let pair = |name: &str, value: String| (name.to_owned(), value);
        vec![
            pair("LD_PRELOAD", library.display().to_string()),
            pair("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            pair("FAKETIME_NO_CACHE", "1".into()),
            pair("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    /// Puts it so many hours ahead of the right time, at once.
    ///
    /// # Panics
    /// When the file cannot be replaced.
    pub fn set(&self, hours: i32) {
        let new = self.dir.path().join("new");
        fs::write(&new, format!("{hours:+}h\n")).expect("a temporary file can be written");
        // Its readers see the old or the new, never half of it.
        fs::rename(new, self.file()).expect("a temporary file can be renamed");
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("offset")
    }
}
