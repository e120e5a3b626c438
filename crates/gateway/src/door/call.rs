//! What the pool wants: JSON-RPC requests, read without copying what they carry.
//!
//! The checks, their order and their words are the daemon's (`JSONRPCRequest::parse`, rpc/request.cpp), with one more:
//! a request that names its method or parameters twice is refused. Readers differ on which one counts, and a denied
//! method must not hide behind an allowed one.

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Deserializer};
use serde_json::{error::Category, value::RawValue};

use super::reply::{INVALID_REQUEST, PARSE_ERROR};

/// How many calls a batch may hold. Pools ask for some hundred blocks at once at most.
const BATCH_LIMIT: usize = 10_000;

/// A request's body.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    /// One call.
    Single(Call<'a>),
    /// Several calls, not read yet: one that cannot be read does not spoil the others.
    Batch(Vec<&'a RawValue>),
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The JSON text of its id, `null` if it has none.
    pub(crate) id: &'a str,
    /// The method.
    pub(crate) method: Cow<'a, str>,
    params: Option<&'a RawValue>,
}

/// Why a request cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The JSON text of the call's id, as far as it is known.
    pub(crate) id: String,
    /// JSON-RPC's code.
    pub(crate) code: i64,
    /// The daemon's words.
    pub(crate) message: &'static str,
}

/// The fields of a call, whatever they hold.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a body.
pub(crate) fn read(body: &[u8]) -> Result<Request<'_>, Fault> {
    let fault = |message| Fault { id: "null".into(), code: PARSE_ERROR, message };
    match body.trim_ascii_start().first() {
        Some(b'{') => Call::read(body).map(Request::Single),
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_slice(body).map_err(|_| fault("Parse error"))?;
            if elements.len() > BATCH_LIMIT {
                return Err(Fault {
                    code: INVALID_REQUEST,
                    ..fault("blockcast: a batch may hold 10000 calls at most")
                });
            }
            Ok(Request::Batch(elements))
        }
        _ if serde_json::from_slice::<&RawValue>(body).is_ok() => Err(fault("Top-level object parse error")),
        _ => Err(fault("Parse error")),
    }
}

impl<'a> Call<'a> {
    /// Reads one call.
    pub(crate) fn read(text: &'a [u8]) -> Result<Self, Fault> {
        let fault = |id: &str, code, message| Fault { id: id.into(), code, message };
        // serde would fill the fields from an array, too.
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Err(fault("null", INVALID_REQUEST, "Invalid Request object"));
        }
        let fields: Fields<'a> = serde_json::from_slice(text).map_err(|error| match error.classify() {
            Category::Data => {
                fault("null", INVALID_REQUEST, "blockcast: id, method or params stands twice in the request")
            }
            _ => fault("null", PARSE_ERROR, "Parse error"),
        })?;
        let id = fields.id.map_or("null", RawValue::get);
        let invalid = |message| fault(id, INVALID_REQUEST, message);
        let method = match fields.method.map(RawValue::get) {
            None | Some("null") => return Err(invalid("Missing method")),
            Some(text) => string(text).ok_or_else(|| invalid("Method must be a string"))?,
        };
        let params = fields.params.filter(|params| params.get() != "null");
        if params.is_some_and(|params| !params.get().starts_with(['[', '{'])) {
            return Err(invalid("Params must be an array or object"));
        }
        Ok(Self { id, method, params })
    }

    /// The first parameter, or that of this name, if there are at most `most` parameters.
    fn param(&self, name: &str, most: usize) -> Option<&'a RawValue> {
        let text = self.params?.get();
        if text.starts_with('{') {
            let named: HashMap<Cow<'a, str>, &'a RawValue> = serde_json::from_str(text).ok()?;
            return named.get(name).copied();
        }
        let params: Vec<&'a RawValue> = serde_json::from_str(text).ok()?;
        params.first().copied().filter(|_| params.len() <= most)
    }

    /// The parameters by position, if all are strings without escapes.
    pub(crate) fn texts(&self) -> Option<Vec<&'a str>> {
        let Some(params) = self.params else { return Some(Vec::new()) };
        let params: Vec<&'a RawValue> = serde_json::from_str(params.get()).ok()?;
        params.into_iter().map(plain).collect()
    }

    /// The digits of the block that this call hands in, as they stand in the body. `None` for every other call, and for
    /// one whose parameters are not those of a submission: what to say to that is the node's business.
    pub(crate) fn block(&self) -> Option<&'a str> {
        match &*self.method {
            // A second parameter is allowed and ignored (BIP 22).
            "submitblock" => plain(self.param("hexdata", 2)?),
            "getblocktemplate" => {
                let request = self.param("template_request", 1)?.get();
                let request: HashMap<Cow<'a, str>, &'a RawValue> = serde_json::from_str(request).ok()?;
                (plain(request.get("mode")?)? == "submit").then(|| plain(request.get("data")?))?
            }
            _ => None,
        }
    }

    /// The block that this call asks about.
    pub(crate) fn asked_block(&self) -> Option<wire::BlockHash> {
        match &*self.method {
            "getblock" | "getblockheader" => plain(self.param("blockhash", 2)?)?.parse().ok(),
            _ => None,
        }
    }
}

/// The content of a JSON string without escapes.
fn plain(value: &RawValue) -> Option<&str> {
    let content = value.get().strip_prefix('"')?.strip_suffix('"')?;
    (!content.contains('\\')).then_some(content)
}

