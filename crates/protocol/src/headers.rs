//! The header view: the recent chain, and which part of it a peer has.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use chain::Work;
use wire::{BlockHash, Header, MAX_HEADERS, MAX_LOCATOR};

/// How many blocks behind the tip are kept. As many as one `headers` message holds, so that we can answer any
/// `getheaders` that a peer at the tip sends, and far more than any reorganisation that matters here.
pub const DEPTH: u32 = MAX_HEADERS as u32;

/// How many blocks of one height are kept. Honest rivals are two or three.
const RIVALS: usize = 16;

/// How many announced hashes are remembered per peer. A peer announces its tip, so the last few are what counts.
const REMEMBERED: usize = 32;

#[derive(Debug, Clone)]
struct Entry {
    header: Header,
    height: u32,
    /// Sum of the work from the first header of the view on.
    work: Work,
}

/// What came of offering a header to the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is the new tip.
    Tip,
    /// It was added beside the best chain.
    Branch,
    /// It was there already.
    Known,
    /// Its parent is not in the view; it was not added.
    Unconnected,
    /// There are too many rivals at its height already; it was not added.
    Crowded,
}

/// The last [`DEPTH`] headers of the chain and its branches, with heights and relative work.
///
/// It begins with an *anchor*: the first header that someone trusted, with its height. From then on only headers that
/// connect are taken.
///
/// # Security
/// The view checks neither work nor rules, and what is in it is served to others: it is fed by our own nodes. Only a
/// relay without a node of its own has to make do with what strangers say, and checks it first.
#[derive(Debug, Default)]
pub struct HeaderView {
    entries: HashMap<BlockHash, Entry>,
    by_height: BTreeMap<u32, Vec<BlockHash>>,
    tip: Option<BlockHash>,
}

impl HeaderView {
    /// An empty view.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is known yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The block with the most work; of equals, the one that came first, as the daemons judge.
    pub fn tip(&self) -> Option<BlockHash> {
        self.tip
    }

    /// The tip's height.
    pub fn tip_height(&self) -> Option<u32> {
        self.height(&self.tip?)
    }

    /// A block's height.
    pub fn height(&self, hash: &BlockHash) -> Option<u32> {
        self.entries.get(hash).map(|entry| entry.height)
    }

    /// Whether a block is known.
    pub fn contains(&self, hash: &BlockHash) -> bool {
        self.entries.contains_key(hash)
    }

    /// A block's header.
    pub fn header(&self, hash: &BlockHash) -> Option<&Header> {
        self.entries.get(hash).map(|entry| &entry.header)
    }

    /// Begins the view anew with one trusted header of known height.
    pub fn anchor(&mut self, hash: BlockHash, header: Header, height: u32) {
        *self = Self::default();
        self.add(hash, Entry { header, height, work: Work::ZERO });
        self.tip = Some(hash);
    }

    /// Adds a header that connects.
    pub fn insert(&mut self, hash: BlockHash, header: Header, work: Work) -> Inserted {
        if self.contains(&hash) {
            return Inserted::Known;
        }
        let Some(parent) = self.entries.get(&header.parent()) else { return Inserted::Unconnected };
        let height = parent.height.saturating_add(1);
        if self.by_height.get(&height).is_some_and(|rivals| rivals.len() >= RIVALS) {
            return Inserted::Crowded;
        }
        let entry = Entry { height, work: parent.work + work, header };
        let best = self.tip.and_then(|tip| self.entries.get(&tip)).map_or(Work::ZERO, |tip| tip.work);
        let is_tip = entry.work > best;
        self.add(hash, entry);
        if !is_tip {
            return Inserted::Branch;
        }
        self.tip = Some(hash);
        self.prune();
        Inserted::Tip
    }

    /// Takes out a block that turned out to be no good, with whatever was built on it.
    pub fn forget(&mut self, hash: &BlockHash) {
        let Some(height) = self.height(hash) else { return };
        let above: Vec<_> = self.by_height.range(height..).flat_map(|(_, hashes)| hashes.clone()).collect();
        let gone: HashSet<_> = above.into_iter().filter(|other| self.descends(*other, *hash)).collect();
        self.by_height.values_mut().for_each(|hashes| hashes.retain(|other| !gone.contains(other)));
        self.entries.retain(|other, _| !gone.contains(other));
        if self.tip.is_some_and(|tip| gone.contains(&tip)) {
            let highest_first = self.by_height.values().rev().flatten();
            self.tip = highest_first.copied().reduce(|best, other| {
                if self.entries[&other].work > self.entries[&best].work { other } else { best }
            });
        }
    }

