//! HTTP: the pools' front doors, REST, status, metrics and probes.
//!
//! A [`Gateway`] opens every listener of the configuration at once, serves them, and closes them in order:
//!
//! ```no_run
//! # async fn example(engine: engine::Engine, config: &config::Config) -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = gateway::Gateway::bind(engine, config)?;
//! let handle = gateway.handle();
//! tokio::select! {
//!     ended = gateway.run() => ended?,
//!     // … a signal: then, beside `run`, handle.stop(limit).await
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Two kinds of doors
//!
//! **The front door** (`[front_door]` of a chain) looks like the coin's daemon, so that a pool is switched over by
//! changing a host and a port. Blocks that it takes go through the engine; everything else goes to the primary node and
//! back, byte for byte.
//!
//! | the pool calls | what happens |
//! |---|---|
//! | `submitblock` with hex, `getblocktemplate` with `"mode": "submit"` | through the engine to every node and peer; answered by the table below |
//! | `submitblock` without parameters, or with what is not hex | to the primary node: a probe, or an error that it words best |
//! | `getblock`, `getblockheader` of a block that came in here | to the node whose verdict the pool was given |
//! | a method of the `deny` list | error -32000, HTTP 500; it reaches no node |
//! | several calls in a batch | one after another, each as above; the replies in order |
//! | anything else | to the primary node; its status and body come back verbatim |
//!
//! The login is that of `[front_door]`, never the node's. Wrong ones get 401 after 250 ms, missing ones at once. When
//! the node cannot be asked, the answer is HTTP 503 with error -32001, which names the node and the cause.
//!
//! **REST** (`[http]`) is for operators and their programs. With a token, every path but the probes needs it.
//!
//! | path | answers |
//! |---|---|
//! | `POST /api/v1/chains/{chain}/blocks` | takes a block, raw or hex; the delivery's report: 200 once what `?wait=node\|peers:N` names has happened, 202 when `&timeout=SECONDS` (4) ends first |
//! | `GET /api/v1/blocks` | the history, newest first: `?chain=`, `&state=open,active,…`, `&source=`, `&since=`, `&until=`, `&before=` (Unix milliseconds), `&limit=` |
//! | `GET /api/v1/blocks/{hash}`, `/api/v1/blocks/{hash}/raw` | everything about a block: what the chain says of it and why, each of its deliveries; its bytes |
//! | `POST /api/v1/blocks/{hash}/replay` | sends a block on its way again; answers as for one that is handed in |
//! | `GET /api/v1/events` | server-sent events: `block`, `verdict`, `peer`, `fate`; `?chain=` and `&kind=` for a part |
//! | `GET /api/v1/chains`, `/api/v1/chains/{chain}` | chains with their nodes, journal, and peers in numbers |
//! | `GET /api/v1/chains/{chain}/peers` | the peer book, best first, and the bans; `?state=connected,dialing,idle`, `&source=…` and `&limit=N` for a part of it |
//! | `GET /api/v1/chains/{chain}/peers/{host:port}` | why a peer is where it is: its score term by term, what was measured, what keeps it from being dialled |
//! | `POST /api/v1/chains/{chain}/bans` | bans a host: `{"host": "203.0.113.7", "seconds": 86400}`, a day if `seconds` is left out; 409 for nodes of ours and fixed peers |
//! | `DELETE /api/v1/chains/{chain}/bans/{host}` | lifts a ban |
//! | `GET /broadcaster_status`, `/broadcaster_status/{chain}` | what p2pool's operators know, summed up and for one chain |
//! | `GET /metrics` | Prometheus |
//! | `GET /livez`, `/readyz` | 200 while running; 200 or 503 with reasons |
//!
//! Errors are `{"error": {"kind", "message", "remedy"}}`.
//!
//! # The verdict that the pool sees
//!
//! Raw verdicts are read by the rule of `protocol::verdict`; of several nodes the best counts. The pool has its answer
//! when a node has accepted or all have spoken, and the journal has the block, after 4 s at the latest.
//!
//! | judgement | answer |
//! |---|---|
//! | accepted, also `duplicate` of our own push, and silence after which the node has the block | `null` |
//! | inconclusive: on a side branch, or not connected yet | `"inconclusive"` |
//! | refused in a word (`high-hash`, `duplicate-invalid`, …) | that word |
//! | refused with an error (-22 `Block decode failed`) | that error, HTTP 500 |
//! | no node has spoken, but the block is on disk or a peer has it | `"inconclusive"`: it is safe and on its way, how it ends is open |
//! | no node has spoken, it is not on disk, and no peer has it | error -32002, HTTP 500: submit it again |
//!
//! The body is exactly what the daemon would send, so what we know beyond it travels beside it: `X-Blockcast-Block`, the
//! block's hash, and `X-Blockcast-Finding`, our own reason, which matters most where the node's is masked
//! (`duplicate-invalid`). Both are in the log as well.
//!
//! # Guarantees
//!
//! - A block is handed to the engine as soon as its last byte has arrived, with the pool's own hex digits. A caller who
//!   hangs up changes nothing about its delivery.
//! - No bytes from outside cause a panic. Bodies are bounded: 32 MiB at the front door, as at the daemons, 64 MiB for
//!   a block by REST, 4 KiB for a ban, and none is read on any other path; so is the time for a head (5 s), a body (60 s) and an idle
//!   connection (30 s), and the number of connections (512 per listener).
//! - Replies at the front door have a `Content-Length` in just this spelling, are never chunked, and end with a newline.
//!   Bare line feeds and `Expect: 100-continue` are understood.
//! - Calls at the front door are counted by answer in `blockcast_front_door_calls_total`.
//!
//! # Security
//!
//! Passwords and tokens are compared in constant time, before a body is read. Nothing here is encrypted: beyond
//! loopback, put a TLS proxy or a private network around it. Calls that name their method twice are refused, so that
//! none slips past the `deny` list.
//!
//! # How the parts fit
//!
//! `gateway` has the listeners, `shared` what all requests need, `auth` and `body` what both kinds of doors begin with;
//! `door` and `rest` are the doors. HTTP runs on threads of its own; whatever outlives a request, and every connection
//! to a node, runs on the engine's runtime (see `shared`).

mod auth;
mod body;
mod door;
mod gateway;
mod rest;
mod shared;

pub use gateway::{BindError, Gateway, GatewayHandle};
