//! ChainLocks: a quorum of masternodes signs the first block that most of its members see at a height, and from then on
//! that block stays (DIP8).
//!
//! A ChainLock travels as a `clsig` of 132 bytes: height (i32), block (32 bytes), and the quorum's BLS signature (96
//! bytes) (D chainlock/clsig.h). The signature is a threshold signature, so a block has one ChainLock only: whoever sends
//! other bytes for the same block has made them up.
//!
//! # Security
//! Signatures are not checked here: that takes the quorums' keys, hence the chain. See [`Finality`].

use bytes::Bytes;
use chain::{Finality, Lock, NodeCall, NodeReply, ObjectKind, UnreadableReply, unhex};
use serde::Deserialize;
use serde_json::json;
use wire::{BlockHash, Command, DecodeError, Reader};

/// `clsig` in `inv` and `getdata` (D protocol.h, MSG_CLSIG).
const INV: u32 = 29;

/// The message that it travels in.
const CLSIG: Command = Command::literal("clsig");

/// The length of a `clsig`, in bytes.
const LENGTH: usize = 4 + 32 + SIGNATURE;

/// The length of a BLS signature, in bytes.
const SIGNATURE: usize = 96;

/// The question for a node's best ChainLock.
const GET_BEST: &str = "getbestchainlock";

/// What the daemon answers while it has none, or while spork 19 keeps ChainLocks off (D rpc/blockchain.cpp:273, with
/// code -32603).
const NONE_YET: &str = "Unable to find any ChainLock";

/// Dash's ChainLocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChainLocks;

/// What `getbestchainlock` says that matters here.
#[derive(Deserialize)]
struct Best {
    blockhash: String,
    height: i64,
    signature: String,
    /// The whole `clsig`. Daemons before 20.0 do not say it.
    hex: Option<String>,
}

impl Finality for ChainLocks {
    fn word(&self) -> &'static str {
        "chainlocked"
    }

    fn conflict(&self) -> &'static str {
        "bad-chainlock"
    }

    /// A ChainLock is checked against the quorums of 8 blocks before it (D llmq/quorumsman.cpp, SelectQuorumForSigning;
    /// llmq/params.h, SIGN_HEIGHT_OFFSET).
    fn lag(&self) -> u32 {
        8
    }

    fn object(&self) -> ObjectKind {
        ObjectKind { inv: INV, command: CLSIG, max_len: LENGTH }
    }

    fn read(&self, object: Bytes) -> Result<Lock, DecodeError> {
        let reader = &mut Reader::new(&object);
        let height = reader.i32("height")?;
        let height = u32::try_from(height).map_err(|_| DecodeError::Invalid {
            what: "height",
            offset: 0,
            why: format!("{height} is none"),
        })?;
        let block = BlockHash::from_wire(reader.array("block")?);
        reader.skip("signature", SIGNATURE)?;
        reader.finish("clsig")?;
        Ok(Lock { block, height, object })
    }

    fn call(&self) -> NodeCall {
        NodeCall::new(GET_BEST, json!([]))
    }

    fn answer(&self, reply: NodeReply) -> Result<Option<Lock>, UnreadableReply> {
        let unreadable = |why: String| UnreadableReply::new(GET_BEST, why);
        let value = match reply {
            Ok(value) => value,
            Err(error) if error.message.contains(NONE_YET) => return Ok(None),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let best = Best::deserialize(value).map_err(|error| unreadable(error.to_string()))?;
        let object = match &best.hex {
            Some(hex) => unhex(hex),
            None => best.compose(),
        };
        let object = object.map_err(unreadable)?;
        let lock = self.read(object).map_err(|error| unreadable(error.to_string()))?;
        if lock.block.to_string() != best.blockhash || i64::from(lock.height) != best.height {
            let Best { blockhash, height, .. } = best;
            let why = format!(
                "it speaks of {blockhash} at {height}, its clsig of {} at {}",
                lock.block, lock.height
            );
            return Err(unreadable(why));
        }
        Ok(Some(lock))
    }
}

