//! The daemon as a process.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{Setup, blockcast};

/// A running daemon, killed at the end.
pub(crate) struct Daemon {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Daemon {
    /// Starts it and waits until it serves.
    pub(crate) fn start(setup: &Setup) -> Self {
        Self::start_and_read(setup).0
    }

    /// The same, with the log until then.
    pub(crate) fn start_and_read(setup: &Setup) -> (Self, String) {
        let mut command = blockcast();
        command.args(["run", "--config", &setup.config_arg()]).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut daemon = Self { child, log };
        let log = daemon.read_until("running");
        (daemon, log)
    }

    /// Reads the log up to a line that holds this.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        let mut read = String::new();
        loop {
            let before = read.len();
            assert_ne!(self.log.read_line(&mut read).unwrap(), 0, "no line holds {text:?}:\n{read}");
            if read[before..].contains(text) {
                return read;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit status, once it has ended, and the rest of its log.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.log, &mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail if it has ended, which is well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
