//! Requests and replies as they stand in HTTP bodies.

use std::time::Duration;

use serde_json::{Value, value::RawValue};

use super::{Fault, answer};
use crate::Node;

/// An HTTP reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status: 200, or what the daemons give with an error.
    pub status: u16,
    /// JSON and a line feed.
    pub body: String,
}

/// How many calls a batch may hold. The daemons have no limit but that of a body.
const MAX_BATCH: usize = 100_000;

/// A call as it stands in a body.
#[derive(serde::Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Value,
    #[serde(default)]
    params: Value,
}

/// Answers the body of one HTTP request, whoever sent it.
pub fn respond(node: &mut Node, body: &[u8], now: Duration) -> Reply {
    match body.trim_ascii_start().first() {
        Some(b'[') => respond_to_batch(node, body, now),
        Some(b'{') => match serde_json::from_slice::<Call<'_>>(body) {
            Ok(call) => {
                let outcome = outcome(node, &call, now);
                let status = outcome.as_ref().map_or_else(status_of, |_| 200);
                Reply { status, body: format!("{}\n", envelope(&outcome, call.id)) }
            }
            Err(_) => parse_error(),
        },
        _ => parse_error(),
    }
}

/// A batch is answered with 200, whatever became of its calls.
fn respond_to_batch(node: &mut Node, body: &[u8], now: Duration) -> Reply {
    let Ok(calls) = serde_json::from_slice::<Vec<&RawValue>>(body) else { return parse_error() };
    if calls.len() > MAX_BATCH {
        return parse_error();
    }
    let replies = calls.into_iter().map(|call| match serde_json::from_str::<Call<'_>>(call.get()) {
        Ok(call) => envelope(&outcome(node, &call, now), call.id),
        Err(_) => envelope(&Err(Fault::new(Fault::REQUEST, "Invalid Request object")), None),
    });
    let replies: Vec<String> = replies.collect();
    Reply { status: 200, body: format!("[{}]\n", replies.join(",")) }
}

fn outcome(node: &mut Node, call: &Call<'_>, now: Duration) -> Result<Value, Fault> {
    match &call.method {
        Value::String(method) => answer(node, method, &call.params, now),
        Value::Null => Err(Fault::new(Fault::REQUEST, "Missing method")),
        _ => Err(Fault::new(Fault::REQUEST, "Method must be a string")),
    }
}

/// The order of the fields is the daemons'.
fn envelope(outcome: &Result<Value, Fault>, id: Option<&RawValue>) -> String {
    let id = id.map_or("null", RawValue::get);
    match outcome {
        Ok(result) => format!(r#"{{"result":{result},"error":null,"id":{id}}}"#),
        Err(fault) => {
            let message = Value::from(fault.message.as_str());
            format!(r#"{{"result":null,"error":{{"code":{},"message":{message}}},"id":{id}}}"#, fault.code)
        }
    }
}

fn parse_error() -> Reply {
    let fault = Fault::new(Fault::PARSE, "Parse error");
    Reply { status: status_of(&fault), body: format!("{}\n", envelope(&Err(fault), None)) }
}

/// httprpc.cpp, JSONErrorReply.
fn status_of(fault: &Fault) -> u16 {
    match fault.code {
        Fault::REQUEST => 400,
        Fault::METHOD => 404,
        _ => 500,
    }
}
