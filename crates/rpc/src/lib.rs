//! Asynchronous JSON-RPC client to the pool's own coin daemons (litecoind, dogecoind, dashd).
//!
//! A block is worth thousands of dollars for about a second, so the client is built around one request, `submitblock`,
//! and keeps everything else out of its way.
//!
//! # How the parts fit
//!
//! An [`Endpoint`] (where, as whom, how long) makes a [`Client`], one for each node. It offers four things:
//!
//! | method | for | connections | sent again |
//! |---|---|---|---|
//! | [`Client::submit_block`] | a found block | up to 4 idle, kept open by [`Client::keep_warm`] | until the deadline, while that can help |
//! | [`Client::call`], [`Client::call_within`] | our own questions to the node | up to 8 idle, shared with the two below | only if it was certainly not carried out |
//! | [`Client::batch`] | several questions at once | | likewise; call by call where batches are forbidden |
//! | [`Client::forward`] | a pool's request, passed through verbatim | | likewise |
//!
//! Inside: `endpoint` (what the operator configured), `credentials` (password or cookie file), `connection` (one HTTP
//! connection, metered), `pool` (idle ones), `reply` (from HTTP to a result or an [`RpcError`]), and one module for each
//! kind of request. It speaks plain HTTP/1.1, which is all that the daemons speak; HTTP itself is hyper's.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use rpc::{Auth, Client, Endpoint, SubmitRequest, Timeouts};
//! use tokio::time::Instant;
//!
//! let client = Client::new(Endpoint {
//!     name: "a".into(),
//!     url: "http://127.0.0.1:9332".parse()?,
//!     auth: Auth::Cookie("/var/lib/litecoind/.cookie".into()),
//!     timeouts: Timeouts::default(),
//! });
//! let warm = client.clone();
//! tokio::spawn(async move { warm.keep_warm().await });
//!
//! let height: u64 = client.call("getblockcount", serde_json::json!([])).await?;
//!
//! // The body is made once; every node sends from the same bytes.
//! let request = SubmitRequest::from_hex("00000020…");
//! let submission = client.submit_block(&request, Instant::now() + Duration::from_secs(60)).await;
//! match &submission.outcome {
//!     Ok(answer) if answer.is_accepted() => println!("accepted on top of {height}"),
//!     Ok(answer) => println!("refused: {}", answer.raw),
//!     Err(error) if error.may_have_been_done() => println!("no verdict, ask the chain: {error}"),
//!     Err(error) => println!("not submitted: {error}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it guarantees
//!
//! - A submit never waits behind another request: it has a connection to itself, and ordinary calls never use one of
//!   the submit connections.
//! - Where a connection is open, the first poll of [`Client::submit_block`] gives the request to the kernel, as far as it
//!   takes it: no other task has to run first.
//! - A node's verdict is returned as it came ([`Answer::raw`]); what it means (`duplicate` of our own push?) is not
//!   decided here.
//! - A request other than `submitblock` reaches the node at most once.
//! - Every wait has a limit ([`Timeouts`]), except that for a forwarded reply, which may be a long poll.
//! - A reply's length is checked before it is stored: 1 MiB for a verdict, [`REPLY_LIMIT`] for a call,
//!   [`FORWARD_REPLY_LIMIT`] for a forward. No bytes from the network cause a panic.
//! - Errors are told apart by what the operator has to do ([`RpcError::kind`]) and say so in words.
//!
//! # Security
//!
//! No password or cookie shows up in `Debug`, `Display` or a log line, not even when the other side sends back what it
//! got. Credentials travel in clear text, because the daemons know no TLS: reach a node on another machine through a
//! tunnel. Text from the node is shown cut and with control characters escaped.

mod client;
mod connection;
mod credentials;
mod endpoint;
mod error;
mod forward;
mod pool;
mod reply;
mod submit;
mod warm;

pub use client::{Client, REPLY_LIMIT, REQUEST_LIMIT};
pub use endpoint::{Auth, Endpoint, Timeouts, Url, UrlError};
pub use error::{Login, RpcError};
pub use forward::{FORWARD_REPLY_LIMIT, Forwarded};
pub use submit::{Answer, Attempt, Submission, SubmitRequest};
pub use warm::Readiness;
