//! What holds for the blocks of every chain. Each function is a test, to be called with a chain's own blocks.

use bytes::{BufMut, Bytes};
use chain::{Chain, Inspection, Severity};
use wire::{Command, Dialect, Encode, HEADER_LEN, Header, Message};

use crate::{
    Recorded, checks,
    forge::{BITS, NONCE},
    unhex,
};

/// A recorded block is sound, has the name that its node gave it, and goes to peers as it is, without being copied.
///
/// # Panics
/// When that does not hold.
pub fn a_recorded_block_is_sound<C: Chain>(recorded: &Recorded<C>) {
    let name = recorded.name;
    let inspection = recorded.inspect(&recorded.bytes);
    assert_eq!(inspection.findings, [], "{name}");
    assert!(inspection.is_sound());
    let block = inspection.block.expect("sound");
    assert_eq!(block.hash.to_string(), recorded.json["hash"], "{name}");
    assert_eq!(block.bytes, recorded.bytes, "{name}");
    assert_eq!(block.bytes.as_ptr(), recorded.bytes.as_ptr(), "{name} was copied");
}

/// On a chain without witnesses: the names of its transactions, its height, its parent and its merkle root are those
/// that its node told; its transactions have no second names, and nothing follows them.
///
/// # Panics
/// When that does not hold.
pub fn its_parts_are_the_nodes_own<C: Chain>(recorded: &Recorded<C>) {
    let name = recorded.name;
    let block = recorded.inspect(&recorded.bytes).block.expect("sound");
    let key = if recorded.json.get("txids").is_some() { "txids" } else { "tx" };
    let txids: Vec<String> = block.transactions.iter().map(|entry| entry.txid.to_string()).collect();
    assert_eq!(txids, recorded.strings(key), "{name}");
    let wtxids: Vec<String> = block.transactions.iter().map(|entry| entry.wtxid.to_string()).collect();
    assert_eq!(wtxids, txids, "{name}: there is no witness");
    assert_eq!(block.height.map(u64::from), recorded.json["height"].as_u64(), "{name}");
    assert_eq!(block.header.parent().to_string(), recorded.json["previousblockhash"]);
    assert_eq!(block.header.merkle_root().to_string(), recorded.json["merkleroot"]);
    assert!(block.tail().is_empty(), "{name}");
}

/// The first header of a network, given in hex, has the name that the parameters tell, and its work. Gives it.
///
/// # Panics
/// When that does not hold.
pub fn a_genesis_block_has_its_name_and_its_work(chain: &impl Chain, header: &str) -> Header {
    let header = Header::new(unhex(header).as_ref().try_into().expect("80 bytes"));
    assert_eq!(chain.block_hash(&header), chain.params().genesis);
    assert_eq!(chain.check_work(&header), Ok(()));
    header
}

/// What a pool appends to a block is cut off for peers, and costs no more than a warning.
///
/// # Panics
/// When that does not hold.
pub fn trailing_bytes_are_cut_off<C: Chain>(recorded: &Recorded<C>) {
    for extra in [&[0][..], &[1], &[0; 10], b"whatever else a pool may put there"] {
        let inspection = recorded.inspect(&recorded.changed(|bytes| bytes.put_slice(extra)));
        assert_eq!(checks(&inspection), ["trailing-bytes"], "{}", recorded.name);
        assert!(inspection.is_sound());
        assert_eq!(inspection.block.expect("sound").bytes, recorded.bytes);
    }
}

/// A target that cannot be one is named, with what is wrong with it. Gives the inspections.
///
/// # Panics
/// When that does not hold.
pub fn a_target_above_the_limit_is_none<C: Chain>(recorded: &Recorded<C>) -> Vec<Inspection> {
    let cases = [(0x1e10_0000u32, "which is 0000100000"), (0, "zero"), (0x1e80_0001, "negative")];
    let judge = |(bits, why): (u32, &str)| {
        let bytes = recorded.changed(|bytes| bytes[BITS..NONCE].copy_from_slice(&bits.to_le_bytes()));
        let inspection = recorded.inspect(&bytes);
        let finding = &inspection.findings[0];
        assert_eq!((finding.check, finding.severity), ("bad-diffbits", Severity::Error));
        assert!(finding.found.contains(why), "{finding}");
        let header = &inspection.block.as_ref().expect("readable").header;
        assert_eq!(recorded.chain.check_work(header).as_ref(), Err(finding));
        inspection
    };
    cases.map(judge).into()
}

