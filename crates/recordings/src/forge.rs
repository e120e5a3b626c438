//! Blocks that nobody found: with proof of work for regtest, and whatever else a test wants of them.

use bytes::{BufMut, Bytes};
use chain::{Chain, merkle};
use wire::Encode;

use crate::Recorded;

/// Where the header's fields begin.
pub const MERKLE_ROOT: usize = 36;
/// The time, in Unix seconds.
pub const TIME: usize = 68;
/// The target.
pub const BITS: usize = 72;
/// The last four of the 80 bytes.
pub const NONCE: usize = 76;

/// The hash of 80 bytes of header that is held against the target, as it is compared: its last byte is the highest.
pub type PowHash = fn(&[u8; 80]) -> [u8; 32];

/// The time that a block's header tells, in Unix seconds.
///
/// # Panics
/// When it is shorter than that.
pub fn time_of(block: &[u8]) -> u32 {
    u32::from_le_bytes(block[TIME..BITS].try_into().expect("four bytes"))
}

/// Finds a nonce with which a block, or a header, has the work that regtest wants, which takes two tries; or has not.
///
/// # Panics
/// When there are fewer than 80 bytes.
pub fn mine(block: &mut [u8], pow_hash: PowHash, enough: bool) {
    for nonce in 0u32.. {
        block[NONCE..80].copy_from_slice(&nonce.to_le_bytes());
        // The target is 7fffff and zeros: the highest byte decides, but for one value.
        let highest = pow_hash(block[..80].try_into().expect("80 bytes"))[31];
        if if enough { highest < 0x7f } else { highest > 0x7f } {
            return;
        }
    }
}

/// A block that has the work.
pub fn mined(mut block: Vec<u8>, pow_hash: PowHash) -> Bytes {
    mine(&mut block, pow_hash, true);
    block.into()
}

/// A block of these transactions, whose names are `names`, and of what follows them, with the right merkle root and the
/// work; otherwise with the header of another.
pub fn with_transactions(
    block: &[u8],
    transactions: &[Bytes],
    names: Vec<[u8; 32]>,
    tail: &[u8],
    pow_hash: PowHash,
) -> Bytes {
    let mut made = unmined(block, transactions);
    made.put_slice(tail);
    made[MERKLE_ROOT..TIME].copy_from_slice(&merkle::tree(names).root);
    mined(made, pow_hash)
}

/// The header of a block, as it is, before these transactions.
pub fn unmined(block: &[u8], transactions: &[Bytes]) -> Vec<u8> {
    let mut made = block[..80].to_vec();
    made.put_compact_size(transactions.len() as u64);
    transactions.iter().for_each(|transaction| made.put_slice(transaction));
    made
}

/// A coinbase with this script and one output, and no witness.
pub fn coinbase(version: i32, script: &[u8]) -> Bytes {
    one_in_one_out(version, &[&[0; 32][..], &[0xff; 4]].concat(), script, &[0x51])
}

/// A transaction that spends nobody's coin, with this script in its only output.
pub fn transaction(version: i32, script: &[u8]) -> Bytes {
    one_in_one_out(version, &[7; 36], &[], script)
}

fn one_in_one_out(version: i32, spent: &[u8], input: &[u8], output: &[u8]) -> Bytes {
    let mut bytes = Vec::new();
    bytes.put_i32_le(version);
    bytes.put_u8(1);
    bytes.put_slice(spent);
    bytes.put_byte_string(input);
    bytes.put_u32_le(u32::MAX);
    bytes.put_u8(1);
    bytes.put_i64_le(0);
    bytes.put_byte_string(output);
    bytes.put_u32_le(0);
    bytes.into()
}

/// A transaction of one input, with a witness of these items (BIP144).
///
/// # Panics
/// When it is shorter than any transaction.
pub fn with_witness(transaction: &[u8], items: &[&[u8]]) -> Bytes {
    let (body, lock_time) = transaction.split_at(transaction.len() - 4);
    let mut bytes = body[..4].to_vec();
    bytes.put_slice(&[0, 1]);
    bytes.put_slice(&body[4..]);
    bytes.put_compact_size(items.len() as u64);
    items.iter().for_each(|item| bytes.put_byte_string(item));
    bytes.put_slice(lock_time);
    bytes.into()
}

/// A fault that needs no context and was tried with every daemon, by its name in `relay_invalid_blocks.json`, made
/// anew of another block; none if the case is another.
pub fn recorded_fault<C: Chain>(block: &Recorded<C>, case: &str, pow_hash: PowHash) -> Option<Bytes> {
    let worked = |change: &dyn Fn(&mut Vec<u8>)| mined(block.changed(change).to_vec(), pow_hash);
    Some(match case {
        "proof of work above the target (nonce changed)" => {
            block.changed(|bytes| mine(&mut bytes[..80], pow_hash, false))
        }
        "time 4 h in the future" => worked(&|bytes| {
            let time = time_of(bytes) + 4 * 3600;
            bytes[TIME..BITS].copy_from_slice(&time.to_le_bytes());
        }),
        "block version 1" => worked(&|bytes| bytes[..4].copy_from_slice(&[1, 0, 0, 0])),
        "block cut 10 bytes short" => block.bytes.slice(..block.bytes.len() - 10),
        "10 extra zero bytes behind the block" => block.changed(|bytes| bytes.put_bytes(0, 10)),
        "unknown parent (random prev hash, valid pow)" => worked(&|bytes| bytes[4] ^= 1),
        _ => return None,
    })
}
