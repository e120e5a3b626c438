//! A scripted daemon: JSON-RPC over HTTP, with a chain of its own.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use relay::Node;
use rpc::{Auth, Client, Endpoint, Timeouts};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use wire::BlockHash;

use super::Block;

/// What the daemon does with a `submitblock`.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// `null`; the block becomes its tip.
    Accept,
    /// This word, and nothing changes.
    Say(&'static str),
    /// A JSON-RPC error with this code.
    Fail(i64),
    /// The verdict after it comes so much later.
    After(Duration, Box<Verdict>),
    /// The block becomes its tip, and the caller never hears of it.
    AcceptSilently,
    /// Nothing happens, for ever.
    Hang,
}

/// What the daemon makes of solved work.
#[derive(Debug, Clone)]
pub(crate) enum Solved {
    /// `true`; this block becomes its tip.
    Block(Block),
    /// `true`; this block stays beside its chain.
    Late(Block),
    /// `false`.
    Refused,
    /// The same once more, after an error about its own state with this code.
    NotYet(i64, Box<Solved>),
}

#[derive(Debug, Default)]
struct State {
    /// The active chain, from genesis on.
    active: Vec<Block>,
    /// Blocks beside it, which `getblockheader` gives -1 confirmations, and what `getchaintips` says of them.
    side: Vec<(BlockHash, &'static str)>,
    /// Those of them that it has whole.
    beside: Vec<Block>,
    /// What to do with the next submits; once used up, they are accepted.
    verdicts: VecDeque<Verdict>,
    submitted: Vec<String>,
    /// Blocks that a submit would make the tip, by their bytes in hex.
    minted: Vec<(String, Block)>,
    /// The newest lock that it knows.
    lock: Option<Bytes>,
    /// What it answers to solved work.
    aux: Option<Solved>,
    /// The proofs that were handed to it.
    proofs: Vec<String>,
    /// How often it fails to give a block that it has.
    fails_to_give: u32,
    /// It takes questions and answers none.
    silent: bool,
    /// It says that it is in its initial block download.
    downloads: bool,
    /// It does not say which block is at a height.
    hides_hashes: bool,
}

/// A daemon.
pub(crate) struct FakeNode {
    pub(crate) node: Arc<Node>,
    state: Arc<Mutex<State>>,
    socket: Mutex<Option<TcpSocket>>,
}

impl FakeNode {
    /// A daemon with this chain that answers.
    pub(crate) fn start(name: &str, active: &[Block], p2p: Option<String>) -> Self {
        let node = Self::down(name, active, p2p);
        node.come_up();
        node
    }

    /// A daemon that refuses connections until it [comes up](Self::come_up). Its port is taken all the while: the
    /// socket is bound and does not listen.
    pub(crate) fn down(name: &str, active: &[Block], p2p: Option<String>) -> Self {
        Self::with_role(name, active, p2p, true)
    }

    /// A daemon with this chain that answers, and is not the primary one.
    pub(crate) fn backup(name: &str, active: &[Block]) -> Self {
        let node = Self::with_role(name, active, None, false);
        node.come_up();
        node
    }

