//! The bytes of a Litecoin block, as far as a pool has to know them.
//!
//! Written from the format's description, without the engine's crates: these blocks are what the engine is
//! checked with.

use scrypt::Params;
use sha2::{Digest, Sha256};

/// Length of a header in bytes.
pub const HEADER_LENGTH: usize = 80;

/// A block that was put together here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The bytes as a pool submits them.
    pub bytes: Vec<u8>,
    /// The block's id, as RPC writes it.
    pub hash: String,
    /// The parent's id, as RPC writes it.
    pub parent: String,
    /// The height at which it belongs.
    pub height: u64,
}

impl Block {
    /// The bytes in hex, as `submitblock` takes them.
    pub fn hex(&self) -> String {
        to_hex(&self.bytes)
    }

    /// The header.
    pub fn header(&self) -> &[u8] {
        &self.bytes[..HEADER_LENGTH]
    }

    /// The header's time, in seconds since 1970.
    pub fn time(&self) -> u32 {
        u32::from_le_bytes(self.bytes[68..72].try_into().expect("four bytes"))
    }
}

/// SHA-256 twice: ids of blocks and transactions, and the nodes of merkle trees.
pub fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// The root of the merkle tree over these leaves; an odd one out is paired with itself.
///
/// # Panics
/// Without leaves.
pub fn merkle_root(mut level: Vec<[u8; 32]>) -> [u8; 32] {
    assert!(!level.is_empty(), "a block has a coinbase");
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| sha256d(&[pair[0], *pair.last().expect("a chunk is not empty")].concat()))
            .collect();
    }
    level[0]
}

/// Whether the header's scrypt hash is at or below the target that its own `bits` field states.
pub fn has_proof_of_work(header: &[u8; HEADER_LENGTH]) -> bool {
    let mut hash = [0; 32];
    let params = Params::new(10, 1, 1).expect("Litecoin's scrypt parameters are valid");
    scrypt::scrypt(header, header, &params, &mut hash).expect("32 bytes is a valid length");
    hash.reverse(); // numbers in a header are little-endian; arrays compare from the front
    hash <= target(u32::from_le_bytes(header[72..76].try_into().expect("four bytes")))
}

/// The target behind a compact form, big-endian; only for targets as large as regtest's.
fn target(bits: u32) -> [u8; 32] {
    let (exponent, mantissa) = (bits >> 24, bits & 0x00ff_ffff);
    assert!((3..=32).contains(&exponent) && mantissa < 0x0080_0000, "bits {bits:08x} are not regtest's");
    let mut target = [0; 32];
    let start = 32 - exponent as usize;
    target[start..start + 3].copy_from_slice(&mantissa.to_be_bytes()[1..]);
    target
}

/// A length in Bitcoin's variable form.
pub fn compact_size(length: usize) -> Vec<u8> {
    let bytes = (length as u64).to_le_bytes();
    match length {
        0..=0xfc => vec![bytes[0]],
        0xfd..=0xffff => [&[0xfd], &bytes[..2]].concat(),
        0x1_0000..=0xffff_ffff => [&[0xfe], &bytes[..4]].concat(),
        _ => [&[0xff], &bytes[..]].concat(),
    }
}

/// A height as the first push of a coinbase script (BIP34): a number in the minimal form of script.
pub fn height_push(height: u64) -> Vec<u8> {
    if height == 0 {
        return vec![0];
    }
    if height <= 16 {
        return vec![0x50 + u8::try_from(height).expect("at most 16")];
    }
    let mut number = height.to_le_bytes().to_vec();
    while number.last() == Some(&0) {
        number.pop();
    }
    if number.last().is_some_and(|top| top & 0x80 != 0) {
        number.push(0); // or the top bit would be read as a sign
    }
    number.insert(0, u8::try_from(number.len()).expect("at most nine bytes"));
    number
}

/// The bytes behind a hash as RPC writes it, which is in reverse.
///
/// # Panics
/// When it is not 64 hex digits.
pub fn hash_from_rpc(text: &str) -> [u8; 32] {
    let mut bytes: [u8; 32] = from_hex(text).try_into().expect("a hash has 32 bytes");
    bytes.reverse();
    bytes
}

/// A hash as RPC writes it.
pub fn hash_to_rpc(mut hash: [u8; 32]) -> String {
    hash.reverse();
    to_hex(&hash)
}

/// Lower-case hex.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes behind hex digits.
///
/// # Panics
/// When it is not hex.
#[track_caller]
pub fn from_hex(text: &str) -> Vec<u8> {
    assert!(text.is_ascii() && text.len().is_multiple_of(2), "not hex: {text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_else(|e| panic!("{e}: {text}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_headers_hash_to_their_ids_and_have_proof_of_work() {
        for name in ["block_coinbase_only", "block_20tx_segwit", "block_mweb_transfer_pegout"] {
            let recording = recordings::read(&format!("litecoin/{name}.json"));
            let header = from_hex(recording["header_hex"].as_str().unwrap());
            assert_eq!(hash_to_rpc(sha256d(&header)), recording["hash"]);
            assert!(has_proof_of_work(&header.try_into().unwrap()), "{name}");
        }
    }

    #[test]
    fn recorded_transactions_give_the_recorded_merkle_root() {
        let recording = recordings::read("litecoin/block_20tx_segwit.json");
        let txids = recording["txids"].as_array().unwrap();
        let leaves = txids.iter().map(|txid| hash_from_rpc(txid.as_str().unwrap())).collect();
        assert_eq!(hash_to_rpc(merkle_root(leaves)), recording["merkleroot"]);
    }

    #[test]
    fn heights_are_pushed_in_the_minimal_form() {
        let vectors =
            [(0, "00"), (1, "51"), (16, "60"), (17, "0111"), (127, "017f"), (128, "028000"), (432, "02b001")];
        for (height, expected) in vectors {
            assert_eq!(to_hex(&height_push(height)), expected, "{height}");
        }
    }

    #[test]
    fn lengths_take_one_three_five_or_nine_bytes() {
        let vectors =
            [(0, "00"), (0xfc, "fc"), (0xfd, "fdfd00"), (0xffff, "fdffff"), (0x1_0000, "fe00000100")];
        for (length, expected) in vectors {
            assert_eq!(to_hex(&compact_size(length)), expected, "{length}");
        }
    }

    #[test]
    fn the_target_of_regtest_is_half_of_all_numbers() {
        assert_eq!(to_hex(&target(0x207f_ffff)), format!("7fffff{}", "00".repeat(29)));
    }
}
