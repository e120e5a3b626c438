//! Real blocks, changed in every way that a broken pool or a hostile stranger might: what can still be called sound?
//!
//! A peer that is pushed a block which is not the one that its header names calls it mutated and cuts us off. So
//! whenever a changed block is called sound, this must hold:
//!
//! * Its name is its header's, its merkle root its transactions'.
//! * Its canonical form is a fixed point: judged again, it has nothing left to mend, and the same index.
//! * If the header is that of a real block, then every byte that a hash of that block covers is the real one's: all
//!   transactions with all witnesses (txids by the header's merkle root, witnesses by the coinbase's commitment, the
//!   marks of the HogEx by the rules for its place), and the header of the MWEB part (by the HogEx). What remains is the
//!   body of the MWEB part, which only a full node can judge.

#[path = "../../../crates/wire/tests/common/allocations.rs"]
mod allocations;
mod common;

use std::{cell::Cell, sync::LazyLock};

use allocations::Meter;
use bytes::{BufMut, Bytes};
use chain::{Chain, IndexedBlock, Inspection, Network, merkle};
use common::{Recorded, blocks, coinbase, mined, tail};
use litecoin::Litecoin;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use recordings::{
    checks,
    forge::{BITS, MERKLE_ROOT, NONCE, TIME},
};
use wire::{Encode, sha256d};

static BLOCKS: LazyLock<Vec<Recorded>> = LazyLock::new(blocks);

/// A place in something of whatever length.
#[derive(Debug, Clone, Copy)]
struct Place(u32);

impl Place {
    fn any() -> impl Strategy<Value = Self> {
        any::<u32>().prop_map(Self)
    }

    fn index(self, length: usize) -> usize {
        self.0 as usize % length
    }
}

/// A block's parts.
#[derive(Debug, Clone)]
struct Parts {
    header: Vec<u8>,
    /// The number of transactions as it is written; `None`: as it is.
    count: Option<u64>,
    transactions: Vec<Bytes>,
    tail: Vec<u8>,
}

impl Parts {
    fn of(recorded: &Recorded) -> Self {
        let header = recorded.bytes[..80].to_vec();
        let (transactions, tail) = (recorded.transactions(), tail(recorded).to_vec());
        Self { header, count: None, transactions, tail }
    }

    fn assemble(&self) -> Vec<u8> {
        let mut block = self.header.clone();
        block.put_compact_size(self.count.unwrap_or(self.transactions.len() as u64));
        self.transactions.iter().for_each(|transaction| block.put_slice(transaction));
        block.put_slice(&self.tail);
        block
    }
}

/// A change of one part.
#[derive(Debug, Clone)]
enum Change {
    Drop(Place),
    Repeat(Place),
    /// Repeats the list's end, so that the merkle root stays as it is for some lengths (CVE-2012-2459).
    RepeatEnd(usize),
    Swap(Place, Place),
    Borrow(usize, Place, Place),
    StripWitness(Place),
    Flags(Place, u8),
    Count(u64),
    NoTail,
    TailOf(usize),
    Append(Vec<u8>),
    Header(Place, u8),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        let index = Place::any;
        prop_oneof![
            1 => index().prop_map(Self::Drop),
            1 => index().prop_map(Self::Repeat),
            1 => (1usize..5).prop_map(Self::RepeatEnd),
            1 => (index(), index()).prop_map(|(one, other)| Self::Swap(one, other)),
            1 => (0usize..8, index(), index()).prop_map(|(from, which, to)| Self::Borrow(from, which, to)),
            4 => prop_oneof![Just(Place(0)), index()].prop_map(Self::StripWitness),
            2 => (index(), select(vec![0u8, 1, 2, 8, 9, 0xff])).prop_map(|(at, flags)| Self::Flags(at, flags)),
            1 => prop_oneof![0u64..70, any::<u64>()].prop_map(Self::Count),
            1 => Just(Self::NoTail),
            1 => (0usize..8).prop_map(Self::TailOf),
            2 => vec(any::<u8>(), 0..50).prop_map(Self::Append),
            1 => (0u32..80, any::<u8>()).prop_map(|(at, value)| Self::Header(Place(at), value)),
        ]
    }

    fn apply(&self, parts: &mut Parts) {
        let list = &mut parts.transactions;
        let length = list.len();
        match self {
            Self::Append(bytes) => parts.tail.put_slice(bytes),
            Self::NoTail => parts.tail.clear(),
            Self::TailOf(which) => parts.tail = tail(&BLOCKS[*which]).to_vec(),
            Self::Count(count) => parts.count = Some(*count),
            Self::Header(at, value) => parts.header[at.index(80)] = *value,
            _ if length == 0 => {}
            Self::Drop(at) => drop(list.remove(at.index(length))),
            Self::Repeat(at) => list.push(list[at.index(length)].clone()),
            Self::RepeatEnd(count) => list.extend_from_within(length.saturating_sub(*count)..),
            Self::Swap(one, other) => list.swap(one.index(length), other.index(length)),
            Self::Borrow(from, which, to) => {
                let others = BLOCKS[*from].transactions();
                list[to.index(length)] = others[which.index(others.len())].clone();
            }
            Self::StripWitness(at) => {
                let at = at.index(length);
                list[at] = stripped(&list[at]);
            }
            Self::Flags(at, flags) => {
                let at = at.index(length);
                list[at] = flagged(&list[at], *flags);
            }
        }
    }
}

