//! The bytes on disk. All numbers are little-endian.
//!
//! A segment file begins with 24 bytes, which every later version must keep so that this one can refuse it by name:
//!
//! | offset | size | |
//! |---|---|---|
//! | 0 | 8 | `BCASTJNL` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 8 | salt: random, one for each file |
//! | 20 | 4 | CRC-32 of the 20 bytes before |
//!
//! Records follow one another without gaps:
//!
//! | offset | size | |
//! |---|---|---|
//! | 0 | 4 | `\xB1oc\xCA` |
//! | 4 | 8 | the file's salt |
//! | 12 | 1 | kind: 1 entry, 2 closed, 3 filler |
//! | 13 | 3 | zero |
//! | 16 | 4 | payload length |
//! | 20 | 4 | CRC-32 of bytes 4..20 and the payload |
//! | 24 | | payload |
//!
//! An entry's payload: key (32), age (8; smaller is older), length of the chain's name (2), length of meta (4), chain,
//! meta, block. The payload of closed is the key. Filler is zeros that prove that the disk takes so many bytes.
//!
//! # Security
//!
//! A reader that lost its place looks for the next record by its first 12 bytes, and so it looks into blocks, whose
//! bytes a stranger may have chosen. The salt is what keeps a block from smuggling in records of its own.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;

use crate::entry::{Entry, Key, MAX_BLOCK, MAX_CHAIN, MAX_META};

pub(crate) type Salt = [u8; 8];

/// The format that this release writes, and the newest it reads.
pub(crate) const VERSION: u32 = 1;
/// Length of what a segment file begins with.
pub(crate) const FILE_HEAD: usize = 24;
/// Length of what a record begins with.
pub(crate) const HEAD: usize = 24;
/// No valid record claims a longer payload.
pub(crate) const MAX_PAYLOAD: usize = ENTRY_FIXED + MAX_CHAIN + MAX_META + MAX_BLOCK;
/// Ages stay below this, so that counting on from the largest never overflows.
const MAX_AGE: u64 = 1 << 63;

const FILE_MAGIC: &[u8; 8] = b"BCASTJNL";
const RECORD_MAGIC: &[u8; 4] = b"\xB1oc\xCA";
const ENTRY_FIXED: usize = 32 + 8 + 2 + 4;

const ENTRY: u8 = 1;
const CLOSED: u8 = 2;
const FILLER: u8 = 3;

/// A salt that nobody can have known before. Only unpredictability is needed, and the standard library's seed for hash
/// tables, drawn from the operating system, has it.
pub(crate) fn new_salt() -> Salt {
    RandomState::new().hash_one("journal segment").to_le_bytes()
}

/// What a file's first bytes say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileHead {
    Ours(Salt),
    Newer(u32),
    Damaged,
}

pub(crate) fn file_head(salt: Salt) -> [u8; FILE_HEAD] {
    versioned_file_head(VERSION, salt)
}

pub(crate) fn versioned_file_head(version: u32, salt: Salt) -> [u8; FILE_HEAD] {
    let mut head = [0; FILE_HEAD];
    head[..8].copy_from_slice(FILE_MAGIC);
    head[8..12].copy_from_slice(&version.to_le_bytes());
    head[12..20].copy_from_slice(&salt);
    let crc = crc32fast::hash(&head[..20]);
    head[20..].copy_from_slice(&crc.to_le_bytes());
    head
}

pub(crate) fn parse_file_head(head: &[u8]) -> FileHead {
    let Some((fields, crc)) = head.split_at_checked(20) else { return FileHead::Damaged };
    let version = u32_at(fields, 8);
    // The sum comes first: a flipped bit in the version must not look like a newer release.
    if crc != crc32fast::hash(fields).to_le_bytes() || !fields.starts_with(FILE_MAGIC) || version == Some(0) {
        return FileHead::Damaged;
    }
    match (version, fields[12..].try_into()) {
        (Some(VERSION), Ok(salt)) => FileHead::Ours(salt),
        (Some(newer), _) => FileHead::Newer(newer),
        (None, _) => FileHead::Damaged,
    }
}

/// One record, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Entry { age: u64, entry: Entry },
    Closed(Key),
    Filler,
}

/// What a record's first bytes say; plausible, but not yet proven by the checksum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) salt: Salt,
    kind: u8,
    pub(crate) length: usize,
    crc: u32,
}

