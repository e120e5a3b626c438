//! The first page: who is simulated, and where to look.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use simnet::Temperament;

use super::{line, words};
use crate::commands::demo::record::{Member, Part};
use crate::view::{Style, text};

/// What an observer is.
const OBSERVER: &str = "never sent a block: what it announces, the network has";

/// What those are who sign.
const QUORUM: &str = "honest, and sign what they see first: then it is final";

/// What our nodes are.
const NODES: &str = "yours: get each block by RPC, and are peers as well";

/// What there is to see, and where.
#[derive(Debug, Clone)]
pub(crate) struct Opening<'a> {
    /// In the order in which blocks are found on them.
    pub(crate) chains: Vec<ChainPage<'a>>,
    /// How the program was called.
    pub(crate) program: String,
    /// Where status is served.
    pub(crate) http: SocketAddr,
    /// Whether `blockcast status` looks there by itself.
    pub(crate) is_usual: bool,
    /// User and password of the front doors.
    pub(crate) login: (&'a str, &'a str),
    pub(crate) config: PathBuf,
}

/// One chain of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChainPage<'a> {
    /// As the configuration has it.
    pub(crate) name: &'a str,
    /// As people have it.
    pub(crate) title: &'a str,
    pub(crate) members: &'a [Member],
    pub(crate) front_door: SocketAddr,
}

/// A row of the table of those who are simulated: what they are, and how many there are on each chain.
struct Row {
    rank: usize,
    kind: &'static str,
    about: String,
    counts: Vec<usize>,
}

impl Opening<'_> {
    /// The page.
    pub(crate) fn render(&self, style: Style) -> String {
        let titles: Vec<_> = self.chains.iter().map(|chain| chain.title).collect();
        let mut page = format!(
            "{}\n\n\
             Simulated, in this process: {} of {}, some peers ill, and your nodes.\n\
             Real: the engine, its configuration, its front doors, all sockets. Nothing leaves this machine.\n\n",
            style.heading("Blockcast demo: your pool finds blocks"),
            if titles.len() == 1 { "a network" } else { "networks" },
            words::list(&titles),
        );
        page += &self.table();
        let Self { program, http, login: (user, password), config, .. } = self;
        let elsewhere = if self.is_usual { String::new() } else { format!(" --url http://{http}") };
        page += &line("status", &format!("http://{http}/broadcaster_status"));
        page += &line("", &format!("{} status{elsewhere}", text::clean(program)));
        for chain in &self.chains {
            page += &line(chain.name, &format!("{}; front door {}", chain.nodes(), chain.front_door));
        }
        if let Some(chain) = self.chains.first() {
            page += &line("front door", "which a pool calls as if it were its node, and so can you:");
            let (question, door) = (r#"{"method":"getblockcount"}"#, chain.front_door);
            page += &line("", &format!("curl -u {user}:{password} -d '{question}' http://{door}/"));
        }
        page + &line("config", &format!("{}, until this ends", text::clean(&config.display().to_string())))
    }

    /// Who is simulated: a column for each chain.
    fn table(&self) -> String {
        let mut rows: Vec<Row> = Vec::new();
        for (at, chain) in self.chains.iter().enumerate() {
            for member in chain.members {
                let (rank, kind, about) = kind(member);
                let known = rows.iter().position(|row| row.kind == kind).unwrap_or(rows.len());
                if known == rows.len() {
                    rows.push(Row { rank, kind, about, counts: vec![0; self.chains.len()] });
                }
                rows[known].counts[at] += 1;
            }
        }
        rows.sort_by_key(|row| row.rank);
        let names: String = self.chains.iter().map(|chain| format!("  {}", chain.name)).collect();
        let mut table = format!("{names}\n");
        for Row { kind, about, counts, .. } in rows {
            for (chain, count) in self.chains.iter().zip(counts) {
                let (width, count) =
                    (chain.name.len(), if count > 0 { count.to_string() } else { "-".into() });
                table += &format!("  {count:>width$}");
            }
            table += &format!("  {kind:<9} {about}\n");
        }
        table + "\n"
    }

    /// Everybody who could be reached is connected.
    pub(crate) fn connected(&self, connected: usize, took: Duration, interval: Duration) -> String {
        let of: usize = self.chains.iter().map(|chain| chain.peers()).sum();
        let (took, interval) = (words::after(took.as_secs_f64() * 1e3), interval.as_secs());
        let names: Vec<_> = self.chains.iter().map(|chain| chain.name).collect();
        let turns =
            if names.len() > 1 { format!(", on {} in turn", words::list(&names)) } else { String::new() };
        format!(
            "\n{connected} of {of} peers are connected after {took}.\n\
             A block is found every {interval} s{turns}; Ctrl-C ends it.\n"
        )
    }
}

impl ChainPage<'_> {
    fn peers(&self) -> usize {
        self.members.iter().filter(|member| !matches!(member.part, Part::Node(_))).count()
    }

    /// Our nodes, what each is to us, and how it behaves if that is out of the ordinary.
    fn nodes(&self) -> String {
        let names = self.members.iter().filter_map(|member| match (member.part, member.temperament) {
            (Part::Node(role), Temperament::Honest) => Some(format!("{} ({role})", member.name)),
            (Part::Node(role), other) => Some(format!("{} ({role}, {other})", member.name)),
            _ => None,
        });
        words::list(&names.collect::<Vec<_>>())
    }
}

/// The row in which somebody is counted, and where it stands: honest ones first, our nodes last.
fn kind(member: &Member) -> (usize, &'static str, String) {
    let temperament = member.temperament;
    match member.part {
        Part::Peer if temperament == Temperament::Honest => {
            (0, temperament.name(), words::about(temperament))
        }
        Part::Quorum => (1, "quorum", QUORUM.into()),
        Part::Observer => (2, "observer", OBSERVER.into()),
        Part::Peer => (3 + words::rank(temperament), temperament.name(), words::about(temperament)),
        Part::Node(_) => (usize::MAX, "nodes", NODES.into()),
    }
}