/// The transaction without marker, witness and whatever else stands before the lock time.
fn stripped(transaction: &Bytes) -> Bytes {
    let mut reader = wire::Reader::new(transaction);
    let scanned = chain::transaction::scan(&mut reader, |_, reader| reader.skip("MWEB part", 1));
    let Ok(layout) = scanned else { return transaction.clone() };
    [&transaction[..4], &transaction[layout.body], &transaction[layout.end - 4..layout.end]].concat().into()
}

/// The transaction with other flags behind its marker, which it gets if it has none. What they announce is not put in.
fn flagged(transaction: &Bytes, flags: u8) -> Bytes {
    let body = if transaction.get(4) == Some(&0) { 6 } else { 4 };
    let Some(body) = transaction.get(body..) else { return transaction.clone() };
    [&transaction[..4], &[0, flags], body].concat().into()
}

/// A change of the bytes, wherever it hits.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Place, u8),
    Overwrite(Place, Vec<u8>),
    Insert(Place, Vec<u8>),
    Remove(Place, usize),
    Cut(Place),
    Copy(Place, Place, usize),
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        let (index, few) = (Place::any, || vec(any::<u8>(), 1..10));
        prop_oneof![
            (index(), 0u8..8).prop_map(|(at, bit)| Self::Flip(at, bit)),
            (index(), few()).prop_map(|(at, bytes)| Self::Overwrite(at, bytes)),
            (index(), few()).prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            (index(), 1usize..40).prop_map(|(at, count)| Self::Remove(at, count)),
            index().prop_map(Self::Cut),
            (index(), index(), 1usize..400).prop_map(|(from, to, count)| Self::Copy(from, to, count)),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let span = |at: &Place, count: usize| {
            let start = at.index(length);
            start..(start + count).min(length)
        };
        match self {
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Overwrite(at, patch) => {
                let span = span(at, patch.len());
                let patch = &patch[..span.len()];
                bytes[span].copy_from_slice(patch);
            }
            Self::Insert(at, patch) => drop(bytes.splice(span(at, 0), patch.iter().copied())),
            Self::Remove(at, count) => drop(bytes.drain(span(at, *count))),
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Copy(from, to, count) => {
                let copy = bytes[span(from, *count)].to_vec();
                drop(bytes.splice(span(to, 0), copy));
            }
        }
    }
}

/// Writes the right merkle root into a regtest block and finds a nonce, as a pool would that had made this very block.
fn made_right(bytes: Vec<u8>, recorded: &Recorded) -> Bytes {
    let read =
        recorded.inspect(&bytes.clone().into()).block.filter(|_| recorded.name.starts_with("litecoin/"));
    let Some(block) = read else { return bytes.into() };
    let mut bytes = bytes;
    let txids = block.transactions.iter().map(|entry| *entry.txid.as_wire()).collect();
    bytes[MERKLE_ROOT..TIME].copy_from_slice(&merkle::tree(txids).root);
    bytes[BITS..NONCE].copy_from_slice(&recorded.bytes[BITS..NONCE]);
    mined(bytes)
}