impl Head {
    /// `None` where no record can begin. Where `salt` is not known, any will do.
    pub(crate) fn parse(bytes: &[u8; HEAD], salt: Option<Salt>) -> Option<Self> {
        let own: Salt = bytes[4..12].try_into().ok()?;
        let length = usize::try_from(u32_at(bytes, 16)?).ok()?;
        let plausible = bytes.starts_with(RECORD_MAGIC)
            && salt.is_none_or(|salt| salt == own)
            && bytes[13..16] == [0; 3]
            && length <= MAX_PAYLOAD;
        plausible.then_some(Self { salt: own, kind: bytes[12], length, crc: u32_at(bytes, 20)? })
    }

    /// The record, if `payload` (of `self.length` bytes) is what was written.
    pub(crate) fn decode(&self, payload: Bytes) -> Option<Record> {
        if checksum(&self.salt, self.kind, &[&payload]) != Some(self.crc) {
            return None;
        }
        match self.kind {
            ENTRY => decode_entry(payload),
            CLOSED => Some(Record::Closed(Key::new(payload.as_ref().try_into().ok()?))),
            FILLER => Some(Record::Filler),
            _ => None,
        }
    }
}

/// What a record that follows begins with: the magic, and the salt where it is known.
pub(crate) fn needle(salt: Option<Salt>) -> Vec<u8> {
    let mut needle = RECORD_MAGIC.to_vec();
    needle.extend(salt.into_iter().flatten());
    needle
}

/// An entry's record up to, and without, the block: that is written from the bytes the caller shares, not from a copy.
///
/// The entry has passed [`Entry::check`], so no length here can overflow its field.
pub(crate) fn entry_head(salt: Salt, age: u64, entry: &Entry) -> Vec<u8> {
    let mut fixed = Vec::with_capacity(ENTRY_FIXED + entry.chain.len() + entry.meta.len());
    fixed.extend(entry.key.as_bytes());
    fixed.extend(age.to_le_bytes());
    fixed.extend((entry.chain.len() as u16).to_le_bytes());
    fixed.extend((entry.meta.len() as u32).to_le_bytes());
    fixed.extend(entry.chain.as_bytes());
    fixed.extend(&entry.meta);
    let mut record = head(salt, ENTRY, &[&fixed, &entry.block]);
    record.extend(fixed);
    record
}

/// The size of an entry's whole record.
pub(crate) fn entry_size(entry: &Entry) -> u64 {
    (HEAD + ENTRY_FIXED + entry.chain.len() + entry.meta.len() + entry.block.len()) as u64
}

pub(crate) fn closed(salt: Salt, key: &Key) -> Vec<u8> {
    let mut record = head(salt, CLOSED, &[key.as_bytes()]);
    record.extend(key.as_bytes());
    record
}

/// The head of a filler record whose payload is `zeros`, one after the other.
pub(crate) fn filler_head(salt: Salt, zeros: &[&[u8]]) -> Vec<u8> {
    head(salt, FILLER, zeros)
}

fn head(salt: Salt, kind: u8, payload: &[&[u8]]) -> Vec<u8> {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    let mut head = Vec::with_capacity(HEAD);
    head.extend(RECORD_MAGIC);
    head.extend(salt);
    head.extend([kind, 0, 0, 0]);
    head.extend(u32::try_from(length).expect("payloads are at most MAX_PAYLOAD").to_le_bytes());
    let crc = checksum(&salt, kind, payload).expect("the length was checked in the line before");
    head.extend(crc.to_le_bytes());
    head
}

/// `None` if the payload is too long to have a length field.
fn checksum(salt: &Salt, kind: u8, payload: &[&[u8]]) -> Option<u32> {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    let mut crc = crc32fast::Hasher::new();
    crc.update(salt);
    crc.update(&[kind, 0, 0, 0]);
    crc.update(&u32::try_from(length).ok()?.to_le_bytes());
    payload.iter().for_each(|part| crc.update(part));
    Some(crc.finalize())
}

fn decode_entry(payload: Bytes) -> Option<Record> {
    let (fixed, rest) = payload.split_at_checked(ENTRY_FIXED)?;
    let key = Key::new(fixed[..32].try_into().ok()?);
    let age = u64::from_le_bytes(fixed[32..40].try_into().ok()?);
    let chain_length = usize::from(u16::from_le_bytes(fixed[40..42].try_into().ok()?));
    let meta_length = usize::try_from(u32_at(fixed, 42)?).ok()?;
    let chain = String::from_utf8(rest.get(..chain_length)?.to_vec()).ok()?;
    let meta_at = ENTRY_FIXED + chain_length;
    let block_at = meta_at.checked_add(meta_length).filter(|at| *at <= payload.len())?;
    let entry =
        Entry { key, chain, meta: payload.slice(meta_at..block_at), block: payload.slice(block_at..) };
    (age < MAX_AGE && entry.check().is_ok()).then_some(Record::Entry { age, entry })
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}