impl Best {
    /// The `clsig` from its parts.
    fn compose(&self) -> Result<Bytes, String> {
        let height = i32::try_from(self.height).map_err(|_| format!("height {}", self.height))?;
        let block: BlockHash = self.blockhash.parse().map_err(|error| format!("blockhash: {error}"))?;
        let signature = unhex(&self.signature)?;
        Ok([&height.to_le_bytes()[..], block.as_wire(), &signature].concat().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::NodeError;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn a_real_daemons_answer_is_the_clsig_that_it_announced_and_sent() {
        let replies = recordings::read("dash/rpc_chainlocks_and_masternodes.json");
        let answer = replies["replies"]["getbestchainlock"]["json"]["result"].clone();
        let lock = ChainLocks.answer(Ok(answer.clone())).unwrap().expect("it has one");
        assert_eq!(
            (lock.block.to_string(), u64::from(lock.height)),
            (answer["blockhash"].as_str().unwrap().to_owned(), answer["height"].as_u64().unwrap(),)
        );
        let transcript = recordings::read("dash/clsig_announced_and_fetched.json");
        let said = |command: &str| -> Vec<Bytes> {
            let messages = transcript["messages"].as_array().unwrap().iter();
            let of = messages.filter(|message| message["cmd"] == command && message["dir"] == "node->client");
            of.map(|message| unhex(message["raw_hex"].as_str().unwrap()).unwrap().slice(24..)).collect()
        };
        let (sent, announced) = (said("clsig"), said("inv"));
        let locks: Vec<_> = sent.into_iter().map(|payload| ChainLocks.read(payload).unwrap()).collect();
        assert_eq!(locks.last(), Some(&lock));
        let blocks: Vec<_> = locks.iter().map(|lock| lock.block.to_string()).collect();
        assert_eq!(serde_json::to_value(blocks).unwrap(), transcript["mined"]);
        for lock in &locks {
            let entry = [&INV.to_le_bytes()[..], &lock.id()].concat();
            let named = |inv: &&Bytes| inv.windows(entry.len()).any(|window| window == entry);
            assert!(announced.iter().find(named).is_some(), "{} was announced by this name", lock.block);
        }
    }

    /// For what was not recorded: laid out by DIP8 and the daemon's clsig.h, with a made-up signature.
    fn by_the_layout() -> (Bytes, BlockHash) {
        let block = BlockHash::from_wire([0xab; 32]);
        let object = [&2_400_000_i32.to_le_bytes()[..], block.as_wire(), &[0x5a; SIGNATURE]].concat();
        (object.into(), block)
    }

    fn reply(object: &Bytes, block: BlockHash, with_hex: bool) -> Value {
        let mut reply = json!({
            "blockhash": block.to_string(), "height": 2_400_000, "signature": "5a".repeat(SIGNATURE),
            "known_block": true,
        });
        if with_hex {
            reply["hex"] = recordings::hex(object).into();
        }
        reply
    }

    #[test]
    fn a_clsig_of_dip8s_layout_is_read_and_named_by_the_hash_of_its_bytes() {
        let (object, block) = by_the_layout();
        let lock = ChainLocks.read(object.clone()).unwrap();
        assert_eq!((lock.block, lock.height, object.len()), (block, 2_400_000, 132));
        assert_eq!(lock.id(), wire::sha256d(&object));
    }

    #[test]
    fn a_nodes_answer_gives_the_clsig_whether_it_says_it_whole_or_in_parts() {
        let (object, block) = by_the_layout();
        for with_hex in [true, false] {
            let lock = ChainLocks.answer(Ok(reply(&object, block, with_hex))).unwrap().unwrap();
            assert_eq!(lock.object, object);
        }
    }

    #[test]
    fn having_none_yet_is_an_answer_and_any_other_error_is_not() {
        let none = NodeError { code: -32603, message: NONE_YET.into() };
        assert_eq!(ChainLocks.answer(Err(none)), Ok(None));
        let old = NodeError { code: -32601, message: "Method not found".into() };
        let error = ChainLocks.answer(Err(old)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the answer to getbestchainlock cannot be read: Method not found (-32601)"
        );
    }

    #[test]
    fn an_answer_that_contradicts_itself_is_not_believed() {
        let (object, block) = by_the_layout();
        let mut other = reply(&object, block, true);
        other["blockhash"] = "11".repeat(32).into();
        assert!(ChainLocks.answer(Ok(other)).unwrap_err().why.contains("its clsig of"));
        for wrong in [json!({}), json!(null), json!([1]), json!({"blockhash": 5})] {
            assert!(ChainLocks.answer(Ok(wrong)).is_err());
        }
        let mut odd = reply(&object, block, true);
        odd["hex"] = "zz".into();
        assert!(ChainLocks.answer(Ok(odd)).is_err());
    }

    #[test]
    fn a_negative_height_is_no_height() {
        let (object, _) = by_the_layout();
        let negative = [&(-1_i32).to_le_bytes()[..], &object[4..]].concat();
        assert!(ChainLocks.read(negative.into()).unwrap_err().to_string().contains("-1 is none"));
    }

    proptest! {
        #[test]
        fn only_132_bytes_are_a_clsig_and_nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let positive = bytes.get(3).is_some_and(|byte| byte & 0x80 == 0);
            let read = ChainLocks.read(bytes.clone().into());
            prop_assert_eq!(read.is_ok(), bytes.len() == LENGTH && positive);
        }
    }
}
