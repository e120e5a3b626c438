//! From an HTTP reply to a JSON-RPC result: one request, one answer, told apart by id.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::connection::Reply;
use crate::credentials::Credentials;
use crate::error::{RpcError, excerpt};

/// "The node is starting" (`RPC_IN_WARMUP`, rpc/protocol.h).
const IN_WARMUP: i64 = -28;

/// The text of an overload, which comes without JSON: with status 500 from Litecoin and Dogecoin, 503 from Dash
/// (`HTTPRequestHandler`, httpserver.cpp).
const OVERLOAD: &[u8] = b"Work queue depth exceeded";

/// How much of a body that is no JSON-RPC is looked at to describe it.
const LOOKED_AT: usize = 4096;

/// One reply object. `result` keeps its JSON text: a verdict is passed on as it came.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<ErrorObject>,
    #[serde(default)]
    id: Value,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
    #[serde(default)]
    message: String,
}

/// `Some` even for `null`, which is the result of an accepted block; `None` only when the field is missing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// One reply object, and nothing else: serde would also fill the fields from the elements of an array.
fn envelope(body: &[u8]) -> Result<Envelope<'_>, serde_json::Error> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(serde::de::Error::custom("an array instead of an object"));
    }
    serde_json::from_slice(body)
}

/// Reads the replies of one node.
pub(crate) struct Reader<'a> {
    pub(crate) address: &'a str,
    pub(crate) credentials: &'a Credentials,
}