/// More transactions than fit into the bytes, and more bytes than a message may have, are found without reading them.
///
/// # Panics
/// When that does not hold.
pub fn what_cannot_fit_is_not_read<C: Chain>(recorded: &Recorded<C>, max_payload: usize) {
    let mut many = recorded.bytes[..80].to_vec();
    many.put_compact_size(100_000);
    many.resize(80 + 5 + 1_000_000, 0);
    assert_eq!(checks(&recorded.inspect(&many.into())), ["bad-blk-length"]);

    let huge = recorded.changed(|bytes| bytes.resize(max_payload + 1, 0));
    let inspection = recorded.inspect(&huge);
    assert_eq!(checks(&inspection), ["bad-blk-length"]);
    assert!(inspection.block.is_none() && inspection.hash.is_some());
}

/// What is shorter than a header is no block, and has no name.
///
/// # Panics
/// When that does not hold.
pub fn less_than_a_header_has_no_name(chain: &impl Chain) {
    for length in [0, 1, 79] {
        let inspection = chain.inspect(&Bytes::from(vec![0; length]), 0);
        assert_eq!(checks(&inspection), ["decode-failed"]);
        assert!(inspection.hash.is_none() && inspection.block.is_none());
    }
}

/// No bit behind the header can be flipped unnoticed.
///
/// # Panics
/// When that does not hold.
pub fn no_bit_of_a_body_can_be_flipped<C: Chain>(recorded: &Recorded<C>) {
    for offset in 80..recorded.bytes.len() {
        for bit in 0..8 {
            let inspection = recorded.inspect(&recorded.changed(|bytes| bytes[offset] ^= 1 << bit));
            assert!(!inspection.is_sound(), "bit {bit} of byte {offset}: {:?}", inspection.findings);
        }
    }
}

/// Whatever a header says, the block can be read, and has a name; but where `may_be_unread`, which is given the
/// offset, only the name is sure.
///
/// # Panics
/// When that does not hold.
pub fn every_byte_of_a_header_may_be_anything<C: Chain>(
    recorded: &Recorded<C>,
    may_be_unread: impl Fn(usize) -> bool,
) {
    for offset in 0..80 {
        for value in [0x00, 0x7f, 0x80, 0xff] {
            let inspection = recorded.inspect(&recorded.changed(|bytes| bytes[offset] = value));
            assert!(inspection.block.is_some() || may_be_unread(offset), "{offset} {value}");
            assert!(inspection.hash.is_some());
        }
    }
}

/// No beginning of a block is a block.
///
/// # Panics
/// When that does not hold.
pub fn no_beginning_is_sound<C: Chain>(recorded: &Recorded<C>) {
    for length in 0..recorded.bytes.len() {
        let inspection = recorded.inspect(&recorded.bytes.slice(..length));
        assert!(!inspection.is_sound() && !inspection.findings.is_empty(), "{length}");
        assert_eq!(inspection.hash.is_some(), length >= 80);
    }
}

/// A block that is overwritten somewhere, and perhaps cut, is judged without a panic: a cut one is not sound, and what is
/// read of it lies within its bytes, to which at most `added` are added. Gives the bytes and the inspection.
///
/// # Panics
/// When that does not hold, or the places are beyond the block's end.
pub fn damage_is_withstood<C: Chain>(
    recorded: &Recorded<C>,
    (start, patch): (usize, &[u8]),
    cut: Option<usize>,
    added: usize,
) -> (Bytes, Inspection) {
    let bytes = recorded.changed(|bytes| {
        let end = (start + patch.len()).min(bytes.len());
        bytes[start..end].copy_from_slice(&patch[..end - start]);
        bytes.truncate(cut.unwrap_or(bytes.len()));
    });
    let inspection = recorded.inspect(&bytes);
    assert!(cut.is_none() || !inspection.is_sound());
    if let Some(block) = &inspection.block {
        assert!(block.bytes.len() <= bytes.len() + added, "{} of {}", block.bytes.len(), bytes.len());
        assert!(block.transactions.iter().all(|entry| entry.range().end <= block.bytes.len()));
    }
    (bytes, inspection)
}

/// A recorded message, in a chain's way of writing, is written back as it came. Gives it.
///
/// # Panics
/// When that does not hold.
pub fn a_message_is_written_back(raw: &Bytes, dialect: &dyn Dialect) -> Message {
    let message = decoded(raw, dialect);
    assert_eq!(message.encode(), raw[HEADER_LEN..], "{}", message.command());
    message
}

/// What a recorded message means.
///
/// # Panics
/// When it is not understood.
pub fn decoded(raw: &Bytes, dialect: &dyn Dialect) -> Message {
    let command = raw[4..16].try_into().ok().and_then(Command::from_wire).expect("a command");
    Message::decode(command, raw.slice(HEADER_LEN..), dialect)
        .unwrap_or_else(|error| panic!("{error}: {raw:?}"))
}
