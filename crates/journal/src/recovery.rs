//! Reading what earlier runs left: the open blocks, and the damage.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::PathBuf;

use crate::disk::{Disk, DiskFile};
use crate::entry::{Entry, Key};
use crate::error::{Fault, OpenError};
use crate::record::{self, Record};
use crate::scan::{self, Reader, Scan};
use crate::segment::{self, Location};

/// What earlier runs left behind.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Blocks that were journaled and not closed, oldest first: submit them again, and close each when it is done.
    ///
    /// A block that *was* closed shortly before a crash may be among them, because closing is not synced. Submitting
    /// such a block again does no harm.
    pub open: Vec<Entry>,
    /// Parts of files that could not be read. Each has been logged.
    pub damage: Vec<Damage>,
}

/// A part of a file that holds no valid record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file it was found in. The file itself may be deleted later, when its readable blocks are elsewhere.
    pub file: PathBuf,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Where the bytes are kept: a copy beside the file, or the file itself where no copy could be made.
    pub kept_as: PathBuf,
    /// What kind of damage it is.
    pub what: DamageKind,
}

/// How a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// The end of a file: what a crash leaves of a record that was being written. Its block was not acknowledged as
    /// durable.
    Torn,
    /// Somewhere before the end: bytes changed on disk. A block may be lost.
    Corrupt,
    /// The file cannot be opened, or the disk fails to read this part.
    Unreadable,
}

impl DamageKind {
    /// A stable word: `torn`, `corrupt` or `unreadable`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Torn => "torn",
            Self::Corrupt => "corrupt",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, length, kept_as, what } = self;
        let what = match what {
            DamageKind::Torn => "end in a half-written record (it was never acknowledged)",
            DamageKind::Corrupt => "are damaged (a block may be lost)",
            DamageKind::Unreadable => "cannot be read from the disk (blocks may be lost)",
        };
        write!(
            f,
            "{}: {length} bytes from offset {offset} {what}; kept as {}",
            file.display(),
            kept_as.display()
        )
    }
}

/// A file that earlier runs wrote, or this one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentFile {
    /// Its length when last looked at.
    pub(crate) bytes: u64,
    /// It is the only copy of something damaged: rename it where it would be deleted.
    pub(crate) keep: bool,
}

/// Everything there is to know about a directory.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Age, block and place, oldest first.
    pub(crate) open: Vec<(u64, Entry, Location)>,
    pub(crate) segments: BTreeMap<u32, SegmentFile>,
    pub(crate) next_segment: u32,
    pub(crate) damage: Vec<Damage>,
    /// The directory could not be listed.
    pub(crate) fault: Option<Fault>,
}

/// Reads all segments. Damaged parts are copied aside where `writable`; no file is changed or deleted.
pub(crate) fn recover<D: Disk>(disk: &D, writable: bool) -> Result<Found, OpenError> {
    let mut found = Found { next_segment: 1, ..Found::default() };
    let names = disk.list().unwrap_or_else(|error| {
        if error.kind() != ErrorKind::NotFound {
            let fault = Fault::io(format_args!("listing {}", disk.path("").display()), &error);
            tracing::error!(kind = fault.kind(), error = %fault, "journal: open blocks of earlier runs cannot be read");
            found.fault = Some(fault);
        }
        Vec::new()
    });
    if let Some(last) = names.iter().filter_map(|name| segment::leading_number(name)).max() {
        found.next_segment = last.saturating_add(1);
    }
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();

    let mut open = HashMap::new();
    let mut damaged = Vec::new();
    for number in numbers {
        let name = segment::name(number);
        let opened = disk.open(&name).and_then(|file| file.length().map(|length| (file, length)));
        let (file, length) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(file = %disk.path(&name).display(), %error, "a journal file cannot be opened; it is left alone");
                let path = disk.path(&name);
                let what = DamageKind::Unreadable;
                found.damage.push(Damage { file: path.clone(), offset: 0, length: 0, kept_as: path, what });
                continue;
            }
        };
        let scan = scan::scan(&file, length, |offset, length, record| {
            apply(&mut open, Location { segment: number, offset, length }, record);
        })
        .map_err(|newer| OpenError::NewerVersion {
            file: disk.path(&name),
            found: newer.0,
            supported: record::VERSION,
        })?;
        found.segments.insert(number, SegmentFile { bytes: length, keep: false });
        damaged.push((number, file, length, scan));
    }
    // Nothing is written before every file is known to be of a version that may be touched.
    for (number, file, length, scan) in damaged {
        let damage = set_aside_all(disk, writable, number, &file, length, &scan);
        let kept_itself = damage.iter().any(|damage| damage.kept_as == damage.file);
        found.segments.insert(number, SegmentFile { bytes: length, keep: kept_itself || scan.unreadable });
        damage.iter().for_each(|damage| tracing::warn!(kind = damage.what.kind(), "journal: {damage}"));
        found.damage.extend(damage);
    }
    found.open = open.into_values().collect();
    found.open.sort_by_key(|(age, _, home)| (*age, home.segment, home.offset));
    Ok(found)
}

