//! The program under test: `blockcast`, as an operator runs it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::block::Block;
use crate::http::{self, Reply};
use crate::process::{Process, Spawn, find_program};
use crate::rpc::{Auth, RpcClient};
use crate::setup::{POOL_PASSWORD, POOL_USER, Setup};
use crate::wait::eventually;
use crate::{ports, scratch};

/// Time from the start of the process to 200 from `/readyz`.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// Time from SIGTERM to the end of the process; its own deadline for running deliveries is shorter.
const TERM_DEADLINE: Duration = Duration::from_secs(30);
/// Time that a command of the command line may take.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);
/// Time that an HTTP request may take; submissions may take 4 s by contract.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// A running `blockcast run`. Dropping it kills it, prints its log if the test is failing, and removes its files.
///
/// ```text
///   DIR/config/      blockcast.toml, chains/CHAIN.toml, secrets/
///   DIR/data/        data_dir: survives a restart
///   DIR/log          standard output and standard error of all its runs
///   DIR/strace       if asked for
/// ```
#[derive(Debug)]
pub struct Blockcast {
    setup: Setup,
    http: SocketAddr,
    front_door: SocketAddr,
    /// `None` after [`Blockcast::sigterm`] and [`Blockcast::sigkill`].
    process: Option<Process>,
    // After `process`: fields drop in order.
    dir: TempDir,
}

