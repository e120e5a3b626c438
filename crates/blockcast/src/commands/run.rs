//! `blockcast run --config DIR`: the daemon, from its first line of log to its last.

use std::fs;
use std::io;
use std::pin::pin;
use std::process;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use config::{Config, LogFormat};
use engine::{Engine, StartError};
use gateway::Gateway;
use rustix::process::{Resource, getrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Run;
use crate::{logging, settings};

/// How long running deliveries and their callers are given to finish. Supervisors kill what takes much longer (systemd
/// after 90 s, containers after 10 s by default); what is not done by then is in the journal.
const GRACE: Duration = Duration::from_secs(8);

/// How much of it is left to the engine when callers have used up theirs.
const ENGINE_GRACE: Duration = Duration::from_secs(2);

/// File descriptors beyond those for peers and nodes: listeners, HTTP clients (256 per worker are allowed, few are
/// usual), journal, ledger, log.
const SPARE_DESCRIPTORS: u64 = 256;

/// Its socket, and a second handle to it while it takes less than it is sent.
const DESCRIPTORS_PER_PEER: u64 = 2;

/// Connections that a node's RPC client may hold (submits, calls), and its connection as a peer.
const DESCRIPTORS_PER_NODE: u64 = 16;

pub(crate) fn run(args: &Run) -> anyhow::Result<bool> {
    let config = settings::load(&args.config)?;
    logging::start(config.log)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    say_hello(&config);
    warn_of_few_descriptors(&config);
    make_data_dir(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("blockcast").build();
    // Never dropped: that would wait for whatever blocks a thread of it, such as a name that does not resolve. All that
    // matters has ended in order by then, and the process ends with it.
    let runtime: &'static _ = Box::leak(Box::new(runtime.context("cannot start an asynchronous runtime")?));
    let system = actix::System::with_tokio_rt(|| runtime);
    let ended = system.block_on(serve(&config));
    match &ended {
        Ok(()) => tracing::info!("ended in order"),
        // In the log too: the last line of a log should say why it is the last.
        Err(error) if config.log.format == LogFormat::Json => tracing::error!("ended: {error:#}"),
        Err(_) => {}
    }
    ended.map(|()| true)
}

/// Runs everything until a signal ends it.
async fn serve(config: &Config) -> anyhow::Result<()> {
    // First of all, so that a signal during a long start is not the end of an unfinished process.
    let mut signals = Signals::catch()?;
    let engine = Engine::start(config).map_err(|error| match error {
        // It names the directory itself.
        StartError::Journal { error, .. } => anyhow!(error),
        other => anyhow!(other),
    })?;
    let gateway = match Gateway::bind(engine.clone(), config) {
        Ok(gateway) => gateway,
        Err(error) => {
            // Blocks from the journal may be on their way already.
            engine.shut_down(GRACE).await;
            return Err(error.into());
        }
    };
    let handle = gateway.handle();
    let mut serving = pin!(gateway.run());
    tracing::info!("running");
    let failed = tokio::select! {
        ended = &mut serving => Some(match ended {
            Ok(()) => anyhow!("the HTTP listeners ended by themselves"),
            Err(error) => anyhow!(error).context("the HTTP listeners failed"),
        }),
        name = signals.next() => {
            tracing::info!(signal = name, "stopping: running deliveries have {} s; a second signal ends at once", GRACE.as_secs());
            None
        }
    };
    let stop = async {
        let deadline = Instant::now() + GRACE;
        // The listeners go first: it is the engine that finds out what their last callers wait for.
        tokio::join!(handle.stop(GRACE.saturating_sub(ENGINE_GRACE)), async {
            if failed.is_none()
                && let Err(error) = (&mut serving).await
            {
                tracing::error!(%error, "the HTTP listeners failed while stopping");
            }
        });
        tracing::info!("HTTP is closed");
        engine.shut_down(deadline.saturating_duration_since(Instant::now())).await;
        tracing::info!("deliveries, connections and journal are closed");
    };
    tokio::select! {
        () = stop => match failed {
            Some(error) => Err(error),
            None => Ok(()),
        },
        name = signals.next() => {
            tracing::warn!(signal = name, "signal while stopping: ending at once; what no node has is in the journal");
            // Not by way of destructors: something of what they wait for is what took too long.
            process::exit(1);
        }
    }
}

/// The signals that end the daemon, and SIGHUP.
struct Signals {
    term: Signal,
    int: Signal,
    hangup: Signal,
}

impl Signals {
    fn catch() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("cannot catch signals");
        Ok(Self {
            term: catch(SignalKind::terminate())?,
            int: catch(SignalKind::interrupt())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    /// The next signal to end. SIGHUP is what operators send to have a configuration read again; this version cannot,
    /// and its default, which is to kill the process, is the last thing that they want.
    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.term.recv() => return "SIGTERM",
                _ = self.int.recv() => return "SIGINT",
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP: the configuration is read at the start only; restart to apply a change");
                }
            }
        }
    }
}

/// The first lines of the log: what runs, on what, for whom.
fn say_hello(config: &Config) {
    let version = env!("CARGO_PKG_VERSION");
    // A relative one is relative to wherever the process was started: the log should leave no doubt.
    let data_dir = std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
    tracing::info!(version, data_dir = %data_dir.display(), http = %config.http.listen, "Blockcast starts");
    for chain in config.enabled_chains() {
        let nodes: Vec<String> = chain
            .nodes
            .iter()
            .map(|node| match &node.p2p {
                Some(p2p) => format!("{} ({}) rpc {} p2p {p2p}", node.name, node.role, node.rpc.url),
                None => format!("{} ({}) rpc {}", node.name, node.role, node.rpc.url),
            })
            .collect();
        let peers = &chain.peers;
        tracing::info!(
            chain = chain.name,
            network = %chain.network,
            nodes = if nodes.is_empty() { "none".to_owned() } else { nodes.join("; ") },
            peers = if peers.enabled { format!("up to {}, {} fixed", peers.max, peers.fixed.len()) } else { "none".into() },
            front_door = chain.front_door.as_ref().map_or_else(|| "none".to_owned(), |door| door.listen.to_string()),
            "chain"
        );
    }
    for chain in config.chains.values().filter(|chain| !chain.enabled) {
        tracing::info!(chain = chain.name, "chain is not enabled");
    }
}

fn warn_of_few_descriptors(config: &Config) {
    let (needed, limit) = (descriptors(config), getrlimit(Resource::Nofile).current);
    if let Some(limit) = limit.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "few file descriptors: connections may fail. Raise the limit (ulimit -n, LimitNOFILE=)"
        );
    }
}

/// How many file descriptors the process may come to need.
fn descriptors(config: &Config) -> u64 {
    let chain = |chain: &config::Chain| {
        let peers = if chain.peers.enabled { chain.peers.max as u64 } else { 0 };
        DESCRIPTORS_PER_PEER * peers + DESCRIPTORS_PER_NODE * chain.nodes.len() as u64
    };
    SPARE_DESCRIPTORS + config.enabled_chains().map(chain).sum::<u64>()
}

/// Makes the data directory, or says what is in the way. A directory that is there and cannot be written to is no reason
/// not to start: the journal says so, and blocks are sent all the same.
fn make_data_dir(config: &Config) -> anyhow::Result<()> {
    let dir = &config.data_dir;
    match fs::create_dir_all(dir) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(anyhow!(
            "data_dir {} is not a directory: set another data_dir in blockcast.toml",
            dir.display()
        )),
        Err(error) => Err(anyhow!(
            "data_dir {} cannot be made ({error}): make it for the user that Blockcast runs as, or set another",
            dir.display()
        )),
    }
}
