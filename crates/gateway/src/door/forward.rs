//! Everything that is not a block: to the node, and its reply back, byte for byte.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use relay::Node;

use super::{
    Door,
    reply::{NODE_UNREACHABLE, Reply},
};

/// A node that is down fails several calls a second: how often the log says so.
const REPEAT: Duration = Duration::from_secs(10);

impl Door {
    /// Passes a call on, and the node's reply back.
    pub(super) async fn forward(&self, node: &Arc<Node>, raw: Bytes, id: &str, path: &str) -> Reply {
        let (client, target) = (node.client().clone(), path.to_owned());
        let forwarded = self.shared.on_engine(async move { client.forward(raw, &target).await }).await;
        let (kind, cause) = match forwarded {
            Ok(Ok(forwarded)) => {
                self.count("forwarded");
                return Reply::verbatim(forwarded);
            }
            Ok(Err(error)) => (error.kind(), error.to_string()),
            Err(error) => ("aborted", error.to_string()),
        };
        self.count("unreachable");
        self.chain.relay.metrics().node_error(node.name(), kind);
        if let Some(unsaid) = self.trouble.is_news(kind) {
            let (chain, node) = (self.chain.name(), node.name());
            tracing::error!(chain, node, kind, unsaid, "a call of the pool was not passed on: {cause}");
        }
        Reply::error(id, NODE_UNREACHABLE, &format!("blockcast: node {}: {cause}", node.name()))
            .with_status(503)
    }
}

/// What the log last said of calls that failed.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<Said>>);

#[derive(Debug)]
struct Said {
    kind: &'static str,
    at: Instant,
    unsaid: u64,
}

impl Trouble {
    /// Whether to log a failure of this kind, and how many were not logged since the last.
    fn is_news(&self, kind: &'static str) -> Option<u64> {
        let mut said = self.0.lock();
        match &mut *said {
            Some(last) if last.kind == kind && last.at.elapsed() < REPEAT => {
                last.unsaid += 1;
                None
            }
            last => {
                let before = last.replace(Said { kind, at: Instant::now(), unsaid: 0 });
                Some(before.map_or(0, |before| before.unsaid))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_logged_when_it_is_new_and_counted_while_it_is_not() {
        let trouble = Trouble::default();
        assert_eq!(trouble.is_news("refused"), Some(0));
        assert_eq!(trouble.is_news("refused"), None);
        assert_eq!(trouble.is_news("refused"), None);
        assert_eq!(trouble.is_news("timeout"), Some(2));
        assert_eq!(trouble.is_news("refused"), Some(0));
    }
}
