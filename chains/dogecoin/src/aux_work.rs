//! Work for merged mining, as a dogecoind issues it and takes it back (G rpc/auxpow.cpp; protocol.md §6.3).
//!
//! | call | answer |
//! |---|---|
//! | `createauxblock ADDRESS` | work that pays to the address |
//! | `getauxblock` | work that pays to the node's wallet |
//! | `submitauxblock HASH AUXPOW`, `getauxblock HASH AUXPOW` | whether the proof holds, also of a repeat and of a block that came too late (measured) |

use bytes::Bytes;
use chain::{AuxCall, AuxTemplate, AuxWork, Finding, NodeCall, Target, UnreadableReply, scrypt};
use serde::Deserialize;
use serde_json::{Value, json};
use wire::{BlockHash, Reader};

use crate::{AuxPow, Dogecoin, Version, auxpow::rules};

/// The base version of today's blocks, with the flag for the auxpow (G primitives/pureheader.h).
const MERGE_MINED: i32 = 0x104;

/// What `createauxblock` says that matters here.
#[derive(Deserialize)]
struct Template {
    hash: String,
    bits: String,
    height: u32,
}

impl AuxWork for Dogecoin {
    fn read<'a>(&self, method: &str, params: &[&'a str]) -> Option<AuxCall<'a>> {
        match (method, params) {
            ("createauxblock", [_]) => Some(AuxCall::Create { portable: true }),
            ("getauxblock", []) => Some(AuxCall::Create { portable: false }),
            ("submitauxblock" | "getauxblock", [block, auxpow]) => {
                Some(AuxCall::Solved { block: block.parse().ok()?, auxpow })
            }
            _ => None,
        }
    }

    fn template(&self, result: &Value) -> Result<AuxTemplate, UnreadableReply> {
        let unreadable = |why: String| UnreadableReply::new("createauxblock", why);
        let template = Template::deserialize(result).map_err(|error| unreadable(error.to_string()))?;
        let block = template.hash.parse().map_err(|error| unreadable(format!("hash: {error}")))?;
        let bits = u32::from_str_radix(&template.bits, 16);
        let bits = bits.map_err(|error| unreadable(format!("bits {:?}: {error}", template.bits)))?;
        Ok(AuxTemplate { block, bits, height: template.height })
    }

    fn solved(&self, block: BlockHash, auxpow: &str) -> Vec<NodeCall> {
        // The second is the older of the two, and all that some relatives may know.
        ["submitauxblock", "getauxblock"]
            .map(|method| NodeCall::new(method, json!([block.to_string(), auxpow])))
            .to_vec()
    }

    fn whole_block(&self, block: BlockHash) -> NodeCall {
        // A truth value and no number: 1.14 knows no verbosity (protocol.md §6.3).
        NodeCall::new("getblock", json!([block.to_string(), false]))
    }

    fn judge(&self, template: &AuxTemplate, auxpow: &Bytes) -> Vec<Finding> {
        let mut reader = Reader::new(auxpow);
        let read = AuxPow::read(&mut reader).and_then(|read| reader.finish("auxpow").map(|()| read));
        let auxpow = match read {
            Ok(auxpow) => auxpow,
            Err(error) => {
                return vec![Finding::error(
                    "auxpow-decode-failed",
                    "an auxpow and nothing behind it",
                    error.to_string(),
                )];
            }
        };
        let id = self.parameters().rules.chain_ids.at(Some(template.height));
        let version = Version(i32::from(id) << 16 | MERGE_MINED);
        let strict = self.parameters().rules.strict_chain_id;
        let mut findings = rules::check(&auxpow, &template.block, version, strict);
        if let Ok(target) = Target::from_compact(template.bits) {
            let hash = scrypt::pow_hash(auxpow.parent().fixed());
            findings.extend(
                target.demand(&hash, "auxpow-parent-work", "a scrypt hash of the parent's header").err(),
            );
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::Network;

    /// Work that a real node issued, and its recorded solution.
    fn solved() -> (Dogecoin, AuxTemplate, Bytes) {
        let dogecoin = Dogecoin::new(Network::Regtest);
        let recording = recordings::read("dogecoin/block_auxpow_simple.json");
        let template = dogecoin.template(&recording["createauxblock_reply"]).expect("a recorded reply");
        assert_eq!(template.block.to_string(), recording["hash"]);
        assert_eq!((u64::from(template.height), template.bits), (152, 0x207f_ffff));
        let auxpow = recordings::unhex(recording["submitauxblock_auxpow_hex"].as_str().expect("hex"));
        (dogecoin, template, auxpow)
    }

    #[test]
    fn calls_about_aux_work_are_told_from_all_others() {
        let dogecoin = Dogecoin::new(Network::Regtest);
        let hash = "5c0e495feb8fd266d00d8883b2fe574dffa75aff81ccf897ebed79b721ef51d0";
        let solved = Some(AuxCall::Solved { block: hash.parse().expect("a hash"), auxpow: "00" });
        assert_eq!(dogecoin.read("createauxblock", &["D…"]), Some(AuxCall::Create { portable: true }));
        assert_eq!(dogecoin.read("getauxblock", &[]), Some(AuxCall::Create { portable: false }));
        assert_eq!(dogecoin.read("getauxblock", &[hash, "00"]), solved);
        assert_eq!(dogecoin.read("submitauxblock", &[hash, "00"]), solved);
        for (method, params) in [
            ("createauxblock", vec![]),
            ("getauxblock", vec![hash]),
            ("submitauxblock", vec![hash]),
            ("submitauxblock", vec!["no hash", "00"]),
            ("submitblock", vec![hash, "00"]),
        ] {
            assert_eq!(dogecoin.read(method, &params), None, "{method} {params:?}");
        }
    }

    #[test]
    fn a_recorded_solution_holds() {
        let (dogecoin, template, auxpow) = solved();
        assert_eq!(dogecoin.judge(&template, &auxpow), []);
    }

    #[test]
    fn a_solution_of_other_work_or_without_the_work_is_named() {
        let (dogecoin, template, auxpow) = solved();
        let checks = |template: &AuxTemplate, auxpow: &Bytes| -> Vec<_> {
            dogecoin.judge(template, auxpow).into_iter().map(|finding| finding.check).collect()
        };
        let other = AuxTemplate { block: BlockHash::from_wire([1; 32]), ..template };
        assert_eq!(checks(&other, &auxpow), ["auxpow-commitment-missing"]);
        let harder = AuxTemplate { bits: 0x1d00_ffff, ..template };
        assert_eq!(checks(&harder, &auxpow), ["auxpow-parent-work"]);
        for cut in [0, 1, auxpow.len() - 1] {
            assert_eq!(checks(&template, &auxpow.slice(..cut)), ["auxpow-decode-failed"], "{cut}");
        }
        let longer = Bytes::from([&auxpow[..], &[0]].concat());
        assert_eq!(checks(&template, &longer), ["auxpow-decode-failed"]);
    }

    #[test]
    fn an_answer_of_another_form_is_refused() {
        let dogecoin = Dogecoin::new(Network::Regtest);
        for odd in
            [json!(null), json!({"hash": "x", "bits": "1", "height": 1}), json!({"hash": "00".repeat(32)})]
        {
            assert!(dogecoin.template(&odd).is_err(), "{odd}");
        }
    }
}
