//! `blockcast demo`: the real daemon in a simulated network, for somebody who sees it for the first time.
//!
//! `cast` says who is simulated, `home` writes a configuration directory that names them, `daemon` runs what it says,
//! `pool` hands blocks in at the front door. `show` finds the blocks and follows them; each becomes a `record`, which
//! holds the engine's report against the truth that the simulation knows. `loose_ends` are blocks that something is
//! still to be learnt of, the `tally` is what all came to, and the exit status.

mod cast;
mod daemon;
mod home;
mod interrupt;
mod loose_ends;
mod pool;
pub(crate) mod record;
#[cfg(test)]
pub(crate) mod samples;
mod show;
pub(crate) mod tally;

use std::env;
use std::process;
use std::time::Duration;

use anyhow::{Context, bail};
use config::{Log, LogFormat, LogLevel};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use simnet::profile;
use simnet::sockets::{NodePlan, PeerPlan, Plan, World};
use simnet::{Link, Promise, Temperament};
use tokio::time::{Instant, interval};

use self::cast::{NODES, OBSERVER};
use self::daemon::Daemon;
use self::home::{Home, LOGIN, Login, NodeEntry, PeerEntry};
use self::interrupt::Interrupt;
use self::pool::Pool;
use self::record::{Member, Part};
use self::show::{Programme, Show};
use self::tally::Tally;
use crate::cli::Demo;
use crate::view::Style;
use crate::view::demo::{self, Opening, Story};
use crate::{logging, output};

/// How many blocks the network has when it begins.
const HISTORY: u32 = 3;

/// With how many others each of them gossips.
const NEIGHBOURS: usize = 4;

/// File descriptors that all of it needs: some 130, and some for whoever looks at it.
const DESCRIPTORS: u64 = 200;

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

/// The network around the daemon.
async fn simulate(args: &Demo, home: &Home, stopped: &mut Stopped) -> anyhow::Result<Tally> {
    let cast = cast::peers(args.seed);
    let peers = cast.iter().map(|role| PeerPlan {
        name: role.name.clone(),
        temperament: role.temperament,
        link: role.link,
    });
    let nodes = NODES.iter().enumerate().map(|(at, name)| NodePlan {
        name: (*name).into(),
        temperament: Temperament::Honest,
        link: Link::LOCAL,
        // Both ways to log in are shown.
        cookie_file: (at == 0).then(|| home.cookie(name)),
    });
    let plan = Plan {
        seed: args.seed,
        history: HISTORY,
        neighbours: NEIGHBOURS,
        peers: peers.collect(),
        nodes: nodes.collect(),
        quorum: None,
    };
    let world = World::start(profile::litecoin::regtest(), plan).await;
    let world = world.context("cannot start the simulated network")?;
    let shown = demonstrate(args, home, &world, stopped).await;
    world.shutdown().await;
    shown
}

/// The daemon, and what is shown of it.
async fn demonstrate(
    args: &Demo,
    home: &Home,
    world: &World,
    stopped: &mut Stopped,
) -> anyhow::Result<Tally> {
    let members = members(world);
    let (nodes, peers) = entries(world)?;
    let mut daemon = Daemon::start(home, &nodes, &peers).await?;
    let shown = show(args, home, world, &members, &mut daemon, stopped).await;
    daemon.stop().await;
    shown
}

