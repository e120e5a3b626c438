//! The emulated path as a process: it carries packets between a device here and a device in the receivers' namespace.
//!
//! It begins in the senders' namespace, makes its devices there, moves over to the receivers' and makes the other ends.
//! A device stays where it was made, so the process holds both ends. Two threads per path carry what comes, one in each
//! direction; what they do to it is the [emulator](super::emulator)'s business.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, ChildStdin, ChildStdout, Stdio, exit},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use anyhow::{Context, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use super::{
    emulator::{Fate, Line, Path},
    namespaces,
    tun::{Buffer, Tun},
};
use crate::{clock, part::Part, receivers::Receivers};

/// How many packets are read before those that are due have their turn.
const TURN: usize = 64;

/// What the process is told, in one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    /// The process in whose namespace the far ends are.
    far: u32,
    paths: Vec<Path>,
}

/// What has become of packets, on one path in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Handed in.
    pub(crate) packets: u64,
    /// Lost by chance.
    pub(crate) lost: u64,
    /// Dropped, because too much waited before them.
    pub(crate) dropped: u64,
}

/// What has become of packets so far, path by path: from the senders to the receivers, and back.
pub(crate) type Account = Vec<[Counts; 2]>;

/// A running link. It ends when this is dropped, or when whoever has started it ends.
#[derive(Debug)]
pub(crate) struct Link {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Link {
    /// Joins this process's network namespace and the receivers' by these paths. The receivers have to be in theirs
    /// already: they are, once they have answered.
    ///
    /// # Errors
    /// When a device cannot be made.
    pub(crate) fn start(receivers: &Receivers, paths: &[Path]) -> anyhow::Result<Self> {
        let mut child = Part::Link
            .command()?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the link")?;
        let (Some(mut orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the link has no pipes");
        };
        let plan = Plan { far: receivers.id(), paths: paths.into() };
        writeln!(orders, "{}", serde_json::to_string(&plan)?)?;
        let mut link = Self { child, orders, answers: BufReader::new(answers) };
        // It counts nothing yet, but is ready when it says so.
        link.answer()?;
        Ok(link)
    }

    /// Where receivers are that listen everywhere on these ports, as seen through a path.
    pub(crate) fn far(path: usize, ports: &[SocketAddr]) -> Vec<SocketAddr> {
        let [_, far] = addresses(path);
        ports.iter().map(|at| (far, at.port()).into()).collect()
    }

    /// What has become of packets so far.
    ///
    /// # Errors
    /// When the process has ended.
    pub(crate) fn account(&mut self) -> anyhow::Result<Account> {
        writeln!(self.orders).context("the link is gone")?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<Account> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the link ended: {:?}", self.child.wait()?);
        serde_json::from_str(&line).with_context(|| format!("the link said {line}"))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nothing left to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The addresses of a path's ends, in the range for benchmarks (RFC 2544), which is routed nowhere.
fn addresses(path: usize) -> [Ipv4Addr; 2] {
    [1, 2].map(|host| Ipv4Addr::new(198, 18, path as u8, host))
}

/// The link's process.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut orders = io::stdin().lock().lines();
    let plan: Plan = serde_json::from_str(&orders.next().context("no plan")??)?;
    let name = |path: usize| format!("wan{path}");
    let near = (0..plan.paths.len()).map(|path| {
        let [here, there] = addresses(path);
        make(&name(path), here, there)
    });
    let near: Vec<_> = near.collect::<anyhow::Result<_>>()?;
    namespaces::enter(plan.far)?;
    let mut counters = Vec::new();
    for ((path, near), number) in plan.paths.iter().zip(near).zip(0..) {
        let [there, here] = addresses(number);
        let far = make(&name(number), here, there)?;
        let seed = 2 * number as u64;
        counters.push([
            carry(near.clone(), far.clone(), Line::new(*path, seed)),
            carry(far, near, Line::new(*path, seed + 1)),
        ]);
    }
    loop {
        let account: Account = counters.iter().map(|both| [both[0].read(), both[1].read()]).collect();
        let mut out = io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&account)?)?;
        out.flush()?;
        match orders.next() {
            Some(order) => order.map(drop)?,
            None => return Ok(()),
        }
    }
}

fn make(name: &str, here: Ipv4Addr, there: Ipv4Addr) -> anyhow::Result<Arc<Tun>> {
    let tun = Tun::make(name).context("cannot make a TUN device")?;
    namespaces::set_up(name, here, there)?;
    Ok(Arc::new(tun))
}

#[derive(Debug, Default)]
struct Counter {
    packets: AtomicU64,
    lost: AtomicU64,
    dropped: AtomicU64,
}

impl Counter {
    fn note(&self, fate: Fate) {
        self.packets.fetch_add(1, Relaxed);
        match fate {
            Fate::Travels => {}
            Fate::Lost => drop(self.lost.fetch_add(1, Relaxed)),
            Fate::Dropped => drop(self.dropped.fetch_add(1, Relaxed)),
        }
    }

    fn read(&self) -> Counts {
        let [packets, lost, dropped] =
            [&self.packets, &self.lost, &self.dropped].map(|count| count.load(Relaxed));
        Counts { packets, lost, dropped }
    }
}

/// Carries packets in one direction, on a thread of its own, until the process ends. A device that fails ends it: a path
/// that has silently gone would be measured as a slow one.
fn carry(from: Arc<Tun>, to: Arc<Tun>, mut line: Line<Box<[u8]>>) -> Arc<Counter> {
    let counter = Arc::new(Counter::default());
    let counted = counter.clone();
    thread::spawn(move || {
        let mut buffer = Buffer::new();
        loop {
            if let Err(error) = turn(&from, &to, &mut line, &mut buffer, &counted) {
                eprintln!("figures: the emulated path has failed: {error}");
                exit(1);
            }
        }
    });
    counter
}

fn turn(
    from: &Tun,
    to: &Tun,
    line: &mut Line<Box<[u8]>>,
    buffer: &mut Buffer,
    counter: &Counter,
) -> io::Result<()> {
    while let Some(packet) = line.take_out(clock::now()) {
        to.write(&packet)?;
    }
    for _ in 0..TURN {
        let Some(packet) = from.read(buffer)? else {
            let wait = line.due().map(|due| due.saturating_sub(clock::now()));
            let wait = wait.map(|wait| Timespec {
                tv_sec: (wait / 1_000_000_000) as i64,
                tv_nsec: (wait % 1_000_000_000) as i64,
            });
            return match poll(&mut [PollFd::new(from, PollFlags::IN)], wait.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
                Err(error) => Err(error.into()),
            };
        };
        counter.note(line.hand_in(packet.into(), packet.len(), clock::now()));
    }
    Ok(())
}
