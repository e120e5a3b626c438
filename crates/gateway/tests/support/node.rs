//! A scripted node: answers what the engine's watch asks as a fresh regtest node would, and all else as the test says.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use super::PATIENCE;

/// A chain's first block on regtest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Genesis {
    hash: &'static str,
    header: &'static str,
}

pub(crate) const LITECOIN: Genesis = Genesis {
    hash: "530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9",
    header: concat!(
        "01000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "d9ced4ed1130f7b7faad9be25323ffafa33232a17c3edf6cfd97bee6bafbdd97",
        "dae5494dffff7f2000000000"
    ),
};

pub(crate) const DOGECOIN: Genesis = Genesis {
    hash: "3d2160a3b5dc4a9d62e7e66a295f70313ac808440ef7400d6c0772171ce973a5",
    header: concat!(
        "01000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "696ad20e2dd4365c7459b4a4a5af743d5e92c6da3229e6532cd605f6533f2a5b",
        "dae5494dffff7f2002000000"
    ),
};

/// What the node does with a call.
#[derive(Clone)]
pub(crate) enum Act {
    Result(Value),
    Error(i64, &'static str),
    /// Status, content type and body, whatever was asked.
    Raw(u16, &'static str, &'static str),
    /// The result, once the test says so.
    After(watch::Receiver<bool>, Value),
    /// As a fresh regtest node.
    Default,
}

/// A request as it came, other than those of the engine's watch.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn method(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["method"].as_str().unwrap().to_owned()
    }
}

type Script = dyn Fn(&str, &Value) -> Act + Send + Sync;

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    /// A node that answers `submitblock` with `null`, and calls that it does not know with -32601.
    pub(crate) async fn accepting() -> Self {
        Self::start(|method, _| match method {
            "submitblock" => Act::Result(Value::Null),
            _ => Act::Default,
        })
        .await
    }

    pub(crate) async fn start(script: impl Fn(&str, &Value) -> Act + Send + Sync + 'static) -> Self {
        Self::on(LITECOIN, script).await
    }

    /// A node of the chain that begins like this.
    pub(crate) async fn on(
        genesis: Genesis,
        script: impl Fn(&str, &Value) -> Act + Send + Sync + 'static,
    ) -> Self {
        let script: Arc<Script> = Arc::new(script);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (counter, count) = watch::channel(0);
        let (log, counter) = (seen.clone(), Arc::new(counter));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, genesis, script.clone(), log.clone(), counter.clone()));
            }
        });
        Self { address, seen, count, task }
    }

    /// All requests so far, other than those of the engine's watch.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn methods(&self) -> Vec<String> {
        self.seen().iter().map(Seen::method).collect()
    }

    /// Waits until that many requests have come.
    pub(crate) async fn has_seen(&self, count: usize) {
        let mut seen = self.count.clone();
        timeout(PATIENCE, seen.wait_for(|seen| *seen >= count)).await.expect("a request in time").unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn serve(
    mut stream: TcpStream,
    genesis: Genesis,
    script: Arc<Script>,
    log: Arc<Mutex<Vec<Seen>>>,
    counter: Arc<watch::Sender<usize>>,
) {
    while let Some(seen) = read(&mut stream).await {
        let request: Value = serde_json::from_str(&seen.body).unwrap();
        let (status, content_type, body) = match &request {
            Value::Array(calls) => {
                let replies: Vec<_> = calls.iter().map(|call| fresh_node(genesis, call).1).collect();
                (200, "application/json", format!("{}\n", Value::from(replies)))
            }
            call => {
                let method = call["method"].as_str().unwrap_or_default();
                if is_of_the_watch(call, method) {
                    answer(genesis, Act::Default, call).await
                } else {
                    let act = script(method, &call["params"]);
                    log.lock().unwrap().push(seen);
                    counter.send_modify(|count| *count += 1);
                    answer(genesis, act, call).await
                }
            }
        };
        let length = body.len();
        let reply = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Whether the engine asks this by itself: for the tip and its headers, or to keep a connection warm.
fn is_of_the_watch(call: &Value, method: &str) -> bool {
    call["id"] == "warm"
        || matches!(method, "getblockchaininfo" | "getblockhash" | "getpeerinfo")
        || (method == "getblockheader" && call["params"][1] == json!(false))
}

async fn answer(genesis: Genesis, act: Act, call: &Value) -> (u16, &'static str, String) {
    let (status, reply) = match act {
        Act::Raw(status, content_type, body) => return (status, content_type, body.to_owned()),
        Act::Result(result) => (200, reply(call, result, Value::Null)),
        Act::Error(code, message) => {
            (500, reply(call, Value::Null, json!({ "code": code, "message": message })))
        }
        Act::After(mut ready, result) => {
            ready.wait_for(|ready| *ready).await.unwrap();
            (200, reply(call, result, Value::Null))
        }
        Act::Default => fresh_node(genesis, call),
    };
    (status, "application/json", format!("{reply}\n"))
}

fn reply(call: &Value, result: Value, error: Value) -> Value {
    json!({ "result": result, "error": error, "id": call["id"] })
}

fn fresh_node(genesis: Genesis, call: &Value) -> (u16, Value) {
    let result = match call["method"].as_str().unwrap_or_default() {
        "getblockchaininfo" => json!({ "chain": "regtest", "blocks": 0, "bestblockhash": genesis.hash }),
        "getblockhash" => json!(genesis.hash),
        "getblockheader" if call["params"] == json!([genesis.hash, false]) => json!(genesis.header),
        "getblockheader" => {
            return (500, reply(call, Value::Null, json!({ "code": -5, "message": "Block not found" })));
        }
        "getpeerinfo" => json!([]),
        _ => {
            return (404, reply(call, Value::Null, json!({ "code": -32601, "message": "Method not found" })));
        }
    };
    (200, reply(call, result, Value::Null))
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let length: usize = header("content-length").unwrap().parse().unwrap();
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let authorization = header("authorization").unwrap_or_default();
    Some(Seen { path, authorization, body: String::from_utf8(body).unwrap() })
}
