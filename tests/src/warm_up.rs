//! Holding a real node in its warm-up, which otherwise is over in a blink.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A node in its warm-up: it reads its list of bans, which is a pipe into which nobody has written yet.
#[derive(Debug)]
pub struct WarmUp {
    ban_list: PathBuf,
}

impl WarmUp {
    /// Puts the pipe in place of the list.
    pub(crate) fn of(ban_list: PathBuf) -> Self {
        replace_with(&ban_list, |path| {
            rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).map_err(Into::into)
        });
        Self { ban_list }
    }

    /// Lets the node go on.
    ///
    /// # Panics
    /// When files cannot be written.
    pub fn end(self) {
        // The node is at the other end, or this would wait for it.
        let pipe = File::options().write(true).open(&self.ban_list).expect("a pipe can be opened");
        // A node that ends writes its list, and would wait for a reader.
        replace_with(&self.ban_list, |path| File::create(path).map(drop));
        drop(pipe); // an empty list is a damaged one, in place of which the node begins a new one
    }
}

/// Removes a file, if it is there, and creates another in its place.
fn replace_with(path: &Path, create: impl FnOnce(&Path) -> io::Result<()>) {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => panic!("cannot remove {}: {e}", path.display()),
        _ => create(path).unwrap_or_else(|e| panic!("cannot create {}: {e}", path.display())),
    }
}