    /// Takes out the rivals of a block: whatever else is at its height, with all that was built on them.
    pub fn forget_rivals(&mut self, block: &BlockHash) {
        let rivals = self.height(block).and_then(|height| self.by_height.get(&height)).cloned();
        rivals.iter().flatten().filter(|rival| *rival != block).for_each(|rival| self.forget(rival));
    }

    fn add(&mut self, hash: BlockHash, entry: Entry) {
        self.by_height.entry(entry.height).or_default().push(hash);
        self.entries.insert(hash, entry);
    }

    fn prune(&mut self) {
        let Some(lowest) = self.tip_height().and_then(|height| height.checked_sub(DEPTH)) else { return };
        let kept = self.by_height.split_off(&lowest);
        for hash in std::mem::replace(&mut self.by_height, kept).into_values().flatten() {
            self.entries.remove(&hash);
        }
    }

    /// The block and its ancestors as far as they are known, from new to old.
    fn ancestry(&self, from: BlockHash) -> impl Iterator<Item = (BlockHash, &Entry)> {
        let mut next = Some(from);
        std::iter::from_fn(move || {
            let hash = next?;
            let entry = self.entries.get(&hash)?;
            next = Some(entry.header.parent());
            Some((hash, entry))
        })
    }

    /// The median of the times of a block and the ten before it: a block's own time must be above that of its parent
    /// (L validation.cpp, ContextualCheckBlockHeader). `None` if too few of them are known to tell.
    pub fn median_time_past(&self, block: BlockHash) -> Option<u32> {
        const SPAN: usize = 11;
        let span: Vec<_> = self.ancestry(block).take(SPAN).collect();
        let reaches_genesis = span.last().is_some_and(|(_, entry)| entry.height == 0);
        if span.len() < SPAN && !reaches_genesis {
            return None;
        }
        let mut times: Vec<_> = span.iter().map(|(_, entry)| entry.header.time()).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }

    /// The ancestor of a block at a height (the block itself at its own); `None` if it is above the block, or the way
    /// there is not known.
    pub fn ancestor(&self, block: BlockHash, height: u32) -> Option<BlockHash> {
        if self.height(&block)? < height {
            return None;
        }
        self.ancestry(block).find(|(_, entry)| entry.height == height).map(|(hash, _)| hash)
    }

    /// Whether `ancestor` is `block` or lies below it, as far as is known.
    pub fn descends(&self, block: BlockHash, ancestor: BlockHash) -> bool {
        let Some(height) = self.height(&ancestor) else { return false };
        self.ancestry(block).take_while(|(_, entry)| entry.height >= height).any(|(hash, _)| hash == ancestor)
    }

    /// A locator that makes a peer tell its tip: it begins *below* our tip, so that a peer with our tip answers with
    /// it, and one that lags or lacks it answers with nothing. (A locator that begins with the tip draws an empty
    /// answer from both.) Ten blocks one by one, then in doubling steps, at the end the chain's genesis.
    pub fn locator(&self, genesis: BlockHash) -> Vec<BlockHash> {
        let Some(tip) = self.tip else { return vec![genesis] };
        let mut locator = Vec::with_capacity(32);
        let (mut step, mut due) = (1usize, 1usize);
        for (depth, (hash, _)) in self.ancestry(tip).enumerate() {
            if depth == due && locator.len() < MAX_LOCATOR - 1 {
                locator.push(hash);
                if locator.len() >= 10 {
                    step *= 2;
                }
                due += step;
            }
        }
        if locator.last() != Some(&genesis) {
            locator.push(genesis);
        }
        locator
    }

