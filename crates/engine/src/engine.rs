//! Starting and stopping everything.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use actix::Actor;
use futures_util::future::join_all;
use journal::{Journal, Recovery};
use ledger::Ledger;
use parking_lot::Mutex;
use relay::{Acknowledge, Events, Facilities, Metrics, Node, Relay, RelaySettings, Report};
use rpc::{Auth, Client, Endpoint, Timeouts, UrlError};
use secrecy::ExposeSecret;

use crate::{
    AtlasError, ChainHandle, Readiness,
    rules::{self, RulesError},
    supervisor::Supervisor,
};

/// Why the engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be used at all.
    #[error("the journal in {}: {error}", directory.display())]
    Journal {
        /// Where it is.
        directory: PathBuf,
        /// What is wrong.
        error: journal::OpenError,
    },
    /// The rules of a chain of the configuration cannot be had.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// A file that tells in whose network or country peers are cannot be used.
    #[error("chain {0}: {1}")]
    Atlas(String, AtlasError),
    /// A node's URL cannot be used.
    #[error("node {0}: {1}")]
    NodeUrl(String, UrlError),
}

/// A running engine. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    chains: Vec<Arc<ChainHandle>>,
    metrics: Metrics,
    journal: Journal,
    ledger: Ledger,
    events: Events,
    /// The failures of journal and ledger that metrics have.
    failures: Mutex<[Option<String>; 2]>,
    started: Instant,
    draining: AtomicBool,
}

impl Engine {
    /// Opens the journal, builds a relay for each enabled chain, hands them what the journal still holds, and starts
    /// the actors. Must be called on an actix system.
    ///
    /// # Errors
    /// When the journal belongs to another process or a newer version, or a chain or node cannot be built.
    pub fn start(config: &config::Config) -> Result<Self, StartError> {
        let directory = config.data_dir.join("journal");
        let opened = Journal::open(&directory);
        let (journal, recovery) = opened.map_err(|error| StartError::Journal { directory, error })?;
        for damage in &recovery.damage {
            tracing::error!(?damage, "the journal was damaged; what could not be read was set aside");
        }
        let metrics = Metrics::new();
        let events = Events::default();
        let ledger = Ledger::open(ledger::Settings {
            path: config.data_dir.join("ledger.sqlite"),
            keep: config.ledger.keep,
            max_bytes: config.ledger.max_bytes,
            raw_blocks: config.ledger.raw_blocks,
        });
        let chains = config
            .enabled_chains()
            .map(|chain| {
                let facilities = Facilities {
                    journal: journal.clone(),
                    ledger: Some(ledger.clone()),
                    metrics: metrics.chain(&chain.name),
                    events: events.clone(),
                };
                let relay = relay(chain, facilities)?;
                let handle = ChainHandle::new(chain.clone(), relay, &config.data_dir);
                Ok(Arc::new(handle.map_err(|error| StartError::Atlas(chain.name.clone(), error))?))
            })
            .collect::<Result<Vec<_>, StartError>>()?;
        let started = Instant::now();
        let engine = Self(Arc::new(Shared {
            chains,
            metrics,
            journal,
            ledger,
            events,
            failures: Mutex::default(),
            started,
            draining: AtomicBool::new(false),
        }));
        engine.replay(recovery);
        Supervisor::new(engine.0.chains.clone()).start();
        Ok(engine)
    }

    /// Sends on its way again what no node had when the last run ended.
    fn replay(&self, recovery: Recovery) {
        for entry in recovery.open {
            match self.chain(&entry.chain) {
                Some(handle) => handle.relay.replay(entry),
                None => tracing::error!(
                    chain = entry.chain,
                    "the journal holds a block of a chain that is not enabled; it stays there"
                ),
            }
        }
    }

    /// The running chains.
    pub fn chains(&self) -> &[Arc<ChainHandle>] {
        &self.0.chains
    }

    /// A chain by its configured name.
    pub fn chain(&self, name: &str) -> Option<&Arc<ChainHandle>> {
        self.0.chains.iter().find(|chain| chain.name() == name)
    }

    /// Says in a report what only all chains together know: whether the block whose work this one has is known to us, too.
    pub fn complete(&self, report: &mut Report) {
        let Some(merged) = &mut report.merged_with else { return };
        let Ok(block) = merged.hash.parse() else { return };
        let others = self.chains().iter().filter(|chain| chain.name() != report.chain);
        merged.chain =
            others.into_iter().find(|chain| chain.relay.knows(&block)).map(|chain| chain.name().to_owned());
    }

    /// All metrics, with those that are read rather than counted brought up to date.
    pub fn metrics(&self) -> &Metrics {
        let health = self.journal();
        self.0.metrics.journal_durable.set(health.durable.into());
        self.0.metrics.journal_open_blocks.set(health.open_blocks as i64);
        let ledger = self.ledger();
        self.0.metrics.ledger_available.set(ledger.available.into());
        self.0.metrics.ledger_pending.set(ledger.pending as i64);
        self.0.metrics.ledger_dropped.set(i64::try_from(ledger.dropped).unwrap_or(i64::MAX));
        let journal =
            health.last_error.map(|fault| ("journal", fault.kind().to_owned(), fault.to_string(), None));
        let ledger = ledger
            .last_error
            .map(|fault| ("ledger", fault.kind.to_string(), fault.message, Some(fault.unix_ms)));
        let mut failures = self.0.failures.lock();
        for (seen, failure) in failures.iter_mut().zip([journal, ledger]) {
            let Some((part, kind, message, at)) = failure else { continue };
            let message = format!("{message} {at:?}");
            if seen.as_ref() != Some(&message) {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
                self.0.metrics.last_error(part, &kind, at.map_or(now, |ms| ms / 1000));
                *seen = Some(message);
            }
        }
        &self.0.metrics
    }

