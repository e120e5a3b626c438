//! The queue of one peer.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;
use wire::BlockHash;

use crate::Plan;

/// The lane has no room for a plan. The peer stays; the caller says that the block was withheld, and may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lane holds {backlog} bytes of at most {limit}, {wanted} more do not fit")]
pub struct LaneFull {
    /// What waits, in bytes.
    pub backlog: usize,
    /// The bound, in bytes.
    pub limit: usize,
    /// What was to be added, in bytes.
    pub wanted: usize,
}

/// Whether a block could be taken back out of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawn {
    /// Yes: not a byte of it was written.
    Yes,
    /// No: it is being written, was written, or was never there.
    No,
}

#[derive(Debug, Default)]
struct Queue {
    plans: VecDeque<Arc<Plan>>,
    /// Bytes of the plans that wait, and of the one being written.
    backlog: usize,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Wakes the writer: something was pushed, or the lane was closed.
    pushed: Notify,
    /// Wakes the reader, which stops reading while too much waits to be written.
    drained: Notify,
    limit: usize,
}

/// A handle to the queue of one peer; clones share it.
#[derive(Debug, Clone)]
pub struct Lane(Arc<Shared>);

impl Lane {
    /// An empty lane for at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let (queue, pushed, drained) = (Mutex::default(), Notify::new(), Notify::new());
        Self(Arc::new(Shared { queue, pushed, drained, limit }))
    }

    /// Adds a plan behind the others. Never waits, never copies. Pushing into a closed lane does nothing: whoever
    /// closed it reports what becomes of its blocks.
    ///
    /// # Errors
    /// When the plan does not fit. An empty lane takes any plan.
    pub fn push(&self, plan: Arc<Plan>) -> Result<(), LaneFull> {
        let wanted = plan.len();
        let mut queue = self.0.queue.lock();
        if queue.closed {
            return Ok(());
        }
        if queue.backlog > 0 && queue.backlog + wanted > self.0.limit {
            return Err(LaneFull { backlog: queue.backlog, limit: self.0.limit, wanted });
        }
        queue.backlog += wanted;
        queue.plans.push_back(plan);
        drop(queue);
        self.0.pushed.notify_one();
        Ok(())
    }

    /// Takes a block back out, if not a byte of it was written.
    pub fn withdraw(&self, block: &BlockHash) -> Withdrawn {
        let mut queue = self.0.queue.lock();
        let Some(place) = queue.plans.iter().position(|plan| plan.block.as_ref() == Some(block)) else {
            return Withdrawn::No;
        };
        if let Some(plan) = queue.plans.remove(place) {
            queue.backlog -= plan.len();
        }
        drop(queue);
        self.0.drained.notify_one();
        Withdrawn::Yes
    }

    /// What waits or is being written, in bytes.
    pub fn backlog(&self) -> usize {
        self.0.queue.lock().backlog
    }

    /// Closes the lane: the writer stops, the connection ends.
    pub fn close(&self) {
        self.0.queue.lock().closed = true;
        self.0.pushed.notify_one();
        self.0.drained.notify_one();
    }

    /// Whether the lane was closed.
    pub fn is_closed(&self) -> bool {
        self.0.queue.lock().closed
    }

    /// The next plan to write, or `None` once the lane is closed. The plan counts as backlog until
    /// [`finished`](Self::finished).
    pub(crate) async fn next(&self) -> Option<Arc<Plan>> {
        loop {
            {
                let mut queue = self.0.queue.lock();
                if queue.closed {
                    return None;
                }
                if let Some(plan) = queue.plans.pop_front() {
                    return Some(plan);
                }
            }
            self.0.pushed.notified().await;
        }
    }

    /// A plan was written.
    pub(crate) fn finished(&self, plan: &Plan) {
        let mut queue = self.0.queue.lock();
        queue.backlog = queue.backlog.saturating_sub(plan.len());
        drop(queue);
        self.0.drained.notify_one();
    }

    /// Waits until at most half of the lane is in use, or it is closed: a peer that asks for more than it reads is not
    /// listened to meanwhile.
    pub(crate) async fn has_room(&self) {
        loop {
            {
                let queue = self.0.queue.lock();
                if queue.closed || queue.backlog <= self.0.limit / 2 {
                    return;
                }
            }
            self.0.drained.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Packet;
    use bytes::Bytes;
    use wire::Command;

    fn plan(block: u8, payload: usize) -> Arc<Plan> {
        let packet = Packet::new([0; 4], Command::BLOCK, Bytes::from(vec![block; payload]));
        Arc::new(Plan { block: Some(BlockHash::from_wire([block; 32])), packets: vec![packet] })
    }

    #[tokio::test]
    async fn a_lane_is_bounded_by_bytes_and_an_empty_one_takes_anything() {
        let lane = Lane::new(100);
        lane.push(plan(1, 500)).unwrap();
        assert!(lane.push(plan(2, 1)).is_err());
        let first = lane.next().await.unwrap();
        assert!(lane.push(plan(2, 1)).is_err(), "what is being written still counts");
        lane.finished(&first);
        lane.push(plan(2, 1)).unwrap();
        assert_eq!(lane.backlog(), 25);
    }

    #[tokio::test]
    async fn a_waiting_block_can_be_withdrawn_and_one_being_written_cannot() {
        let lane = Lane::new(1000);
        lane.push(plan(1, 10)).unwrap();
        lane.push(plan(2, 10)).unwrap();
        lane.next().await.unwrap();
        assert_eq!(lane.withdraw(&BlockHash::from_wire([1; 32])), Withdrawn::No);
        assert_eq!(lane.withdraw(&BlockHash::from_wire([2; 32])), Withdrawn::Yes);
        assert_eq!(lane.backlog(), 34);
    }

    #[tokio::test]
    async fn closing_ends_the_writers_wait_and_later_pushes_go_nowhere() {
        let lane = Lane::new(1000);
        let writer = tokio::spawn({
            let lane = lane.clone();
            async move { lane.next().await.is_none() }
        });
        lane.close();
        assert!(writer.await.unwrap());
        lane.push(plan(1, 10)).unwrap();
        assert_eq!(lane.backlog(), 0);
    }
}