impl Reader<'_> {
    /// The result, as JSON text, of the one request that went out with `id`.
    pub(crate) fn result<'b>(&self, reply: &'b Reply, id: &Value) -> Result<&'b RawValue, RpcError> {
        self.check_access(reply)?;
        match envelope(&reply.body) {
            Ok(envelope) => {
                // A node that could not read the request's id answers with null, and always with an error.
                if envelope.id != *id && !(envelope.id.is_null() && envelope.error.is_some()) {
                    return Err(self.malformed(format!("it answers request {}, not {id}", envelope.id)));
                }
                self.outcome(envelope, reply)
            }
            Err(error) => Err(self.no_json(reply, &error)),
        }
    }

    /// The results of a batch whose requests had the ids `first`, `first + 1`, …, in the order of the requests.
    pub(crate) fn results(
        &self,
        reply: &Reply,
        first: u64,
        count: usize,
    ) -> Result<Vec<Result<Value, RpcError>>, RpcError> {
        self.check_access(reply)?;
        let envelopes = match serde_json::from_slice::<Vec<Envelope<'_>>>(&reply.body) {
            Ok(envelopes) => envelopes,
            // Not an array: one error for the whole batch, or no JSON-RPC at all.
            Err(array) => match envelope(&reply.body) {
                Ok(envelope) => {
                    self.outcome(envelope, reply)?;
                    return Err(self.malformed("one result for a batch".to_owned()));
                }
                Err(_) => return Err(self.no_json(reply, &array)),
            },
        };
        let mut by_id = HashMap::with_capacity(envelopes.len());
        for envelope in envelopes {
            if let Some(id) = envelope.id.as_u64() {
                by_id.insert(id, envelope);
            }
        }
        let result = |id: u64| {
            let envelope = by_id
                .remove(&id)
                .ok_or_else(|| self.malformed(format!("the batch holds no answer to request {id}")))?;
            let result = self.outcome(envelope, reply)?;
            serde_json::from_str(result.get()).map_err(|error| self.malformed(error.to_string()))
        };
        Ok((first..).take(count).map(result).collect())
    }

    /// 401 and 403 come without a body, whatever was asked.
    fn check_access(&self, reply: &Reply) -> Result<(), RpcError> {
        match reply.status {
            401 => Err(self.credentials.refused_by(self.address)),
            403 => Err(RpcError::Forbidden { address: self.address.to_owned() }),
            _ => Ok(()),
        }
    }

    fn outcome<'b>(&self, envelope: Envelope<'b>, reply: &Reply) -> Result<&'b RawValue, RpcError> {
        if let Some(ErrorObject { code, message }) = envelope.error {
            let message = self.credentials.redact(&message);
            return Err(if code == IN_WARMUP {
                RpcError::WarmingUp { message }
            } else {
                RpcError::Rpc { code, message }
            });
        }
        match envelope.result {
            Some(result) if reply.status == 200 => Ok(result),
            Some(_) => Err(self.http(reply)),
            None => Err(self.malformed("it has neither result nor error".to_owned())),
        }
    }

    fn no_json(&self, reply: &Reply, error: &serde_json::Error) -> RpcError {
        let overloaded = reply.body.windows(OVERLOAD.len()).take(LOOKED_AT).any(|window| window == OVERLOAD);
        match reply.status {
            200 => self.malformed(format!("{error}: {}", self.shown(reply))),
            500 if overloaded => RpcError::Overloaded { status: 500 },
            // Without the text it is a daemon that is shutting down (`http_reject_request_cb`): it passes as well.
            503 => RpcError::Overloaded { status: 503 },
            _ => self.http(reply),
        }
    }

    fn http(&self, reply: &Reply) -> RpcError {
        RpcError::Http { address: self.address.to_owned(), status: reply.status, body: self.shown(reply) }
    }

    /// A reply that cannot be used. `reason` may quote it, so it is cleaned.
    pub(crate) fn malformed(&self, reason: String) -> RpcError {
        let reason = excerpt(&self.credentials.redact(&reason));
        RpcError::Malformed { address: self.address.to_owned(), reason }
    }

    /// The beginning of the body. Secrets go before the cut, which could leave half of one.
    fn shown(&self, reply: &Reply) -> String {
        let start = &reply.body[..reply.body.len().min(LOOKED_AT)];
        excerpt(&self.credentials.redact(&String::from_utf8_lossy(start)))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::endpoint::Auth;

    fn reply(status: u16, body: impl Into<Bytes>) -> Reply {
        Reply { status, content_type: None, body: body.into() }
    }

    fn read(status: u16, body: impl Into<Bytes>) -> Result<String, RpcError> {
        read_as(&json!("x"), status, body)
    }

    fn read_as(id: &Value, status: u16, body: impl Into<Bytes>) -> Result<String, RpcError> {
        let credentials = Credentials::new(&Auth::password("pool", "canary-7f3a"));
        let reader = Reader { address: "node:1", credentials: &credentials };
        reader.result(&reply(status, body), id).map(|raw| raw.get().to_owned())
    }

    /// The daemons whose replies were recorded; at least how many of these, and in how many different answers it said
    /// that it was starting.
    const DAEMONS: [(&str, usize, usize); 3] = [("dash", 42, 3), ("dogecoin", 43, 3), ("litecoin", 48, 1)];

    fn recording(chain: &str) -> Value {
        recordings::read(&format!("{chain}/rpc_replies.json"))
    }

    /// Every recorded reply, read as the answer to a single request.
    #[test]
    fn every_recorded_reply_is_read_as_what_it_is() {
        for (chain, least, _) in DAEMONS {
            let mut read_here = 0;
            for (name, recorded) in recording(chain)["replies"].as_object().unwrap() {
                let Some(status) = recorded["http_status"].as_u64() else { continue };
                let body = match recorded.get("json") {
                    Some(json) => json.to_string(),
                    None => recorded["body"].as_str().unwrap().to_owned(),
                };
                let json = &recorded["json"];
                let found = read_as(&json["id"], status as u16, body);
                match status {
                    401 => assert_eq!(found.unwrap_err().kind(), "unauthorized", "{chain}: {name}"),
                    _ if json.is_array() => {
                        assert_eq!(found.unwrap_err().kind(), "malformed", "{chain}: {name}")
                    }
                    _ if !json["error"].is_null() => {
                        let code = json["error"]["code"].as_i64().unwrap();
                        let message = json["error"]["message"].as_str().unwrap().to_owned();
                        assert_eq!(found, Err(RpcError::Rpc { code, message }), "{chain}: {name}");
                    }
                    _ => {
                        let value: Value = serde_json::from_str(&found.unwrap()).unwrap();
                        assert_eq!(value, json["result"], "{chain}: {name}");
                    }
                }
                read_here += 1;
            }
            assert!(read_here >= least, "{chain}: only {read_here} recordings");
        }
    }

    #[test]
    fn a_node_that_starts_is_warming_up_and_says_in_its_own_words_with_what() {
        for (chain, _, least) in DAEMONS {
            let recording = recording(chain);
            let mut starting = 0;
            for answer in recording["replies"]["warmup_sequence"]["answers"].as_array().unwrap() {
                let Some(body) = answer["body"].as_str().filter(|_| answer["http_status"] == 500) else {
                    continue;
                };
                let said: Value = serde_json::from_str(body).unwrap();
                let message = said["error"]["message"].as_str().unwrap().to_owned();
                assert_eq!(read(500, body.to_owned()), Err(RpcError::WarmingUp { message }), "{chain}");
                starting += 1;
            }
            assert!(starting >= least, "{chain}: {starting} answers");
        }
    }

    /// A daemon's verdict on a block is its result, whatever it is; only what it could not read is an error.
    #[test]
    fn every_recorded_verdict_is_passed_on_as_its_text() {
        let of_dashd = [
            ("submitblock_accepted", Ok("null")),
            ("submitblock_duplicate", Ok("\"duplicate\"")),
            ("submitblock_inconclusive_fork_same_height", Ok("\"inconclusive\"")),
            ("submitblock_inconclusive_fork_again", Ok("\"duplicate\"")),
            ("submitblock_unknown_parent", Ok("\"prev-blk-not-found\"")),
            ("submitblock_bad_merkle_root", Ok("\"bad-txnmrklroot\"")),
            ("submitblock_proof_of_work_above_the_target", Ok("\"high-hash\"")),
            ("submitblock_coinbase_pays_too_much", Ok("\"bad-cb-amount\"")),
            ("submitblock_coinbase_pays_too_much_again", Ok("\"duplicate-invalid\"")),
            ("submitblock_block_version_1", Ok("\"bad-version(0x00000001)\"")),
            ("submitblock_10_extra_zero_bytes_behind_the_block", Ok("null")),
            ("submitblock_block_cut_10_bytes_short", Err(-22)),
            ("submitblock_header_only", Err(-22)),
            ("method_not_found", Err(-32601)),
        ];
        let of_dogecoind = [
            ("submitblock_accepted", Ok("null")),
            ("submitblock_duplicate", Ok("\"duplicate\"")),
            ("submitblock_inconclusive_fork_same_height", Ok("\"inconclusive\"")),
            ("submitblock_inconclusive_fork_again", Ok("\"duplicate-inconclusive\"")),
            ("submitblock_unknown_parent", Ok("\"bad-prevblk\"")),
            ("submitblock_bad_merkle_root", Ok("\"bad-txnmrklroot\"")),
            ("submitblock_coinbase_pays_too_much", Ok("\"bad-cb-amount\"")),
            ("submitblock_coinbase_pays_too_much_again", Ok("\"duplicate-invalid\"")),
            ("submitblock_block_version_1", Ok("\"late-legacy-block\"")),
            ("submitblock_10_extra_zero_bytes_behind_the_block", Ok("null")),
            // Whatever is wrong with an auxpow has this one word.
            ("submitblock_auxpow__parent_header_pow_above_the_target", Ok("\"high-hash\"")),
            ("submitblock_auxpow__parent_coinbase_commits_to_another_hash", Ok("\"high-hash\"")),
            ("submitblock_block_cut_10_bytes_short", Err(-22)),
            ("submitblock_header_only", Err(-22)),
            ("getblocktemplate_not_connected", Err(-9)),
            ("getblockheader_unknown", Err(-5)),
            ("uptime", Err(-32601)),
        ];
        for (chain, verdicts) in [("dash", &of_dashd[..]), ("dogecoin", &of_dogecoind)] {
            let recording = recording(chain);
            for (name, expected) in verdicts {
                let recorded = &recording["replies"][name];
                let status = recorded["http_status"].as_u64().unwrap() as u16;
                let found = read(status, recorded["json"].to_string()).map_err(|error| match error {
                    RpcError::Rpc { code, .. } => code,
                    other => panic!("{chain}: {name}: {other}"),
                });
                assert_eq!(found.as_deref(), expected.as_ref().map(|text| *text), "{chain}: {name}");
            }
        }
    }

    #[test]
    fn overload_is_recognised_with_the_status_of_each_daemon() {
        assert_eq!(read(500, "Work queue depth exceeded"), Err(RpcError::Overloaded { status: 500 }));
        assert_eq!(read(503, "Work queue depth exceeded"), Err(RpcError::Overloaded { status: 503 }));
        assert_eq!(read(503, ""), Err(RpcError::Overloaded { status: 503 }));
        assert_eq!(read(500, "segfault").unwrap_err().kind(), "http");
    }

    #[test]
    fn the_result_keeps_its_text() {
        assert_eq!(read(200, r#"{"result":null,"error":null,"id":"x"}"#).unwrap(), "null");
        assert_eq!(read(200, r#"{"id":"x","result":{"b": 1.00,"a":2}}"#).unwrap(), r#"{"b": 1.00,"a":2}"#);
    }

    #[test]
    fn what_is_no_answer_to_our_request_is_malformed() {
        for body in [
            &br#"{"result":1,"error":null,"id":"y"}"#[..],
            br#"{"result":1,"error":null,"id":null}"#,
            br#"{"id":"x"}"#,
            br#"{"error":null,"id":"x"}"#,
            br#"{"error":{"message":"no code"},"id":"x"}"#,
            br#"[]"#,
            br#" [null,null,"x"]"#,
            b"null",
            b"",
            b"<html>",
            b"{\"result\":\"\xff\",\"error\":null,\"id\":\"x\"}",
        ] {
            let error = read(200, body).unwrap_err();
            assert_eq!(error.kind(), "malformed", "{body:?}: {error}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(read(200, deep).unwrap_err().kind(), "malformed");
    }

    #[test]
    fn an_error_without_an_id_answers_the_only_request() {
        let body = r#"{"result":null,"error":{"code":-32700,"message":"Parse error"},"id":null}"#;
        assert_eq!(read(500, body), Err(RpcError::Rpc { code: -32700, message: "Parse error".into() }));
    }

    #[test]
    fn batch_replies_are_matched_by_id_in_any_order() {
        let credentials = Credentials::new(&Auth::password("pool", "canary-7f3a"));
        let reader = Reader { address: "node:1", credentials: &credentials };
        let body = json!([
            {"result": "b", "error": null, "id": 8},
            {"result": null, "error": {"code": -5, "message": "Block not found"}, "id": 9},
            {"result": "a", "error": null, "id": 7},
            {"result": "stray", "error": null, "id": 70},
        ]);
        let results = reader.results(&reply(200, body.to_string()), 7, 4).unwrap();
        assert_eq!(results[0], Ok(json!("a")));
        assert_eq!(results[1], Ok(json!("b")));
        assert_eq!(results[2], Err(RpcError::Rpc { code: -5, message: "Block not found".into() }));
        assert_eq!(results[3].as_ref().unwrap_err().kind(), "malformed");

        let whole = r#"{"result":null,"error":{"code":-28,"message":"Loading…"},"id":null}"#;
        assert_eq!(reader.results(&reply(500, whole), 7, 4).unwrap_err().kind(), "warming_up");
        assert_eq!(reader.results(&reply(403, ""), 7, 4).unwrap_err().kind(), "forbidden");
        assert_eq!(reader.results(&reply(200, "no"), 7, 4).unwrap_err().kind(), "malformed");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(status in 100u16..600, body: Vec<u8>) {
            drop(read(status, body));
        }

        #[test]
        fn a_secret_across_the_edge_of_the_excerpt_is_not_cut_in_half(before in 0usize..300) {
            let body = format!("{}canary-7f3a", "x".repeat(before));
            for status in [200, 404] {
                let error = read(status, body.clone()).unwrap_err();
                let shown = format!("{error}{error:?}");
                prop_assert!(!shown.contains("cana"), "{}", shown);
            }
        }
    }
}
