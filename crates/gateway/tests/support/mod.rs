//! A running engine with a gateway in front of it and scripted nodes behind it, all on 127.0.0.1, and an HTTP client
//! that shows replies as they came.

#![allow(dead_code, reason = "each test program uses its part of it")]
#![allow(clippy::unwrap_used, reason = "a fault of the tests' own tools should fail the test")]

pub(crate) mod http;
pub(crate) mod node;

use std::{fs, future::Future, net::SocketAddr, path::Path, time::Duration};

use engine::Engine;
use gateway::{Gateway, GatewayHandle};
use serde_json::Value;
use tempfile::TempDir;

use self::http::Reply;

/// How long a test waits for something that should happen soon. Reaching it fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const USER: &str = "pool";
pub(crate) const PASSWORD: &str = "door-pass";
pub(crate) const TOKEN: &str = "rest-token";

/// Runs a test as the daemon runs: on an actix system over a runtime with several threads.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    actix_rt::System::with_tokio_rt(runtime).block_on(test)
}

/// What the gateway under test is started with.
pub(crate) struct Setup {
    /// The only chain, which is also its name.
    pub(crate) chain: &'static str,
    /// Name and RPC address; the first is the primary.
    pub(crate) nodes: Vec<(&'static str, SocketAddr)>,
    pub(crate) token: bool,
    pub(crate) deny: &'static [&'static str],
    /// Whether the journal and the peer book can be written.
    pub(crate) disk: bool,
    /// Peers to hold always; without any, peers are not enabled.
    pub(crate) fixed: Vec<SocketAddr>,
}

impl Setup {
    pub(crate) fn of(nodes: &[(&'static str, SocketAddr)]) -> Self {
        let deny = &["stop", "dumpprivkey"];
        let nodes = nodes.to_vec();
        Self { chain: "litecoin", nodes, token: false, deny, disk: true, fixed: Vec::new() }
    }

    pub(crate) fn start(self) -> Running {
        let dir = tempfile::tempdir().unwrap();
        let mut config = self.config(dir.path());
        config.http.listen.set_port(0);
        let door = config.chains.get_mut(self.chain).unwrap().front_door.as_mut().unwrap();
        door.listen.set_port(0);
        let engine = Engine::start(&config).unwrap();
        let gateway = Gateway::bind(engine.clone(), &config).unwrap();
        let (http, door) = (gateway.http_address(), gateway.front_doors()[self.chain]);
        let handle = gateway.handle();
        actix_rt::spawn(async move { gateway.run().await.unwrap() });
        Running { http, door, engine, handle, config, _dir: dir }
    }

    fn config(&self, dir: &Path) -> config::Config {
        let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
        let data = dir.join("data");
        if self.disk {
            fs::create_dir(&data).unwrap();
        } else {
            // A file where a directory should be: also root cannot write there.
            write("data", "");
        }
        fs::create_dir(dir.join("chains")).unwrap();
        write("token", TOKEN);
        write("door", PASSWORD);
        write("node", "node-pass");
        let token = if self.token { "token_file = \"token\"" } else { "" };
        let process =
            format!("data_dir = {:?}\n[http]\nlisten = \"127.0.0.1:7904\"\n{token}\n", data.display());
        write("blockcast.toml", &process);
        let mut chain = format!("chain = \"{}\"\nnetwork = \"regtest\"\n", self.chain);
        for (index, (name, rpc)) in self.nodes.iter().enumerate() {
            let role = if index == 0 { "primary" } else { "backup" };
            chain += &format!(
                "[[node]]\nname = \"{name}\"\nrole = \"{role}\"\n\
                 rpc = {{ url = \"http://{rpc}\", user = \"us\", password_file = \"node\" }}\n"
            );
        }
        let fixed: Vec<_> =
            self.fixed.iter().map(|address| format!("{{ address = \"{address}\" }}")).collect();
        let (enabled, fixed) = (!fixed.is_empty(), fixed.join(", "));
        chain += &format!(
            "[peers]\nenabled = {enabled}\ndiscovery = []\nfixed = [{fixed}]\n[front_door]\nlisten = \"127.0.0.1:19332\"\nuser = \"{USER}\"\n\
             password_file = \"door\"\ndeny = {:?}\n",
            self.deny
        );
        write(&format!("chains/{}.toml", self.chain), &chain);
        config::load(dir, [], engine::KNOWN_CHAINS).unwrap_or_else(|problems| panic!("{problems}"))
    }
}

/// A running engine with its gateway.
pub(crate) struct Running {
    pub(crate) http: SocketAddr,
    pub(crate) door: SocketAddr,
    pub(crate) engine: Engine,
    pub(crate) handle: GatewayHandle,
    pub(crate) config: config::Config,
    _dir: TempDir,
}

impl Running {
    /// A call at the front door with the right login.
    pub(crate) async fn call(&self, body: &str) -> Reply {
        self.call_at("/", body).await
    }

    pub(crate) async fn call_at(&self, path: &str, body: &str) -> Reply {
        http::request(self.door, "POST", path, &[("Authorization", &login(PASSWORD))], body.as_bytes()).await
    }

    /// A GET of the REST side, without a token.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        http::request(self.http, "GET", path, &[], b"").await
    }

    /// A GET whose answer is JSON with status 200.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    /// A request of the REST side whose body, if it has one, is JSON.
    pub(crate) async fn call_rest(&self, method: &str, path: &str, body: &str) -> Reply {
        let json = [("Content-Type", "application/json")];
        http::request(self.http, method, path, &json, body.as_bytes()).await
    }

    /// A block by REST.
    pub(crate) async fn post(&self, query: &str, body: &[u8]) -> Reply {
        let path = format!("/api/v1/chains/litecoin/blocks{query}");
        http::request(self.http, "POST", &path, &[], body).await
    }

    /// Asks again and again until the answer is there.
    pub(crate) async fn eventually<T>(&self, path: &str, mut found: impl FnMut(&Reply) -> Option<T>) -> T {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let reply = self.get(path).await;
            if let Some(found) = found(&reply) {
                return found;
            }
            assert!(
                tokio::time::Instant::now() < end,
                "{path} still says {}: {}",
                reply.status,
                reply.text()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The `Authorization` header of the pool.
pub(crate) fn login(password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{password}")))
}

/// The recorded first block of a regtest chain, with this nonce: another nonce is another block.
pub(crate) fn block(nonce: u32) -> String {
    let mut hex = recordings::hex(&recordings::block("litecoin/block_coinbase_only.json").0);
    hex.replace_range(152..160, &format!("{:08x}", nonce.swap_bytes()));
    hex
}

/// The name of such a block.
pub(crate) fn hash_of(block: &str) -> String {
    let mut header = [0; 80];
    faster_hex::hex_decode(&block.as_bytes()[..160], &mut header).unwrap();
    wire::BlockHash::from_wire(wire::sha256d(&header)).to_string()
}

pub(crate) fn submitblock(id: &str, hex: &str) -> String {
    format!(r#"{{"jsonrpc":"1.0","id":{id},"method":"submitblock","params":["{hex}"]}}"#)
}
