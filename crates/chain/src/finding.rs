//! What is wrong with a block, in words that an operator can act on.

use std::fmt;

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Mended in the canonical form, or of no concern to a peer. The block goes everywhere.
    Warning,
    /// A peer would punish us for the block. It goes to our nodes by RPC, and to nobody by P2P.
    Error,
}

/// One check that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's stable name, in the daemons' own words where they have one (`high-hash`, `bad-txnmrklroot`).
    pub check: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What the check wanted to see.
    pub expected: String,
    /// What it saw.
    pub found: String,
}

impl Finding {
    /// A finding that keeps the block off P2P.
    pub fn error(check: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check, severity: Severity::Error, expected: expected.into(), found: found.into() }
    }

    /// A finding that is mended or harmless.
    pub fn warning(check: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check, severity: Severity::Warning, expected: expected.into(), found: found.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.check, self.expected, self.found)
    }
}
