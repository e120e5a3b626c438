//! Reading one file, whatever is in it.

use std::ops::Range;

use bytes::Bytes;

use crate::disk::DiskFile;
use crate::record::{self, FileHead, Head, Record, Salt};

/// How much is looked through at a time for the next record: little at first, because it is often near.
const FIRST_CHUNK: usize = 4 * 1024;
const LAST_CHUNK: usize = 64 * 1024;
/// The unit in which a part that cannot be read is narrowed down.
const PAGE: usize = 4096;
/// Each failed read of a dying disk may take seconds: after so many the rest of the file is given up.
const MAX_FAILED_READS: u32 = 64;

/// A file that names a version above [`record::VERSION`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewerVersion(pub(crate) u32);

/// What a file held besides its records.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Byte ranges that are no valid record, in order.
    pub(crate) damage: Vec<Range<u64>>,
    /// Some of the file could not be read and may be readable another day.
    pub(crate) unreadable: bool,
}

/// Calls `each` with offset, length and content of every valid record, in the order of the file.
///
/// Memory is bounded by the largest record that the file has room for. Damage costs the records it touches: reading
/// goes on at the next valid one.
pub(crate) fn scan<F: DiskFile>(
    file: &F,
    length: u64,
    mut each: impl FnMut(u64, u64, Record),
) -> Result<Scan, NewerVersion> {
    let mut reader = Reader::new(file, length);
    let mut damage = Vec::new();
    let mut head = vec![0; (record::FILE_HEAD as u64).min(length) as usize];
    reader.fill(0, &mut head);
    let (mut salt, mut damaged_from) = match record::parse_file_head(&head) {
        FileHead::Ours(salt) => (Some(salt), None),
        FileHead::Newer(version) => return Err(NewerVersion(version)),
        FileHead::Damaged => (None, Some(0)),
    };
    let mut at = head.len() as u64;
    while at < length {
        match reader.record(at, salt) {
            Some((head, record)) => {
                damage.extend(damaged_from.take().map(|from| from..at));
                // Where the file's head is lost, its first whole record tells the salt.
                salt = Some(head.salt);
                let size = (record::HEAD + head.length) as u64;
                each(at, size, record);
                at += size;
            }
            None => {
                damaged_from.get_or_insert(at);
                at = reader.next_candidate(at + 1, salt).unwrap_or(length);
            }
        }
    }
    damage.extend(damaged_from.map(|from| from..length).filter(|range| !range.is_empty()));
    Ok(Scan { damage, unreadable: reader.failed_reads > 0 })
}

/// Reads through bad sectors.
pub(crate) struct Reader<'a, F> {
    file: &'a F,
    length: u64,
    failed_reads: u32,
    /// Bytes that may still be read, most of them more than once: without a salt to go by, a block full of things that
    /// look like records could make this read the file once for each of them.
    budget: u64,
}

impl<'a, F: DiskFile> Reader<'a, F> {
    pub(crate) fn new(file: &'a F, length: u64) -> Self {
        Self { file, length, failed_reads: 0, budget: length.saturating_mul(8).saturating_add(1 << 20) }
    }

    /// What cannot be read is left zero. It then fails its checksum, and counts as damage like any other.
    pub(crate) fn fill(&mut self, offset: u64, buffer: &mut [u8]) {
        if self.failed_reads < MAX_FAILED_READS && self.file.read_at(offset, buffer).is_ok() {
            return;
        }
        for (index, page) in buffer.chunks_mut(PAGE).enumerate() {
            let at = offset + (index * PAGE) as u64;
            if self.failed_reads >= MAX_FAILED_READS || self.file.read_at(at, page).is_err() {
                self.failed_reads = self.failed_reads.saturating_add(1);
                page.fill(0);
            }
        }
    }

    /// The valid record that begins at `at`.
    pub(crate) fn record(&mut self, at: u64, salt: Option<Salt>) -> Option<(Head, Record)> {
        let room = self.length.checked_sub(at)?.checked_sub(record::HEAD as u64)?;
        let mut head = [0; record::HEAD];
        self.fill(at, &mut head);
        let head = Head::parse(&head, salt).filter(|head| head.length as u64 <= room)?;
        self.budget = self.budget.checked_sub(head.length as u64)?;
        let mut payload = vec![0; head.length];
        self.fill(at + record::HEAD as u64, &mut payload);
        Some((head, head.decode(Bytes::from(payload))?))
    }

    /// The next place from `at` on that looks like the beginning of a record.
    fn next_candidate(&mut self, mut at: u64, salt: Option<Salt>) -> Option<u64> {
        let needle = record::needle(salt);
        let mut chunk = vec![0; FIRST_CHUNK];
        while at < self.length {
            let size = (chunk.len() as u64).min(self.length - at);
            self.budget = self.budget.checked_sub(size)?;
            let part = &mut chunk[..size as usize];
            self.fill(at, part);
            if let Some(found) = part.windows(needle.len()).position(|window| window == needle) {
                return Some(at + found as u64);
            }
            if at + size == self.length {
                return None;
            }
            // The next chunk begins with this one's last bytes: a record's head may straddle the two.
            at += size - (needle.len() as u64 - 1);
            chunk.resize((chunk.len() * 2).min(LAST_CHUNK), 0);
        }
        None
    }
}
