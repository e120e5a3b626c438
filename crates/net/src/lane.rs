//! The queue of one peer.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;
use wire::BlockHash;

use crate::{Plan, pen::Pen, stream};

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

/// How many bytes of memory answers may hold before the peer is not listened to any more. A pong is 32 bytes on the
/// wire and far more in memory, so the lane's limit does not bound it.
const CONTROL_LIMIT: usize = 1 << 20;

#[derive(Debug, Default)]
struct Queue {
    plans: VecDeque<Arc<Plan>>,
    /// Bytes of the plans that wait, and of the one being written.
    backlog: usize,
    /// What those of them that deliver no block of ours hold in memory, in bytes.
    control: usize,
    closed: bool,
}

impl Queue {
    fn count(&mut self, plan: &Plan) {
        self.backlog += plan.len();
        self.control += control(plan);
    }

    fn discount(&mut self, plan: &Plan) {
        self.backlog = self.backlog.saturating_sub(plan.len());
        self.control = self.control.saturating_sub(control(plan));
    }
}

/// How much of a plan counts as control traffic, which the peer can make us queue at will.
fn control(plan: &Plan) -> usize {
    if plan.block.is_some() { 0 } else { plan.held() }
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Wakes the writer: something was pushed, or the lane was closed.
    pushed: Notify,
    /// Wakes the reader, which stops reading while too much waits to be written.
    drained: Notify,
    /// The connection's writing end, as long as there is one. Locked before the queue, never after it.
    pen: Mutex<Option<Pen>>,
    limit: usize,
}

/// A handle to the queue of one peer; clones share it.
#[derive(Debug, Clone)]
pub struct Lane(Arc<Shared>);