    fn with_role(name: &str, active: &[Block], p2p: Option<String>, primary: bool) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap()).parse().unwrap();
        let timeouts = Timeouts { submit: Duration::from_millis(1500), ..Timeouts::default() };
        let auth = Auth::password("pool", "word");
        let client = Client::new(Endpoint { name: name.into(), url, auth, timeouts });
        let state = State { active: active.to_vec(), ..State::default() };
        Self {
            node: Arc::new(Node::new(client, primary, p2p)),
            state: Arc::new(Mutex::new(state)),
            socket: Mutex::new(Some(socket)),
        }
    }

    pub(crate) fn come_up(&self) {
        let socket = self.socket.lock().take().expect("it comes up once");
        let (listener, state) = (socket.listen(64).unwrap(), self.state.clone());
        tokio::spawn(accept(listener, state));
    }

    /// What to do with the next submit that has none yet.
    pub(crate) fn will(&self, verdict: Verdict) {
        self.state.lock().verdicts.push_back(verdict);
    }

    /// Tells the daemon what a block is, so that a submit of these bytes can make it the tip.
    pub(crate) fn mint(&self, bytes: &Bytes, block: &Block) {
        self.state.lock().minted.push((hex(bytes), block.clone()));
    }

    /// It has a new lock. Nobody is told: whoever asks will know.
    pub(crate) fn lock(&self, lock: &Bytes) {
        self.state.lock().lock = Some(lock.clone());
    }

    /// What it makes of the next solved work. Without this, any work is unknown to it.
    pub(crate) fn issued(&self, solved: Solved) {
        self.state.lock().aux = Some(solved);
    }

    /// Fails so often to give a block that it has.
    pub(crate) fn fail_to_give(&self, times: u32) {
        self.state.lock().fails_to_give = times;
    }

    /// The proofs that were handed to it.
    pub(crate) fn proofs(&self) -> Vec<String> {
        self.state.lock().proofs.clone()
    }

    /// From now on it takes questions and answers none.
    pub(crate) fn fall_silent(&self) {
        self.state.lock().silent = true;
    }

    /// Whether it is in its initial block download from now on.
    pub(crate) fn download(&self, downloads: bool) {
        self.state.lock().downloads = downloads;
    }

    /// The network has brought it a block.
    pub(crate) fn learn(&self, block: &Block) {
        self.state.lock().active.push(block.clone());
    }

    /// It has crashed, and come back with what it had written to disk: the first blocks of its chain.
    pub(crate) fn forget_all_but(&self, blocks: usize) {
        self.state.lock().active.truncate(blocks);
    }

    /// Whether it fails to say which block is at a height.
    pub(crate) fn hide_hashes(&self, hides: bool) {
        self.state.lock().hides_hashes = hides;
    }

    /// A reorganisation: the last of its blocks goes to its side, and these take its place.
    pub(crate) fn reorganise(&self, to: &[Block]) {
        let mut state = self.state.lock();
        let left = state.active.pop().expect("a tip");
        state.side.push((left.hash, "valid-fork"));
        state.active.extend(to.iter().cloned());
    }

    /// It knows this block beside its active chain; `status` is what `getchaintips` says of it.
    pub(crate) fn learn_beside(&self, block: BlockHash, status: &'static str) {
        self.state.lock().side.push((block, status));
    }

    /// The blocks that were submitted, in hex.
    pub(crate) fn submitted(&self) -> Vec<String> {
        self.state.lock().submitted.clone()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    faster_hex::hex_string(bytes)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream, state.clone()));
    }
}

/// Serves one connection until the client closes it.
async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    while let Some(body) = read_request(&mut stream).await {
        let request: Value = serde_json::from_slice(&body).expect("the request is JSON");
        let reply = match &request {
            Value::Array(calls) => {
                let mut replies = Vec::new();
                for call in calls {
                    replies.push(answer(call, &state).await);
                }
                Value::Array(replies)
            }
            call => answer(call, &state).await,
        };
        let body = reply.to_string();
        let status = if reply["error"].is_null() { 200 } else { 500 };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.expect("a length").trim().parse().expect("a number");
    while bytes.len() < head + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(bytes.split_off(head))
}

async fn answer(call: &Value, state: &Mutex<State>) -> Value {
    if state.lock().silent {
        return std::future::pending().await;
    }
    let params = &call["params"];
    let result = match call["method"].as_str().expect("a method") {
        "submitblock" => submit(params[0].as_str().expect("hex"), state).await,
        "getblockchaininfo" => {
            let state = state.lock();
            let tip = state.active.last().expect("a genesis").hash.to_string();
            Ok(json!({ "chain": "regtest", "blocks": state.active.len() - 1, "bestblockhash": tip,
                "initialblockdownload": state.downloads }))
        }
        "getblockhash" => {
            let height = params[0].as_u64().expect("a height") as usize;
            let state = state.lock();
            match state.active.get(height) {
                _ if state.hides_hashes => Err(-28),
                Some(block) => Ok(json!(block.hash.to_string())),
                None => Err(-8),
            }
        }
        "getblockheader" => header(params, &state.lock()),
        "submitauxblock" => match solved(params, &mut state.lock()) {
            Ok(result) => Ok(result),
            Err(error) => return json!({ "result": null, "error": error, "id": call["id"] }),
        },
        "getblock" => {
            let hash: BlockHash = params[0].as_str().expect("a hash").parse().expect("a hash");
            let mut state = state.lock();
            if state.fails_to_give > 0 {
                state.fails_to_give -= 1;
                return json!({ "result": null, "error": { "code": -1, "message": "busy" }, "id": call["id"] });
            }
            let beside = state.beside.iter().chain(&state.active);
            beside
                .into_iter()
                .find(|block| block.hash == hash)
                .map(|block| json!(hex(&block.bytes)))
                .ok_or(-5)
        }
        "getchaintips" => Ok(tips(&state.lock())),
        "getbestchainlock" => match &state.lock().lock {
            Some(lock) => Ok(best_lock(lock)),
            None => return json!({ "result": null, "error": no_lock(), "id": call["id"] }),
        },
        method => panic!("{method} was not expected"),
    };
    match result {
        Ok(result) => json!({ "result": result, "error": null, "id": call["id"] }),
        Err(code) => {
            let error = json!({ "code": code, "message": "Block not found" });
            json!({ "result": null, "error": error, "id": call["id"] })
        }
    }
}

