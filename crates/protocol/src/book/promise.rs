//! What a peer promises: how much later we should hear of blocks without it, in the mean of all blocks.
//!
//! That is what a place is given for ([`trial`](super::trial)). It is a property of the peer among the others that we
//! have, not of the peer alone: of two that are near one another and early, each promises little, for with one of them gone
//! the other is as early; one that hears first of what is far from all others promises much, though it is late with the
//! rest. (So Perigee scores the whole of a node's neighbours, arXiv 2006.14186.) Blocks go out by the ways they come
//! in: peers that would miss one another's news spread ours best.
//!
//! It is measured: with each block one peer is first, by a *lead* over the second, and all others have a lead of zero.
//! But leads are rare and of very different lengths. It takes hundreds of blocks to know their mean, and a peer on trial is
//! seen with some twenty. How *early* somebody is, by contrast, is known after ten. So a promise is the mean of the
//! leads, mixed with what is to be expected of one that is as early as this, and as quick with a block of ours, by the
//! leads of the present peers. Newcomers are judged by what is expected of them, and those who stay more and more by
//! what they alone gave.

use std::time::{Duration, Instant};

use super::{Address, Entry, PeerBook, State, score};

/// With how many blocks one must have been seen to promise anything.
pub(super) const SEEN: f64 = 8.0;

/// A lead of more than this is taken to be this: then the others were told by us, or the block came from next door; such
/// blocks are everywhere soon in any case.
pub(super) const LEAD_MOST: Duration = Duration::from_millis(600);

/// What is further behind than the leader's block is old, and this, is of another block: a lead is not to be had by
/// announcing late what came before. (Notices of one block may be this long under way.)
const SLACK: Duration = Duration::from_secs(2);

/// As how many blocks with leads the expectation counts.
///
/// This and the next two are fitted to the simulated network (`benches/src/peers`). They need not be exact: over thirty
/// seeds, 200 or 800 instead of 400, and 1.25 or 2 instead of 1.5, cost at most half a hundredth of what random peers take.
const EXPECTED: f64 = 400.0;

/// How the mean lead grows with earliness: the earlier lead more often, and by more.
const BY_EARLINESS: f64 = 1.5;

/// How it grows with how quickly a block of ours is in a peer's hands; and by how much at most either way.
const BY_QUICKNESS: (f64, f64) = (1.0 / 3.0, 3.0);

/// How many points lost by failures and faults halve a promise.
const LOST: f64 = 100.0;

/// What the present peers tell of leads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// The mean lead of one that is as early as can be, in milliseconds.
    lead: f64,
    /// The geometric mean of the times until a block of ours is in their hands, in milliseconds, if any is known.
    delivery: Option<f64>,
}

/// A promise, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promise {
    /// What is to be expected.
    pub(super) value: f64,
    /// What it may be at best, seen with so few blocks.
    pub(super) at_best: f64,
}

impl PeerBook {
    /// A peer has announced a block of somebody else, so long after the first of our peers. Who is silent about a block
    /// was not early with it, be it because we told it.
    pub fn announced(&mut self, address: &Address, behind_first: Duration, now: Instant) {
        if behind_first.is_zero() {
            for present in &self.busy {
                if let Some(entry) = self.entries.get_mut(present).filter(|entry| is_present(entry)) {
                    entry.block_came(now);
                }
            }
            self.leader = Some((address.clone(), now));
        } else if let Some((leader, since)) = self.leader.clone()
            && leader != *address
            && behind_first <= now.saturating_duration_since(since) + SLACK
        {
            self.leader = None;
            self.update(&leader, |entry| entry.led(behind_first));
        }
        self.update(address, |entry| entry.announced_block(behind_first));
    }

    /// How leads, earliness and quickness go together among those that are connected.
    pub(super) fn scale(&self) -> Scale {
        let (mut leads, mut earliness, mut deliveries) = (0.0, 0.0, Vec::new());
        let present = self.busy.iter().filter_map(|address| self.entries.get(address));
        for entry in present.filter(|entry| is_present(entry)) {
            if let Some(lead) = entry.record.lead {
                leads += lead.count * lead.value;
                earliness += lead.count * entry.earliness();
            }
            deliveries.extend(entry.delivery_logarithm());
        }
        // Without a single lead all promise the same, in proportion to how early they are.
        let lead = if leads > 0.0 && earliness > 0.0 {
            (leads / earliness).min(LEAD_MOST.as_secs_f64() * 1e3)
        } else {
            1.0
        };
        let count = deliveries.len() as f64;
        let delivery = (!deliveries.is_empty()).then(|| (deliveries.iter().sum::<f64>() / count).exp());
        Scale { lead, delivery }
    }
}

impl Entry {
    /// What it promises, unless it was seen with too few blocks.
    pub(super) fn promise(&self, scale: Scale, now: Instant) -> Option<Promise> {
        let lead = self.record.lead.filter(|lead| lead.count >= SEEN)?;
        let expected = scale.lead * self.earliness() * self.quickness(scale);
        let mean = (lead.count * lead.value + EXPECTED * expected) / (lead.count + EXPECTED);
        let value = mean * 0.5f64.powf(self.record.lost.at(now) / LOST);
        let seen = self.record.early.map_or(SEEN, |early| early.count.max(1.0));
        Some(Promise { value, at_best: value * (1.0 + seen.powf(-0.5)) })
    }

    /// As what share of the earliest it counts, by how early it is.
    fn earliness(&self) -> f64 {
        self.record.early.map_or(0.0, |early| early.value.clamp(0.0, 1.0).powf(BY_EARLINESS))
    }

    fn delivery_logarithm(&self) -> Option<f64> {
        self.record.delivery.map(|delivery| delivery.value.max(1.0).ln())
    }

    /// By how much more is to be expected of it than of others, because it has our blocks sooner.
    fn quickness(&self, scale: Scale) -> f64 {
        let (power, most) = BY_QUICKNESS;
        let sooner =
            scale.delivery.zip(self.delivery_logarithm()).map(|(mean, own)| mean.max(1.0).ln() - own);
        sooner.map_or(1.0, |sooner| (power * sooner).exp().clamp(1.0 / most, most))
    }

    /// Somebody was first with a block while it was connected. It was neither first nor early, until it announces it.
    fn block_came(&mut self, now: Instant) {
        self.blocks_here = self.blocks_here.saturating_add(1);
        score::note(&mut self.record.early, 0.0, now);
        score::note_long(&mut self.record.lead, 0.0, now);
    }

    /// It announces the block that came last.
    fn announced_block(&mut self, behind_first: Duration) {
        self.record.announced = self.record.announced.saturating_add(1);
        self.record.announced_first =
            self.record.announced_first.saturating_add(u64::from(behind_first.is_zero()));
        score::amend(&mut self.record.early, score::earliness(behind_first));
    }

    /// The next after it has announced a block that it had announced first.
    fn led(&mut self, by: Duration) {
        score::amend(&mut self.record.lead, by.min(LEAD_MOST).as_secs_f64() * 1e3);
    }
}

fn is_present(entry: &Entry) -> bool {
    entry.state == State::Connected && !entry.kind.is_own()
}
