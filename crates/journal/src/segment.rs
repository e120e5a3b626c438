//! One file being written.

use std::io::{self, ErrorKind};

use bytes::Bytes;

use crate::disk::{Disk, DiskFile};
use crate::entry::{Entry, Key};
use crate::record::{self, Record, Salt};

/// `00000001.log` and so on. Numbers only grow, and a later file overrules an earlier one.
pub(crate) fn name(number: u32) -> String {
    format!("{number:08}.log")
}

/// The number of a segment, or `None` for any other file.
pub(crate) fn number(name: &str) -> Option<u32> {
    name.strip_suffix(".log").and_then(leading_number).filter(|number| self::name(*number) == name)
}

/// The number that a segment, or a piece set aside from one, begins with.
pub(crate) fn leading_number(name: &str) -> Option<u32> {
    let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    (digits >= 8).then(|| name[..digits].parse().ok())?
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The block of `key`, whose record is at `home`.
pub(crate) fn read_back<D: Disk>(disk: &D, home: Location, key: Key) -> io::Result<Entry> {
    let changed = || io::Error::new(ErrorKind::InvalidData, "the record has changed on disk");
    let file = disk.open(&name(home.segment))?;
    let mut head = [0; record::HEAD];
    file.read_at(home.offset, &mut head)?;
    let head = record::Head::parse(&head, None)
        .filter(|head| (record::HEAD + head.length) as u64 == home.length)
        .ok_or_else(changed)?;
    let mut payload = vec![0; head.length];
    file.read_at(home.offset + record::HEAD as u64, &mut payload)?;
    match head.decode(Bytes::from(payload)) {
        Some(Record::Entry { entry, .. }) if entry.key == key => Ok(entry),
        _ => Err(changed()),
    }
}

/// A file of this run. Files of earlier runs are never written to.
#[derive(Debug)]
pub(crate) struct Segment<F> {
    number: u32,
    salt: Salt,
    file: F,
    /// Where the next record goes: everything before is whole records.
    length: u64,
    synced: bool,
    broken: bool,
}

impl<F: DiskFile> Segment<F> {
    /// Writes the head to a new file, unsynced.
    pub(crate) fn begin(mut file: F, number: u32) -> io::Result<Self> {
        let salt = record::new_salt();
        let head = record::file_head(salt);
        file.append(&head)?;
        Ok(Self { number, salt, file, length: head.len() as u64, synced: false, broken: false })
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether anything in this file was ever promised to survive.
    pub(crate) fn was_synced(&self) -> bool {
        self.synced
    }

    /// A half record is at the end and cannot be cut off, or a sync failed: write no more here.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    pub(crate) fn write_entry(&mut self, age: u64, entry: &Entry) -> io::Result<Location> {
        self.write(&[&record::entry_head(self.salt, age, entry), &entry.block])
    }

    pub(crate) fn write_closed(&mut self, key: &Key) -> io::Result<Location> {
        self.write(&[&record::closed(self.salt, key)])
    }

    /// Zeros, to see whether the disk takes `size` bytes again.
    pub(crate) fn write_filler(&mut self, size: usize) -> io::Result<Location> {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        let size = size.min(record::MAX_PAYLOAD);
        let mut zeros = vec![&ZEROS[..]; size / ZEROS.len()];
        zeros.push(&ZEROS[..size % ZEROS.len()]);
        let head = record::filler_head(self.salt, &zeros);
        zeros.insert(0, &head);
        self.write(&zeros)
    }

    /// Cuts the file back to where `record`, the last one written, begins.
    pub(crate) fn take_back(&mut self, record: Location) -> io::Result<()> {
        self.file.truncate(record.offset)?;
        self.length = record.offset;
        Ok(())
    }

    fn write(&mut self, parts: &[&[u8]]) -> io::Result<Location> {
        if self.broken {
            return Err(io::Error::other("the file ends in a record that is not whole"));
        }
        let offset = self.length;
        if let Err(error) = parts.iter().try_for_each(|part| self.file.append(part)) {
            // The half record goes, so that what is written next follows the last whole one.
            self.broken = self.file.truncate(offset).is_err();
            return Err(error);
        }
        let length = parts.iter().map(|part| part.len() as u64).sum();
        self.length += length;
        Ok(Location { segment: self.number, offset, length })
    }

    /// When this returns `Ok`, everything written so far survives a power cut. After an error nothing since the last
    /// sync is known to: the kernel may have dropped the pages and report the next sync as a success. So the segment is
    /// broken then.
    pub(crate) fn sync<D: Disk<File = F>>(&mut self, disk: &D) -> io::Result<()> {
        let result = self.file.sync().and_then(|()| if self.synced { Ok(()) } else { disk.sync_directory() });
        self.synced |= result.is_ok();
        self.broken |= result.is_err();
        result
    }
}