impl Lane {
    /// An empty lane for at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let (queue, pushed, drained) = (Mutex::default(), Notify::new(), Notify::new());
        Self(Arc::new(Shared { queue, pushed, drained, pen: Mutex::default(), limit }))
    }

    /// Adds a plan behind the others, for the writer task to write. Never waits, never copies. Pushing into a closed
    /// lane does nothing: whoever closed it reports what becomes of its blocks.
    ///
    /// # Errors
    /// When the plan does not fit. An empty lane takes any plan.
    pub fn push(&self, plan: Arc<Plan>) -> Result<(), LaneFull> {
        self.load(plan)?;
        self.wake();
        Ok(())
    }

    /// Adds a plan as [`push`](Self::push) does, and leaves the writer task asleep: **[`wake`](Self::wake) or
    /// [`volley`](crate::volley) has to follow.**
    ///
    /// # Errors
    /// When the plan does not fit. An empty lane takes any plan.
    pub fn load(&self, plan: Arc<Plan>) -> Result<(), LaneFull> {
        let wanted = plan.len();
        let mut queue = self.0.queue.lock();
        if queue.closed {
            return Ok(());
        }
        if queue.backlog > 0 && queue.backlog + wanted > self.0.limit {
            return Err(LaneFull { backlog: queue.backlog, limit: self.0.limit, wanted });
        }
        queue.count(&plan);
        queue.plans.push_back(plan);
        Ok(())
    }

    /// Wakes the writer task, which writes what is left and tells the host what was written.
    pub fn wake(&self) {
        self.0.pushed.notify_one();
    }

    /// Gives the lane the connection's writing end.
    pub(crate) fn attach(&self, pen: Pen) {
        *self.0.pen.lock() = Some(pen);
    }

    /// Takes the writing end away, and with it the connection's last chance to send.
    pub(crate) fn detach(&self) -> Option<Pen> {
        self.0.pen.lock().take()
    }

    /// Writes what waits, as far as the kernel takes it, from a thread that must not wait: if the writer task has the
    /// writing end just now, it is sent back to it.
    pub(crate) fn write(&self) {
        match self.0.pen.try_lock() {
            Some(mut pen) => pen.as_mut().into_iter().for_each(|pen| self.write_with(pen)),
            None => self.wake(),
        }
    }

    /// Writes what waits, as far as the kernel takes it.
    pub(crate) fn write_with(&self, pen: &mut Pen) {
        pen.write(|| self.next(), |plan| self.finished(plan));
    }

    /// The socket, if the kernel has taken only a part of what was written. Never waits: whoever is writing just now looks
    /// after it.
    pub(crate) fn blocked(&self) -> Option<stream::Shared> {
        self.0.pen.try_lock()?.as_ref()?.blocked()
    }

    /// Does something with the writing end, if there is one still.
    pub(crate) fn with_pen<T>(&self, act: impl FnOnce(&mut Pen) -> T) -> Option<T> {
        self.0.pen.lock().as_mut().map(act)
    }

    /// Waits until the lane was pushed to, woken or closed since this last returned.
    pub(crate) async fn pushed(&self) {
        self.0.pushed.notified().await;
    }

    /// Takes a block back out, if not a byte of it was written.
    pub fn withdraw(&self, block: &BlockHash) -> Withdrawn {
        let mut queue = self.0.queue.lock();
        let Some(place) = queue.plans.iter().position(|plan| plan.block.as_ref() == Some(block)) else {
            return Withdrawn::No;
        };
        if let Some(plan) = queue.plans.remove(place) {
            queue.discount(&plan);
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

    /// The next plan to write, if one waits and the lane is not closed. The plan counts as backlog until
    /// [`finished`](Self::finished).
    fn next(&self) -> Option<Arc<Plan>> {
        let mut queue = self.0.queue.lock();
        if queue.closed { None } else { queue.plans.pop_front() }
    }

    /// A plan was written.
    fn finished(&self, plan: &Plan) {
        let mut queue = self.0.queue.lock();
        queue.discount(plan);
        drop(queue);
        self.0.drained.notify_one();
    }

    /// Waits until at most half of the lane and 1 MiB of control traffic is in use, or the lane is closed: a peer that
    /// asks for more than it reads is not listened to meanwhile.
    ///
    /// # Correctness
    /// A block that the peer asked for is no control traffic either: two peers that serve each other blocks of any size
    /// up to half of the lane go on reading.
    pub(crate) async fn has_room(&self) {
        loop {
            {
                let queue = self.0.queue.lock();
                let roomy = queue.backlog <= self.0.limit / 2 && queue.control <= CONTROL_LIMIT;
                if queue.closed || roomy {
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
    use futures_util::FutureExt;
    use wire::{Command, Message};

    fn plan(block: u8, payload: usize) -> Arc<Plan> {
        let packet = Packet::new([0; 4], Command::BLOCK, Bytes::from(vec![block; payload]));
        Arc::new(Plan { block: Some(BlockHash::from_wire([block; 32])), packets: vec![packet] })
    }

    #[tokio::test]
    async fn a_lane_is_bounded_by_bytes_and_an_empty_one_takes_anything() {
        let lane = Lane::new(100);
        lane.push(plan(1, 500)).unwrap();
        assert!(lane.push(plan(2, 1)).is_err());
        let first = lane.next().unwrap();
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
        lane.next().unwrap();
        assert_eq!(lane.withdraw(&BlockHash::from_wire([1; 32])), Withdrawn::No);
        assert_eq!(lane.withdraw(&BlockHash::from_wire([2; 32])), Withdrawn::Yes);
        assert_eq!(lane.backlog(), 34);
    }

    fn has_room(lane: &Lane) -> bool {
        lane.has_room().now_or_never().is_some()
    }

    #[tokio::test]
    async fn a_peer_that_pings_and_does_not_read_is_heard_until_its_pongs_hold_a_mebibyte() {
        let lane = Lane::new(4 * 32_000_000);
        let pong = Arc::new(Plan::control([0; 4], &Message::Pong(7)));
        let most = (1 << 20) / (256 + 32);
        for _ in 0..most {
            lane.push(pong.clone()).unwrap();
        }
        assert!(has_room(&lane));
        lane.push(pong.clone()).unwrap();
        assert!(!has_room(&lane), "{} bytes wait", lane.backlog());

        let first = lane.next().unwrap();
        assert!(!has_room(&lane), "what is being written still counts");
        lane.finished(&first);
        assert!(has_room(&lane));
        for _ in 0..most {
            let plan = lane.next().unwrap();
            lane.finished(&plan);
        }
        assert_eq!((lane.backlog(), lane.0.queue.lock().control), (0, 0));
    }

    #[tokio::test]
    async fn one_large_answer_makes_the_reader_pause_until_it_is_written() {
        let lane = Lane::new(4 * 32_000_000);
        let packet = Packet::new([0; 4], Command::NOTFOUND, Bytes::from(vec![0; 1_800_000]));
        lane.push(Arc::new(Plan { block: None, packets: vec![packet] })).unwrap();
        assert!(!has_room(&lane));
        let plan = lane.next().unwrap();
        lane.finished(&plan);
        assert!(has_room(&lane));
    }

    #[tokio::test]
    async fn large_blocks_that_are_pushed_or_served_do_not_make_the_reader_pause_below_half_of_the_lane() {
        let lane = Lane::new(20_000_000);
        lane.push(plan(1, 4_000_000)).unwrap();
        let served = Plan { block: None, packets: plan(2, 4_000_000).packets.clone() };
        lane.push(Arc::new(served)).unwrap();
        assert!(has_room(&lane));
        lane.push(plan(3, 4_000_000)).unwrap();
        assert!(!has_room(&lane));
        assert_eq!(lane.withdraw(&BlockHash::from_wire([3; 32])), Withdrawn::Yes);
        assert!(has_room(&lane));
    }

    #[tokio::test]
    async fn closing_ends_the_writers_wait_and_later_pushes_go_nowhere() {
        let lane = Lane::new(1000);
        let writer = tokio::spawn({
            let lane = lane.clone();
            async move {
                lane.pushed().await;
                lane.next().is_none()
            }
        });
        lane.close();
        assert!(writer.await.unwrap());
        lane.push(plan(1, 10)).unwrap();
        assert_eq!(lane.backlog(), 0);
    }
}