    /// Answers a `getheaders`: what follows the newest locator entry on the best chain, at most 2,000, up to and
    /// including `stop`. Empty if none of the locator is known; a daemon would begin at genesis then, which we do not
    /// have.
    pub fn after(&self, locator: &[BlockHash], stop: BlockHash) -> Vec<Header> {
        let Some(tip) = self.tip else { return Vec::new() };
        // A stranger asks, and whoever judges a block waits for the lock meanwhile: a locator of which nothing is known
        // costs no walk, any other one that ends where it meets the best chain.
        let known = locator.iter().take(MAX_LOCATOR).filter(|hash| self.contains(hash));
        let known: std::collections::HashSet<_> = known.copied().collect();
        if known.is_empty() {
            return Vec::new();
        }
        let mut newer = Vec::new();
        for (hash, entry) in self.ancestry(tip) {
            if !known.contains(&hash) {
                newer.push((hash, entry));
                continue;
            }
            let last = newer.iter().position(|(hash, _)| *hash == stop).unwrap_or(0);
            let answer = newer[last..].iter().rev().take(MAX_HEADERS);
            return answer.map(|(_, entry)| entry.header.clone()).collect();
        }
        Vec::new()
    }
}

/// What one peer is known to have.
#[derive(Debug, Clone, Default)]
pub struct PeerChain {
    /// The height that it claimed in its `version`.
    start_height: Option<u32>,
    /// The highest block that it announced or accepted and that the view knows.
    best: Option<BlockHash>,
    /// The last blocks that it announced or accepted, known to the view or not.
    recent: VecDeque<BlockHash>,
    /// The last blocks that it probably has: they were sent to it, or it mentioned them without proving anything.
    likely: VecDeque<BlockHash>,
}

impl PeerChain {
    /// Of a peer that claims this height in its `version`.
    pub fn new(start_height: Option<u32>) -> Self {
        Self { start_height, ..Self::default() }
    }

    /// The peer has this block: it announced it, or proved that it accepted it.
    pub fn learn(&mut self, block: BlockHash, view: &HeaderView) {
        remember(&mut self.recent, block);
        // Also for one that was learnt before: the view may not have known its height then.
        let height_of = |hash: Option<BlockHash>| hash.and_then(|hash| view.height(&hash));
        if height_of(Some(block)) > height_of(self.best) {
            self.best = Some(block);
        }
    }

    /// The peer probably has this block, or will have it before whatever is sent to it now. Enough to send it a child,
    /// and no proof of anything.
    pub fn assume(&mut self, block: BlockHash) {
        remember(&mut self.likely, block);
    }

    /// Whether the peer announced this very block, or proved that it has it.
    pub fn announced(&self, block: &BlockHash) -> bool {
        self.recent.contains(block)
    }

    /// The height of the best block that the peer is known to have; what it claims does not count.
    pub fn known_height(&self, view: &HeaderView) -> Option<u32> {
        self.best.and_then(|best| view.height(&best))
    }

    /// The best height that the peer is known, assumed or claims to have. Assumptions count: whoever heard of a block from
    /// us does not announce it to us, and would seem to stand still.
    pub fn height(&self, view: &HeaderView) -> Option<u32> {
        let assumed = self.likely.iter().filter_map(|block| view.height(block)).max();
        self.known_height(view).max(assumed).max(self.start_height)
    }

    /// Whether the peer has `block`, as far as can be told: it announced it or a descendant of it, or claimed at the
    /// handshake to be as high. `height` is the block's height, which the caller may know even if the view does not.
    pub fn has(&self, block: BlockHash, height: Option<u32>, view: &HeaderView) -> bool {
        self.recent.contains(&block)
            || self.likely.contains(&block)
            || self.best.is_some_and(|best| view.descends(best, block))
            || self.recent.iter().any(|hash| view.descends(*hash, block))
            || match (self.start_height, view.height(&block).or(height)) {
                (Some(claimed), Some(height)) => claimed >= height,
                _ => false,
            }
    }
}

