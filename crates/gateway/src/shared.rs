//! What all requests share: the engine, and the runtime that it lives on.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use engine::{ChainHandle, Engine, Readiness};
use relay::{AuxDelivery, Delivery, Submission};
use tokio::{runtime::Handle, task::JoinError};
use tokio_util::task::{AbortOnDropHandle, TaskTracker, task_tracker::TaskTrackerToken};
use wire::BlockHash;

/// Shared by all requests of all listeners.
///
/// # Correctness
///
/// Each HTTP worker is a thread with a runtime of its own, which ends when the server stops or the worker crashes; a
/// task or socket that began there would end with it. Whatever must outlive a request, and every connection to a node,
/// therefore begins on the engine's runtime: through [`submit`](Self::submit) and
/// [`on_engine`](Self::on_engine).
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) doors: BTreeMap<String, SocketAddr>,
    runtime: Handle,
    submits: TaskTracker,
}

impl Shared {
    pub(crate) fn new(engine: Engine, submits: TaskTracker) -> Self {
        Self { engine, doors: BTreeMap::new(), runtime: Handle::current(), submits }
    }

    /// Whether a block handed in now would be saved and sent, and answered for. Not while the listeners are closing.
    pub(crate) fn readiness(&self) -> Readiness {
        let mut readiness = self.engine.readiness();
        if self.submits.is_closed() && !self.engine.is_draining() {
            readiness.ready = false;
            readiness.reasons.insert(0, "shutting down".to_owned());
        }
        readiness
    }

    /// Hands a block to the relay. While the token lives, a caller is waiting for what becomes of it.
    pub(crate) fn submit(
        &self,
        chain: &ChainHandle,
        submission: Submission,
    ) -> (Arc<Delivery>, TaskTrackerToken) {
        let waiting = self.submits.token();
        let _runtime = self.runtime.enter();
        (chain.relay.submit(submission), waiting)
    }

    /// Hands solved aux work to the relay. While the token lives, a caller is waiting for what becomes of it.
    pub(crate) fn hand_in(
        &self,
        chain: &ChainHandle,
        block: BlockHash,
        auxpow: &str,
    ) -> (Arc<AuxDelivery>, TaskTrackerToken) {
        let waiting = self.submits.token();
        let _runtime = self.runtime.enter();
        (chain.relay.hand_in(block, auxpow), waiting)
    }

    /// Runs a future on the engine's runtime; it is dropped when this one is.
    ///
    /// # Errors
    /// When it panicked, or the runtime is going.
    pub(crate) async fn on_engine<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        AbortOnDropHandle::new(self.runtime.spawn(future)).await
    }
}