    /// History.
    pub fn history(&self) -> &Ledger {
        &self.0.ledger
    }

    /// The ledger's state.
    pub fn ledger(&self) -> ledger::Health {
        self.0.ledger.health()
    }

    /// Where to hear what happens.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// The journal's state.
    pub fn journal(&self) -> journal::Health {
        self.0.journal.health()
    }

    /// When the engine was started.
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// Whether it is shutting down.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Relaxed)
    }

    /// Whether it can take blocks, and if not, why.
    pub fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        if self.is_draining() {
            reasons.push("shutting down".to_owned());
        }
        let journal = self.journal();
        if !journal.durable {
            let why =
                journal.last_error.map_or_else(|| "not written yet".to_owned(), |error| error.to_string());
            reasons.push(format!("the journal is not durable: {why}; blocks are sent all the same"));
        }
        for chain in self.chains() {
            reasons.extend(chain.without_delivery_path());
            if chain.given_up() {
                reasons.push(format!("{}: its actors crashed too often and were given up", chain.name()));
            }
        }
        Readiness { ready: reasons.is_empty(), reasons }
    }

    /// Says from now on that it is going; running deliveries get at most `limit` to finish, then everything ends. What
    /// no node has by then is in the journal.
    pub async fn shut_down(&self, limit: Duration) {
        self.0.draining.store(true, Relaxed);
        // Before the connections end: who is connected now is dialled first by the next run.
        let chains = self.chains().to_vec();
        let saving = tokio::task::spawn_blocking(move || chains.iter().for_each(|chain| chain.save_book()));
        if let Err(error) = saving.await {
            tracing::error!(%error, "saving the peer books crashed");
        }
        join_all(self.chains().iter().map(|chain| chain.relay.shut_down(limit))).await;
        let ledger = self.0.ledger.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || ledger.shutdown()).await {
            tracing::error!(%error, "the ledger did not shut down cleanly");
        }
        let journal = self.0.journal.clone();
        // Joining the journal's thread blocks until its last sync.
        if let Err(error) = tokio::task::spawn_blocking(move || journal.shutdown()).await {
            tracing::error!(%error, "the journal did not shut down cleanly");
        }
    }
}

pub(crate) fn relay(chain: &config::Chain, facilities: Facilities) -> Result<Arc<Relay>, StartError> {
    let nodes = chain.nodes.iter().map(node).collect::<Result<_, _>>()?;
    let rules = rules::of(chain)?;
    let settings = RelaySettings {
        confirmations: chain.confirmations.unwrap_or_else(|| depth_of(rules.params().block_spacing)),
        name: chain.name.clone(),
        acknowledge: match chain.acknowledge {
            config::Acknowledge::First => Acknowledge::First,
            config::Acknowledge::Primary => Acknowledge::Primary,
            config::Acknowledge::All => Acknowledge::All,
        },
        observers: chain.peers.observers,
        dial_timeout: chain.peers.connect_timeout,
        gossip: chain.peers.enabled && chain.peers.discovery.contains(&config::Discovery::Gossip),
        proxy: chain.peers.proxy.as_ref().map(proxy),
        user_agent: format!("/Blockcast:{}/", env!("CARGO_PKG_VERSION")),
        pass_on_tips: chain.peers.pass_on_tips,
    };
    Ok(Relay::start(settings, rules, nodes, facilities))
}

/// How many blocks come in a quarter of an hour, which is the depth that exchanges and pools ask for on these chains; on
/// test networks, where blocks come as fast as anybody likes, no more than is usual.
fn depth_of(spacing: u32) -> u32 {
    (900 / spacing.max(1)).clamp(6, 30)
}

fn proxy(proxy: &config::Proxy) -> net::Proxy {
    let login =
        |login: &config::ProxyLogin| (login.user.clone(), login.password.secret().expose_secret().to_owned());
    net::Proxy { address: proxy.address.to_string(), login: proxy.login.as_ref().map(login) }
}

fn node(node: &config::Node) -> Result<Arc<Node>, StartError> {
    let auth = match &node.rpc.auth {
        config::Auth::CookieFile(path) => Auth::Cookie(path.clone()),
        config::Auth::Password { user, password } => Auth::Password {
            user: user.clone(),
            password: password.secret().clone(),
            file: Some(password.path().to_owned()),
        },
    };
    let url =
        node.rpc.url.to_string().parse().map_err(|error| StartError::NodeUrl(node.name.clone(), error))?;
    let client = Client::new(Endpoint { name: node.name.clone(), url, auth, timeouts: Timeouts::default() });
    let p2p = node.p2p.as_ref().map(ToString::to_string);
    Ok(Arc::new(Node::new(client, node.role == config::Role::Primary, p2p)))
}