/// Remembers a block; the oldest makes room.
fn remember(blocks: &mut VecDeque<BlockHash>, block: BlockHash) {
    if !blocks.contains(&block) {
        if blocks.len() == REMEMBERED {
            blocks.pop_front();
        }
        blocks.push_back(block);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bytes::BufMut;
    use wire::sha256d;

    pub(crate) fn header(parent: BlockHash, nonce: u32) -> (BlockHash, Header) {
        let mut fixed = [0; 80];
        let mut out = &mut fixed[4..];
        out.put_slice(parent.as_wire());
        fixed[76..].copy_from_slice(&nonce.to_le_bytes());
        (BlockHash::from_wire(sha256d(&fixed)), Header::new(fixed))
    }

    pub(crate) fn one() -> Work {
        chain::Target::from_compact(0x207fffff).unwrap().work()
    }

    /// A chain of `length` blocks on an anchor at `height`; the hashes from the anchor on.
    pub(crate) fn view(height: u32, length: u32) -> (HeaderView, Vec<BlockHash>) {
        let mut view = HeaderView::new();
        let (anchor, first) = header(BlockHash::ZERO, 0);
        view.anchor(anchor, first, height);
        let mut hashes = vec![anchor];
        for nonce in 1..=length {
            let (hash, header) = header(hashes[hashes.len() - 1], nonce);
            assert_eq!(view.insert(hash, header, one()), Inserted::Tip);
            hashes.push(hash);
        }
        (view, hashes)
    }

    #[test]
    fn the_first_of_two_equal_branches_stays_the_tip_until_the_other_grows() {
        let (mut view, hashes) = view(100, 3);
        let (rival, rival_header) = header(hashes[2], 99);
        assert_eq!(view.insert(rival, rival_header, one()), Inserted::Branch);
        assert_eq!(view.tip(), Some(hashes[3]));
        let (longer, longer_header) = header(rival, 100);
        assert_eq!(view.insert(longer, longer_header, one()), Inserted::Tip);
        assert_eq!(view.tip_height(), Some(104));
        assert!(view.descends(longer, hashes[2]) && !view.descends(longer, hashes[3]));
    }

    #[test]
    fn rivals_of_a_block_go_with_what_is_built_on_them_and_the_best_that_is_left_is_the_tip() {
        let (mut view, hashes) = view(100, 3);
        let (rival, rival_header) = header(hashes[1], 99);
        let (child, child_header) = header(rival, 100);
        let (grandchild, grandchild_header) = header(child, 101);
        for (hash, header) in [(rival, rival_header), (child, child_header), (grandchild, grandchild_header)]
        {
            view.insert(hash, header, one());
        }
        assert_eq!(view.tip(), Some(grandchild));
        view.forget_rivals(&hashes[2]);
        assert_eq!(view.tip(), Some(hashes[3]));
        assert!([rival, child, grandchild].iter().all(|gone| !view.contains(gone)));
    }

    #[test]
    fn a_header_without_known_parent_is_not_taken() {
        let (mut view, _) = view(0, 1);
        let (hash, orphan) = header(BlockHash::from_wire([9; 32]), 1);
        assert_eq!(view.insert(hash, orphan, one()), Inserted::Unconnected);
        assert!(!view.contains(&hash));
    }

    #[test]
    fn old_headers_are_let_go() {
        let (view, hashes) = view(0, DEPTH + 50);
        assert_eq!(view.entries.len(), DEPTH as usize + 1);
        assert!(!view.contains(&hashes[49]) && view.contains(&hashes[50]));
    }

    #[test]
    fn the_locator_begins_below_the_tip_and_ends_at_genesis() {
        let genesis = BlockHash::from_wire([1; 32]);
        let (view, hashes) = view(1000, 200);
        let locator = view.locator(genesis);
        assert_eq!(locator[0], hashes[199]);
        assert_eq!(locator[9], hashes[190]);
        assert_eq!(locator[10], hashes[188]);
        assert_eq!(locator.last(), Some(&genesis));
        assert!(locator.len() <= 32);
        assert_eq!(HeaderView::new().locator(genesis), [genesis]);
    }

    #[test]
    fn the_median_time_is_that_of_eleven_blocks_or_of_all_from_genesis_on() {
        let at = |parent, time: u32| {
            let (_, header) = header(parent, time);
            let mut fixed = *header.fixed();
            fixed[68..72].copy_from_slice(&time.to_le_bytes());
            (BlockHash::from_wire(sha256d(&fixed)), Header::new(fixed))
        };
        for (height, expected) in [(0, Some(104)), (50, None)] {
            let mut view = HeaderView::new();
            let (mut tip, first) = at(BlockHash::ZERO, 100);
            view.anchor(tip, first, height);
            // 100, 109, 101, 108, 102, 107, 103, 106, 104: nine blocks.
            for time in [109, 101, 108, 102, 107, 103, 106, 104] {
                let (hash, header) = at(tip, time);
                view.insert(hash, header, one());
                tip = hash;
            }
            assert_eq!(view.median_time_past(tip), expected, "anchor at {height}");
        }
        let (view, hashes) = view(7, 20);
        assert_eq!(view.median_time_past(hashes[20]), Some(0));
    }

    #[test]
    fn getheaders_is_answered_from_the_newest_common_block_up_to_the_stop() {
        let (view, hashes) = view(0, 10);
        let unknown = BlockHash::from_wire([7; 32]);
        let heights = |headers: Vec<Header>| headers.iter().map(Header::nonce).collect::<Vec<_>>();
        assert_eq!(heights(view.after(&[unknown, hashes[7], hashes[2]], BlockHash::ZERO)), [8, 9, 10]);
        assert_eq!(heights(view.after(&[hashes[7]], hashes[8])), [8]);
        assert_eq!(heights(view.after(&[hashes[10]], BlockHash::ZERO)), [] as [u32; 0]);
        assert!(view.after(&[unknown], BlockHash::ZERO).is_empty());
    }

    #[test]
    fn a_peer_has_what_it_announced_and_everything_below() {
        let (view, hashes) = view(100, 10);
        let mut peer = PeerChain::new(Some(105));
        assert!(peer.has(hashes[5], None, &view), "it claimed height 105");
        assert!(!peer.has(hashes[6], None, &view));
        peer.learn(hashes[8], &view);
        assert!(peer.has(hashes[6], None, &view) && peer.has(hashes[8], None, &view));
        assert!(!peer.has(hashes[9], None, &view));
        assert_eq!(peer.height(&view), Some(108));
    }

    #[test]
    fn what_was_only_sent_or_mentioned_allows_a_child_and_proves_nothing() {
        let (view, hashes) = view(100, 3);
        let mut peer = PeerChain::new(None);
        peer.assume(hashes[2]);
        assert!(peer.has(hashes[2], None, &view));
        assert!(!peer.announced(&hashes[2]));
    }

    #[test]
    fn a_forgotten_block_takes_its_descendants_along_and_the_best_of_the_rest_is_the_tip() {
        let (mut view, hashes) = view(100, 5);
        let (rival, rival_header) = header(hashes[2], 99);
        view.insert(rival, rival_header, one());
        view.forget(&hashes[3]);
        assert_eq!(view.tip(), Some(rival));
        assert!(hashes[3..].iter().all(|hash| !view.contains(hash)));
        let (again, again_header) = header(hashes[2], 3);
        assert_eq!((again, view.insert(again, again_header, one())), (hashes[3], Inserted::Branch));
    }

    #[test]
    fn rivals_of_one_height_are_bounded() {
        let (mut view, hashes) = view(100, 2);
        let offers = (1000..1100).map(|nonce| {
            let (hash, header) = header(hashes[1], nonce);
            view.insert(hash, header, one())
        });
        assert_eq!(offers.filter(|inserted| *inserted == Inserted::Branch).count(), RIVALS - 1);
    }

    #[test]
    fn a_block_unknown_to_the_view_is_with_those_who_announced_it() {
        let (view, _) = view(100, 1);
        let unknown = BlockHash::from_wire([7; 32]);
        let mut peer = PeerChain::new(Some(500));
        assert!(!peer.has(unknown, None, &view));
        assert!(peer.has(unknown, Some(400), &view), "its height is known from the child's coinbase");
        peer = PeerChain::new(None);
        peer.learn(unknown, &view);
        assert!(peer.has(unknown, None, &view));
    }

    #[test]
    fn a_block_that_the_view_comes_to_know_later_still_raises_the_peers_height() {
        let (mut view, hashes) = view(100, 1);
        let (next, next_header) = header(hashes[1], 77);
        let mut peer = PeerChain::new(Some(90));
        peer.learn(next, &view);
        assert_eq!(peer.height(&view), Some(90));
        view.insert(next, next_header, one());
        peer.learn(next, &view);
        assert_eq!(peer.height(&view), Some(102));
    }

    #[test]
    fn a_peer_that_hears_of_blocks_from_us_does_not_seem_to_stand_still() {
        let (view, hashes) = view(100, 5);
        let mut peer = PeerChain::new(Some(101));
        peer.assume(hashes[4]);
        assert_eq!((peer.height(&view), peer.known_height(&view)), (Some(104), None));
    }
}
