//! What stands behind the lock time of special transactions, as far as it can be judged without the chain: the whole
//! of the coinbase's and of quorum commitments', the length of the others'.
//!
//! Signatures and keys are BLS (96 and 48 bytes); they are counted, not checked.

use bytes::Bytes;
use wire::{DecodeError, Reader};

use crate::transaction::kind;

/// The most bytes that a payload may have (D consensus/consensus.h, MAX_TX_EXTRA_PAYLOAD).
pub(crate) const MAX_PAYLOAD: usize = 10_000;

/// The largest number that the daemon reads from a CompactSize unless told otherwise (D serialize.h, MAX_SIZE).
const MAX_COMPACT_SIZE: u64 = 0x0200_0000;

const HASH: usize = 32;
const PUBLIC_KEY: usize = 48;
const SIGNATURE: usize = 96;

/// The payload of a coinbase (type 5: DIP4, and DIP27 and DIP29 for version 3; D evo/cbtx.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CoinbasePayload {
    /// 1 to 3: from 2 on with the root of the quorums, from 3 on with ChainLock and credit pool.
    pub(crate) version: u16,
    /// The block's height, as a signed number.
    pub(crate) height: i32,
    /// From version 3 on.
    pub(crate) chainlock: Option<BestChainLock>,
}

/// What a coinbase says of the newest ChainLock that its miner knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BestChainLock {
    /// How many blocks lie between the locked one and this.
    pub(crate) distance: u64,
    /// Whether the signature is all zeros: no ChainLock is known.
    pub(crate) is_null: bool,
}

impl CoinbasePayload {
    /// Reads a payload to its end.
    ///
    /// # Errors
    /// When it ends too early or too late. A version above 3 is read as 3, as the daemon reads it.
    pub(crate) fn read(payload: &Bytes) -> Result<Self, DecodeError> {
        let reader = &mut Reader::new(payload);
        let version = reader.u16("payload version")?;
        let height = reader.i32("height")?;
        reader.skip("root of the masternode list", HASH)?;
        if version >= 2 {
            reader.skip("root of the quorums", HASH)?;
        }
        let chainlock = if version >= 3 { Some(BestChainLock::read(reader)?) } else { None };
        reader.finish("coinbase payload")?;
        Ok(Self { version, height, chainlock })
    }

    /// The height, if it can be one.
    pub(crate) fn height(&self) -> Option<u32> {
        u32::try_from(self.height).ok()
    }
}

impl BestChainLock {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let distance = compact_size(reader, "distance of the best ChainLock")?;
        let signature: [u8; SIGNATURE] = reader.array("signature of the best ChainLock")?;
        reader.skip("credit pool balance", 8)?;
        Ok(Self { distance, is_null: signature == [0; SIGNATURE] })
    }
}

/// The payload of a quorum commitment (type 6: DIP6; D llmq/commitment.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommitmentPayload {
    /// 1.
    pub(crate) version: u16,
    /// The height of the block that it stands in.
    pub(crate) height: u32,
}

impl CommitmentPayload {
    /// Reads a payload to its end.
    ///
    /// # Errors
    /// When it ends too early or too late, or a bit is set behind the last member's.
    pub(crate) fn read(payload: &Bytes) -> Result<Self, DecodeError> {
        let reader = &mut Reader::new(payload);
        let version = reader.u16("payload version")?;
        let height = reader.u32("height")?;
        let commitment = reader.u16("commitment version")?;
        reader.skip("quorum type", 1)?;
        reader.skip("quorum hash", HASH)?;
        // Those of rotated quorums, in either way of writing BLS keys, are numbered.
        if matches!(commitment, 2 | 4) {
            reader.skip("quorum index", 2)?;
        }
        skip_bits(reader, "signers")?;
        skip_bits(reader, "valid members")?;
        reader.skip("quorum public key", PUBLIC_KEY)?;
        reader.skip("hash of the verification vector", HASH)?;
        reader.skip("quorum signature", SIGNATURE)?;
        reader.skip("members' signature", SIGNATURE)?;
        reader.finish("quorum commitment")?;
        Ok(Self { version, height })
    }
}

/// Whether the payload of another special transaction can be one, by its length. Of masternodes' (types 1 to 4) there
/// are many forms, and newer ones than this knows; they have a version at least.
///
/// # Errors
/// When it ends too early or too late.
pub(crate) fn check_length(kind: u16, payload: &Bytes) -> Result<(), DecodeError> {
    let reader = &mut Reader::new(payload);
    match kind {
        kind::PROVIDER_REGISTER..=kind::PROVIDER_UPDATE_REVOKE => {
            return reader.skip("payload version", 2);
        }
        // D evo/mnhftx.h: version, bit, quorum, signature.
        kind::MNHF_SIGNAL => reader.skip("signal", 1 + 1 + HASH + SIGNATURE)?,
        // D evo/assetlocktx.h: version and outputs.
        kind::ASSET_LOCK => {
            reader.skip("payload version", 1)?;
            for _ in 0..reader.count("credit outputs", usize::MAX, 9)? {
                reader.skip("output value", 8)?;
                reader.byte_string("output script", usize::MAX)?;
            }
        }
        // D evo/assetlocktx.h: version, index, fee, height, quorum, signature.
        kind::ASSET_UNLOCK => reader.skip("withdrawal", 1 + 8 + 4 + 4 + HASH + SIGNATURE)?,
        _ => return Ok(()),
    }
    reader.finish("extra payload")
}

