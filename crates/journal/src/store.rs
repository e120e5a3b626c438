//! The journal without its thread: what is written when, and what happens when writing fails.
//!
//! Writing goes to one segment, the *current* one. It is left for good after a failed sync and begun anew by
//! `compact`; older ones are deleted, oldest first, once no open block is in them.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use crate::disk::{Disk, PrepareError};
use crate::entry::{Entry, Key};
use crate::error::{Fault, NotDurable};
use crate::health::Health;
use crate::held::Holdings;
use crate::limits::Limits;
use crate::recovery::{Found, SegmentFile};
use crate::segment::{self, Location, Segment};

mod tidy;

/// The state of a journal. All methods block on the disk, except where noted.
#[derive(Debug)]
pub(crate) struct Store<D: Disk> {
    disk: D,
    limits: Limits,
    holdings: Holdings,
    /// All files, the current one included.
    segments: BTreeMap<u32, SegmentFile>,
    next_segment: u32,
    current: Option<Segment<D::File>>,
    /// Blocks that are done, of which no file says so yet.
    closing: Vec<Key>,
    /// Present from a failed commit to the next successful one.
    failing: Option<Failing>,
    tidy_after: Option<Instant>,
    health: Health,
}

#[derive(Debug)]
struct Failing {
    fault: Fault,
    retry_at: Instant,
    /// What must fit before the disk counts as working again, even if the block that did not fit is done by then.
    proof: u64,
}

/// What became of one commit.
#[derive(Debug, Default)]
struct Written {
    entries: Vec<(u64, Location)>,
    fault: Option<Fault>,
}

impl<D: Disk> Store<D> {
    /// Nothing is written before the first [`Store::commit`].
    pub(crate) fn new(disk: D, found: Found, limits: Limits) -> Self {
        let health = Health { last_error: found.fault, ..Health::default() };
        let mut store = Self {
            disk,
            limits,
            holdings: Holdings::restore(found.open),
            segments: found.segments,
            next_segment: found.next_segment,
            current: None,
            closing: Vec::new(),
            failing: None,
            tidy_after: None,
            health,
        };
        store.update_health();
        store
    }

    /// Takes a block in; the next commit writes it. Does not block.
    pub(crate) fn append(&mut self, entry: Entry) {
        // Open once more: a note that it is done must not be written behind it.
        self.closing.retain(|key| *key != entry.key);
        self.holdings.put(entry);
    }

    /// A block is done; the next commit notes it, without a sync for its sake. Does not block.
    pub(crate) fn close(&mut self, key: Key) {
        if self.holdings.remove(&key) {
            self.closing.push(key);
        }
    }

