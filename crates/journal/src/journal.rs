//! The handle that the rest of the program holds, and the thread behind it.

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::disk::{Directory, Disk, PrepareError};
use crate::entry::{Entry, Key};
use crate::error::{Fault, NotDurable, OpenError};
use crate::health::Health;
use crate::limits::Limits;
use crate::record;
use crate::recovery::{self, Recovery};
use crate::store::Store;

/// The journal. Clones share one thread and one directory; it stops when [`Journal::shutdown`] is called on any of them
/// or the last one is dropped.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    commands: Sender<Command>,
    waiting_bytes: Arc<AtomicU64>,
    backlog_bytes: u64,
    health: watch::Receiver<Health>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

enum Command {
    Append { entry: Entry, size: u64, asked_at: Instant, answer: Answer },
    Close(Key),
    Stop,
}

type Answer = oneshot::Sender<Result<Durable, NotDurable>>;

/// A block is on disk: it survives a crash of the process, of the kernel, and a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durable {
    /// When the sync that covers it returned. Earlier than the call where the same block was on disk already.
    pub synced_at: Instant,
    /// From the call of [`Journal::append`] until then.
    pub took: Duration,
}

/// The outcome of one [`Journal::append`], as a future for any executor. Dropping it does not take the block back.
#[must_use = "a block may be acknowledged only when this has resolved"]
#[derive(Debug)]
pub struct Append {
    state: AppendState,
}

#[derive(Debug)]
enum AppendState {
    Refused(NotDurable),
    Waiting(oneshot::Receiver<Result<Durable, NotDurable>>),
}

impl Future for Append {
    type Output = Result<Durable, NotDurable>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match &mut self.state {
            AppendState::Refused(reason) => Err(reason.clone()),
            AppendState::Waiting(answer) => {
                ready!(Pin::new(answer).poll(context)).unwrap_or(Err(NotDurable::Stopped))
            }
        })
    }
}

impl Journal {
    /// Opens the journal in `dir`, which is made (for the owner only) if it is missing, and hands back what earlier runs
    /// left open.
    ///
    /// Blocks until the files are read and the open blocks written once more: call it before the async runtime has work
    /// to do, or on a thread for blocking calls.
    ///
    /// # Errors
    ///
    /// Only where going on could lose blocks, see [`OpenError`]. If the directory cannot be read or written, the journal
    /// opens all the same, says so in [`Journal::health`], and keeps trying.
    pub fn open(dir: &Path) -> Result<(Self, Recovery), OpenError> {
        Self::start(Directory::new(dir), Limits::default())
    }

    pub(crate) fn start<D: Disk>(mut disk: D, limits: Limits) -> Result<(Self, Recovery), OpenError> {
        let writable = match disk.prepare() {
            Ok(()) => true,
            Err(PrepareError::Locked) => return Err(OpenError::Locked { dir: disk.path("") }),
            Err(PrepareError::Io(error)) => {
                tracing::warn!(dir = %disk.path("").display(), %error, "the journal's directory cannot be written");
                false
            }
        };
        let mut found = recovery::recover(&disk, writable)?;
        let recovery = Recovery {
            open: found.open.iter().map(|(_, entry, _)| entry.clone()).collect(),
            damage: std::mem::take(&mut found.damage),
        };
        let mut store = Store::new(disk, found, limits);
        store.commit(Instant::now());
        // Files of earlier runs go now: a process that is restarted again and again never sees an idle second.
        store.tick(Instant::now());

        let (commands, inbox) = mpsc::channel();
        let (publisher, health) = watch::channel(store.health().clone());
        let waiting_bytes = Arc::new(AtomicU64::new(0));
        let worker = Worker {
            store,
            inbox,
            health: Publisher(publisher),
            waiting_bytes: Arc::clone(&waiting_bytes),
            batch_bytes: limits.batch_bytes,
        };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || worker.run())
            .map_err(OpenError::Thread)?;
        let backlog_bytes = limits.backlog_bytes;
        let thread = std::sync::Mutex::new(Some(thread));
        let shared = Arc::new(Shared { commands, waiting_bytes, backlog_bytes, health, thread });
        Ok((Self { shared }, recovery))
    }

    /// Journals a block. Never blocks; the answer comes through the future, `Ok` when the block is on disk.
    ///
    /// Send the block to the network without waiting for it, and acknowledge the block to the caller after it. On `Err`
    /// the block is still to be sent: see [`NotDurable`] for whether the journal keeps trying.
    pub fn append(&self, entry: Entry) -> Append {
        Append { state: self.queue(entry).map_or_else(AppendState::Refused, AppendState::Waiting) }
    }

    fn queue(&self, entry: Entry) -> Result<oneshot::Receiver<Result<Durable, NotDurable>>, NotDurable> {
        entry.check()?;
        let size = record::entry_size(&entry);
        // Relaxed: the number guards memory, and orders nothing.
        let waiting = self.shared.waiting_bytes.fetch_add(size, Ordering::Relaxed);
        if waiting > 0 && waiting.saturating_add(size) > self.shared.backlog_bytes {
            self.shared.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
            return Err(NotDurable::Backlog);
        }
        let (answer, receiver) = oneshot::channel();
        let command = Command::Append { entry, size, asked_at: Instant::now(), answer };
        self.shared.commands.send(command).map_err(|_| NotDurable::Stopped)?;
        Ok(receiver)
    }

    /// The block is done: the chain has it, or it can never have it. Never blocks.
    ///
    /// This is noted on disk without a sync, so a crash right after may hand the block back for replay once more. A key
    /// that is not open is ignored.
    pub fn close(&self, key: Key) {
        // A journal that has stopped can note nothing more; its health says so.
        if self.shared.commands.send(Command::Close(key)).is_err() {
            tracing::debug!(%key, "a block was done after the journal had stopped; it will be replayed");
        }
    }

    /// The state right now.
    pub fn health(&self) -> Health {
        self.shared.health.borrow().clone()
    }

    /// The state as it changes. It is updated before the future of an append that changed it resolves.
    pub fn watch(&self) -> watch::Receiver<Health> {
        self.shared.health.clone()
    }

    /// Writes and syncs what was asked so far, then stops the thread and frees the directory. Later calls on other
    /// clones are answered with [`NotDurable::Stopped`].
    ///
    /// Blocks for a sync, and for as long as the disk hangs: in an async program call it on a thread for blocking calls,
    /// with a deadline. Dropping the last clone does the same.
    pub fn shutdown(self) {
        self.shared.stop();
    }
}

