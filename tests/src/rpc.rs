//! JSON-RPC to a node, or to Blockcast's front door, which speaks the same.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http;

/// How a caller names itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// The node's cookie file, read anew for each call since the node rewrites it at each start.
    Cookie(PathBuf),
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
}

impl Auth {
    /// A user and a password.
    pub fn password(user: &str, password: &str) -> Self {
        Self::Password { user: user.to_owned(), password: password.to_owned() }
    }
}

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcFailure {
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// The JSON-RPC error code, if the answer held one.
    pub code: Option<i64>,
    /// The error's message; else the body of the answer; else what the socket said.
    pub message: String,
}

impl fmt::Display for RpcFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.http_status, self.code) {
            (Some(status), Some(code)) => write!(f, "error {code} (HTTP {status}): {}", self.message),
            (Some(status), None) => write!(f, "HTTP {status}: {}", self.message),
            (None, _) => write!(f, "no answer: {}", self.message),
        }
    }
}

impl std::error::Error for RpcFailure {}

/// A caller of JSON-RPC: one connection per call, so it can be cloned and used from any thread.
#[derive(Debug, Clone)]
pub struct RpcClient {
    address: SocketAddr,
    auth: Auth,
    timeout: Duration,
}

impl RpcClient {
    /// A client for the server at this address. A call may take 30 seconds; see [`RpcClient::timeout`].
    pub fn new(address: SocketAddr, auth: Auth) -> Self {
        Self { address, auth, timeout: Duration::from_secs(30) }
    }

    /// The same client with another limit for the whole of a call.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Calls `method` with `params` (an array, or an object of named parameters) and returns its result.
    ///
    /// # Errors
    /// Whatever kept the result away, from a refused connection to the server's own error. An answer with
    /// another `id` than the request's is a failure too.
    pub fn call(&self, method: &str, params: Value) -> Result<Value, RpcFailure> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = json!(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        let unanswered = |message: String| RpcFailure {
            http_status: None,
            code: None,
            message: format!("{method}: {message}"),
        };
        let (user, password) = self.credentials().map_err(unanswered)?;
        let body = json!({"jsonrpc": "1.0", "id": id, "method": method, "params": params}).to_string();
        let headers =
            [("Content-Type", "application/json"), ("Authorization", &http::basic_auth(&user, &password))];
        let reply = http::request(self.address, "POST", "/", &headers, body.as_bytes(), self.timeout)
            .map_err(|e| unanswered(e.to_string()))?;
        let failed = |code, message| RpcFailure { http_status: Some(reply.status), code, message };
        let Ok(answer) = serde_json::from_slice::<Value>(&reply.body) else {
            return Err(failed(None, reply.text()));
        };
        match &answer["error"] {
            Value::Null if answer.get("result").is_none() => Err(failed(None, reply.text())),
            _ if answer["id"] != id => Err(failed(None, format!("the answer is not to id {id}: {answer}"))),
            Value::Null => Ok(answer["result"].clone()),
            error => {
                let message = error["message"].as_str().map_or_else(|| error.to_string(), str::to_owned);
                Err(failed(error["code"].as_i64(), message))
            }
        }
    }

    fn credentials(&self) -> Result<(String, String), String> {
        match &self.auth {
            Auth::Password { user, password } => Ok((user.clone(), password.clone())),
            Auth::Cookie(path) => {
                let cookie = std::fs::read_to_string(path).map_err(|e| format!("cookie file: {e}"))?;
                let pair = cookie.trim_end().split_once(':').ok_or("cookie file: no colon in it")?;
                Ok((pair.0.to_owned(), pair.1.to_owned()))
            }
        }
    }
}
