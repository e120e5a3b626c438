//! The simulated pool: hands each block in through the front door, as any pool does.

use std::net::SocketAddr;
use std::time::Instant;

use rpc::{Auth, Client, Endpoint, Timeouts};
use serde_json::{Value, json};

use super::home::LOGIN;
use super::record::PoolAnswer;

/// A pool that was pointed at the front door in place of a node.
#[derive(Debug)]
pub(super) struct Pool(Client);

impl Pool {
    /// # Errors
    /// When the address cannot be written as a URL.
    pub(super) fn new(front_door: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self(Client::new(Endpoint {
            name: "front door".into(),
            url: format!("http://{front_door}").parse()?,
            auth: Auth::password(LOGIN.0, LOGIN.1),
            timeouts: Timeouts::default(),
        })))
    }

    /// Calls `submitblock` once, with nothing but JSON-RPC, and tells what came back and after how long.
    pub(super) async fn submit(&self, block: &[u8]) -> PoolAnswer {
        let params = json!([faster_hex::hex_string(block)]);
        let asked = Instant::now();
        let answer = self.0.call::<Value>("submitblock", params).await;
        let ms = asked.elapsed().as_secs_f64() * 1e3;
        match answer {
            Ok(answer) => PoolAnswer { accepted: answer.is_null(), answer, ms },
            Err(error) => PoolAnswer { accepted: false, answer: json!({"error": error.to_string()}), ms },
        }
    }
}
