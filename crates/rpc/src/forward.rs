//! Passing a pool's own request through to the node, for the front door.

use bytes::Bytes;

use crate::client::Client;
use crate::endpoint::is_path;
use crate::error::RpcError;

/// The largest reply that is passed through.
pub const FORWARD_REPLY_LIMIT: usize = 256 * 1024 * 1024;

/// A node's HTTP reply, verbatim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// The HTTP status: 200, 404 for an unknown method, 500 for most errors, and so on.
    pub status: u16,
    /// The `Content-Type`, if the node sent one.
    pub content_type: Option<String>,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl Client {
    /// Posts `body` byte for byte to `path` at the node and returns the node's status and body as they came.
    ///
    /// `path` is the path of the pool's request (`/wallet/name` chooses a wallet); for `/` the path of the
    /// [`Url`](crate::Url) is taken. The login is ours, never the pool's.
    ///
    /// There is no time limit on the reply, because a long poll of `getblocktemplate` is answered after minutes; the
    /// connect timeout applies, and TCP keepalive ends a wait for a node that has vanished. Each forward holds a
    /// connection of its own, so a long poll delays nothing here (at the node it holds one of its RPC threads).
    /// Dropping the future closes the connection.
    ///
    /// A request is never sent twice unless it is certain that the node did not carry it out: it may be one that moves
    /// money.
    ///
    /// # Errors
    ///
    /// Transport errors; [`RpcError::TooLarge`] for a body over [`REQUEST_LIMIT`](crate::REQUEST_LIMIT) or a reply over
    /// [`FORWARD_REPLY_LIMIT`]; [`RpcError::InvalidRequest`] for a path that cannot stand in a request line. A 401 is
    /// [`RpcError::Unauthorized`] and not a [`Forwarded`]: it is about *our* credentials, and the pool would look for
    /// the fault in its own.
    pub async fn forward(&self, body: Bytes, path: &str) -> Result<Forwarded, RpcError> {
        if !is_path(path) {
            return Err(RpcError::InvalidRequest {
                reason: "the path must begin with / and hold visible ASCII characters only, without ? and #",
            });
        }
        let path = if path == "/" { self.endpoint().url.path() } else { path };
        let reply = self.send(path, body, None, FORWARD_REPLY_LIMIT).await?;
        if reply.status == 401 {
            return Err(self.credentials().refused_by(self.address()));
        }
        Ok(Forwarded { status: reply.status, content_type: reply.content_type, body: reply.body })
    }
}
