//! Proof of work: scrypt of the block's own header, or of its parent's.

use chain::{Finding, Target, scrypt};
use wire::{BlockHash, Header};

use crate::{AuxPow, Version, auxpow::rules, params::Rules};

/// What a header claims, as far as that can be told without hashing.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The target, or why it is none.
    target: Result<Target, Finding>,
    proof: Proof,
    /// What is wrong with the auxpow, apart from its work.
    findings: Vec<Finding>,
}

/// Where the work is.
#[derive(Debug)]
enum Proof {
    Own([u8; 80]),
    Parent(Box<AuxPow>),
    /// Announced, and not there.
    Missing,
}

impl Claim {
    /// Makes every check of a header's proof that costs next to nothing. `hash` is the block's name.
    pub(crate) fn read(header: &Header, hash: &BlockHash, rules: &Rules, limit: Target) -> Self {
        let target = Target::claimed(header, limit);
        let version = Version::of(header);
        let mut findings = Vec::new();
        let proof = if !version.has_auxpow() {
            Proof::Own(*header.fixed())
        } else if let Some(auxpow) = AuxPow::of(header) {
            findings = rules::check(&auxpow, hash, version, rules.strict_chain_id);
            Proof::Parent(Box::new(auxpow))
        } else {
            let expected = format!("an auxpow behind the header, as version {version} says");
            let found = format!("{} bytes that are none", header.extension().len());
            findings.push(Finding::error("auxpow-missing", expected, found));
            Proof::Missing
        };
        Self { target, proof, findings }
    }

    /// What is wrong with it so far, in the daemon's order but for the bits, without which there is no target.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.target.as_ref().err().into_iter().chain(&self.findings)
    }

    /// Computes the scrypt hash, once, if there is a target for it to meet.
    pub(crate) fn check_hash(&self) -> Result<(), Finding> {
        let Ok(target) = self.target else { return Ok(()) };
        match &self.proof {
            Proof::Own(header) => target.demand(&scrypt::pow_hash(header), "high-hash", "a scrypt hash"),
            Proof::Parent(auxpow) => {
                let hash = scrypt::pow_hash(auxpow.parent().fixed());
                target.demand(&hash, "auxpow-parent-work", "a scrypt hash of the parent's header")
            }
            Proof::Missing => Ok(()),
        }
    }

    /// The auxpow, if there is one.
    pub(crate) fn auxpow(&self) -> Option<&AuxPow> {
        match &self.proof {
            Proof::Parent(auxpow) => Some(auxpow),
            Proof::Own(_) | Proof::Missing => None,
        }
    }
}

/// Whether a header has one of the chain's ids: one of those given. Blocks from before there were ids need none.
pub(crate) fn check_chain_id(
    version: Version,
    rules: &Rules,
    ids: impl Iterator<Item = u16>,
) -> Option<Finding> {
    if !rules.strict_chain_id || version.is_legacy() {
        return None;
    }
    let ids: Vec<i32> = ids.map(i32::from).collect();
    (!ids.contains(&version.chain_id())).then(|| {
        let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
        let found = format!("{} in version {version}", version.chain_id());
        Finding::error("auxpow-chain-id", format!("chain id {}", ids.join(" or ")), found)
    })
}

/// Everything that a header alone tells of its work. What costs nothing comes first, so that a stranger's nonsense is
/// not hashed.
pub(crate) fn check(header: &Header, hash: &BlockHash, rules: &Rules, limit: Target) -> Result<(), Finding> {
    let claim = Claim::read(header, hash, rules, limit);
    let of_version = check_chain_id(Version::of(header), rules, rules.chain_ids.all());
    match of_version.or_else(|| claim.findings().next().cloned()) {
        Some(finding) => Err(finding),
        None => claim.check_hash(),
    }
}