/// Moves over a list of bits with its length, in bits, before it (D serialize.h, DynamicBitSetFormatter).
fn skip_bits(reader: &mut Reader<'_>, what: &'static str) -> Result<(), DecodeError> {
    let bits = compact_size(reader, what)?;
    let bytes = reader.take(what, bits.div_ceil(8) as usize)?;
    let beyond = bytes.last().is_some_and(|last| bits % 8 != 0 && last >> (bits % 8) != 0);
    if beyond {
        let why = format!("a bit is set behind the last of {bits}");
        return Err(DecodeError::Invalid { what, offset: reader.offset() - 1, why });
    }
    Ok(())
}

fn compact_size(reader: &mut Reader<'_>, what: &'static str) -> Result<u64, DecodeError> {
    let offset = reader.offset();
    let found = reader.compact_size(what)?;
    if found > MAX_COMPACT_SIZE {
        return Err(DecodeError::TooMany { what, offset, found, limit: MAX_COMPACT_SIZE });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn coinbase(version: u16, rest: usize) -> Bytes {
        [&version.to_le_bytes()[..], &554i32.to_le_bytes(), &vec![0; rest]].concat().into()
    }

    #[test]
    fn each_version_of_a_coinbase_payload_has_its_own_length() {
        for (version, rest) in [(0, 32), (1, 32), (2, 64), (3, 64 + 1 + 96 + 8), (4, 64 + 1 + 96 + 8)] {
            let payload = CoinbasePayload::read(&coinbase(version, rest)).unwrap();
            assert_eq!((payload.version, payload.height()), (version, Some(554)));
            assert_eq!(CoinbasePayload::read(&coinbase(version, rest - 1)).unwrap_err().kind(), "truncated");
            assert_eq!(CoinbasePayload::read(&coinbase(version, rest + 1)).unwrap_err().kind(), "trailing");
        }
        assert_eq!(CoinbasePayload { version: 1, height: -1, chainlock: None }.height(), None);
    }

    #[test]
    fn the_best_chainlock_is_null_when_its_signature_is_zeros() {
        let mut bytes = coinbase(3, 64 + 1 + 96 + 8).to_vec();
        let chainlock = |bytes: &[u8]| CoinbasePayload::read(&bytes.to_vec().into()).unwrap().chainlock;
        assert_eq!(chainlock(&bytes), Some(BestChainLock { distance: 0, is_null: true }));
        bytes[2 + 4 + 64] = 7;
        bytes[2 + 4 + 64 + 96] = 1;
        assert_eq!(chainlock(&bytes), Some(BestChainLock { distance: 7, is_null: false }));
        // 33,554,433 is more than the daemon reads.
        let long = [&bytes[..70], &[0xfe, 1, 0, 0, 2], &bytes[71..]].concat();
        assert_eq!(CoinbasePayload::read(&long.into()).unwrap_err().kind(), "too_many");
    }

    fn commitment(version: u16, index: usize, bits: &[u8]) -> Bytes {
        let (version, rest) = (version.to_le_bytes(), [0; 48 + 32 + 96 + 96]);
        [&[1, 0, 186, 1, 0, 0][..], &version, &[0; 1 + 32], &vec![0; index], bits, &rest].concat().into()
    }

    #[test]
    fn a_commitment_is_as_long_as_its_version_and_members_make_it() {
        let expected = Ok(CommitmentPayload { version: 1, height: 442 });
        for (version, index) in [(1, 0), (2, 2), (3, 0), (4, 2)] {
            assert_eq!(CommitmentPayload::read(&commitment(version, index, &[3, 7, 3, 0])), expected);
            let error = CommitmentPayload::read(&commitment(version, 2 - index, &[3, 0, 3, 0])).unwrap_err();
            assert!(["truncated", "trailing"].contains(&error.kind()), "{error}");
        }
        assert_eq!(CommitmentPayload::read(&commitment(3, 0, &[9, 0xff, 1, 8, 0xff])), expected);
        for bits in [[3, 8, 3, 0], [3, 0, 3, 0x80]] {
            assert_eq!(CommitmentPayload::read(&commitment(3, 0, &bits)).unwrap_err().kind(), "invalid");
        }
    }

    #[test]
    fn other_payloads_have_the_length_of_their_type() {
        let length = |kind: u16, length: usize| check_length(kind, &vec![0; length].into()).is_ok();
        for kind in 1..=4 {
            assert!(!length(kind, 0) && !length(kind, 1) && length(kind, 2) && length(kind, 500));
        }
        assert!(!length(7, 129) && length(7, 130) && !length(7, 131));
        assert!(!length(9, 144) && length(9, 145) && !length(9, 146));
        let locked = |bytes: &[u8]| check_length(8, &Bytes::copy_from_slice(bytes)).is_ok();
        let output = [0, 0, 0, 0, 0, 0, 0, 0, 2, 0x51, 0x51];
        assert!(locked(&[&[1, 1][..], &output].concat()) && !locked(&[&[1, 2][..], &output].concat()));
        assert!(!locked(&[]) && !locked(&[1]) && locked(&[1, 0]) && !locked(&[1, 0, 0]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_them_panic(bytes: Vec<u8>, kind: u16) {
            let bytes = Bytes::from(bytes);
            let _ = CoinbasePayload::read(&bytes);
            let _ = CommitmentPayload::read(&bytes);
            let _ = check_length(kind % 12, &bytes);
        }
    }
}
