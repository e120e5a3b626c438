//! The program whose crashes these are: `blockcast run`, as an operator runs it, on a directory that outlives it.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    os::unix::{fs::OpenOptionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use e2e::{Auth, RpcClient, http};
use rustix::process::Signal;
use tempfile::TempDir;

/// How long a start may take that takes tens of milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait between two looks at something that nobody tells.
const POLL: Duration = Duration::from_millis(1);

/// What the program says of a block that it has found in its journal.
const REPLAYED: &str = "block from the journal is sent again";

const USER: &str = "pool";
const PASSWORD: &str = "figures";

/// The node that the program is configured with.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) address: SocketAddr,
    pub(super) user: String,
    pub(super) password: String,
}

/// The program's directory: configuration, data, and what it says.
///
/// ```text
///   DIR/blockcast.toml, DIR/chains/litecoin.toml, DIR/door, DIR/node
///   DIR/data/journal/
///   DIR/log
/// ```
#[derive(Debug)]
pub(super) struct Home {
    dir: TempDir,
    binary: PathBuf,
    doors: Doors,
}

/// Where the program listens.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    http: SocketAddr,
    front_door: SocketAddr,
}

/// A running program. Dropping it kills it; the kernel does so when this process is killed.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    doors: Doors,
    log: PathBuf,
    /// Where the log of this run begins: what was before is of other runs.
    log_begins: usize,
}

/// The program that Cargo has built beside this one.
pub(super) fn binary() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("blockcast");
    ensure!(path.is_file(), "{} is not built: ./tests/figures does that", path.display());
    Ok(path)
}

impl Home {
    /// A new one, for a program with this node and no peers.
    pub(super) fn new(node: &Login) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let address = || SocketAddr::from((Ipv4Addr::LOCALHOST, e2e::free_port()));
        let doors = Doors { http: address(), front_door: address() };
        let [door_secret, node_secret] = ["door", "node"].map(|name| dir.path().join(name));
        secret(&door_secret, PASSWORD)?;
        secret(&node_secret, &node.password)?;
        fs::create_dir(dir.path().join("chains"))?;
        let main = format!("data_dir = {:?}\n[http]\nlisten = \"{}\"\n", dir.path().join("data"), doors.http);
        fs::write(dir.path().join("blockcast.toml"), main)?;
        let chain = format!(
            "chain = \"litecoin\"\nnetwork = \"regtest\"\n[[node]]\nname = \"a\"\nrole = \"primary\"\nrpc = {{ url = \
             \"http://{}\", user = {:?}, password_file = {node_secret:?} }}\n[peers]\nenabled = false\n[front_door]\n\
             listen = \"{}\"\nuser = {USER:?}\npassword_file = {door_secret:?}\n",
            node.address, node.user, doors.front_door,
        );
        fs::write(dir.path().join("chains/litecoin.toml"), chain)?;
        Ok(Self { dir, binary: binary()?, doors })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The journal's directory.
    pub(super) fn journal(&self) -> PathBuf {
        self.dir.path().join("data/journal")
    }

    /// Starts the program, behind `runner` if there is one, which must become it. Returns at once.
    pub(super) fn start(&self, runner: &[String]) -> anyhow::Result<Program> {
        let log = self.dir.path().join("log");
        let open = || OpenOptions::new().create(true).append(true).open(&log);
        // util-linux: the kernel kills the child when the thread that has started it, our main one, is gone.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(runner).arg(&self.binary);
        command.arg("run").arg("--config").arg(self.dir.path());
        command.stdin(Stdio::null()).stdout(open()?).stderr(open()?);
        let log_begins = usize::try_from(fs::metadata(&log)?.len())?;
        let child = command.spawn().context("cannot run setpriv (util-linux)")?;
        Ok(Program { child, doors: self.doors.clone(), log, log_begins })
    }
}

impl Doors {
    /// A request to the REST API.
    pub(super) fn rest(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        limit: Duration,
    ) -> std::io::Result<http::Reply> {
        http::request(self.http, method, path, &[("Content-Type", "application/octet-stream")], body, limit)
    }

    /// The front door, as the pool calls it.
    pub(super) fn front_door(&self, limit: Duration) -> RpcClient {
        RpcClient::new(self.front_door, Auth::password(USER, PASSWORD)).timeout(limit)
    }
}

impl Program {
    pub(super) fn doors(&self) -> &Doors {
        &self.doors
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it was killed.
    ///
    /// # Errors
    /// When it has ended otherwise: nobody has asked it to.
    pub(super) fn has_ended(&mut self) -> anyhow::Result<bool> {
        let Some(status) = self.child.try_wait()? else { return Ok(false) };
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        ensure!(killed, "blockcast has ended by itself, {status}:\n{}", self.said());
        Ok(true)
    }

    /// What it has said in all its runs.
    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it answers, which it does last.
    pub(super) fn answers(&self) -> bool {
        let alive = self.doors.rest("GET", "/livez", &[], PATIENCE);
        alive.is_ok_and(|reply| reply.status == 200)
    }

    /// Waits until it answers.
    pub(super) fn ready(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        while !self.answers() {
            if self.has_ended()? || start.elapsed() > PATIENCE {
                bail!("blockcast did not start:\n{}", self.said());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The journal's thread.
    pub(super) fn journal_thread(&self) -> anyhow::Result<u32> {
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let task = task?;
            if fs::read_to_string(task.path().join("comm"))?.trim_end() == "journal" {
                return Ok(task.file_name().to_string_lossy().parse()?);
            }
        }
        bail!("no thread of blockcast is called journal")
    }

    /// The blocks that this run has sent again because the journal had them, as it says before it answers anybody. (The
    /// list of blocks tells by which door each came first, in whatever run.)
    pub(super) fn replays(&self) -> anyhow::Result<BTreeSet<String>> {
        let log = fs::read(&self.log)?;
        let said = String::from_utf8_lossy(log.get(self.log_begins..).context("the log has been cut")?);
        let replays = said.lines().filter(|line| line.contains(REPLAYED));
        let named = replays.map(|line| {
            let hash = line.split("block=").nth(1).and_then(|rest| rest.get(..64));
            hash.map(str::to_owned).with_context(|| format!("a replay without a block: {line}"))
        });
        named.collect()
    }

    /// How many blocks are open in the journal.
    pub(super) fn open_blocks(&self) -> anyhow::Result<f64> {
        let text = self.doors.rest("GET", "/metrics", &[], PATIENCE)?.text();
        let line = text.lines().find_map(|line| line.strip_prefix("blockcast_journal_open_blocks "));
        Ok(line.context("no metric of open blocks")?.trim().parse()?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It fails for a program that is gone, which is what is wanted.
        let _ = self.kill();
    }
}

/// Looks until something is so; `false` if it is not within `limit`.
pub(super) fn until(
    limit: Duration,
    mut is_so: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let start = Instant::now();
    loop {
        let late = start.elapsed() > limit;
        if is_so()? {
            return Ok(true);
        }
        if late {
            return Ok(false);
        }
        thread::sleep(POLL);
    }
}

/// A file that only its owner can read.
fn secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file: File = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    Ok(writeln!(file, "{text}")?)
}
