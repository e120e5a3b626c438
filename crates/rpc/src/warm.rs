//! Keeping submit connections open and in use, and knowing at any time whether the node would take a block.

use bytes::Bytes;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Client, whole};
use crate::connection::Failure;
use crate::error::RpcError;

/// How many idle connections are kept warm. While one is being used to keep it warm, a block finds the other.
const WARM: usize = 2;

/// The cheapest call that shows all that a submit needs: a `submitblock` without its parameter. The daemons answer it
/// with the help text (error -1; pools probe with it too) without taking a lock or looking at the chain, but only after
/// login, whitelist, work queue and warm-up have let it pass. `uptime` would do less and is unknown to Dogecoin.
const PROBE: &[u8] = br#"{"jsonrpc":"1.0","id":"warm","method":"submitblock","params":[]}"#;
const PROBE_ID: &str = "warm";

/// The largest reply to the probe that is read.
const PROBE_REPLY_LIMIT: usize = 64 * 1024;

/// "Method not found": whatever answers does not know `submitblock`.
const METHOD_NOT_FOUND: i64 = -32601;

/// Whether a block would get through to the node's `submitblock`, as [`Client::keep_warm`] found it last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Readiness {
    /// Not tried yet.
    #[default]
    Unknown,
    /// The node answered on a connection that is now idle and open.
    Ready,
    /// It did not, and this is why: down, starting, wrong password, and so on are told apart by
    /// [`RpcError::kind`].
    NotReady(RpcError),
}

impl Readiness {
    /// Whether it is [`Ready`](Self::Ready).
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }
}

impl Client {
    /// Keeps two idle submit connections open and fresh, for ever: run it in a task of its own, one for each node, and
    /// abort the task to end it. Submits work without it, but have to dial first.
    ///
    /// The daemons close a connection after 30 s without a request (`-rpcservertimeout`), so every
    /// [`Timeouts::warm`](crate::Timeouts::warm) each connection carries a `submitblock` without parameters, which is
    /// answered with the help text. It takes the same way as a block: so each change of [`Readiness`] is logged, and
    /// can be watched through [`readiness`](Self::readiness).
    pub async fn keep_warm(&self) {
        let timeouts = self.endpoint().timeouts;
        loop {
            let found = self.refresh().await;
            let pause = match &found {
                // The daemon holds one of its threads for 250 ms after a wrong password: ask no more often than a
                // healthy node.
                Ok(()) | Err(RpcError::Unauthorized { .. } | RpcError::Forbidden { .. }) => timeouts.warm,
                Err(_) => timeouts.warm_retry,
            };
            self.report(found);
            sleep(pause).await;
        }
    }

    /// The state that [`keep_warm`](Self::keep_warm) found last, and its changes.
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness_sender().subscribe()
    }

    /// Uses [`WARM`] connections once each, those idle longest first, and dials what is missing.
    async fn refresh(&self) -> Result<(), RpcError> {
        let began = Instant::now();
        let mut renewed = false;
        let mut warmed = 0;
        while warmed < WARM {
            let login = self.credentials().header().await?;
            let pooled = self.submits().take_unused_since(began);
            let was_pooled = pooled.is_some();
            // Blocks have used and returned the others in the meantime. What they were answered says nothing of the
            // state: "still warming up" leaves a connection open too. So one probe there is in any case.
            if !was_pooled && warmed > 0 && self.submits().len() >= WARM {
                break;
            }
            let mut connection = match pooled {
                Some(connection) => connection,
                None => self.dial().await?,
            };
            let post = self.post(self.endpoint().url.path(), &login, whole(Bytes::from_static(PROBE)));
            let limit = self.endpoint().timeouts.call;
            let reply = match timeout(limit, connection.exchange(post, PROBE_REPLY_LIMIT)).await {
                Err(_) => return Err(self.timed_out(limit)),
                // A dead one out of the pool. Each such round uses one up, so this ends with a fresh one.
                Ok(Err(Failure { silent: true, .. })) if was_pooled => continue,
                Ok(Err(failure)) => return Err(self.redacted(failure.error)),
                Ok(Ok(reply)) => reply,
            };
            self.submits().put(connection);
            match self.reader().result(&reply, &json!(PROBE_ID)) {
                // The error for the missing parameter is what a healthy node says.
                Ok(_) => warmed += 1,
                Err(RpcError::Rpc { code, .. }) if code != METHOD_NOT_FOUND => warmed += 1,
                Err(refused @ RpcError::Unauthorized { .. }) => {
                    if renewed || !self.credentials().renew(&login).await? {
                        return Err(refused);
                    }
                    renewed = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Publishes the state. It is logged for debugging only: whoever polls the node tells the operator.
    fn report(&self, found: Result<(), RpcError>) {
        let now = match found {
            Ok(()) => Readiness::Ready,
            Err(error) => Readiness::NotReady(error),
        };
        let node = self.name();
        let address = self.address();
        self.readiness_sender().send_if_modified(|before| {
            match (&*before, &now) {
                (Readiness::Ready, Readiness::Ready) => {}
                (Readiness::NotReady(old), Readiness::NotReady(new)) if old.kind() == new.kind() => {
                    tracing::debug!(node, address, error = %new, kind = new.kind(), "node still not ready for blocks");
                }
                (_, Readiness::NotReady(error)) => {
                    tracing::debug!(node, address, kind = error.kind(), %error, "node not ready for blocks");
                }
                (_, _) => tracing::debug!(node, address, "node ready for blocks"),
            }
            let changed = *before != now;
            *before = now;
            changed
        });
    }
}
