//! `blockcast demo`: the real daemon in a simulated network, for somebody who sees it for the first time.
//!
//! `cast` says who is simulated on which chain, a `network` is one of these chains up and running, `home` writes a
//! configuration directory that names them, `daemon` runs what it says, `pool` hands blocks in at a front door. `show`
//! finds the blocks and follows them; each becomes a `record`, which holds the engine's report against the truth that
//! the simulation knows. `loose_ends` are blocks that something is still to be learnt of, the `tally` is what all came
//! to, and the exit status.

mod cast;
mod daemon;
mod home;
mod interrupt;
mod loose_ends;
mod network;
mod pool;
pub(crate) mod record;
#[cfg(test)]
pub(crate) mod samples;
mod show;
pub(crate) mod tally;

use std::env;
use std::net::SocketAddr;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use config::{Log, LogFormat, LogLevel};
use engine::ChainHandle;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::{Instant, interval};

use self::cast::STAGES;
use self::daemon::Daemon;
use self::home::{Home, LOGIN};
use self::interrupt::Interrupt;
use self::network::Network;
use self::pool::Pool;
use self::show::{Programme, Show, Venue};
use self::tally::Tally;
use crate::cli::Demo;
use crate::view::Style;
use crate::view::demo::{self, ChainPage, Opening, Story};
use crate::{logging, output};

/// File descriptors that all of it needs: some 190, and some for whoever looks at it.
const DESCRIPTORS: u64 = 300;

/// How long everybody may take to be connected.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// How often to look whether they are.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &Demo) -> anyhow::Result<bool> {
    if args.verbose {
        logging::start(Log { level: LogLevel::Info, format: LogFormat::Text })?;
    }
    have_descriptors()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("blockcast").build();
    // Never dropped, as in `run`: the process ends with it.
    let runtime: &'static _ = Box::leak(Box::new(runtime.context("cannot start an asynchronous runtime")?));
    actix::System::with_tokio_rt(|| runtime).block_on(perform(args))
}

/// Sees to it that this process may open as many sockets as it needs.
fn have_descriptors() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= DESCRIPTORS) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(DESCRIPTORS), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).with_context(|| {
        let limit = limit.maximum.unwrap_or(DESCRIPTORS);
        format!("the simulation needs {DESCRIPTORS} file descriptors, and the limit is {limit} (ulimit -Hn)")
    })
}

/// All of it, until it ends by itself, a signal ends it, or a second signal ends it at once.
async fn perform(args: &Demo) -> anyhow::Result<bool> {
    let mut interrupt = Interrupt::catch()?;
    let home = Home::create()?;
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let ended = tokio::select! {
        ended = simulate(args, &home, &mut stopped) => ended,
        () = async {
            interrupt.next().await;
            stop.send_replace(true);
            interrupt.next().await;
        } => {
            if let Err(error) = home.abandon() {
                eprintln!("blockcast: the temporary directory stays: {error}");
            }
            // Not by way of destructors: something of what they wait for is what took too long.
            process::exit(1);
        }
    };
    // Whatever went wrong before is what matters more.
    let removed = home.remove();
    let tally = ended?;
    removed?;
    for (block, problem) in &tally.problems {
        let claim = if problem.false_claim { " (a false claim)" } else { "" };
        eprintln!("blockcast: block {block}: {} {}{claim}", problem.who, problem.what);
    }
    Ok(tally.holds())
}

type Stopped = tokio::sync::watch::Receiver<bool>;

/// The networks around the daemon.
async fn simulate(args: &Demo, home: &Home, stopped: &mut Stopped) -> anyhow::Result<Tally> {
    let mut networks = Vec::new();
    for stage in STAGES {
        networks.push(Network::start(stage, args.seed, home).await?);
    }
    let shown = demonstrate(args, home, &networks, stopped).await;
    for network in networks {
        network.shutdown().await;
    }
    shown
}

