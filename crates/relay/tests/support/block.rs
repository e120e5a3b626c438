//! Regtest blocks of one transaction, mined on the spot: every second nonce will do.

use bytes::{BufMut, Bytes};
use chain::{Chain, Network, transaction::height_push};
use litecoin::Litecoin;
use wire::{BlockHash, Encode, Header, sha256d};

/// Bits of the easiest target.
const BITS: u32 = 0x207f_ffff;

/// Long ago, so that no clock finds a block too new.
const EPOCH: u32 = 1_700_000_000;

/// A mined block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) hash: BlockHash,
    pub(crate) header: Header,
    pub(crate) bytes: Bytes,
}

/// How a block is to be made.
#[derive(Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) parent: BlockHash,
    pub(crate) height: u32,
    /// Makes siblings differ.
    pub(crate) salt: u32,
    /// Commits to the witnesses, and has the coinbase witness that this takes.
    pub(crate) witness: bool,
    /// Makes the proof of work too weak.
    pub(crate) weak: bool,
    /// Makes the block so many bytes longer.
    pub(crate) padding: usize,
}

impl Recipe {
    /// A plain block.
    pub(crate) fn on(parent: BlockHash, height: u32, salt: u32) -> Self {
        Self { parent, height, salt, witness: false, weak: false, padding: 0 }
    }
}

/// A block on top of another.
pub(crate) fn on(parent: BlockHash, height: u32, salt: u32) -> Block {
    mine(Recipe::on(parent, height, salt))
}

/// Blocks one on top of the other; the first, of height 0, has no parent.
pub(crate) fn chain(length: u32) -> Vec<Block> {
    let mut blocks = vec![on(BlockHash::ZERO, 0, 0)];
    for height in 1..length {
        blocks.push(on(blocks[blocks.len() - 1].hash, height, 0));
    }
    blocks
}

pub(crate) fn mine(recipe: Recipe) -> Block {
    let coinbase = coinbase(&recipe, false);
    let mut bytes = Vec::new();
    bytes.put_i32_le(0x2000_0000);
    bytes.put_slice(recipe.parent.as_wire());
    bytes.put_slice(&sha256d(&coinbase));
    bytes.put_u32_le(EPOCH + 150 * recipe.height);
    bytes.put_u32_le(BITS);
    let chain = Litecoin::new(Network::Regtest);
    let header = (0u32..)
        .map(|nonce| {
            let mut fixed = [0; 80];
            fixed[..76].copy_from_slice(&bytes);
            fixed[76..].copy_from_slice(&nonce.to_le_bytes());
            Header::new(fixed)
        })
        .find(|header| chain.check_work(header).is_ok() != recipe.weak)
        .expect("half of all nonces will do");
    let mut bytes = header.fixed().to_vec();
    bytes.put_u8(1);
    bytes.put_slice(&self::coinbase(&recipe, recipe.witness));
    Block { hash: chain.block_hash(&header), header, bytes: bytes.into() }
}

impl Block {
    /// The same block without its coinbase's witness: what some pools hand in.
    pub(crate) fn bare(&self) -> Bytes {
        let (start, end) = (81, self.bytes.len());
        let mut bare = self.bytes[..start + 4].to_vec();
        bare.extend_from_slice(&self.bytes[start + 6..end - 38]);
        bare.extend_from_slice(&self.bytes[end - 4..]);
        bare.into()
    }

    /// The same block with bytes behind its end.
    pub(crate) fn trailed(&self) -> Bytes {
        [&self.bytes[..], b"and more"].concat().into()
    }
}

fn coinbase(recipe: &Recipe, with_witness: bool) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0];
    if with_witness {
        bytes.put_slice(&[0, 1]);
    }
    bytes.put_u8(1);
    bytes.put_slice(&[0; 32]);
    bytes.put_u32_le(u32::MAX);
    let script = [&height_push(recipe.height)[..], &[4], &recipe.salt.to_le_bytes()].concat();
    bytes.put_byte_string(&script);
    bytes.put_u32_le(u32::MAX);
    bytes.put_u8(if recipe.witness { 2 } else { 1 });
    bytes.put_i64_le(0);
    bytes.put_byte_string(&vec![0x51; 1 + recipe.padding]);
    if recipe.witness {
        // The root of the tree of one coinbase is zero, and so is the reserved value.
        let commitment = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed][..], &sha256d(&[0; 64])].concat();
        bytes.put_i64_le(0);
        bytes.put_byte_string(&commitment);
    }
    if with_witness {
        bytes.put_slice(&[1, 32]);
        bytes.put_slice(&[0; 32]);
    }
    bytes.put_u32_le(0);
    bytes
}
