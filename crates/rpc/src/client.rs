//! The client of one node, and how an ordinary request travels: pool, login, one time limit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::connection::{Body, Connection, Failure, Reply};
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::RpcError;
use crate::pool::Pool;
use crate::reply::Reader;
use crate::warm::Readiness;

/// The largest request body that is sent: what the daemons take (`MAX_SIZE`, 32 MiB, httpserver.cpp).
pub const REQUEST_LIMIT: usize = 32 * 1024 * 1024;

/// The largest reply to a call or a batch that is read. A 4 MB block as hex in JSON is 8 MB, its decoded form
/// (`getblock` with verbosity 2) several times that.
pub const REPLY_LIMIT: usize = 64 * 1024 * 1024;

/// How many idle connections are kept for calls and forwards together. Each held one costs the daemon a descriptor;
/// it serves four requests at a time by default (`-rpcthreads`).
const IDLE_CALLS: usize = 8;

/// How many idle connections are kept for submits: a burst of blocks finds them open.
const IDLE_SUBMITS: usize = 4;

/// The client of one node. Cheap to clone; all clones share connections and credentials.
///
/// Ordinary requests ([`call`](Self::call), [`batch`](Self::batch), [`forward`](Self::forward)) and submits
/// ([`submit_block`](Self::submit_block)) have separate connections: nothing that the node is slow at can stand in
/// front of a block.
///
/// All methods need a tokio runtime with I/O and time enabled. Dropping any of their futures closes the connection it
/// was using and sends nothing more.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: Endpoint,
    address: String,
    host: HeaderValue,
    credentials: Credentials,
    calls: Pool,
    submits: Pool,
    next_id: AtomicU64,
    readiness: watch::Sender<Readiness>,
}

impl Client {
    /// A client for `endpoint`. Nothing is dialled or read before the first request.
    pub fn new(endpoint: Endpoint) -> Self {
        let address = endpoint.url.authority();
        let host =
            HeaderValue::try_from(&address).expect("Url admits only characters that a header may hold");
        Self {
            inner: Arc::new(Inner {
                host,
                address,
                credentials: Credentials::new(&endpoint.auth),
                calls: Pool::new(IDLE_CALLS, endpoint.timeouts.idle),
                submits: Pool::new(IDLE_SUBMITS, endpoint.timeouts.idle),
                next_id: AtomicU64::new(1),
                readiness: watch::Sender::new(Readiness::Unknown),
                endpoint,
            }),
        }
    }

    /// The node's name, as the operator wrote it.
    pub fn name(&self) -> &str {
        &self.inner.endpoint.name
    }

