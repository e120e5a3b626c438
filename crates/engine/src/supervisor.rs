//! The supervisor: builds a chain's actors, and builds them again when they are gone.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use actix::{Actor, AsyncContext, Context, WrapFuture};
use tokio_util::sync::CancellationToken;

use crate::{ChainHandle, broadcaster::ChainBroadcaster};

/// The pause before a crashed chain is rebuilt: from the first to the second value, doubling with each crash in
/// [`WINDOW`].
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// How many crashes in [`WINDOW`] are borne.
const BUDGET: usize = 8;

/// How long a crash is remembered.
const WINDOW: Duration = Duration::from_secs(600);

/// Watches over all chains. None of them can take another down.
#[derive(Debug)]
pub struct Supervisor {
    chains: Vec<Arc<ChainHandle>>,
}

impl Supervisor {
    /// For these chains; it builds their actors when it is started.
    pub fn new(chains: Vec<Arc<ChainHandle>>) -> Self {
        Self { chains }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        for chain in &self.chains {
            ctx.spawn(keep_alive(chain.clone()).into_actor(self));
        }
    }
}

/// Builds a chain's actors again and again, until the budget is used up.
async fn keep_alive(chain: Arc<ChainHandle>) {
    let mut crashes = Crashes::default();
    loop {
        let alive = CancellationToken::new();
        // An actor without an address stops: hold it for as long as it lives.
        let broadcaster = ChainBroadcaster::new(chain.clone(), alive.clone()).start();
        alive.cancelled().await;
        drop(broadcaster);
        chain.relay.note_crash();
        chain.restarts.fetch_add(1, Relaxed);
        let Some(pause) = crashes.note(Instant::now()) else {
            chain.given_up.store(true, Relaxed);
            tracing::error!(
                chain = chain.name(),
                "actors crashed {BUDGET} times within {WINDOW:?} and are not rebuilt; blocks still go to the nodes and \
                 to the peers that are left: restart the program, and report what the log says above"
            );
            return;
        };
        tracing::error!(chain = chain.name(), ?pause, "actors are gone; rebuilding them");
        tokio::time::sleep(pause).await;
    }
}

/// The recent crashes of a chain.
#[derive(Debug, Default)]
struct Crashes(VecDeque<Instant>);

impl Crashes {
    /// Notes one, and says how long to pause; `None` if there were too many.
    fn note(&mut self, now: Instant) -> Option<Duration> {
        self.0.retain(|crash| now.saturating_duration_since(*crash) < WINDOW);
        self.0.push_back(now);
        let count = self.0.len();
        (count < BUDGET).then(|| PAUSE.0.saturating_mul(1 << (count - 1)).min(PAUSE.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_the_budget_is_used_up_and_old_crashes_are_forgotten() {
        let start = Instant::now();
        let mut crashes = Crashes::default();
        let pauses: Vec<_> =
            (0..BUDGET).map(|_| crashes.note(start).map(|pause| pause.as_millis())).collect();
        assert_eq!(pauses[..3], [Some(500), Some(1000), Some(2000)]);
        assert_eq!(pauses[BUDGET - 1], None);
        assert_eq!(crashes.note(start + WINDOW), Some(PAUSE.0));
    }
}
