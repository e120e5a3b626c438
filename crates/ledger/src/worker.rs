//! The thread that owns the file.

use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use rusqlite::Connection;
use tokio::sync::watch;

use crate::{
    Fate, Fault, Health, NotRecorded, Report, Settings,
    database::{self, Bounds},
    error::Trouble,
    pending::{Answer, Pending},
    write,
};

/// How soon a file is tried again that could not be opened, and one that could not be written.
const RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(1));

/// How often what is too old is let go of.
const TIDY: Duration = Duration::from_secs(600);

/// How many commands are taken at a time before what they ask for is written.
const BATCH: usize = 500;

/// Is asked of the open file, or told why there is none.
pub(crate) type Question = Box<dyn FnOnce(Result<&Connection, String>) -> Result<(), Trouble> + Send>;

/// What the thread is asked to do.
pub(crate) enum Command {
    Record(Box<Report>, Option<Bytes>, Answer),
    Fate(String, String, Box<Fate>),
    Ask(Question),
    Stop,
}

/// The thread's own.
pub(crate) struct Worker {
    path: PathBuf,
    bounds: Bounds,
    inbox: Receiver<Command>,
    connection: Option<Connection>,
    pending: Pending,
    health: watch::Sender<Health>,
    retry_at: Instant,
    tidy_at: Instant,
    /// What is wrong, since when it was told.
    failing: Option<(&'static str, String)>,
    /// How many dropped writes the log has told of.
    dropped: u64,
}

impl Worker {
    pub(crate) fn new(settings: Settings, inbox: Receiver<Command>, health: watch::Sender<Health>) -> Self {
        let Settings { path, keep, max_bytes, raw_blocks } = settings;
        Self {
            path,
            bounds: Bounds { keep, max_bytes, raw_blocks },
            inbox,
            connection: None,
            pending: Pending::default(),
            health,
            retry_at: Instant::now(),
            tidy_at: Instant::now() + TIDY,
            failing: None,
            dropped: 0,
        }
    }

