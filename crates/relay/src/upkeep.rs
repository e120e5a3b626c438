//! What time does: deliveries expire, are summed up and retire.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::{Delivery, Relay, nodes::LONGEST};

/// How often to look.
const TICK: Duration = Duration::from_millis(250);

/// How long to pause after a crash.
const PAUSE_AFTER_CRASH: Duration = Duration::from_secs(1);

/// How long a delivery is kept alive for late news (a reconnected node, an upgrade from unproven to accepted), once
/// everyone has answered.
const LINGER: Duration = Duration::from_secs(120);

/// How long a delivery is kept alive for nodes that do not answer, if another has the block.
const OLDEST: Duration = Duration::from_secs(30 * 60);

/// How many blocks are sent again and again that no node has. Beyond that the oldest wait in the journal for the next
/// start.
const OPEN: usize = 256;

impl Relay {
    /// Runs for ever. A crash in here would leave deliveries open that should expire: it is noted, and the work taken
    /// up again.
    pub(crate) async fn upkeep(self: Arc<Self>) {
        loop {
            if AssertUnwindSafe(self.clone().look_after()).catch_unwind().await.is_err() {
                tracing::error!(chain = self.name(), "the upkeep of deliveries crashed; it begins again");
                self.note_crash();
            }
            sleep(PAUSE_AFTER_CRASH).await;
        }
    }

    async fn look_after(self: Arc<Self>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let live = self.live();
            for delivery in &live {
                self.expire(delivery);
                self.sum_up(delivery);
            }
            self.write_down(&live);
            if !live.is_empty() {
                self.retire();
                self.peers.ready().iter().for_each(|peer| self.catch_up(peer));
            }
            self.gauge(live.len());
        }
    }

    fn expire(&self, delivery: &Arc<Delivery>) {
        let timeout = self.chain.session_policy().delivery_timeout;
        let expired = delivery
            .read(|state| !state.tracker.is_answered())
            .then(|| delivery.update(|state| state.tracker.expire(timeout, Instant::now())));
        for (id, outcome) in expired.into_iter().flatten() {
            if let Some(peer) = self.peers.get(id) {
                self.settled(delivery, &peer, Some(outcome));
            }
        }
    }

    /// Once everyone has answered, or nobody is waited for any longer: counts the block, and says in one line what
    /// became of it.
    fn sum_up(&self, delivery: &Arc<Delivery>) {
        let patience = self.chain.session_policy().delivery_timeout;
        let due = delivery.read(|state| {
            let answered = state.is_answered_by_peers() && state.is_judged_for_good();
            !state.summed_up && (answered || delivery.since_received() > patience)
        });
        if !due {
            return;
        }
        delivery.update(|state| state.summed_up = true);
        self.close_if_done(delivery);
        let report = delivery.report(self.name());
        self.metrics.block_judged(delivery.source.as_str(), &report.status);
        // What peers made of it is counted where it is carried, and not once for each form in which it came.
        let carries = delivery.read(|state| state.peers_by.is_none());
        for peer in report.peers.iter().filter(|_| carries) {
            self.metrics.peer_delivery(peer.outcome.as_deref().unwrap_or("timed_out"));
        }
        if carries && report.peers_addressed > 0 {
            self.metrics.success_ratio(report.peers_with_block as f64 / report.peers_addressed as f64);
        }
        if let Some(echo) = &report.first_echo {
            self.metrics.first_echo(Duration::from_secs_f64(echo.ms / 1e3));
        }
        tracing::info!(
            chain = self.name(),
            block = report.hash,
            height = report.height,
            status = report.status,
            durable = report.durable,
            peers = format_args!("{}/{}", report.peers_with_block, report.peers_addressed),
            first_echo_ms = report.first_echo.as_ref().map(|echo| echo.ms),
            finding = report.findings.first().map(|finding| finding.check.as_str()),
            "block summed up"
        );
    }

    fn retire(&self) {
        // Where blocks become final, one that is not yet is waited for.
        let finality = self.newest_lock().is_some();
        let mut live = self.live.lock();
        let mut too_many = live.len().saturating_sub(OPEN);
        live.retain(|delivery| {
            let age = delivery.since_received();
            let done = delivery.read(|state| {
                let spoken = state.fate.is_some() || !finality || state.is_refused_for_good();
                state.summed_up && state.is_judged_for_good() && spoken
            });
            let open = delivery.read(|state| !state.is_done());
            let limit = match (done, open) {
                (true, _) => LINGER,
                (false, false) => OLDEST,
                (false, true) if too_many > 0 => OLDEST,
                (false, true) => LONGEST,
            };
            let stays = age < limit;
            too_many -= usize::from(!stays && too_many > 0);
            if !stays {
                delivery.retire();
            }
            stays
        });
    }

    fn gauge(&self, live: usize) {
        self.metrics.open_deliveries(live);
        let ready = self.peers.ready();
        self.metrics.send_queue_depth(ready.iter().map(|peer| peer.backlog()).sum());
        for kind in self.peer_kinds() {
            let count = ready.iter().filter(|peer| peer.kind.as_str() == kind).count();
            self.metrics.connected_peers("outbound", kind, count);
        }
    }
}
