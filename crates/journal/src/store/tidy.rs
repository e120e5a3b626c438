//! Getting rid of what is done: whole files, and the dead parts of the current one.

use std::time::Instant;

use super::{Store, Written};
use crate::disk::Disk;
use crate::error::Fault;
use crate::record;
use crate::recovery::SegmentFile;
use crate::segment;

impl<D: Disk> Store<D> {
    /// Compacts a journal that is so busy that its idle second never comes, before its files grow without end.
    pub(crate) fn tidy_if_overdue(&mut self, now: Instant) {
        let overdue = self.failing.is_none()
            && self.tidy_after.is_none_or(|after| now >= after)
            && self.total_bytes() >= 4 * self.limits.segment_bytes;
        if overdue {
            self.tidy(now);
            self.update_health();
        }
    }

    /// Whether there is something to tidy. Does not block.
    pub(super) fn is_untidy(&self) -> bool {
        self.current.as_ref().is_some_and(|current| self.dead_segment(current.number()).is_some())
            || self.is_compaction_due()
    }

    /// The size of all files, in bytes.
    fn total_bytes(&self) -> u64 {
        self.segments.values().map(|file| file.bytes).sum()
    }

    fn is_compaction_due(&self) -> bool {
        let total = self.total_bytes();
        let mostly_dead = total >= self.limits.segment_bytes && self.holdings.bytes() <= total / 2;
        let all_dead = self.holdings.len() == 0 && total >= self.limits.empty_bytes;
        mostly_dead || all_dead || self.segments.len() > self.limits.segments
    }

    /// Compacts where it pays, and deletes what is finished with.
    pub(super) fn tidy(&mut self, now: Instant) {
        self.tidy_after = None;
        let compacted = if self.is_compaction_due() { self.compact() } else { Ok(()) };
        if compacted.is_err() {
            // What is left of the attempt may come back after a power cut, and overrules files with lower numbers. So
            // writing goes on in one with a higher number.
            let left = self.current.take();
            if let Some(empty) = left.filter(|left| left.length() == record::FILE_HEAD as u64) {
                self.discard(empty.number());
            }
            self.write_out(now);
        }
        let current = self.current.as_ref().map_or(0, |current| current.number());
        let result = compacted.and_then(|()| self.delete_dead(current));
        if let Err(fault) = &result {
            tracing::warn!(kind = fault.kind(), error = %fault, "journal: tidying failed; it is tried again later");
        }
        if result.is_err() || self.is_compaction_due() {
            self.tidy_after = Some(now + self.limits.tidy_pause);
        }
    }

    /// Writes all open blocks to a new segment and goes on there. After a failure the old files hold all they held.
    fn compact(&mut self) -> Result<(), Fault> {
        let mut segment = self.begin()?;
        let mut written = Written::default();
        for age in self.holdings.ages() {
            match self.write_entry(&mut segment, age) {
                Ok(location) => written.entries.extend(location.map(|location| (age, location))),
                Err(fault) => {
                    self.discard(segment.number());
                    return Err(fault);
                }
            }
        }
        self.sync(&mut segment, &mut written);
        if let Some(fault) = written.fault {
            self.discard(segment.number());
            return Err(fault);
        }
        self.note_length(&segment);
        self.current = Some(segment);
        Ok(())
    }

    /// The oldest file, if it is below the number `before` and no open block is in it.
    fn dead_segment(&self, before: u32) -> Option<(u32, SegmentFile)> {
        let (number, file) = self.segments.first_key_value()?;
        (*number < before && !self.holdings.live_in(*number)).then_some((*number, *file))
    }

    /// Deletes from the oldest on: a record that says "closed" must outlive the record of what it closes. The directory is
    /// synced after it, because a file that comes back after a power cut brings back what was closed in later files.
    pub(super) fn delete_dead(&mut self, before: u32) -> Result<(), Fault> {
        let mut synced = true;
        while let Some((number, file)) = self.dead_segment(before) {
            let name = segment::name(number);
            if file.keep {
                let kept = format!("{number:08}.damaged");
                self.disk.rename(&name, &kept).map_err(|error| self.fault("renaming", number, &error))?;
                tracing::warn!(file = %self.disk.path(&kept).display(), "journal: a damaged file was put aside");
            } else {
                self.disk.remove(&name).map_err(|error| self.fault("deleting", number, &error))?;
            }
            self.segments.remove(&number);
            synced = false;
        }
        if synced {
            return Ok(());
        }
        let dir = self.disk.path("");
        self.disk
            .sync_directory()
            .map_err(|error| Fault::io(format_args!("syncing {}", dir.display()), &error))
    }
}
