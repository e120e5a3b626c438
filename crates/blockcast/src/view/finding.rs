//! What did not hold about a block.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::{Style, Tone, text};

/// A finding, as the daemon's JSON has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) check: String,
    /// `warning` or `error`.
    pub(crate) severity: String,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl From<&chain::Finding> for Finding {
    fn from(finding: &chain::Finding) -> Self {
        let severity = match finding.severity {
            chain::Severity::Warning => "warning",
            chain::Severity::Error => "error",
        };
        Self {
            check: finding.check.into(),
            severity: severity.into(),
            expected: finding.expected.clone(),
            found: finding.found.clone(),
        }
    }
}

impl Finding {
    pub(crate) fn is_error(&self) -> bool {
        self.severity == "error"
    }
}

/// All of them, each with what was expected and found; nothing if there are none.
pub(crate) fn list(findings: &[Finding], style: Style) -> String {
    let mut lines = String::new();
    for finding in findings {
        let tone = if finding.is_error() { Tone::Bad } else { Tone::Doubtful };
        let severity = style.paint(tone, &text::clean(&finding.severity));
        let blanks = " ".repeat(9_usize.saturating_sub(finding.severity.chars().count()));
        let [check, expected, found] =
            [&finding.check, &finding.expected, &finding.found].map(|text| text::clean(text));
        write!(
            lines,
            "  {severity}{blanks}{check}\n           expected  {expected}\n           found     {found}\n"
        )
        .expect("a String takes any text");
    }
    lines
}
