//! Where the chain has a block of ours, and what that makes of it.
//!
//! [`Fate`] takes the word of each of our nodes, in any order and as often as they like, and says what all of them
//! together amount to ([`Verdict`]). Nothing in here is for ever: a block that was `confirmed` is `orphaned` when a longer
//! chain comes, and back. But a last word is taken back only by what contradicts it ([`State::after`]): a block that is in
//! the chain, and less deep than it was, is still confirmed.
//!
//! # Whose word counts
//! The node's whose active chain has most work: that is what the network goes by, and a node that lags or sits alone on
//! a branch has less. Between equals, who has the block in its chain.
//!
//! # When it is the last word
//! A block, or its rival, is final at a depth that the operator chooses: 1 is the tip. Where the chain has another way to
//! be final (Dash's ChainLocks), a lock is the last word at once.

use std::collections::BTreeMap;

use wire::BlockHash;

use crate::finality::Standing;

/// Where a node has a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In its active chain, so many blocks deep; 1 is the tip.
    Active(u32),
    /// On a branch beside it, with its body.
    Side,
    /// It has found it invalid, or a final block forbids it.
    Invalid,
    /// It does not have it.
    Unknown,
}

impl Place {
    /// The word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active(_) => "active",
            Self::Side => "side",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        }
    }

    /// How deep it is in the active chain; 0 where it is not in it.
    pub fn depth(self) -> u32 {
        match self {
            Self::Active(depth) => depth,
            _ => 0,
        }
    }
}

/// How much a node's active chain weighs. Compared from the first field on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Weight {
    /// All its work, as `getblockchaininfo` tells it: 256 bits, most significant byte first.
    pub work: [u8; 32],
    /// Its height, for nodes that do not tell the work.
    pub height: u32,
}

/// What a node says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Where it has it.
    pub place: Place,
    /// What it has at the block's height in its active chain instead, and how deep: 1 is the tip.
    pub rival: Option<(BlockHash, u32)>,
    /// How much its chain weighs.
    pub weight: Weight,
}

/// What all words together amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// No node has it in its active chain, nor a rival.
    #[default]
    Open,
    /// It is in the active chain, not deep enough.
    Active,
    /// A rival is at its height, not deep enough.
    Side,
    /// It is in the active chain, and deep enough.
    Confirmed,
    /// A rival is at its height, and deep enough or final.
    Orphaned,
    /// It is final by the chain's other way.
    Locked,
    /// Every node has refused it for good.
    Rejected,
}

impl State {
    /// Whether it is a last word.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Open | Self::Active | Self::Side)
    }

    /// What is to be told where `before` was told last: a last word stays while the present says the same with less
    /// certainty. That happens when a node is lower than it was, and after a start, when a lock is not known yet.
    pub fn after(self, before: Self, same_rival: bool) -> Self {
        match (before, self) {
            (Self::Confirmed, Self::Active) => Self::Confirmed,
            (Self::Locked, Self::Active | Self::Confirmed) => Self::Locked,
            (Self::Orphaned, Self::Side) if same_rival => Self::Orphaned,
            _ => self,
        }
    }
}

/// What the chain says of a block now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// In a word.
    pub state: State,
    /// How deep it is in the active chain.
    pub confirmations: u32,
    /// The rival that is in its place, with its depth (0 where a lock tells of it and no node has it there yet).
    pub rival: Option<(BlockHash, u32)>,
    /// The node whose word it is.
    pub node: Option<String>,
}

/// What is known of one block's place in the chain.
#[derive(Debug, Clone)]
pub struct Fate {
    required: u32,
    words: BTreeMap<String, Word>,
    lock: Option<(Standing, String)>,
    refused: bool,
}

impl Fate {
    /// Nothing is known yet. `required` is the depth at which a block, or its rival, is final: at least 1.
    pub fn new(required: u32) -> Self {
        Self { required: required.max(1), words: BTreeMap::new(), lock: None, refused: false }
    }

    /// The depth that is required.
    pub fn required(&self) -> u32 {
        self.required
    }

    /// What a node says now; it takes the place of what it said before.
    pub fn hear(&mut self, node: &str, word: Word) {
        self.words.insert(node.to_owned(), word);
    }

