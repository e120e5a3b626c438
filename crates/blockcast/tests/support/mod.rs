//! Running the program, and what it needs around it.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod daemon;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

/// The program, with an environment that has nothing to say about it.
pub(crate) fn blockcast() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blockcast"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BLOCKCAST_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    blockcast().args(args).stdin(Stdio::null()).output().unwrap()
}

/// The same with this on its standard input.
pub(crate) fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut command = blockcast();
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// Exit status, standard output, standard error.
pub(crate) fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A configuration directory, with the data directory beside it.
pub(crate) struct Setup {
    pub(crate) dir: TempDir,
    pub(crate) http: String,
}

impl Setup {
    /// One Litecoin regtest node with this RPC address and login; the password is "sesame".
    pub(crate) fn new(rpc: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let http = free_address();
        let setup = Self { dir, http };
        fs::create_dir_all(setup.config().join("chains")).unwrap();
        fs::write(setup.config().join("password"), "sesame\n").unwrap();
        setup.write_main(&setup.http, &setup.dir.path().join("data"));
        let chain = format!(
            "chain = \"litecoin\"\nnetwork = \"regtest\"\n[[node]]\nname = \"a\"\n\
             rpc = {{ url = \"http://{rpc}\", user = \"pool\", password_file = \"password\" }}\n{more}\n\
             [peers]\nenabled = false\n"
        );
        fs::write(setup.config().join("chains/litecoin.toml"), chain).unwrap();
        setup
    }

    /// Has peers enabled, with these to hold always and no others.
    pub(crate) fn with_fixed_peers(self, addresses: &[&str]) -> Self {
        let file = self.config().join("chains/litecoin.toml");
        let fixed: Vec<_> = addresses.iter().map(|address| format!("{{ address = {address:?} }}")).collect();
        let peers = format!("enabled = true\ndiscovery = []\nfixed = [{}]\n", fixed.join(", "));
        let text = fs::read_to_string(&file).unwrap().replace("enabled = false\n", &peers);
        fs::write(&file, text).unwrap();
        self
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    pub(crate) fn config_arg(&self) -> String {
        self.config().to_str().unwrap().to_owned()
    }

    pub(crate) fn write_main(&self, http: &str, data_dir: &Path) {
        let text = format!("data_dir = {data_dir:?}\n[http]\nlisten = \"{http}\"\n");
        fs::write(self.config().join("blockcast.toml"), text).unwrap();
    }
}

/// An address of this machine on which nobody listens.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A node whose RPC answers every request with this status and body. The thread ends with the process.
pub(crate) fn node_that_answers(
    status: &'static str,
    body: impl Fn(&str) -> Value + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer_all(stream.unwrap(), status, &body);
        }
    });
    address
}

/// Answers requests until the client closes.
fn answer_all(mut stream: TcpStream, status: &str, body: &impl Fn(&str) -> Value) {
    while let Some(request) = read_request(&mut stream) {
        let method = request["method"].as_str().unwrap_or_default();
        let mut reply = body(method);
        reply["id"] = request["id"].clone();
        let reply = reply.to_string();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", reply.len());
        if stream.write_all(format!("{head}{reply}").as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Value> {
    let mut received = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        received.push(byte[0]);
        if received.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = String::from_utf8(received).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1)?.split('\r').next()?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// A recorded block in hex.
pub(crate) fn recorded_block(file: &str) -> String {
    recordings::hex(&recordings::block(file).0)
}