    /// Until it is asked to stop, or nobody is left to ask.
    pub(crate) fn run(mut self) {
        self.open_if_due();
        loop {
            let due = if self.connection.is_none() || self.failing.is_some() {
                self.retry_at
            } else {
                self.tidy_at
            };
            let first = match self.inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Command::Stop),
            };
            self.open_if_due();
            let going_on = self.take(first);
            self.write();
            if Instant::now() >= self.tidy_at {
                self.tidy();
            }
            self.publish();
            if !going_on {
                return;
            }
        }
    }

    /// Takes what waits in the inbox; `false` to stop.
    fn take(&mut self, first: Option<Command>) -> bool {
        let mut next = first;
        for _ in 0..BATCH {
            match next {
                None => return true,
                Some(Command::Stop) => return false,
                Some(Command::Record(report, raw, answer)) => self.pending.record(*report, raw, answer),
                Some(Command::Fate(chain, hash, fate)) => self.pending.fate(chain, hash, *fate),
                Some(Command::Ask(question)) => {
                    // Whoever asks sees what was written before.
                    self.write();
                    let connection = self.connection.as_ref().ok_or_else(|| self.why());
                    if let Err(trouble) = question(connection) {
                        self.fail(trouble);
                    }
                }
            }
            next = self.inbox.try_recv().ok();
        }
        match next {
            Some(Command::Stop) => false,
            // One more: it is not to be lost.
            Some(command) => self.take(Some(command)),
            None => true,
        }
    }

    fn why(&self) -> String {
        let path = self.path.display();
        match &self.failing {
            Some((_, why)) => format!("the ledger {path} is not available: {why}"),
            None => format!("the ledger {path} is not available yet"),
        }
    }

    fn open_if_due(&mut self) {
        if self.connection.is_some() || Instant::now() < self.retry_at {
            return;
        }
        let opened = match database::open(&self.path) {
            Err(trouble) if trouble.is_damage() => {
                self.set_aside(&trouble);
                database::open(&self.path)
            }
            opened => opened,
        };
        match opened {
            Ok(connection) => {
                self.connection = Some(connection);
                self.recovered();
                self.tidy();
            }
            Err(trouble) => self.fail(trouble),
        }
        self.publish();
    }

    fn set_aside(&mut self, trouble: &Trouble) {
        self.connection = None;
        let file = self.path.display();
        match database::set_aside(&self.path, now().as_secs()) {
            Ok(to) => {
                let to = to.display();
                tracing::error!(%file, why = %trouble, %to, "the ledger is damaged; it is set aside, and a new one begun: the history begins anew");
            }
            Err(error) => {
                tracing::error!(%file, why = %trouble, %error, "the ledger is damaged, and cannot be set aside: there is no history");
            }
        }
        self.note(trouble);
    }

    /// Writes what waits, all or nothing.
    fn write(&mut self) {
        // After a failure that had nothing to do with writing an empty transaction tells whether it has passed.
        let is_trial_due = self.failing.is_some() && Instant::now() >= self.retry_at;
        if self.pending.len() == 0 && !is_trial_due {
            return;
        }
        let Some(connection) = &mut self.connection else {
            let why = Err(NotRecorded::File(self.why()));
            return self.pending.answer(&why);
        };
        // What cannot be written is tried again after a while, not at each report.
        if self.failing.is_some() && Instant::now() < self.retry_at {
            let why = Err(NotRecorded::File(self.why()));
            return self.pending.answer(&why);
        }
        match written(connection, &self.pending) {
            Ok(()) => {
                self.pending.answer(&Ok(()));
                self.pending.clear();
                self.recovered();
            }
            Err(error) => {
                self.fail(error.into());
                let why = Err(NotRecorded::File(self.why()));
                self.pending.answer(&why);
            }
        }
    }

    fn tidy(&mut self) {
        self.tidy_at = Instant::now() + TIDY;
        let Some(connection) = &self.connection else { return };
        let unix_ms = u64::try_from(now().as_millis()).unwrap_or(u64::MAX);
        if let Err(error) = database::tidy(connection, self.bounds, unix_ms) {
            self.fail(error.into());
        }
    }

    fn note(&mut self, trouble: &Trouble) {
        let message = format!("{}: {trouble}", self.path.display());
        let unix_ms = u64::try_from(now().as_millis()).unwrap_or(u64::MAX);
        let fault = Fault { kind: trouble.kind(), message, unix_ms };
        self.health.send_modify(|health| health.last_error = Some(fault));
    }

    /// Something went wrong: says so once, and tries again later.
    fn fail(&mut self, trouble: Trouble) {
        if trouble.is_damage() && self.connection.is_some() {
            self.set_aside(&trouble);
            self.retry_at = Instant::now();
            self.failing = Some((trouble.kind(), trouble.to_string()));
            return self.open_if_due();
        }
        let kind = trouble.kind();
        if kind == "read_only" {
            // What was opened for reading is not for writing when the rights are back.
            self.connection = None;
        }
        if self.failing.as_ref().is_none_or(|(known, _)| *known != kind) {
            let file = self.path.display();
            tracing::error!(%file, kind, "history is not written down for now, blocks are relayed all the same: {trouble}");
        }
        self.note(&trouble);
        self.failing = Some((kind, trouble.to_string()));
        self.retry_at = Instant::now() + if self.connection.is_some() { RETRY.1 } else { RETRY.0 };
    }

    fn recovered(&mut self) {
        if let Some((kind, _)) = self.failing.take() {
            tracing::info!(file = %self.path.display(), after = kind, "history is written down again");
        }
    }

    fn publish(&mut self) {
        if self.pending.dropped > self.dropped {
            let dropped = self.pending.dropped - self.dropped;
            tracing::warn!(dropped, "too much waits for the ledger: the oldest is not written down");
            self.dropped = self.pending.dropped;
        }
        let counted = self.connection.as_ref().map(|connection| {
            (database::count(connection).unwrap_or_default(), database::bytes(connection).unwrap_or_default())
        });
        let (why, available) = (self.failing.is_some() || self.connection.is_none())
            .then(|| self.why())
            .map_or((None, true), |why| (Some(why), false));
        let (pending, dropped) = (self.pending.len(), self.pending.dropped);
        self.health.send_if_modified(|health| {
            let before = health.clone();
            (health.available, health.why, health.pending, health.dropped) =
                (available, why, pending, dropped);
            if let Some((blocks, bytes)) = counted {
                (health.blocks, health.bytes) = (blocks, bytes);
            }
            *health != before
        });
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.pending.answer(&Err(NotRecorded::Stopped));
        self.health.send_modify(|health| {
            health.available = false;
            health.why = Some("the ledger has stopped".into());
        });
    }
}

fn written(connection: &mut Connection, pending: &Pending) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for record in pending.records() {
        write::delivery(&transaction, &record.report, record.raw.as_deref())?;
    }
    for (chain, hash, fate) in pending.fates() {
        if !write::fate(&transaction, chain, hash, fate)? {
            tracing::debug!(chain, block = hash, "the ledger does not have the block whose fate it was told");
        }
    }
    transaction.commit()
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