async fn show(
    args: &Demo,
    home: &Home,
    world: &World,
    members: &[Member],
    daemon: &mut Daemon,
    stopped: &mut Stopped,
) -> anyhow::Result<Tally> {
    let style = Style::of_stdout();
    let people = !args.json;
    if people {
        output::print(&opening(home, members, daemon).render(style))?;
    }
    let interval = Duration::from_secs(args.interval.into());
    let began = Instant::now();
    let connected = tokio::select! {
        connected = connect(members, daemon) => Some(connected?),
        _ = stopped.wait_for(|stopped| *stopped) => None,
    };
    let programme = Programme { blocks: args.blocks, interval, size: args.size };
    let pool = Pool::new(daemon.listeners.front_door)?;
    let story = people.then(|| Story::new(style));
    let mut show = Show::new(programme, world, members, daemon.chain.clone(), pool, story);
    if let Some(connected) = connected {
        if people {
            let of = members.iter().filter(|member| !matches!(member.part, Part::Node(_))).count();
            output::print(&demo::connected(connected, of, began.elapsed(), interval))?;
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

fn opening<'a>(home: &Home, members: &'a [Member], daemon: &Daemon) -> Opening<'a> {
    let program = env::args_os().next().map(|program| program.to_string_lossy().into_owned());
    Opening {
        members,
        program: program.unwrap_or_else(|| "blockcast".into()),
        http: daemon.listeners.http,
        is_usual: daemon.is_where_status_looks(),
        front_door: daemon.listeners.front_door,
        login: LOGIN,
        config: home.config(),
    }
}

/// Waits until everybody is connected, nodes answer and the journal works; tells how many peers are connected then.
/// Those who come and go are not waited for.
async fn connect(members: &[Member], daemon: &Daemon) -> anyhow::Result<usize> {
    let deadline = Instant::now() + CONNECT_WITHIN;
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        let ready = daemon.chain.relay.ready_peers();
        let is_there = |member: &Member| {
            let observes = member.part == Part::Observer;
            ready.iter().any(|peer| peer.address == member.address && peer.is_observer() == observes)
        };
        let missing = members.iter().filter(|member| !is_there(member));
        let missing: Vec<&str> = missing
            .filter(|member| member.temperament.promise() != Promise::Perhaps)
            .map(|member| member.name.as_str())
            .collect();
        let mut reasons = daemon.not_ready();
        if !missing.is_empty() {
            reasons.push(format!("{} are not connected: {}", missing.len(), missing.join(", ")));
        }
        if reasons.is_empty() {
            return Ok(ready.iter().filter(|peer| !peer.kind.is_own()).count());
        }
        if Instant::now() >= deadline {
            let seconds = CONNECT_WITHIN.as_secs();
            bail!("peers and nodes did not find together within {seconds} s: {}", reasons.join("; "));
        }
    }
}

/// Everybody, with the addresses that the system gave them.
fn members(world: &World) -> Vec<Member> {
    let part = |name: &str| match NODES.iter().position(|node| *node == name) {
        Some(at) => Part::Node(role(at)),
        None if name == OBSERVER => Part::Observer,
        None => Part::Peer,
    };
    let member = |member: &simnet::sockets::Member| Member {
        name: member.name().into(),
        address: member.p2p().to_string(),
        temperament: member.temperament(),
        part: part(member.name()),
    };
    world.members().iter().map(member).collect()
}

/// The same as the configuration names them.
fn entries(world: &World) -> anyhow::Result<(Vec<NodeEntry>, Vec<PeerEntry>)> {
    let (mut nodes, mut peers) = (Vec::new(), Vec::new());
    for (at, name) in NODES.iter().enumerate() {
        let node = world.member(name)?;
        let rpc = node.rpc().with_context(|| format!("the simulated node {name} has no RPC"))?;
        let login = match rpc.cookie_file() {
            Some(file) => Login::Cookie(file.to_owned()),
            None => Login::Password { user: rpc.user().into(), password: rpc.password().into() },
        };
        nodes.push(NodeEntry {
            name: (*name).into(),
            role: role(at),
            url: rpc.url(),
            p2p: node.p2p(),
            login,
        });
    }
    for peer in world.members().iter().filter(|member| member.rpc().is_none()) {
        let observes = peer.name() == OBSERVER;
        peers.push(PeerEntry { name: peer.name().into(), address: peer.p2p(), observes });
    }
    Ok((nodes, peers))
}

fn role(node: usize) -> &'static str {
    if node == 0 { "primary" } else { "backup" }
}