impl Shared {
    fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let Some(thread) = thread else { return };
        // A closed channel means that the thread has ended already; joining tells how.
        let _ended_before = self.commands.send(Command::Stop);
        if thread.join().is_err() {
            tracing::error!("the journal's thread had panicked");
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("health", &self.health()).finish_non_exhaustive()
    }
}

/// Tells the world when the thread is gone, however it went.
struct Publisher(watch::Sender<Health>);

impl Publisher {
    fn publish(&self, health: &Health) {
        self.0.send_if_modified(|shown| {
            let changed = shown != health;
            if changed {
                shown.clone_from(health);
            }
            changed
        });
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.send_modify(|health| {
            health.durable = false;
            health.last_error = Some(Fault::new("stopped", "the journal has stopped"));
        });
    }
}

/// The thread's own.
struct Worker<D: Disk> {
    store: Store<D>,
    inbox: Receiver<Command>,
    health: Publisher,
    waiting_bytes: Arc<AtomicU64>,
    batch_bytes: u64,
}

struct Waiter {
    key: Key,
    asked_at: Instant,
    answer: Answer,
}

impl<D: Disk> Worker<D> {
    fn run(mut self) {
        loop {
            let first = match self.store.rest(Instant::now()) {
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(rest) => self.inbox.recv_timeout(rest),
            };
            let going_on = match first {
                Ok(command) => self.batch(command),
                Err(RecvTimeoutError::Timeout) => {
                    self.store.tick(Instant::now());
                    true
                }
                Err(RecvTimeoutError::Disconnected) => false,
            };
            // After the answers: nobody waits for this.
            self.store.tidy_if_overdue(Instant::now());
            if !going_on {
                self.store.finish(Instant::now());
                return;
            }
            self.health.publish(self.store.health());
        }
    }

    /// Group commit: everything that waits is written, then synced once. Returns `false` to stop.
    fn batch(&mut self, first: Command) -> bool {
        let mut waiters: Vec<Waiter> = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        let mut going_on = true;
        while let Some(command) = next {
            match command {
                Command::Append { entry, size, asked_at, answer } => {
                    self.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
                    bytes += size;
                    waiters.push(Waiter { key: entry.key, asked_at, answer });
                    self.store.append(entry);
                }
                Command::Close(key) => {
                    // A block that is done before it was written still gets the answer it was promised.
                    if waiters.iter().any(|waiter| waiter.key == key) {
                        self.commit(&mut waiters);
                    }
                    self.store.close(key);
                }
                Command::Stop => {
                    going_on = false;
                    break;
                }
            }
            next = if bytes < self.batch_bytes { self.inbox.try_recv().ok() } else { None };
        }
        self.commit(&mut waiters);
        going_on
    }

    fn commit(&mut self, waiters: &mut Vec<Waiter>) {
        self.store.commit(Instant::now());
        self.health.publish(self.store.health());
        for Waiter { key, asked_at, answer } in waiters.drain(..) {
            let result = self
                .store
                .saved(&key)
                .map(|synced_at| Durable { synced_at, took: synced_at.saturating_duration_since(asked_at) });
            // Nobody may be waiting any more; the block is journaled all the same.
            let _nobody_waits = answer.send(result);
        }
    }
}