/// The daemon, and what is shown of it.
async fn demonstrate(
    args: &Demo,
    home: &Home,
    networks: &[Network],
    stopped: &mut Stopped,
) -> anyhow::Result<Tally> {
    let chains = networks.iter().map(Network::entry).collect::<Result<Vec<_>, _>>()?;
    let mut daemon = Daemon::start(home, &chains).await?;
    let shown = show(args, home, networks, &mut daemon, stopped).await;
    daemon.stop().await;
    shown
}

async fn show(
    args: &Demo,
    home: &Home,
    networks: &[Network],
    daemon: &mut Daemon,
    stopped: &mut Stopped,
) -> anyhow::Result<Tally> {
    let style = Style::of_stdout();
    let people = !args.json;
    let opening = opening(home, networks, daemon);
    if people {
        output::print(&opening.render(style))?;
    }
    let interval = Duration::from_secs(args.interval.into());
    let began = Instant::now();
    let connected = tokio::select! {
        connected = connect(networks, daemon) => Some(connected?),
        _ = stopped.wait_for(|stopped| *stopped) => None,
    };
    let programme = Programme { blocks: args.blocks, interval, size: args.size };
    let mut show = Show::new(programme, venues(networks, daemon)?, people.then(|| Story::new(style)));
    if let Some(connected) = connected {
        if people {
            output::print(&opening.connected(connected, began.elapsed(), interval))?;
        }
        tokio::select! {
            shown = show.run() => shown?,
            ended = daemon.ended() => match ended? {},
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    }
    show.look_back()?;
    let Show { tally, under_way, .. } = show;
    if people {
        output::print(&demo::closing(&tally, under_way, style))?;
    }
    Ok(tally)
}

/// Where blocks are found and handed in.
fn venues<'a>(networks: &'a [Network], daemon: &Daemon) -> anyhow::Result<Vec<Venue<'a>>> {
    let chains = daemon.chains.iter().zip(&daemon.listeners.front_doors);
    let venue = |(network, (chain, door)): (&'a Network, (&Arc<ChainHandle>, &SocketAddr))| {
        Ok(Venue { network, chain: chain.clone(), pool: Pool::new(*door)? })
    };
    networks.iter().zip(chains).map(venue).collect()
}

fn opening<'a>(home: &Home, networks: &'a [Network], daemon: &Daemon) -> Opening<'a> {
    let program = env::args_os().next().map(|program| program.to_string_lossy().into_owned());
    let page = |(network, front_door): (&'a Network, &SocketAddr)| ChainPage {
        name: network.stage.chain,
        title: network.stage.title,
        members: &network.members,
        front_door: *front_door,
    };
    Opening {
        chains: networks.iter().zip(&daemon.listeners.front_doors).map(page).collect(),
        program: program.unwrap_or_else(|| "blockcast".into()),
        http: daemon.listeners.http,
        is_usual: daemon.is_where_status_looks(),
        login: LOGIN,
        config: home.config(),
    }
}

/// Waits until everybody is connected, nodes answer and the journal works, on all chains; tells how many peers are
/// connected then.
async fn connect(networks: &[Network], daemon: &Daemon) -> anyhow::Result<usize> {
    let deadline = Instant::now() + CONNECT_WITHIN;
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        let mut reasons = daemon.not_ready();
        reasons.extend(
            networks.iter().zip(&daemon.chains).flat_map(|(network, chain)| network.not_ready(chain)),
        );
        if reasons.is_empty() {
            let peers = daemon.chains.iter().map(|chain| {
                let ready = chain.relay.ready_peers();
                ready.iter().filter(|peer| !peer.kind.is_own()).count()
            });
            return Ok(peers.sum());
        }
        if Instant::now() >= deadline {
            let seconds = CONNECT_WITHIN.as_secs();
            bail!("peers and nodes did not find together within {seconds} s: {}", reasons.join("; "));
        }
    }
}
