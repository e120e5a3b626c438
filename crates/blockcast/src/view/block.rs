//! A block that was judged offline, for a person.

use std::fmt::Write;

use ledger::Finding;
use serde::Serialize;

use super::{Style, Tone, finding, text, time};

/// What `decode` tells of a block. Its JSON form is this structure as it stands.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Decoded {
    pub(crate) chain: String,
    pub(crate) network: String,
    /// `null` if not even a header could be read; then so are all that follow up to `nonce`.
    pub(crate) hash: Option<String>,
    pub(crate) version: Option<i32>,
    pub(crate) parent: Option<String>,
    /// The block of another chain that has the work of this one; `null` if it has its own.
    pub(crate) merged_with: Option<String>,
    pub(crate) merkle_root: Option<String>,
    /// Unix seconds.
    pub(crate) time: Option<u32>,
    /// In compact form, eight hex digits.
    pub(crate) bits: Option<String>,
    pub(crate) nonce: Option<u32>,
    /// Bytes that were handed in.
    pub(crate) size: usize,
    /// What a peer gets; `null` if the block could not be read to its end.
    pub(crate) canonical: Option<Canonical>,
    /// Whether a peer would take it, as far as the block alone can tell.
    pub(crate) sound: bool,
    pub(crate) findings: Vec<Finding>,
}

/// The form of a block that peers get.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Canonical {
    /// As the coinbase says.
    pub(crate) height: Option<u32>,
    pub(crate) transactions: usize,
    /// Bytes.
    pub(crate) size: usize,
    /// BIP141, without what a chain appends to its transactions; `null` on a chain without witnesses.
    pub(crate) weight: Option<usize>,
    /// Bytes of whatever part the chain puts behind the transactions.
    pub(crate) tail: usize,
    /// Whether these are other bytes than those that were handed in.
    pub(crate) differs: bool,
}

impl Decoded {
    /// The page.
    pub(crate) fn render(&self, style: Style) -> String {
        let (tone, word) = match (self.sound, &self.canonical) {
            (true, _) => (Tone::Good, "SOUND"),
            (false, Some(_)) => (Tone::Bad, "NOT SOUND"),
            (false, None) => (Tone::Bad, "UNREADABLE"),
        };
        let hash = self.hash.as_deref().unwrap_or("no block header");
        let mut page = format!(
            "{}  {hash}\n  {}\n\n",
            style.paint(tone, word),
            match self.sound {
                true => "As far as the block alone can tell, a peer would take it.",
                false => "A peer would punish whoever sent it this; your nodes would still be asked.",
            }
        );
        let mut fact = |name: &str, what: Option<String>| {
            if let Some(what) = what {
                writeln!(page, "  {name:<12} {}", text::clean(&what)).expect("a String takes any text");
            }
        };
        fact("chain", Some(format!("{} {}", self.chain, self.network)));
        let canonical = self.canonical.as_ref();
        let height = canonical.map(|block| match block.height {
            Some(height) => format!("{height}, by its coinbase"),
            None => "its coinbase tells none".into(),
        });
        fact("height", height);
        fact("parent", self.parent.clone());
        fact("mined with", self.merged_with.as_ref().map(|block| format!("{block}, which has its work")));
        fact("merkle root", self.merkle_root.clone());
        fact("time", self.time.map(|seconds| format!("{} ({seconds})", time::utc(seconds.into()))));
        fact("bits", self.bits.clone());
        fact("nonce", self.nonce.map(|nonce| nonce.to_string()));
        fact("version", self.version.map(|version| format!("{version:#010x}")));
        fact("transactions", canonical.map(|block| block.transactions.to_string()));
        fact("size", Some(format!("{} bytes", self.size)));
        fact("weight", canonical.and_then(|block| Some(block.weight?.to_string())));
        let tail = canonical.filter(|block| block.tail > 0);
        fact("tail", tail.map(|block| format!("{} bytes behind the transactions", block.tail)));
        let sent = canonical.map(|block| match block.differs {
            false => "the bytes as they are".into(),
            true => format!("other bytes than these: {}, mended", block.size),
        });
        fact("peers get", sent);
        if !self.findings.is_empty() {
            writeln!(page, "\n{}", style.heading("Findings")).expect("a String takes any text");
            page.push_str(&finding::list(&self.findings, style));
        }
        page
    }
}