    /// The words of all nodes, by their names.
    pub fn words(&self) -> impl Iterator<Item = (&str, &Word)> {
        self.words.iter().map(|(node, word)| (node.as_str(), word))
    }

    /// How the block stands to the newest lock, and the node whose word that is.
    pub fn locked(&mut self, standing: Standing, node: &str) {
        if standing != Standing::Open {
            self.lock = Some((standing, node.to_owned()));
        }
    }

    /// Whether a lock has said the last word.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Whether the block is gone: nodes have been asked, and none of them has it, nor anything at its height.
    pub fn is_gone(&self) -> bool {
        let gone = |word: &Word| word.place == Place::Unknown && word.rival.is_none();
        !self.words.is_empty() && self.lock.is_none() && self.words.values().all(gone)
    }

    /// Whether every node has refused the block for good.
    pub fn refused(&mut self, refused: bool) {
        self.refused = refused;
    }

    /// What that amounts to.
    pub fn verdict(&self) -> Verdict {
        let heaviest = self.words.iter().max_by_key(|(_, word)| (word.weight, word.place.depth()));
        let confirmations = heaviest.map_or(0, |(_, word)| word.place.depth());
        if let Some((standing, node)) = &self.lock {
            let node = Some(node.clone());
            match *standing {
                Standing::Final => {
                    return Verdict { state: State::Locked, confirmations, rival: None, node };
                }
                Standing::Dead { by } => {
                    let depth = heaviest.and_then(|(_, word)| word.rival).map_or(0, |(_, depth)| depth);
                    return Verdict {
                        state: State::Orphaned,
                        confirmations: 0,
                        rival: Some((by, depth)),
                        node,
                    };
                }
                Standing::Open => {}
            }
        }
        let open = Verdict { state: State::Open, ..Verdict::default() };
        let refused = Verdict { state: State::Rejected, ..Verdict::default() };
        let Some((node, word)) = heaviest else { return if self.refused { refused } else { open } };
        let node = Some(node.clone());
        let deep_enough = |depth: u32| depth >= self.required;
        match (word.place, word.rival) {
            (Place::Active(depth), _) => {
                let state = if deep_enough(depth) { State::Confirmed } else { State::Active };
                Verdict { state, confirmations, rival: None, node }
            }
            // Why it is not there matters more than what is.
            _ if self.refused => Verdict { rival: word.rival, node, ..refused },
            (_, Some((rival, depth))) => {
                let state = if deep_enough(depth) { State::Orphaned } else { State::Side };
                Verdict { state, confirmations: 0, rival: Some((rival, depth)), node }
            }
            (_, None) => open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIVAL: BlockHash = BlockHash::from_wire([9; 32]);

    fn word(place: Place, rival: Option<u32>, work: u8) -> Word {
        let mut weight = Weight::default();
        weight.work[31] = work;
        Word { place, rival: rival.map(|depth| (RIVAL, depth)), weight }
    }

    fn state(fate: &Fate) -> (State, u32, Option<u32>, Option<String>) {
        let Verdict { state, confirmations, rival, node } = fate.verdict();
        (state, confirmations, rival.map(|(_, depth)| depth), node)
    }

    #[test]
    fn a_block_is_confirmed_at_the_depth_that_is_required_and_not_one_earlier() {
        let mut fate = Fate::new(6);
        assert_eq!(state(&fate), (State::Open, 0, None, None));
        for depth in 1..=5 {
            fate.hear("a", word(Place::Active(depth), None, depth as u8));
            assert_eq!(state(&fate), (State::Active, depth, None, Some("a".into())));
        }
        fate.hear("a", word(Place::Active(6), None, 6));
        assert_eq!(state(&fate), (State::Confirmed, 6, None, Some("a".into())));
    }

    #[test]
    fn reorganisations_are_followed_in_both_directions_even_out_of_a_last_word() {
        let mut fate = Fate::new(2);
        for (place, rival, expected) in [
            (Place::Active(1), None, State::Active),
            (Place::Side, Some(1), State::Side),
            (Place::Side, Some(2), State::Orphaned),
            (Place::Active(3), None, State::Confirmed),
            (Place::Side, Some(4), State::Orphaned),
        ] {
            fate.hear("a", word(place, rival, 1));
            assert_eq!(fate.verdict().state, expected);
        }
    }

    #[test]
    fn the_node_whose_chain_has_most_work_decides_and_between_equals_the_one_that_has_the_block() {
        let mut fate = Fate::new(2);
        fate.hear("lags", word(Place::Active(2), None, 5));
        fate.hear("leads", word(Place::Side, Some(2), 6));
        assert_eq!(state(&fate), (State::Orphaned, 0, Some(2), Some("leads".into())));
        fate.hear("lags", word(Place::Active(3), None, 6));
        assert_eq!(state(&fate), (State::Confirmed, 3, None, Some("lags".into())));
        fate.hear("leads", word(Place::Unknown, None, 7));
        assert_eq!(fate.verdict().state, State::Open, "the heaviest chain has not reached its height");
    }

    #[test]
    fn a_lock_is_the_last_word_whatever_the_depth() {
        let mut fate = Fate::new(6);
        fate.hear("a", word(Place::Active(1), None, 1));
        fate.locked(Standing::Open, "a");
        assert_eq!(fate.verdict().state, State::Active);
        fate.locked(Standing::Final, "b");
        assert_eq!(state(&fate), (State::Locked, 1, None, Some("b".into())));
        let mut fate = Fate::new(6);
        fate.hear("a", word(Place::Active(9), None, 1));
        fate.locked(Standing::Dead { by: RIVAL }, "b");
        assert_eq!(state(&fate), (State::Orphaned, 0, Some(0), Some("b".into())));
    }

    #[test]
    fn the_depth_of_what_a_lock_prefers_is_what_the_heaviest_chain_has_there() {
        let mut fate = Fate::new(3);
        fate.locked(Standing::Dead { by: RIVAL }, "b");
        fate.hear("a", word(Place::Side, Some(2), 1));
        assert_eq!(state(&fate), (State::Orphaned, 0, Some(2), Some("b".into())));
        assert!(fate.is_locked());
    }

    #[test]
    fn a_last_word_is_taken_back_only_by_what_contradicts_it() {
        use State::{Active, Confirmed, Locked, Open, Orphaned, Rejected, Side};
        for (before, now, same_rival, told) in [
            (Confirmed, Active, true, Confirmed),
            (Confirmed, Side, true, Side),
            (Confirmed, Open, true, Open),
            (Locked, Active, true, Locked),
            (Locked, Confirmed, true, Locked),
            (Locked, Orphaned, true, Orphaned),
            (Orphaned, Side, true, Orphaned),
            (Orphaned, Side, false, Side),
            (Orphaned, Active, true, Active),
            (Rejected, Active, true, Active),
            (Active, Confirmed, true, Confirmed),
            (Active, Side, true, Side),
        ] {
            assert_eq!(now.after(before, same_rival), told, "{before:?}, then {now:?}");
        }
    }

    #[test]
    fn a_block_is_gone_when_every_node_that_was_asked_has_neither_it_nor_another_there() {
        let mut fate = Fate::new(3);
        assert!(!fate.is_gone(), "nobody was asked");
        fate.hear("a", word(Place::Unknown, None, 1));
        assert!(fate.is_gone());
        fate.hear("b", word(Place::Side, None, 1));
        assert!(!fate.is_gone());
        fate.hear("b", word(Place::Unknown, Some(1), 1));
        assert!(!fate.is_gone(), "a rival is there");
    }

    #[test]
    fn a_refused_block_is_rejected_unless_the_chain_has_it_all_the_same() {
        let mut fate = Fate::new(2);
        fate.refused(true);
        assert_eq!(state(&fate), (State::Rejected, 0, None, None));
        fate.hear("a", word(Place::Invalid, Some(5), 1));
        assert_eq!(state(&fate), (State::Rejected, 0, Some(5), Some("a".into())));
        fate.hear("a", word(Place::Active(1), None, 1));
        assert_eq!(fate.verdict().state, State::Active);
    }
}
