//! Transactions that fill a block.

use bytes::BufMut;
use chain::transaction::WITNESS_FLAG;
use rand::Rng;
use wire::{Encode, sha256d};

/// A transaction like those of everyday: one to three inputs of single keys, two or three outputs, 220 to 560 bytes.
pub(super) struct Filler {
    pub(super) bytes: Vec<u8>,
    pub(super) txid: [u8; 32],
    pub(super) wtxid: [u8; 32],
}

/// What fills a block.
pub(super) struct Filling {
    pub(super) transactions: Vec<Filler>,
    /// What is too little for a transaction: a further output of the coinbase, without its value.
    pub(super) padding: Vec<u8>,
}

/// The largest everyday transaction, in bytes, with a few to spare.
const LARGEST: usize = 600;

/// The smallest transaction that is still made to measure, in bytes.
const SMALLEST: usize = 300;

/// A signature and a public key, as long as they mostly are.
const SIGNATURE: usize = 72;
const PUBLIC_KEY: usize = 33;

/// What stands around the 20 bytes of a script that pays to the hash of a key: with witness (version 0), and without.
const WITNESS_PAYMENT: (&[u8], &[u8]) = (&[0x00, 20], &[]);
const PAYMENT: (&[u8], &[u8]) = (&[0x76, 0xa9, 20], &[0x88, 0xac]);

/// A count of transactions takes one byte up to here, three beyond.
const SHORT_COUNT: usize = 0xfc;

impl Filler {
    /// Transactions of `room` bytes in total, or a few less.
    pub(super) fn fill(room: usize, with_witness: bool, rng: &mut impl Rng) -> Filling {
        let (mut transactions, mut left) = (Vec::new(), room);
        while left >= LARGEST + SMALLEST {
            let filler = Self::of(rng.random_range(1..=3), rng.random_range(2..=3), None, with_witness, rng);
            left -= filler.bytes.len();
            transactions.push(filler);
        }
        let count = 1 + transactions.len() + usize::from(left >= SMALLEST);
        // The count of transactions grows at the expense of what it counts.
        left = left.saturating_sub(if count > SHORT_COUNT { 2 } else { 0 });
        if left >= SMALLEST {
            let plain = Self::of(1, 2, Some(0), with_witness, rng).bytes.len();
            transactions.push(Self::of(1, 2, Some(left - plain), with_witness, rng));
            left = 0;
        }
        Filling { transactions, padding: return_output(left) }
    }

    /// `extra`: a last output that holds about so many bytes, beyond those that it takes to hold none.
    fn of(inputs: u64, outputs: u64, extra: Option<usize>, with_witness: bool, rng: &mut impl Rng) -> Self {
        let mut body = Vec::with_capacity(LARGEST);
        body.put_compact_size(inputs);
        for _ in 0..inputs {
            let previous: [u8; 32] = rng.random();
            body.put_slice(&previous);
            body.put_u32_le(rng.random_range(0..4));
            let script = if with_witness { Vec::new() } else { unlocking(rng) };
            body.put_byte_string(&script);
            body.put_u32_le(0xffff_fffd);
        }
        body.put_compact_size(outputs + u64::from(extra.is_some()));
        for _ in 0..outputs {
            body.put_i64_le(rng.random_range(1_000..50_000_000));
            let (begin, end) = if with_witness { WITNESS_PAYMENT } else { PAYMENT };
            let key: [u8; 20] = noise(rng);
            body.put_byte_string(&[begin, &key, end].concat());
        }
        if let Some(extra) = extra {
            body.put_i64_le(0);
            // Two bytes, length and OP_RETURN, hold none.
            body.put_slice(&return_script(extra + 2));
        }
        let stripped = [&2_u32.to_le_bytes()[..], &body, &[0; 4]].concat();
        let txid = sha256d(&stripped);
        if !with_witness {
            return Self { bytes: stripped, txid, wtxid: txid };
        }
        let mut bytes = [&2_u32.to_le_bytes()[..], &[0, WITNESS_FLAG], &body].concat();
        for _ in 0..inputs {
            bytes.put_compact_size(2);
            let (signature, key): ([u8; SIGNATURE], [u8; PUBLIC_KEY]) = (noise(rng), noise(rng));
            bytes.put_byte_string(&signature);
            bytes.put_byte_string(&key);
        }
        bytes.put_slice(&[0; 4]);
        let wtxid = sha256d(&bytes);
        Self { bytes, txid, wtxid }
    }
}

fn noise<const N: usize>(rng: &mut impl Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill(&mut bytes[..]);
    bytes
}

/// What unlocks an output that pays to the hash of a key where there are no witnesses.
fn unlocking(rng: &mut impl Rng) -> Vec<u8> {
    let mut script = Vec::with_capacity(2 + SIGNATURE + PUBLIC_KEY);
    let (signature, key): ([u8; SIGNATURE], [u8; PUBLIC_KEY]) = (noise(rng), noise(rng));
    script.put_byte_string(&signature);
    script.put_byte_string(&key);
    script
}

/// An OP_RETURN script behind its length, of at most `room` bytes together: exactly, or one or two less where the
/// length itself needs more bytes.
fn return_script(room: usize) -> Vec<u8> {
    let length = match room {
        0 | 1 => 1,
        2..=253 => room - 1,
        254..=65_538 => (room - 3).max(0xfc),
        _ => room - 5,
    };
    let mut out = Vec::with_capacity(room);
    out.put_compact_size(length as u64);
    out.put_u8(0x6a);
    out.resize(out.len() + length - 1, 0x51);
    out
}

/// A whole output but for its value, so that it takes `room` bytes with it; none if there is no room for one.
fn return_output(room: usize) -> Vec<u8> {
    const LEAST: usize = 8 + 2;
    if room < LEAST { Vec::new() } else { return_script(room - 8) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn everyday_transactions_have_everyday_sizes() {
        let mut rng = StdRng::seed_from_u64(1);
        for with_witness in [true, false] {
            let filling = Filler::fill(300_000, with_witness, &mut rng);
            let (last, others) = filling.transactions.split_last().unwrap();
            assert!(others.iter().all(|filler| (200..=LARGEST).contains(&filler.bytes.len())));
            assert!((SMALLEST..LARGEST + SMALLEST).contains(&last.bytes.len()));
        }
    }

    proptest! {
        #[test]
        fn an_op_return_of_any_room_comes_out_at_most_two_bytes_short(room in 2usize..100_000) {
            let length = return_script(room).len();
            prop_assert!(length <= room && length + 2 >= room, "{length} for {room}");
        }
    }
}