impl Blockcast {
    /// Writes the configuration and starts the program. It returns at once; see [`Blockcast::wait_ready`].
    ///
    /// # Panics
    /// When the program is not built.
    #[track_caller]
    pub fn start(setup: Setup) -> Self {
        let address = || SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free_port()));
        let dir = scratch::dir("blockcast");
        let mut blockcast = Self { setup, http: address(), front_door: address(), process: None, dir };
        blockcast.write_config();
        blockcast.launch();
        blockcast
    }

    /// Waits until `/readyz` says 200.
    ///
    /// # Panics
    /// When the program exits, or is not ready within 30 seconds; the message has the last answer of `/readyz`, and
    /// the log follows.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        let mut last = String::from("no answer");
        let start = std::time::Instant::now();
        let problem = eventually(READY_DEADLINE + Duration::from_secs(5), "blockcast is ready", || {
            let process = self.process.as_mut().expect("wait_ready is for a running blockcast");
            if let Some(status) = process.exited() {
                return Some(Some(format!("it ended: {status}")));
            }
            match http::request(self.http, "GET", "/readyz", &[], &[], Duration::from_secs(5)) {
                Ok(reply) if reply.status == 200 => return Some(None),
                Ok(reply) => last = format!("{}: {}", reply.status, reply.text()),
                Err(e) => last = e.to_string(),
            }
            (start.elapsed() > READY_DEADLINE).then(|| Some(format!("/readyz: {last}")))
        });
        if let Some(problem) = problem {
            panic!("blockcast did not become ready: {problem}\n{}", self.log());
        }
    }

    /// The directory given to `--config`.
    pub fn config_dir(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// The `data_dir`.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What it was started with. Changes take effect with [`Blockcast::write_config`] or at the next start.
    pub fn setup_mut(&mut self) -> &mut Setup {
        &mut self.setup
    }

    /// Writes the configuration files again.
    pub fn write_config(&self) {
        self.setup.write(&self.config_dir(), &self.data_dir(), self.http, self.front_door);
    }

    /// Where it serves status, REST and metrics.
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// Where the front door listens.
    pub fn front_door_addr(&self) -> SocketAddr {
        self.front_door
    }

    /// The process id, also when it runs under strace.
    ///
    /// # Panics
    /// When it is not running.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// A GET.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], &[])
    }

    /// A GET of a program that may not listen yet.
    pub fn try_get(&self, path: &str) -> Option<Reply> {
        http::request(self.http, "GET", path, &[], &[], HTTP_TIMEOUT).ok()
    }

    /// A GET whose answer is JSON with status 200.
    ///
    /// # Panics
    /// For any other answer.
    #[track_caller]
    pub fn get_json(&self, path: &str) -> Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
        reply.json()
    }

    /// A POST.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Reply {
        self.request("POST", path, &[("Content-Type", content_type)], body)
    }

    /// Submits a block by REST as raw bytes. `query` is empty, or for example `wait=peers:2&timeout=10`.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    pub fn post_block(&self, block: &Block, query: &str) -> Reply {
        let mark = if query.is_empty() { "" } else { "?" };
        let path = format!("/api/v1/chains/{}/blocks{mark}{query}", self.setup.chain);
        self.post(&path, "application/octet-stream", &block.bytes)
    }

    /// Any request.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        http::request(self.http, method, path, headers, body, HTTP_TIMEOUT)
            .unwrap_or_else(|e| panic!("{method} {path}: no answer from blockcast: {e}"))
    }

    /// The front door, as the pool calls it.
    pub fn front_door(&self) -> RpcClient {
        RpcClient::new(self.front_door, Auth::password(POOL_USER, POOL_PASSWORD))
    }

    /// Runs `blockcast` with these arguments, in the directory that holds `config/`, and waits for its end.
    ///
    /// # Panics
    /// When it takes more than a minute.
    #[track_caller]
    pub fn cli(&self, args: &[&str]) -> Output {
        self.cli_with_input(args, &[])
    }

    /// The same with this on its standard input.
    ///
    /// # Panics
    /// When it takes more than a minute.
    #[track_caller]
    pub fn cli_with_input(&self, args: &[&str], input: &[u8]) -> Output {
        let dir = scratch::dir_in(self.dir.path(), "cli");
        let [stdin, stdout, stderr] = ["in", "out", "err"].map(|name| dir.path().join(name));
        fs::write(&stdin, input).expect("a temporary file can be written");
        let mut process = Process::spawn(Spawn {
            name: &format!("blockcast {}", args.join(" ")),
            argv: std::iter::once(self.binary().into_os_string())
                .chain(args.iter().map(OsString::from))
                .collect(),
            env: &self.setup.env,
            dir: self.dir.path(),
            stdin: Some(File::open(&stdin).expect("it was written just now")),
            stdout: &stdout,
            stderr: &stderr,
        });
        let status = process.wait(COMMAND_DEADLINE);
        let [stdout, stderr] = [stdout, stderr].map(|file| fs::read(file).expect("spawn creates the file"));
        Output { status, stdout, stderr }
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// When it is not running, or does not end within 30 seconds.
    #[track_caller]
    pub fn sigterm(&mut self) -> ExitStatus {
        self.process().signal(Signal::TERM);
        self.wait_exit(TERM_DEADLINE)
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it is not running, or does not end by the deadline.
    #[track_caller]
    pub fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        self.process();
        let mut process = self.process.take().expect("checked on the line before");
        process.wait(deadline)
    }

    /// Kills it (SIGKILL).
    ///
    /// # Panics
    /// When it is not running.
    #[track_caller]
    pub fn sigkill(&mut self) {
        self.process();
        self.process = None;
    }

    /// Starts it again with the same ports and data directory, and its setup as it is now.
    ///
    /// # Panics
    /// When it is still running.
    #[track_caller]
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "blockcast is still running");
        self.write_config();
        self.launch();
    }

    /// All that it wrote to standard output and standard error so far, in all its runs.
    pub fn log(&self) -> String {
        scratch::tail(&self.log_path(), usize::MAX)
    }

    /// Waits until the log has these words: a thing is often to be seen elsewhere a moment before its line is written.
    ///
    /// # Panics
    /// When the deadline passes without them, with the log.
    pub fn wait_logged(&self, words: &str, deadline: Duration) {
        eventually(deadline, format!("{words:?} in the log"), || self.log().contains(words));
    }

    /// What strace wrote so far (`-f`: each line begins with the thread's id). Complete once it ends with the line
    /// `+++ exited` or `+++ killed` of the process, which comes a moment after its end.
    ///
    /// # Panics
    /// When the setup does not ask for strace.
    pub fn strace_log(&self) -> String {
        assert!(self.setup.strace.is_some(), "this blockcast does not run under strace");
        scratch::tail(&self.strace_path(), usize::MAX)
    }

    fn launch(&mut self) {
        let binary = self.binary();
        let mut argv: Vec<OsString> = Vec::new();
        if let Some(filter) = &self.setup.strace {
            let strace = find_program("strace").expect("strace is not installed; run ./tests/run");
            // -D: strace becomes the grandchild, so that the process we signal and reap is blockcast's. -A: all
            // runs into one file.
            argv.push(strace.into());
            argv.extend(["-D", "-f", "-A", "-s", "256", "-e", filter, "-o"].map(OsString::from));
            argv.push(self.strace_path().into());
        }
        argv.extend([binary.into(), "run".into(), "--config".into(), self.config_dir().into()]);
        let log = self.log_path();
        self.process = Some(Process::spawn(Spawn {
            name: "blockcast",
            argv,
            env: &self.setup.env,
            dir: self.dir.path(),
            stdin: None,
            stdout: &log,
            stderr: &log,
        }));
    }

    fn binary(&self) -> PathBuf {
        self.setup.binary.clone().unwrap_or_else(built_binary)
    }

    #[track_caller]
    fn process(&self) -> &Process {
        self.process.as_ref().expect("blockcast is not running")
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn strace_path(&self) -> PathBuf {
        self.dir.path().join("strace")
    }
}

impl Drop for Blockcast {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the log of blockcast\n{}", scratch::tail(&self.log_path(), 400));
        }
    }
}

/// The program that Cargo built beside this test, or the one that `E2E_BLOCKCAST` names.
///
/// # Panics
/// When it is not there.
#[track_caller]
pub fn built_binary() -> PathBuf {
    let path = match std::env::var_os("E2E_BLOCKCAST") {
        Some(path) => PathBuf::from(path),
        None => scratch::profile_dir().join("blockcast"),
    };
    assert!(Path::is_file(&path), "{} is not built: run ./tests/run", path.display());
    // The program runs in another directory than the test does.
    path.canonicalize().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