/// The content of a JSON string.
fn string(text: &str) -> Option<Cow<'_, str>> {
    if !text.starts_with('"') {
        return None;
    }
    match serde_json::from_str::<&str>(text) {
        Ok(plain) => Some(Cow::Borrowed(plain)),
        Err(_) => serde_json::from_str(text).ok().map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn single(body: &str) -> Call<'_> {
        match read(body.as_bytes()) {
            Ok(Request::Single(call)) => call,
            other => panic!("{body}: {other:?}"),
        }
    }

    fn fault(body: &str) -> (i64, &'static str, String) {
        let fault = read(body.as_bytes()).expect_err(body);
        (fault.code, fault.message, fault.id)
    }

    #[test]
    fn an_id_of_any_kind_is_kept_as_it_was_written() {
        for id in ["0", "1.50", "\"a\\u0062\"", "null", "{\"a\": [1]}", "18446744073709551616", "true"] {
            let body = format!(r#" {{"id": {id} , "method":"getinfo"}}"#);
            assert_eq!(single(&body).id, id);
        }
        assert_eq!(single(r#"{"method":"getinfo"}"#).id, "null");
    }

    #[test]
    fn what_is_no_call_is_refused_in_the_words_of_the_daemon() {
        let null = || "null".to_owned();
        assert_eq!(fault(""), (-32700, "Parse error", null()));
        assert_eq!(fault("{\"method\":"), (-32700, "Parse error", null()));
        assert_eq!(fault("{\"method\":\"a\"} x"), (-32700, "Parse error", null()));
        assert_eq!(fault("[1,"), (-32700, "Parse error", null()));
        assert_eq!(fault("7"), (-32700, "Top-level object parse error", null()));
        assert_eq!(fault(r#"{"id":3}"#), (-32600, "Missing method", "3".into()));
        assert_eq!(fault(r#"{"id":3,"method":null}"#), (-32600, "Missing method", "3".into()));
        assert_eq!(fault(r#"{"id":3,"method":4}"#), (-32600, "Method must be a string", "3".into()));
        let params = (-32600, "Params must be an array or object", "3".to_owned());
        assert_eq!(fault(r#"{"id":3,"method":"a","params":"x"}"#), params);
        assert_eq!(Call::read(b"7").unwrap_err().message, "Invalid Request object");
        assert_eq!(Call::read(br#"[1,"getinfo",[]]"#).unwrap_err().message, "Invalid Request object");
    }

    #[test]
    fn a_method_that_stands_twice_is_refused_and_an_escaped_one_is_understood() {
        assert_eq!(fault(r#"{"method":"getinfo","method":"stop"}"#).0, -32600);
        assert_eq!(fault(r#"{"method":"getinfo","meth\u006fd":"stop"}"#).0, -32600);
        assert_eq!(single(r#"{"meth\u006fd":"st\u006fp"}"#).method, "stop");
    }

    #[test]
    fn a_block_is_found_wherever_a_pool_may_put_it_and_nowhere_else() {
        let block = |method: &str, params: &str| {
            single(&format!(r#"{{"method":"{method}","params":{params}}}"#)).block().map(str::to_owned)
        };
        let found = Some("00ff".to_owned());
        assert_eq!(block("submitblock", r#"["00ff"]"#), found);
        assert_eq!(block("submitblock", r#"[ "00ff" , {"workid":"x"} ]"#), found);
        assert_eq!(block("submitblock", r#"{"hexdata":"00ff"}"#), found);
        assert_eq!(block("getblocktemplate", r#"[{"mode":"submit","data":"00ff"}]"#), found);
        assert_eq!(
            block("getblocktemplate", r#"{"template_request":{"mode":"submit","data":"00ff"}}"#),
            found
        );
        for (method, params) in [
            ("submitblock", "[]"),
            ("submitblock", "null"),
            ("submitblock", "{}"),
            ("submitblock", "[7]"),
            ("submitblock", r#"["00ff",1,2]"#),
            ("getblocktemplate", "[]"),
            ("getblocktemplate", r#"[{"mode":"proposal","data":"00ff"}]"#),
            ("getblocktemplate", r#"[{"rules":["segwit"]}]"#),
            ("submitheader", r#"["00ff"]"#),
        ] {
            assert_eq!(block(method, params), None, "{method} {params}");
        }
    }

    #[test]
    fn the_digits_of_a_block_are_not_copied() {
        let body = bytes::Bytes::from_static(br#"{"method":"submitblock","params":["00ff"]}"#);
        let Ok(Request::Single(call)) = read(&body) else { panic!("a call") };
        let digits = body.slice_ref(call.block().unwrap().as_bytes());
        assert_eq!(&digits[..], b"00ff");
    }

    #[test]
    fn a_batch_over_the_limit_is_refused() {
        let batch = |count: usize| format!("[{}]", vec!["0"; count].join(","));
        assert!(matches!(read(batch(BATCH_LIMIT).as_bytes()), Ok(Request::Batch(_))));
        assert_eq!(fault(&batch(BATCH_LIMIT + 1)).0, -32600);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in r#"[\[\]{}:,"a-z0-9 \\]*"#) {
            for body in [&bytes[..], text.as_bytes()] {
                if let Ok(Request::Single(call)) = read(body) {
                    let _ = (call.block(), call.asked_block());
                }
            }
        }
    }
}