    /// What this client was made from.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// Calls `method` and reads its result as a `T`, within [`Timeouts::call`](crate::Timeouts::call).
    ///
    /// `params` is an array, or an object of named parameters where the daemon knows those. The call is sent at most
    /// once, except after a 401 with a cookie (it was not carried out) and when a pooled connection turns out closed
    /// before anything was sent: so it may also be one that moves money.
    ///
    /// # Errors
    ///
    /// Any [`RpcError`]; one for which [`may_have_been_done`](RpcError::may_have_been_done) holds leaves open whether
    /// the node has carried the call out.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, RpcError> {
        self.call_within(method, params, self.inner.endpoint.timeouts.call).await
    }

    /// [`call`](Self::call) with a time limit of its own: for a method that waits, such as `waitforblockheight`.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub async fn call_within<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
        limit: Duration,
    ) -> Result<T, RpcError> {
        let id = self.inner.next_id.fetch_add(1, Ordering::Relaxed);
        let body = request(id, method, &params).to_string().into();
        let reply = self.send(self.endpoint().url.path(), body, Some(limit), REPLY_LIMIT).await?;
        let result = self.reader().result(&reply, &json!(id))?;
        serde_json::from_str(result.get())
            .map_err(|error| self.reader().malformed(format!("the result of {method}: {error}")))
    }

    /// Sends all `calls` in one HTTP request and returns their results in the order of `calls`, matched by id.
    ///
    /// The node runs them one after another, and the time limit [`Timeouts::call`](crate::Timeouts::call) is for all
    /// together. A node that forbids the batch (403: dashd does when the user has an `rpcwhitelist`, even for methods
    /// on it) is asked again call by call, each with that time limit; then a method that is not on the list is
    /// [`RpcError::Forbidden`] in its place.
    ///
    /// # Errors
    ///
    /// The outer error is one of the request as a whole: then there is no result at all.
    pub async fn batch(&self, calls: &[(&str, Value)]) -> Result<Vec<Result<Value, RpcError>>, RpcError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.inner.next_id.fetch_add(calls.len() as u64, Ordering::Relaxed);
        let requests: Vec<Value> =
            (first..).zip(calls).map(|(id, (method, params))| request(id, method, params)).collect();
        let body = Value::Array(requests).to_string().into();
        let limit = self.inner.endpoint.timeouts.call;
        let reply = self.send(self.endpoint().url.path(), body, Some(limit), REPLY_LIMIT).await?;
        match self.reader().results(&reply, first, calls.len()) {
            Err(RpcError::Forbidden { .. }) => self.one_by_one(calls).await,
            results => results,
        }
    }

    async fn one_by_one(&self, calls: &[(&str, Value)]) -> Result<Vec<Result<Value, RpcError>>, RpcError> {
        let mut results = Vec::with_capacity(calls.len());
        for (method, params) in calls {
            match self.call(method, params.clone()).await {
                // What the node says about this one call. All else would hit the calls behind it as well.
                result @ (Ok(_) | Err(RpcError::Rpc { .. } | RpcError::Forbidden { .. })) => {
                    results.push(result)
                }
                Err(error) => return Err(error),
            }
        }
        // Every single call forbidden: it is this machine that is not allowed, not a method.
        match results.iter().all(|result| matches!(result, Err(RpcError::Forbidden { .. }))) {
            true => Err(RpcError::Forbidden { address: self.inner.address.clone() }),
            false => Ok(results),
        }
    }

    /// One ordinary request on a connection of its own, with one more try after a 401 that a new cookie may cure.
    ///
    /// It is sent again only when it is certain that the node has not carried it out.
    pub(crate) async fn send(
        &self,
        path: &str,
        body: Bytes,
        limit: Option<Duration>,
        reply_limit: usize,
    ) -> Result<Reply, RpcError> {
        if body.len() > REQUEST_LIMIT {
            return Err(RpcError::TooLarge { what: "request", limit: REQUEST_LIMIT });
        }
        let deadline = limit.map(|limit| (Instant::now() + limit, limit));
        let mut renewed = false;
        loop {
            let login = self.credentials().header().await?;
            let pooled = self.inner.calls.take();
            let was_pooled = pooled.is_some();
            let mut connection = match pooled {
                Some(connection) => connection,
                None => self.dial().await?,
            };
            let exchange = connection.exchange(self.post(path, &login, whole(body.clone())), reply_limit);
            let exchanged = match deadline {
                Some((deadline, limit)) => match timeout_at(deadline, exchange).await {
                    Ok(exchanged) => exchanged,
                    Err(_) => return Err(self.timed_out(limit)),
                },
                None => exchange.await,
            };
            match exchanged {
                // Each round uses up a pooled connection, so this ends with a fresh one.
                Err(Failure { unsent: true, .. }) if was_pooled => continue,
                Err(failure) => return Err(self.redacted(failure.error)),
                Ok(reply) => {
                    self.inner.calls.put(connection);
                    if reply.status == 401 && !renewed && self.credentials().renew(&login).await? {
                        renewed = true;
                        continue;
                    }
                    return Ok(reply);
                }
            }
        }
    }

    // What the other modules of this crate build on.

    pub(crate) fn address(&self) -> &str {
        &self.inner.address
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    pub(crate) fn submits(&self) -> &Pool {
        &self.inner.submits
    }

    pub(crate) fn readiness_sender(&self) -> &watch::Sender<Readiness> {
        &self.inner.readiness
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { address: &self.inner.address, credentials: &self.inner.credentials }
    }

    /// Opens a connection.
    ///
    /// Where nobody listens any more, the idle ones lead to a daemon that is ending. It ends only when the last of
    /// them is closed, which it does itself after 30 s: so all are closed here.
    pub(crate) async fn dial(&self) -> Result<Connection, RpcError> {
        let dialled = Connection::dial(&self.inner.endpoint.url, self.inner.endpoint.timeouts.connect).await;
        if matches!(dialled, Err(RpcError::Refused { .. })) {
            self.inner.calls.clear();
            self.inner.submits.clear();
        }
        dialled
    }

    /// A request whose body is these pieces, one after the other.
    pub(crate) fn post(&self, path: &str, login: &HeaderValue, body: [Bytes; 3]) -> Request<Body> {
        let [head, middle, tail] = body;
        Request::post(path)
            .header(HOST, &self.inner.host)
            .header(AUTHORIZATION, login)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(head.chain(middle).chain(tail)))
            .expect("the path was checked by is_path, and the headers are valid by their type")
    }

    pub(crate) fn timed_out(&self, after: Duration) -> RpcError {
        RpcError::Timeout { address: self.inner.address.clone(), after }
    }

    /// A transport error whose text may quote what the other side sent.
    pub(crate) fn redacted(&self, error: RpcError) -> RpcError {
        match error {
            RpcError::Malformed { reason, .. } => self.reader().malformed(reason),
            error => error,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.inner.endpoint).finish_non_exhaustive()
    }
}

/// A body in one piece.
pub(crate) fn whole(body: Bytes) -> [Bytes; 3] {
    [body, Bytes::new(), Bytes::new()]
}

/// One request object. `"jsonrpc": "1.0"` is what all three daemons understand.
fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "1.0", "id": id, "method": method, "params": params })
}