fn solved(params: &Value, state: &mut State) -> Result<Value, Value> {
    state.proofs.push(params[1].as_str().expect("a proof").into());
    match state.aux.take() {
        None => Err(json!({ "code": -8, "message": "block hash unknown" })),
        Some(Solved::NotYet(code, then)) => {
            state.aux = Some(*then);
            Err(json!({ "code": code, "message": "not now" }))
        }
        Some(Solved::Refused) => {
            state.aux = Some(Solved::Refused);
            Ok(json!(false))
        }
        Some(Solved::Block(block)) => {
            state.active.push(block);
            Ok(json!(true))
        }
        Some(Solved::Late(block)) => {
            state.side.push((block.hash, "valid-fork"));
            state.beside.push(block);
            Ok(json!(true))
        }
    }
}

fn best_lock(lock: &Bytes) -> Value {
    let height = u32::from_le_bytes(*lock.first_chunk().expect("a height"));
    let block = BlockHash::from_wire(lock[4..36].try_into().expect("a hash"));
    json!({ "blockhash": block.to_string(), "height": height, "signature": hex(&lock[36..]), "known_block": true,
        "hex": hex(lock) })
}

fn no_lock() -> Value {
    json!({ "code": -32603, "message": "Unable to find any ChainLock" })
}

fn header(params: &Value, state: &State) -> Result<Value, i64> {
    let hash: BlockHash = params[0].as_str().expect("a hash").parse().expect("a hash");
    if state.side.iter().any(|(side, _)| *side == hash) {
        return Ok(json!({ "confirmations": -1 }));
    }
    let height = state.active.iter().position(|block| block.hash == hash).ok_or(-5)?;
    Ok(match params[1].as_bool() {
        Some(false) => json!(hex(state.active[height].header.fixed())),
        _ => json!({ "confirmations": state.active.len() - height, "height": height }),
    })
}

fn tips(state: &State) -> Value {
    let active = state.active.last().map(|tip| (tip.hash, "active"));
    let tips = active.into_iter().chain(state.side.iter().copied());
    tips.map(
        |(hash, status)| json!({ "height": 1, "hash": hash.to_string(), "branchlen": 1, "status": status }),
    )
    .collect()
}

async fn submit(block: &str, state: &Mutex<State>) -> Result<Value, i64> {
    let mut verdict = {
        let mut state = state.lock();
        state.submitted.push(block.into());
        state.verdicts.pop_front().unwrap_or(Verdict::Accept)
    };
    if let Verdict::After(pause, then) = verdict {
        tokio::time::sleep(pause).await;
        verdict = *then;
    }
    match verdict {
        Verdict::Say(word) => Ok(json!(word)),
        Verdict::Fail(code) => Err(code),
        Verdict::Accept => {
            connect(block, &mut state.lock());
            Ok(Value::Null)
        }
        Verdict::AcceptSilently => {
            connect(block, &mut state.lock());
            std::future::pending().await
        }
        Verdict::Hang | Verdict::After(..) => std::future::pending().await,
    }
}

fn connect(block: &str, state: &mut State) {
    let known = state.minted.iter().find(|(hex, _)| hex == block).map(|(_, block)| block.clone());
    state.active.extend(known);
}
