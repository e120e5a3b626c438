//! What happens, told to whoever listens: for `/api/v1/events`.
//!
//! Nobody waits for a listener. Events go into a ring; who reads too slowly loses the oldest, and is told how many.

use std::{sync::Arc, time::SystemTime};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::broadcast;

use crate::report::unix_ms;

/// How many events a slow listener may be behind.
const RING: usize = 1024;

/// Something has happened.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// What: `block` (handed in), `verdict` (of a node), `peer` (its outcome), `fate` (the chain's word),
    /// `connected`, `disconnected`.
    pub kind: &'static str,
    /// The chain, by its configured name.
    pub chain: String,
    /// When, in Unix milliseconds.
    pub unix_ms: u64,
    /// The rest, by kind: always `block` where it is about one.
    #[serde(flatten)]
    pub rest: Value,
}

/// Where events go. Clones share one ring.
#[derive(Debug, Clone)]
pub struct Events(broadcast::Sender<Arc<Event>>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(RING))
    }
}

impl Events {
    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.subscribe()
    }

    /// Tells of something; costs nothing where nobody listens.
    pub(crate) fn tell(&self, chain: &str, kind: &'static str, rest: impl FnOnce() -> Value) {
        if self.0.receiver_count() > 0 {
            let unix_ms = unix_ms(SystemTime::now());
            let event = Event { kind, chain: chain.into(), unix_ms, rest: rest() };
            // The last listener may have gone in between.
            let (Ok(_) | Err(_)) = self.0.send(Arc::new(event));
        }
    }
}
