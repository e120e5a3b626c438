//! One real node on regtest, whichever program it runs.
//!
//! What differs between the programs is in a [`Program`] each: [`litecoind`](crate::litecoind),
//! [`dashd`](crate::dashd) and [`dogecoind`](crate::dogecoind).

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::base::{Base, WALLET};
use crate::process::{Process, Spawn};
use crate::program::{Options, Program};
use crate::rpc::{Auth, RpcClient, RpcFailure};
use crate::wait::eventually;
use crate::warm_up::WarmUp;
use crate::{ports, scratch};

/// A node answers RPC within a second; a loaded machine with two cores may take its time.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// A clean stop writes the chain state and takes about a second.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
/// How often a start is repeated on other ports when somebody else was quicker to take them.
const PORT_TRIES: usize = 5;

/// A running node. Dropping it kills it and removes its data directory.
#[derive(Debug)]
pub struct Daemon {
    program: &'static Program,
    options: Options,
    p2p: SocketAddr,
    onion: SocketAddr,
    rpc: SocketAddr,
    /// `None` between [`Daemon::stop`] or [`Daemon::kill`] and the next start.
    process: Option<Process>,
    // After `process`: fields drop in order, and the node must be gone before its files are.
    dir: TempDir,
}

impl Daemon {
    /// Starts a node and waits until its RPC answers.
    ///
    /// # Panics
    /// When the node exits or does not answer within a minute; the message ends with its log.
    #[track_caller]
    pub fn start(mut options: Options) -> Self {
        let program = options.base.map_or(options.program, Base::program);
        options.wallet &= program.has_wallet;
        let dir = scratch::dir("node");
        if let Some(base) = options.base {
            base.copy_to(dir.path());
        }
        let address = || SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free_port()));
        let p2p_address = |host: Ipv4Addr| SocketAddr::from((host, ports::free_port()));
        let (p2p, onion, rpc) = (p2p_address(options.host), address(), address());
        let mut node = Self { program, options, p2p, onion, rpc, process: None, dir };
        for _ in 0..PORT_TRIES {
            node.launch(&[]);
            match node.await_rpc() {
                Ok(()) => {
                    node.create_missing_wallet();
                    return node;
                }
                Err(Failure::PortTaken) => {
                    node.process = None;
                    (node.p2p, node.onion, node.rpc) = (p2p_address(node.options.host), address(), address());
                    std::fs::remove_file(node.log_path()).expect("a node that wrote a log has a log");
                }
                Err(Failure::Other(message)) => panic!("{message}"),
            }
        }
        panic!("{}: ports were taken in {PORT_TRIES} tries", node.name());
    }

    /// The name given in the options.
    pub fn name(&self) -> &str {
        if self.options.name.is_empty() { self.program.name } else { &self.options.name }
    }

    /// What it runs.
    pub fn program(&self) -> &'static Program {
        self.program
    }

    /// Where the node listens for peers.
    pub fn p2p_addr(&self) -> SocketAddr {
        self.p2p
    }

    /// Where the node listens for RPC.
    pub fn rpc_addr(&self) -> SocketAddr {
        self.rpc
    }

    /// The node's RPC as a URL, without credentials.
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.rpc)
    }

    /// The node's cookie file. It exists while the node runs, unless the options have a password.
    pub fn cookie_file(&self) -> PathBuf {
        self.dir.path().join("regtest/.cookie")
    }

    /// How a caller of this node's RPC names itself.
    pub fn auth(&self) -> Auth {
        match &self.options.password {
            Some((user, password)) => Auth::password(user, password),
            None => Auth::Cookie(self.cookie_file()),
        }
    }

    /// The data directory; the files of the chain are in its folder `regtest`.
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process id.
    ///
    /// # Panics
    /// When the node is stopped.
    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// The node's `debug.log` so far.
    pub fn log(&self) -> String {
        scratch::tail(&self.log_path(), usize::MAX)
    }

    /// A caller of this node, to be used from other threads or with another timeout.
    pub fn rpc_client(&self) -> RpcClient {
        RpcClient::new(self.rpc, self.auth())
    }

    /// Calls the node. `params` is an array, for example `json!(["00", 1])`.
    ///
    /// # Errors
    /// See [`RpcClient::call`].
    pub fn rpc(&self, method: &str, params: Value) -> Result<Value, RpcFailure> {
        self.rpc_client().call(method, params)
    }

    /// Calls the node where failure is no part of the test.
    ///
    /// # Panics
    /// When the call fails.
    #[track_caller]
    pub fn must(&self, method: &str, params: Value) -> Value {
        self.rpc(method, params).unwrap_or_else(|e| panic!("{}: {method}: {e}", self.name()))
    }

    /// Hash of the node's best block, as RPC writes it.
    #[track_caller]
    pub fn tip(&self) -> String {
        text(&self.must("getbestblockhash", json!([])))
    }

    /// Height of the node's best block.
    #[track_caller]
    pub fn height(&self) -> u64 {
        self.must("getblockcount", json!([])).as_u64().expect("getblockcount gives a number")
    }

    /// A block the node holds, in hex, with witnesses and MWEB part.
    #[track_caller]
    pub fn block_hex(&self, hash: &str) -> String {
        text(&self.must("getblock", json!([hash, false])))
    }

    /// What the node says to a block: `null`, or a word such as `duplicate`.
    #[track_caller]
    pub fn submit(&self, hex: &str) -> Value {
        self.must("submitblock", json!([hex]))
    }

    /// Lets the node mine blocks on its tip, and returns their hashes.
    ///
    /// Each call pays to a script of its own, so that two nodes with the same tip mine different blocks.
    #[track_caller]
    pub fn mine(&self, count: usize) -> Vec<String> {
        let hashes = (self.program.mine)(self, count);
        hashes.as_array().expect("mined blocks come as an array").iter().map(text).collect()
    }

    /// What the node knows of its peers (`getpeerinfo`), one entry for each connection.
    #[track_caller]
    pub fn connections(&self) -> Vec<Value> {
        let peers = self.must("getpeerinfo", json!([]));
        peers.as_array().expect("getpeerinfo gives an array").clone()
    }

    /// Connects to another node (`addnode … onetry`) and waits until both have finished the handshake.
    ///
    /// The connection is not renewed when it breaks.
    #[track_caller]
    pub fn connect_to(&self, other: &Self) {
        self.must("addnode", json!([other.p2p.to_string(), "onetry"]));
        let what = format!("{} and {} shake hands", self.name(), other.name());
        let done = |peer: &&Value| peer["bytesrecv_per_msg"]["verack"].is_u64();
        let ours = eventually(Duration::from_secs(20), &what, || {
            let outgoing = |peer: &&Value| peer["addr"] == other.p2p.to_string();
            self.connections().iter().filter(outgoing).find(done).cloned()
        });
        eventually(Duration::from_secs(20), &what, || {
            let incoming = |peer: &&Value| peer["addr"] == ours["addrbind"];
            other.connections().iter().filter(incoming).find(done).cloned()
        });
    }

    /// Kills the node (SIGKILL). What it had not flushed is lost: blocks since its start may be gone after the next.
    ///
    /// # Panics
    /// When the node is stopped already.
    #[track_caller]
    pub fn kill(&mut self) {
        self.process().pid();
        self.process = None;
    }

    /// Stops the node in its tracks (SIGSTOP): its sockets stay open and take in bytes, nobody reads them.
    ///
    /// # Panics
    /// When the node is not running.
    #[track_caller]
    pub fn pause(&self) {
        self.process().pause();
    }

    /// Ends [`Daemon::pause`].
    ///
    /// # Panics
    /// When the node is not running.
    #[track_caller]
    pub fn resume(&self) {
        self.process().resume();
    }

    /// Stops the node in the orderly way and waits until it has gone.
    ///
    /// # Panics
    /// When it is not running, does not obey within a minute, or ends with an error.
    #[track_caller]
    pub fn stop(&mut self) {
        self.must("stop", json!([]));
        let mut process = self.process.take().expect("a node that answered is running");
        let status = process.wait(STOP_DEADLINE);
        assert!(status.success(), "{}: {status}\n{}", self.name(), self.complaint());
    }

    /// Starts a stopped or killed node on its old ports and data directory, and waits until its RPC answers.
    ///
    /// # Panics
    /// As [`Daemon::start`], and when the node is still running.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.start_again_without_waiting(&[]);
        self.await_rpc().unwrap_or_else(|e| panic!("{}", e.on(self.name())));
    }

    /// The same with more arguments (such as `-reindex`), returning at once: the node is then in its warm-up, when
    /// calls fail with a refused connection, and then with error -28.
    ///
    /// # Panics
    /// When the node is still running.
    #[track_caller]
    pub fn start_again_without_waiting(&mut self, args: &[&str]) {
        assert!(self.process.is_none(), "{} is running", self.name());
        self.launch(args);
    }

    /// The same, but the node stays in its warm-up, with error -28 for every call, until it is told to go on.
    ///
    /// # Panics
    /// When the node is still running.
    #[track_caller]
    pub fn start_again_and_stay_in_warm_up(&mut self) -> WarmUp {
        let warm_up = WarmUp::of(self.dir.path().join("regtest").join(self.program.ban_list));
        self.start_again_without_waiting(&[]);
        let client = self.rpc_client().timeout(Duration::from_secs(5));
        eventually(START_DEADLINE, format!("{} says that it is warming up", self.name()), || {
            client.call("getblockcount", json!([])).is_err_and(|e| e.code == Some(-28))
        });
        warm_up
    }

    #[track_caller]
    fn process(&self) -> &Process {
        self.process.as_ref().unwrap_or_else(|| panic!("{} is not running", self.name()))
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("regtest/debug.log")
    }

    fn console_path(&self) -> PathBuf {
        self.dir.path().join("console")
    }

    fn launch(&mut self, more: &[&str]) {
        let mut args = vec![
            "-regtest".to_owned(),
            format!("-datadir={}", self.dir.path().display()),
            format!("-bind={}", self.p2p),
            "-rpcbind=127.0.0.1".into(),
            "-rpcallowip=127.0.0.1".into(),
            format!("-rpcport={}", self.rpc.port()),
            "-maxtipage=315360000".into(), // a copied base chain may be days old: do not call it a download
            "-persistmempool=0".into(),
        ];
        if self.program.has_onion_bind {
            // Unasked, such a node also binds a fixed port for Tor, and a failure of `-bind` is then forgiven.
            args.push(format!("-bind={}=onion", self.onion));
        }
        let plain = "-listen=1 -server=1 -dnsseed=0 -discover=0 -listenonion=0 -printtoconsole=0".split(' ');
        args.extend(plain.chain(self.program.args.iter().copied()).map(str::to_owned));
        args.push(match self.options.wallet {
            false => "-disablewallet".into(),
            true if self.wallet_exists() => format!("-wallet={WALLET}"),
            true => "-nowallet".into(),
        });
        if let Some((user, password)) = &self.options.password {
            args.extend([format!("-rpcuser={user}"), format!("-rpcpassword={password}")]);
        }
        args.extend(self.options.args.iter().cloned());
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        self.process = Some(Process::spawn(Spawn {
            name: self.name(),
            argv: std::iter::once((self.program.path)())
                .chain(args.into_iter().map(OsString::from))
                .collect(),
            env: &[],
            dir: self.dir.path(),
            stdin: None,
            stdout: &self.console_path(),
            stderr: &self.console_path(),
        }));
    }

    fn await_rpc(&mut self) -> Result<(), Failure> {
        let client = self.rpc_client().timeout(Duration::from_secs(5));
        let name = self.name().to_owned();
        let mut last = None;
        eventually(START_DEADLINE, format!("{name} answers RPC"), || {
            let process = self.process.as_mut().expect("launched before");
            if let Some(status) = process.exited() {
                let complaint = self.complaint();
                return Some(Err(if complaint.contains("Unable to bind") {
                    Failure::PortTaken
                } else {
                    Failure::Other(format!("{name}: {status}\n{complaint}"))
                }));
            }
            match client.call("getblockcount", json!([])) {
                // A node that could listen on one of two addresses runs on without the other.
                Ok(_) if self.log().contains("Unable to bind") => Some(Err(Failure::PortTaken)),
                Ok(_) => {
                    (self.program.settle)(self);
                    Some(Ok(()))
                }
                Err(e) => {
                    last = Some(e);
                    None
                }
            }
        })
    }

    fn wallet_exists(&self) -> bool {
        self.dir.path().join("regtest/wallets").join(WALLET).exists()
    }

    fn create_missing_wallet(&self) {
        if self.options.wallet && !self.wallet_exists() {
            self.must("createwallet", json!([WALLET]));
        }
    }

    /// What the node said on its console and at the end of its log.
    fn complaint(&self) -> String {
        format!("{}\n{}", scratch::tail(&self.console_path(), 10), scratch::tail(&self.log_path(), 30))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- end of the log of {}\n{}", self.name(), self.complaint());
        }
    }
}

/// Why a node did not come up.
#[derive(Debug)]
enum Failure {
    PortTaken,
    Other(String),
}

impl Failure {
    fn on(&self, name: &str) -> String {
        match self {
            Self::PortTaken => format!("{name}: its port was taken meanwhile"),
            Self::Other(message) => message.clone(),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}
