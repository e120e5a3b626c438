//! Questions to our own nodes, as a chain's rules word them.

use bytes::Bytes;
use serde_json::Value;

/// A JSON-RPC call to a node of ours. Whoever holds the connection carries it out.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeCall {
    /// The method, e.g. `getbestchainlock`.
    pub method: &'static str,
    /// Its parameters, by position.
    pub params: Value,
}

impl NodeCall {
    /// A call. `params` is an array.
    pub fn new(method: &'static str, params: Value) -> Self {
        Self { method, params }
    }
}

/// The node's own no: a JSON-RPC error. That it could not be reached is no answer, and never gets here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct NodeError {
    /// The error's code, e.g. -32601 for a method that it does not have.
    pub code: i64,
    /// Its message.
    pub message: String,
}

/// What a node answers.
pub type NodeReply = Result<Value, NodeError>;

/// An answer that is not of the form that the daemon gives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer to {method} cannot be read: {why}")]
pub struct UnreadableReply {
    /// What was asked.
    pub method: &'static str,
    /// What is wrong with the answer.
    pub why: String,
}

impl UnreadableReply {
    /// For the answer to a method.
    pub fn new(method: &'static str, why: impl Into<String>) -> Self {
        Self { method, why: why.into() }
    }
}

/// The bytes that a node wrote in hex.
///
/// # Errors
/// Why they are none.
pub fn unhex(hex: &str) -> Result<Bytes, String> {
    let mut bytes = vec![0; hex.len() / 2];
    faster_hex::hex_decode(hex.as_bytes(), &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes.into())
}
