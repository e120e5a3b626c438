//! Which blocks to list.

use crate::{Source, Summary};

/// Which blocks to list. What is absent or empty leaves out nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this chain.
    pub chain: Option<String>,
    /// Of which the chain says one of these.
    pub states: Vec<String>,
    /// That came in by this door first.
    pub source: Option<Source>,
    /// Received at this time or later, Unix milliseconds.
    pub since_unix_ms: Option<u64>,
    /// Received at this time or earlier, Unix milliseconds.
    pub until_unix_ms: Option<u64>,
    /// Received earlier than this, Unix milliseconds: the last of a list, to get the next.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: usize,
}

impl Filter {
    /// Whether it wants this block, apart from the limit.
    pub fn admits(&self, block: &Summary) -> bool {
        let at = block.received_unix_ms;
        self.chain.as_ref().is_none_or(|chain| *chain == block.chain)
            && (self.states.is_empty() || self.states.contains(&block.state))
            && self.source.is_none_or(|source| source == block.source)
            && self.since_unix_ms.is_none_or(|since| at >= since)
            && self.until_unix_ms.is_none_or(|until| at <= until)
            && self.before.is_none_or(|before| at < before)
    }
}