/// Later records overrule earlier ones.
fn apply(open: &mut HashMap<Key, (u64, Entry, Location)>, home: Location, record: Record) {
    match record {
        Record::Entry { age, entry } => {
            open.insert(entry.key, (age, entry, home));
        }
        Record::Closed(key) => {
            open.remove(&key);
        }
        Record::Filler => {}
    }
}

fn set_aside_all<D: Disk>(
    disk: &D,
    writable: bool,
    number: u32,
    file: &D::File,
    length: u64,
    scan: &Scan,
) -> Vec<Damage> {
    let path = disk.path(&segment::name(number));
    let mut damage = Vec::new();
    for range in &scan.damage {
        let what = match range.end == length {
            _ if scan.unreadable => DamageKind::Unreadable,
            true => DamageKind::Torn,
            false => DamageKind::Corrupt,
        };
        let copied =
            if writable { set_aside(disk, number, file, length, range, what).map(Some) } else { Ok(None) };
        let kept_as = copied.unwrap_or_else(|error| {
            tracing::warn!(file = %path.display(), %error, "a damaged part cannot be copied; the whole file is kept");
            None
        });
        damage.push(Damage {
            file: path.clone(),
            offset: range.start,
            length: range.end - range.start,
            kept_as: kept_as.unwrap_or_else(|| path.clone()),
            what,
        });
    }
    damage
}

/// Copies a damaged part to a file of its own. An equal copy of an earlier start is used again; nothing is overwritten.
fn set_aside<D: Disk>(
    disk: &D,
    number: u32,
    file: &D::File,
    length: u64,
    range: &Range<u64>,
    what: DamageKind,
) -> io::Result<PathBuf> {
    let base = format!("{number:08}.{}-{}", what.kind(), range.start);
    for attempt in 1..100 {
        let name = if attempt == 1 { base.clone() } else { format!("{base}-{attempt}") };
        match disk.create(&name) {
            Ok(mut copy) => {
                let copied = each_part(file, length, range, |part| copy.append(part).map(|()| true))
                    .and_then(|_| copy.sync())
                    .and_then(|()| disk.sync_directory());
                // Half a copy would only mislead.
                if copied.is_err()
                    && let Err(error) = disk.remove(&name)
                {
                    tracing::warn!(file = %disk.path(&name).display(), %error, "an unfinished copy cannot be removed");
                }
                return copied.map(|()| disk.path(&name));
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let copy = disk.open(&name)?;
                let mut at = 0;
                let equal = copy.length()? == range.end - range.start
                    && each_part(file, length, range, |part| {
                        let mut same = vec![0; part.len()];
                        copy.read_at(at, &mut same)?;
                        at += part.len() as u64;
                        Ok(same == part)
                    })?;
                if equal {
                    return Ok(disk.path(&name));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, "a hundred other copies of this part exist"))
}

/// Calls `each` with the range's bytes, part by part, until it says `false`. Returns whether it never did.
fn each_part<F: DiskFile>(
    file: &F,
    length: u64,
    range: &Range<u64>,
    mut each: impl FnMut(&[u8]) -> io::Result<bool>,
) -> io::Result<bool> {
    let mut reader = Reader::new(file, length);
    let mut part = vec![0; 64 * 1024];
    let mut at = range.start;
    while at < range.end {
        let size = (part.len() as u64).min(range.end - at);
        reader.fill(at, &mut part[..size as usize]);
        if !each(&part[..size as usize])? {
            return Ok(false);
        }
        at += size;
    }
    Ok(true)
}
