//! The handle that the rest of the program holds.

use std::{
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    task::{Context, Poll},
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::{
    Block, Fate, Fault, Filter, NotRecorded, Report, Summary, Unavailable, read,
    worker::{Command, Question, Worker},
};

/// Where the ledger is, and how much is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// How long a block stays in it.
    pub keep: Duration,
    /// How many bytes of it may be in use.
    pub max_bytes: u64,
    /// Of how many blocks the bytes are kept.
    pub raw_blocks: usize,
}

/// What the ledger says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Whether history is being written down.
    pub available: bool,
    /// Why not.
    pub why: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// Writes that wait.
    pub pending: usize,
    /// Writes that were let go of because too many waited, since start.
    pub dropped: u64,
    /// The latest failure since start.
    pub last_error: Option<Fault>,
    /// How many blocks there are.
    pub blocks: u64,
    /// How many bytes are in use.
    pub bytes: u64,
}

/// The outcome of one [`Ledger::record`], as a future for any executor.
#[derive(Debug)]
#[must_use = "a delivery may be let go of elsewhere once this has resolved"]
pub struct Recorded(oneshot::Receiver<Result<(), NotRecorded>>);

impl Future for Recorded {
    type Output = Result<(), NotRecorded>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(NotRecorded::Stopped)))
    }
}

/// The history of all chains. Clones share one thread and one file.
#[derive(Clone)]
pub struct Ledger {
    commands: Sender<Command>,
    health: watch::Receiver<Health>,
    thread: Arc<std::sync::Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("health", &*self.health.borrow()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Begins to use a file. Never fails and never waits for the disk: the thread opens the file, and goes on trying
    /// where it cannot; [`Health`] says how that goes.
    pub fn open(settings: Settings) -> Self {
        let (commands, inbox) = mpsc::channel();
        let health =
            Health { path: settings.path.clone(), why: Some("not opened yet".into()), ..Health::default() };
        let (publisher, health) = watch::channel(health);
        let worker = Worker::new(settings, inbox, publisher);
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(move || worker.run());
        let thread = thread.map_err(|error| {
            tracing::error!(%error, "the ledger's thread cannot be started: there is no history");
        });
        Self { commands, health, thread: Arc::new(std::sync::Mutex::new(thread.ok())) }
    }

    /// Writes a delivery down as it is now, in the place of what was written of it before, and the block's bytes if they
    /// are given. Never blocks. Resolves once it is written, or as soon as it is known that it cannot be right now; it is
    /// kept then, and written later.
    pub fn record(&self, report: Report, raw: Option<Bytes>) -> Recorded {
        let (answer, receiver) = oneshot::channel();
        // Where nobody takes it, the sender is dropped, and the receiver says so.
        let (Ok(()) | Err(_)) = self.commands.send(Command::Record(Box::new(report), raw, answer));
        Recorded(receiver)
    }

    /// Writes down what the chain says of a block that has been recorded. Never blocks.
    pub fn fate(&self, chain: &str, hash: &str, fate: Fate) {
        // A ledger that has stopped writes nothing more; its health says so.
        let (Ok(()) | Err(_)) = self.commands.send(Command::Fate(chain.into(), hash.into(), Box::new(fate)));
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, receiver) = oneshot::channel();
        let ask: Question = Box::new(move |connection| {
            let (found, trouble) = match connection {
                Ok(connection) => match question(connection) {
                    Ok(found) => (Ok(found), Ok(())),
                    Err(error) => (Err(Unavailable::File(error.to_string())), Err(error.into())),
                },
                Err(why) => (Err(Unavailable::File(why)), Ok(())),
            };
            // Whoever asked may have gone.
            let (Ok(()) | Err(_)) = answer.send(found);
            trouble
        });
        self.commands.send(Command::Ask(ask)).map_err(|_| Unavailable::Stopped)?;
        receiver.await.unwrap_or(Err(Unavailable::Stopped))
    }

    /// A chain's blocks without a last word, and those that have it only since then; newest first, at most 1000.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub async fn open_blocks(&self, chain: &str, since_unix_ms: u64) -> Result<Vec<Block>, Unavailable> {
        let chain = chain.to_owned();
        self.ask(move |connection| read::open_blocks(connection, &chain, since_unix_ms)).await
    }

    /// The blocks that a filter wants, newest first.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub async fn blocks(&self, filter: Filter) -> Result<Vec<Summary>, Unavailable> {
        self.ask(move |connection| read::blocks(connection, &filter)).await
    }

    /// Everything about the blocks of this name: one, or one of each of several chains.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub async fn block(&self, hash: &str) -> Result<Vec<Block>, Unavailable> {
        let hash = hash.to_owned();
        self.ask(move |connection| read::block(connection, &hash)).await
    }

    /// The bytes of a block and its chain, if they are kept.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub async fn raw(&self, chain: Option<&str>, hash: &str) -> Result<Option<(String, Bytes)>, Unavailable> {
        let (chain, hash) = (chain.map(str::to_owned), hash.to_owned());
        self.ask(move |connection| read::raw(connection, chain.as_deref(), &hash)).await
    }

    /// The state right now.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// The state as it changes.
    pub fn watch(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Writes what waits, if that is possible, and ends the thread. Blocks for as long as the disk takes.
    pub fn shutdown(self) {
        let thread = self.thread.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let (Ok(()) | Err(_)) = self.commands.send(Command::Stop);
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the ledger's thread had panicked");
        }
    }
}
