//! Segwit's commitment (BIP141), and the one thing about it that can be mended.
//!
//! The coinbase of a block with witnesses has an output that commits to all of them and to a "reserved value", which
//! is the only item of the coinbase's own witness. Pools often leave that witness out: `submitblock` puts in the value
//! that everybody uses, 32 zeros. A peer does not: to it such a block is mutated, which costs the sender 100 points.

use bytes::{BufMut, Bytes, BytesMut};
use chain::{
    Finding, TransactionEntry, merkle,
    transaction::{Layout, Output, WITNESS_FLAG},
};
use wire::{Reader, sha256d};

use crate::dialect;

/// How the script begins that commits to the witnesses; 32 bytes follow.
const COMMITMENT: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

/// A coinbase witness of one item of 32 bytes, all zero.
const ZERO_WITNESS: [u8; 34] = {
    let mut witness = [0; 34];
    witness[0] = 1;
    witness[1] = 32;
    witness
};

/// What a coinbase commits to: the last output counts whose script begins like a commitment.
pub(crate) fn commitment(outputs: &[Output]) -> Option<[u8; 32]> {
    let hash = |output: &Output| output.script.strip_prefix(&COMMITMENT)?.first_chunk::<32>().copied();
    outputs.iter().rev().find_map(hash)
}

/// The block with a coinbase witness of 32 zeros. All else stays as it is; `transactions` then speaks of the new bytes.
/// `None` if the coinbase has a witness already.
pub(crate) fn with_reserved_value(block: &Bytes, transactions: &mut [Layout]) -> Option<Bytes> {
    let coinbase = transactions.first().filter(|coinbase| !coinbase.has_witness())?;
    let lock_time = coinbase.end - 4;
    let mut mended = BytesMut::with_capacity(block.len() + 2 + ZERO_WITNESS.len());
    mended.put_slice(&block[..coinbase.start + 4]);
    mended.put_slice(&[0, coinbase.flags.unwrap_or(0) | WITNESS_FLAG]);
    mended.put_slice(&block[coinbase.body.clone()]);
    mended.put_slice(&ZERO_WITNESS);
    mended.put_slice(&block[coinbase.extra.start..lock_time]);
    mended.put_slice(&block[lock_time..]);
    let mended = mended.freeze();
    let grown = mended.len() - block.len();
    let (first, others) = transactions.split_first_mut()?;
    *first = dialect::scan(&mut Reader::at(&mended, first.start)).ok()?;
    for layout in others {
        *layout = moved(layout, grown);
    }
    Some(mended)
}

fn moved(layout: &Layout, by: usize) -> Layout {
    Layout {
        start: layout.start + by,
        flags: layout.flags,
        body: layout.body.start + by..layout.body.end + by,
        witness: layout.witness.start + by..layout.witness.end + by,
        extra: layout.extra.start + by..layout.extra.end + by,
        end: layout.end + by,
        inputs: layout.inputs,
        outputs: layout.outputs,
    }
}

/// Whether the witnesses are those that the coinbase commits to; without a commitment there must be none.
pub(crate) fn check(
    block: &Bytes,
    transactions: &[Layout],
    entries: &[TransactionEntry],
    commitment: Option<[u8; 32]>,
) -> Option<Finding> {
    let Some(commitment) = commitment else {
        let index = transactions.iter().position(Layout::has_witness)?;
        let expected = "no witnesses, since the coinbase commits to none";
        return Some(Finding::error("unexpected-witness", expected, format!("transaction {index} has one")));
    };
    let witness = &block[transactions.first()?.witness.clone()];
    let Some(reserved) = witness.strip_prefix(&ZERO_WITNESS[..2]).filter(|value| value.len() == 32) else {
        let found = format!("a witness of {} bytes", witness.len());
        return Some(Finding::error(
            "bad-witness-nonce-size",
            "a coinbase witness of one item of 32 bytes",
            found,
        ));
    };
    let mut leaves: Vec<[u8; 32]> = entries.iter().map(|entry| *entry.wtxid.as_wire()).collect();
    // It cannot commit to itself.
    *leaves.first_mut()? = [0; 32];
    let computed = sha256d(&[merkle::tree(leaves).root.as_slice(), reserved].concat());
    if computed == commitment {
        return None;
    }
    let expected = format!("witnesses with commitment {}, as the coinbase says", hex(&commitment));
    Some(Finding::error("bad-witness-merkle-match", expected, hex(&computed)))
}

/// As it stands in the script: not reversed.
fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
