//! Child processes that cannot outlive the test runner.
//!
//! Three things end a child: its owner is dropped (also by a panic, also while the child is stopped by SIGSTOP);
//! the test runner exits; the test runner is killed. For the last, every child is started through `setpriv
//! --pdeathsig KILL` (util-linux, part of every Debian): the kernel kills the child when its parent is gone.
//!
//! # Correctness
//! "Parent" in the kernel's rule is the *thread* that forked, and the test harness of Rust gives each test a thread
//! of its own. So all children are forked by one thread that lives as long as the process; a node may be
//! started in one thread and used in another.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::wait::eventually;

/// What to start and where its output goes.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// Name for messages.
    pub name: &'a str,
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Additions to the environment.
    pub env: &'a [(String, String)],
    /// Working directory.
    pub dir: &'a Path,
    /// A file for standard input; nothing without it.
    pub stdin: Option<File>,
    /// Where standard output is appended.
    pub stdout: &'a Path,
    /// Where standard error is appended; may be the same file.
    pub stderr: &'a Path,
}

/// A running child. Dropping it kills it and waits until the kernel has taken it down.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a child in the background.
    ///
    /// # Panics
    /// When its output files cannot be opened or `setpriv` cannot be run. A program that is missing is not
    /// noticed here: `setpriv` then exits with a message on standard error.
    pub fn spawn(spawn: Spawn<'_>) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(&spawn.argv).current_dir(spawn.dir);
        command.envs(spawn.env.iter().map(|(key, value)| (key, value)));
        command.stdin(spawn.stdin.map_or_else(Stdio::null, Stdio::from));
        command.stdout(append_to(spawn.stdout)).stderr(append_to(spawn.stderr));
        let child = fork_in_lasting_thread(command)
            .unwrap_or_else(|e| panic!("{}: cannot run setpriv (util-linux): {e}", spawn.name));
        Self { name: spawn.name.to_owned(), child }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process has ended before.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal)
            .unwrap_or_else(|e| panic!("{}: cannot send {signal:?}: {e}", self.name));
    }

    /// Stops the process (SIGSTOP) and returns when all of its threads stand still. Its sockets stay open: the
    /// kernel goes on taking in bytes for it and acknowledging them until the buffers are full.
    ///
    /// # Panics
    /// When the process has ended before.
    #[track_caller]
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        waitid(WaitId::Pid(self.id()), WaitIdOptions::STOPPED)
            .unwrap_or_else(|e| panic!("{}: ended instead of stopping: {e}", self.name));
    }

    /// Lets a stopped process go on (SIGCONT).
    ///
    /// # Panics
    /// When the process has ended before.
    #[track_caller]
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// How the process ended, or `None` while it runs.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|e| panic!("{}: cannot be waited for: {e}", self.name))
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// When it has not ended by the deadline.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("{} (process {}) exits", self.name, self.pid());
        eventually(deadline, what, || self.exited())
    }

    /// Kills the process (SIGKILL), unless it has ended, and returns how it ended.
    pub fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap_or_else(|e| panic!("{}: cannot be killed: {e}", self.name));
        self.child.wait().unwrap_or_else(|e| panic!("{}: cannot be waited for: {e}", self.name))
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a child that was reaped by someone else, which is as gone as can be; and a panic
        // here, during another one, would abort the whole run.
        if let Err(e) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("{}: process {} could not be killed: {e}", self.name, self.child.id());
        }
    }
}

/// Whether a process exists and is more than a zombie whose parent has not read its exit status yet.
///
/// It reads `/proc`, and is meant for processes that are not, or no longer, children of ours.
pub fn is_running(pid: u32) -> bool {
    // The state is the first field after the name, and the name, in parentheses, may itself hold parentheses.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| !rest.starts_with(['Z', 'X'])))
}

/// Where a program is found on PATH.
pub fn find_program(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name.as_ref())).find(|candidate| candidate.is_file())
}

fn append_to(path: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap_or_else(|e| panic!("cannot open {}: {e}", path.display()))
}

/// Forks in a thread that never ends while this process lives; see the module's *Correctness*.
fn fork_in_lasting_thread(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static ORDERS: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Order>();
        let forks = move || {
            for (mut command, answer) in receiver {
                // The asker waits for the answer; if its thread is gone, the child goes with the message.
                if let Err(mpsc::SendError(Ok(mut orphan))) = answer.send(command.spawn()) {
                    orphan.kill().and_then(|()| orphan.wait()).expect("a child of ours can be killed");
                }
            }
        };
        thread::Builder::new().name("forks".into()).spawn(forks).expect("a thread can be started");
        sender
    });
    let (sender, receiver) = mpsc::channel();
    orders.send((command, sender)).expect("the forking thread never ends");
    receiver.recv().expect("the forking thread answers every order")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (Process, PathBuf, tempfile::TempDir) {
        let dir = crate::scratch::dir("process");
        let out = dir.path().join("out");
        let process = Process::spawn(Spawn {
            name: "shell",
            argv: ["sh", "-c", script].map(OsString::from).to_vec(),
            env: &[],
            dir: dir.path(),
            stdin: None,
            stdout: &out,
            stderr: &out,
        });
        (process, out, dir)
    }

    #[test]
    fn a_dropped_process_is_gone_even_if_it_was_paused_and_ignores_signals() {
        let (process, out, _dir) =
            shell("trap '' TERM INT HUP; echo ready; while :; do read -r x < /dev/zero; done");
        let soon = Duration::from_secs(10);
        eventually(soon, "the shell is ready", || std::fs::read_to_string(&out).unwrap() == "ready\n");
        let pid = process.pid();
        process.pause();
        assert!(is_running(pid));
        drop(process);
        assert!(!is_running(pid));
    }

    #[test]
    fn a_process_lives_on_when_the_thread_that_asked_for_it_ends() {
        let asker = thread::spawn(|| {
            let (process, out, dir) = shell("echo ready; kill -STOP $$; exit 3");
            // Only now has setpriv done its part for sure, so that the end of this thread could do harm.
            eventually(Duration::from_secs(10), "the shell is ready", || {
                std::fs::read_to_string(&out).unwrap() == "ready\n"
            });
            (process, dir)
        });
        let (mut process, _dir) = asker.join().unwrap();
        waitid(WaitId::Pid(process.id()), WaitIdOptions::STOPPED).unwrap();
        process.resume();
        assert_eq!(process.wait(Duration::from_secs(10)).code(), Some(3));
    }

    #[test]
    fn a_missing_program_shows_as_an_exit_with_a_message() {
        let dir = crate::scratch::dir("process");
        let out = dir.path().join("out");
        let argv = vec!["no-such-program-here".into()];
        let mut process = Process::spawn(Spawn {
            name: "none",
            argv,
            env: &[],
            dir: dir.path(),
            stdin: None,
            stdout: &out,
            stderr: &out,
        });
        assert!(!process.wait(Duration::from_secs(10)).success());
        assert!(std::fs::read_to_string(out).unwrap().contains("no-such-program-here"));
    }
}