    /// When the block, in the version last appended, was known to be on disk. Does not block.
    pub(crate) fn saved(&self, key: &Key) -> Result<Instant, NotDurable> {
        let held = self.holdings.get(key).ok_or(NotDurable::Backlog)?;
        held.synced_at.ok_or_else(|| match (&self.failing, &self.health.last_error) {
            (Some(Failing { fault, .. }), _) | (None, Some(fault)) => NotDurable::Storage(fault.clone()),
            (None, None) => NotDurable::Storage(Fault::new("io", "the block was not written yet")),
        })
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// How long to wait for work before [`Store::tick`]; `None` for ever. Does not block.
    pub(crate) fn rest(&self, now: Instant) -> Option<Duration> {
        if let Some(failing) = &self.failing {
            return Some(failing.retry_at.saturating_duration_since(now));
        }
        if self.holdings.unsaved() > 0 {
            return Some(self.limits.tidy_pause);
        }
        let pause = self.tidy_after.map_or(Duration::ZERO, |after| after.saturating_duration_since(now));
        self.is_untidy().then(|| self.limits.idle.max(pause))
    }

    /// Nothing was asked for a while: retries what failed, and tidies.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.failing.is_some() || self.holdings.unsaved() > 0 {
            self.commit(now);
        } else if self.tidy_after.is_none_or(|after| now >= after) {
            self.tidy(now);
        }
        self.update_health();
    }

    /// Writes and syncs what is wanted, unless the disk failed less than [`Limits::retry`] ago.
    pub(crate) fn commit(&mut self, now: Instant) {
        if self.failing.as_ref().is_none_or(|failing| now >= failing.retry_at) {
            self.write_out(now);
        }
        for given_up in self.holdings.trim(self.limits.memory_bytes) {
            self.health.given_up += 1;
            tracing::error!(
                key = %given_up.key, chain = given_up.chain, older_version_kept = given_up.older_kept,
                "journal: too many blocks cannot be saved; this one is given up and will not be replayed after a crash"
            );
        }
        self.update_health();
    }

    /// Makes the last closes durable too, so that an orderly stop leaves nothing done to be replayed.
    pub(crate) fn finish(&mut self, now: Instant) {
        // Whenever the next attempt was due: there will be no other.
        self.write_out(now);
        self.update_health();
        if let Some(segment) = self.current.as_mut().filter(|_| self.failing.is_none())
            && let Err(error) = segment.sync(&self.disk)
        {
            tracing::error!(%error, "journal: the last sync failed; blocks that are done may be sent again at the next start");
        }
        let (open, unsaved) = (self.holdings.len(), self.holdings.unsaved());
        match unsaved {
            0 => tracing::info!(open, "journal: stopped"),
            _ => tracing::error!(open, unsaved, "journal: stopped; the unsaved blocks will not be replayed"),
        }
    }

    fn write_out(&mut self, now: Instant) {
        let mut wanted = self.holdings.wanted();
        if wanted.is_empty() && self.closing.is_empty() && self.failing.is_none() && self.current.is_some() {
            return;
        }
        let segment = self.begin_or_go_on();
        let written = match segment {
            Ok(segment) => self.write_to(segment, &wanted),
            Err(fault) => Written { fault: Some(fault), ..Written::default() },
        };
        match written.fault {
            None => self.recovered(),
            Some(fault) => {
                wanted.retain(|age| self.holdings.at(*age).is_some_and(|held| held.synced_at.is_none()));
                self.failed(fault, &wanted, now);
            }
        }
    }

    /// Writes to the current segment, which goes back to its place only if it can be trusted.
    fn write_to(&mut self, mut segment: Segment<D::File>, wanted: &[u64]) -> Written {
        let mut written = Written::default();
        self.write_closings(&mut segment, &mut written);
        for age in wanted {
            match self.write_entry(&mut segment, *age) {
                Ok(Some(location)) => written.entries.push((*age, location)),
                Ok(None) => {}
                // Where there is no room for one block there may be for a smaller one.
                Err(fault) => {
                    let go_on =
                        matches!(fault.kind(), "disk_full" | "file_too_large") && !segment.is_broken();
                    written.fault.get_or_insert(fault);
                    if !go_on {
                        break;
                    }
                }
            }
        }
        let filler = match &self.failing {
            Some(failing) if wanted.is_empty() && written.fault.is_none() => segment
                .write_filler(failing.proof as usize)
                .map_err(|error| written.fault = Some(self.fault("writing", segment.number(), &error)))
                .ok(),
            _ => None,
        };
        let must_sync = !written.entries.is_empty() || !segment.was_synced() || self.failing.is_some();
        if must_sync && !segment.is_broken() {
            self.sync(&mut segment, &mut written);
        }
        if let Some(filler) = filler.filter(|_| !segment.is_broken())
            && let Err(error) = segment.take_back(filler)
        {
            // It is a valid record: reading skips it.
            tracing::debug!(%error, "journal: filler stays");
        }
        if segment.is_broken() {
            self.retire(segment);
        } else {
            self.note_length(&segment);
            self.current = Some(segment);
        }
        written
    }

    fn write_closings(&mut self, segment: &mut Segment<D::File>, written: &mut Written) {
        while let Some(key) = self.closing.last() {
            match segment.write_closed(key) {
                Ok(_) => self.closing.pop(),
                Err(error) => {
                    written.fault = Some(self.fault("writing", segment.number(), &error));
                    return;
                }
            };
        }
    }

    /// `Ok(None)` if the block's bytes are in another file and cannot be read back.
    fn write_entry(&mut self, segment: &mut Segment<D::File>, age: u64) -> Result<Option<Location>, Fault> {
        let Some(held) = self.holdings.at(age) else { return Ok(None) };
        let entry = match (&held.body, held.home) {
            (Some(entry), _) => Ok(entry.clone()),
            (None, Some(home)) => segment::read_back(&self.disk, home, held.key).map_err(|error| {
                let path = self.disk.path(&segment::name(home.segment));
                Fault::new("unreadable", format!("reading {} at {}: {error}", path.display(), home.offset))
            }),
            (None, None) => unreachable!("a block is in memory or on disk"),
        };
        match entry {
            Ok(entry) => segment
                .write_entry(age, &entry)
                .map(Some)
                .map_err(|error| self.fault("writing", segment.number(), &error)),
            Err(fault) => {
                self.lost(age, fault);
                Ok(None)
            }
        }
    }

    /// No reason to hold up other blocks, so this is not a failure of the commit: it is tried again with later ones.
    fn lost(&mut self, age: u64, fault: Fault) {
        let Some(held) = self.holdings.at_mut(age) else { return };
        if !held.lost {
            tracing::error!(key = %held.key, %fault, "journal: an open block cannot be read back; its file is left alone");
        }
        held.lost = true;
        held.doubt();
        self.health.last_error = Some(fault);
    }

    fn sync(&mut self, segment: &mut Segment<D::File>, written: &mut Written) {
        let started = Instant::now();
        if let Err(error) = segment.sync(&self.disk) {
            written.fault.get_or_insert(self.fault("syncing", segment.number(), &error));
            return;
        }
        let synced_at = Instant::now();
        self.health.syncs += 1;
        self.health.last_sync = Some(synced_at - started);
        for (age, location) in &written.entries {
            if let Some(held) = self.holdings.at_mut(*age) {
                held.settle(*location, synced_at);
            }
        }
    }

    /// The segment to write to. After a failure finished files are deleted first: the disk may need the room.
    fn begin_or_go_on(&mut self) -> Result<Segment<D::File>, Fault> {
        match self.current.take() {
            Some(segment) => {
                self.make_room(segment.number());
                Ok(segment)
            }
            None => self.begin(),
        }
    }

    fn make_room(&mut self, before: u32) {
        if self.failing.is_some()
            && let Err(fault) = self.delete_dead(before)
        {
            tracing::debug!(error = %fault, "journal: no room could be made");
        }
    }

    /// A new file, not yet durable.
    fn begin(&mut self) -> Result<Segment<D::File>, Fault> {
        self.disk.prepare().map_err(|error| match error {
            PrepareError::Locked => {
                Fault::new("locked", "the journal's directory is in use by another process".to_owned())
            }
            PrepareError::Io(error) => {
                Fault::io(format_args!("preparing the directory {}", self.disk.path("").display()), &error)
            }
        })?;
        // Not earlier: without the lock nothing may be deleted.
        self.make_room(self.next_segment);
        // A number is never used again, even if this attempt fails.
        let number = self.next_segment;
        self.next_segment = number.checked_add(1).ok_or_else(|| {
            Fault::new(
                "io",
                "the numbers of the journal's files are used up: move its directory away".to_owned(),
            )
        })?;
        let created = self.disk.create(&segment::name(number));
        let file = created.map_err(|error| self.fault("creating", number, &error))?;
        // From here on there is a file to tidy away.
        self.segments.insert(number, SegmentFile { bytes: 0, keep: false });
        match Segment::begin(file, number) {
            Ok(segment) => {
                self.note_length(&segment);
                Ok(segment)
            }
            Err(error) => {
                self.discard(number);
                Err(self.fault("writing", number, &error))
            }
        }
    }

    fn note_length(&mut self, segment: &Segment<D::File>) {
        self.segments.insert(segment.number(), SegmentFile { bytes: segment.length(), keep: false });
    }

    /// Gives a segment up. What was promised on the strength of it stays until it is written elsewhere.
    fn retire(&mut self, segment: Segment<D::File>) {
        self.note_length(&segment);
        self.holdings.doubt(segment.number());
        if !segment.was_synced() {
            self.discard(segment.number());
        }
    }

    /// Deletes a file that never held anything promised: on a full disk its room is needed.
    fn discard(&mut self, number: u32) {
        let name = segment::name(number);
        match self.disk.remove(&name) {
            Ok(()) => drop(self.segments.remove(&number)),
            Err(error) => {
                tracing::debug!(file = %self.disk.path(&name).display(), %error, "journal: a failed file stays for now");
            }
        }
    }

    fn failed(&mut self, fault: Fault, unsaved: &[u64], now: Instant) {
        if self.failing.is_none() {
            tracing::error!(
                kind = fault.kind(), error = %fault, unsaved = unsaved.len(),
                "journal: NOT DURABLE: blocks are still sent, but would not be replayed after a crash; writing is retried"
            );
        }
        let sizes = unsaved.iter().filter_map(|age| self.holdings.at(*age)).map(|held| held.size);
        let proof = sizes.max().or(self.failing.as_ref().map(|failing| failing.proof)).unwrap_or(0);
        self.health.last_error = Some(fault.clone());
        self.failing = Some(Failing { fault, retry_at: now + self.limits.retry, proof });
    }

    fn recovered(&mut self) {
        if self.failing.take().is_some() {
            tracing::info!(open = self.holdings.len(), "journal: durable again: every open block is on disk");
        }
    }

    fn fault(&self, action: &str, number: u32, error: &io::Error) -> Fault {
        Fault::io(format_args!("{action} {}", self.disk.path(&segment::name(number)).display()), error)
    }

    fn update_health(&mut self) {
        self.health.open_blocks = self.holdings.blocks();
        self.health.open_bytes = self.holdings.bytes();
        self.health.unsaved_blocks = self.holdings.unsaved();
        self.health.durable =
            self.failing.is_none() && self.current.is_some() && self.health.unsaved_blocks == 0;
    }
}