/// The length of the MWEB header at the start of a block's tail, with the byte before it that says that there is one.
fn mweb_header(tail: &[u8]) -> usize {
    if tail.is_empty() {
        return 0;
    }
    let number = |at: usize| at + tail[at..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    // Presence; height; three roots and two offsets; two counts.
    number(number(number(1) + 5 * 32))
}

/// What holds of every inspection, sound or not.
fn check(recorded: &Recorded, bytes: &Bytes, inspection: &Inspection) -> Result<(), TestCaseError> {
    prop_assert_eq!(inspection.hash.is_some(), bytes.len() >= 80);
    if let Some(block) = &inspection.block {
        prop_assert!(block.bytes.len() <= bytes.len() + 36, "nothing but a witness is ever added");
        prop_assert_eq!(&block.bytes[..80], &bytes[..80]);
        let mut next = block.transactions.first().map_or(0, |entry| entry.range().start);
        for entry in &block.transactions {
            prop_assert_eq!(entry.range().start, next, "without a gap");
            next = entry.range().end;
        }
        prop_assert!(next <= block.bytes.len());
    }
    if !inspection.is_sound() {
        return Ok(());
    }
    let block = inspection.block.as_ref().expect("sound");
    prop_assert_eq!(block.hash.as_wire(), &sha256d(&bytes[..80]));
    let tree = merkle::tree(block.transactions.iter().map(|entry| *entry.txid.as_wire()).collect());
    prop_assert_eq!((tree.root, tree.mutated), (*block.header.merkle_root().as_wire(), false));

    let again = recorded.inspect(&block.bytes);
    prop_assert!(
        again.findings.iter().all(|finding| finding.check == "time-too-new"),
        "{:?} is left to mend",
        again.findings
    );
    let again = again.block.expect("sound");
    prop_assert_eq!(&again.bytes, &block.bytes);
    prop_assert_eq!(&again.transactions, &block.transactions);

    if bytes[..80] == recorded.bytes[..80] {
        same_as_recorded(recorded, block)?;
    }
    Ok(())
}

fn same_as_recorded(recorded: &Recorded, block: &IndexedBlock) -> Result<(), TestCaseError> {
    let real = tail(recorded);
    let covered = recorded.bytes.len() - real.len() + mweb_header(&real);
    prop_assert!(block.bytes.len() >= covered);
    prop_assert!(block.bytes[..covered] == recorded.bytes[..covered], "another block under the same name");
    if real.is_empty() {
        prop_assert_eq!(&block.bytes, &recorded.bytes);
    }
    Ok(())
}

#[test]
fn whatever_is_called_sound_is_the_block_that_its_header_names() {
    let strategy = (0usize..8, vec(Change::any(), 0..4), vec(Damage::any(), 0..2), any::<bool>());
    let (sound, real) = (Cell::new(0), Cell::new(0));
    let run = TestRunner::new(Config::with_cases(1500)).run(&strategy, |(which, changes, damages, right)| {
        let recorded = &BLOCKS[which];
        let mut parts = Parts::of(recorded);
        changes.iter().for_each(|change| change.apply(&mut parts));
        let mut bytes = parts.assemble();
        for damage in damages {
            if !bytes.is_empty() {
                damage.apply(&mut bytes);
            }
        }
        let bytes = if right && bytes.len() >= 80 { made_right(bytes, recorded) } else { bytes.into() };
        let inspection = recorded.inspect(&bytes);
        if inspection.is_sound() {
            sound.set(sound.get() + 1);
            real.set(real.get() + u32::from(bytes[..80] == recorded.bytes[..80] && bytes != recorded.bytes));
        }
        check(recorded, &bytes, &inspection)
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    // Else the properties of sound blocks were not tried.
    assert!(sound.get() > 100 && real.get() > 20, "{} sound, {} of them changed", sound.get(), real.get());
}

/// Where bytes are not covered by a hash, the rules must see to it: every place of a small MWEB block, any value.
#[test]
fn no_single_byte_before_the_mweb_parts_body_can_be_changed_unnoticed() {
    let recorded = common::block("block_mweb_activation_432_pegin.json");
    let real = tail(&recorded);
    let covered = recorded.bytes.len() - real.len() + mweb_header(&real);
    // With the header as it is, its work need not be looked at for each.
    for at in 80..covered {
        for change in [0x01, 0x08, 0x80, 0xff] {
            let bytes = recorded.changed(|bytes| bytes[at] ^= change);
            assert!(!recorded.inspect(&bytes).is_sound(), "byte {at} ^ {change:#x}");
        }
    }
}

/// Blocks that are made to cost memory: as many parts as fit, each of the fewest bytes.
#[test]
fn no_block_makes_the_judge_hold_more_than_a_few_times_its_length() {
    const LENGTH: usize = 1_000_000;
    let header = &BLOCKS[0].bytes[..80];
    let alone = |transaction: &[u8]| [header, &[1], transaction].concat();
    let many = |before: &[u8], size: usize, count: usize, behind: &[u8]| {
        let mut bytes = before.to_vec();
        bytes.put_compact_size(count as u64);
        bytes.put_bytes(0, size * count);
        bytes.put_slice(behind);
        bytes
    };
    let plain = coinbase(&[0x51, 0]);
    // Up to the number of inputs, and up to the number of outputs.
    let (to_inputs, to_outputs) = (&plain[..4], &plain[..plain.len() - 4 - 11]);
    let outputs = alone(&many(to_outputs, 9, LENGTH / 9, &[0; 4]));
    let inputs = alone(&many(to_inputs, 41, LENGTH / 41, &[0; 5]));
    let transactions = many(header, 10, LENGTH / 10, &[]);
    let most_transactions = many(header, 10, 16_666, &[]);
    let claim = [header, &[0xff; 9]].concat();
    for (what, bytes) in [
        ("outputs", outputs),
        ("inputs", inputs),
        ("transactions", transactions),
        ("as many transactions as may be valid", most_transactions),
        ("a claim", claim),
    ] {
        let bytes = Bytes::from(bytes);
        let chain = Litecoin::new(Network::Regtest);
        let meter = Meter::start();
        let inspection = chain.inspect(&bytes, u32::MAX);
        let peak = meter.peak();
        assert!(!inspection.is_sound(), "{what}");
        // 128 KiB are scrypt's; the rest of the constant is what is kept of the most transactions that may be valid.
        assert!(
            peak <= 8 * bytes.len() + 4_500_000,
            "{what}: {peak} bytes for {}: {:?}",
            bytes.len(),
            checks(&inspection)
        );
    }
}
